//! winmail.dat (MS-OXTNEF): the envelope in which Outlook hides files and text from everybody else. Only what a
//! reader misses is taken: the attached files and a plain or HTML body. Checksums are ignored.

const SIGNATURE: u32 = 0x223E_9F78;

const ATT_BODY: u16 = 0x800C;
const ATT_RENDDATA: u16 = 0x9002;
const ATT_DATA: u16 = 0x800F;
const ATT_TITLE: u16 = 0x8010;
const ATT_MSG_PROPS: u16 = 0x9003;
const ATT_ATTACHMENT_PROPS: u16 = 0x9005;

const PR_BODY: u16 = 0x1000;
const PR_HTML: u16 = 0x1013;
const PR_ATTACH_DATA: u16 = 0x3701;
const PR_ATTACH_FILENAME: u16 = 0x3704;
const PR_ATTACH_LONG_FILENAME: u16 = 0x3707;
const PR_ATTACH_MIME_TAG: u16 = 0x370E;

/// What a winmail.dat holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Winmail {
    pub text: Option<String>,
    pub html: Option<Vec<u8>>,
    pub files: Vec<File>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub media_type: Option<String>,
    pub content: Vec<u8>,
}

/// Reads at most `max_files` files; what is broken ends the reading. `None` when this is no winmail.dat.
pub fn read(bytes: &[u8], max_files: usize) -> Option<Winmail> {
    let mut input = Reader(bytes);
    if input.u32()? != SIGNATURE {
        return None;
    }
    input.take(2)?;
    let mut winmail = Winmail::default();
    while attribute(&mut input, &mut winmail, max_files).is_some() {}
    winmail.files.retain(|f| !f.content.is_empty() || !f.name.is_empty());
    Some(winmail)
}

fn attribute(input: &mut Reader<'_>, winmail: &mut Winmail, max_files: usize) -> Option<()> {
    let _level = input.take(1)?;
    let id = u16::try_from(input.u32()? & 0xFFFF).ok()?;
    let length = usize::try_from(input.u32()?).ok()?;
    let data = input.take(length.min(input.0.len()))?;
    match id {
        ATT_BODY => winmail.text = Some(ansi(data)),
        ATT_MSG_PROPS => properties(data, |id, value, is_unicode| match id {
            PR_BODY => winmail.text = Some(string(value, is_unicode)),
            PR_HTML => winmail.html = Some(value.to_vec()),
            _ => {}
        }),
        ATT_RENDDATA if winmail.files.len() >= max_files => return None,
        ATT_RENDDATA => winmail.files.push(File::default()),
        _ => {
            if let Some(file) = winmail.files.last_mut() {
                file_attribute(id, data, file);
            }
        }
    }
    // The checksum; a file cut off right here is still whole.
    input.take(2)?;
    Some(())
}

fn file_attribute(id: u16, data: &[u8], file: &mut File) {
    match id {
        ATT_TITLE if file.name.is_empty() => file.name = ansi(data),
        ATT_DATA => file.content = data.to_vec(),
        ATT_ATTACHMENT_PROPS => properties(data, |id, value, is_unicode| match id {
            PR_ATTACH_LONG_FILENAME => file.name = string(value, is_unicode),
            PR_ATTACH_FILENAME if file.name.is_empty() => file.name = string(value, is_unicode),
            PR_ATTACH_MIME_TAG => file.media_type = Some(string(value, is_unicode)),
            PR_ATTACH_DATA if file.content.is_empty() => file.content = value.to_vec(),
            _ => {}
        }),
        _ => {}
    }
}

/// Walks a list of MAPI properties and hands out those of variable length: id, value, whether it is UTF-16.
fn properties(data: &[u8], mut each: impl FnMut(u16, &[u8], bool)) {
    let mut input = Reader(data);
    let count = input.u32().unwrap_or_default();
    for _ in 0..count {
        if property(&mut input, &mut each).is_none() {
            return;
        }
    }
}

fn property(input: &mut Reader<'_>, each: &mut impl FnMut(u16, &[u8], bool)) -> Option<()> {
    let kind = input.u16()?;
    let id = input.u16()?;
    if id >= 0x8000 {
        // A named property: GUID, then a number or a name.
        input.take(16)?;
        if input.u32()? == 0 {
            input.take(4)?;
        } else {
            let length = input.length()?;
            input.take_padded(length)?;
        }
    }
    let is_multiple = kind & 0x1000 != 0;
    let kind = kind & 0x0FFF;
    match kind {
        0x001E | 0x001F | 0x0102 | 0x000D => {
            for _ in 0..input.u32()? {
                let length = input.length()?;
                each(id, input.take_padded(length)?, kind == 0x001F);
            }
            return Some(());
        }
        _ => {}
    }
    let size = match kind {
        0x0001 => 0,
        0x0002..=0x0004 | 0x000A | 0x000B => 4,
        0x0005..=0x0007 | 0x0014 | 0x0040 => 8,
        0x0048 => 16,
        _ => return None,
    };
    let times = if is_multiple { input.length()? } else { 1 };
    input.take(times.checked_mul(size)?)?;
    Some(())
}

fn string(value: &[u8], is_unicode: bool) -> String {
    let text = if is_unicode { encoding_rs::UTF_16LE.decode(value).0.into_owned() } else { ansi(value) };
    text.trim_end_matches('\0').to_owned()
}

fn ansi(value: &[u8]) -> String {
    super::charset::decode(value, Some("windows-1252")).trim_end_matches('\0').to_owned()
}

/// Little-endian reading that stops at the end instead of failing beyond it.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Values are padded to four bytes; the last one may lack its padding.
    fn take_padded(&mut self, length: usize) -> Option<&'b [u8]> {
        let taken = self.take(length)?;
        let padding = length.next_multiple_of(4) - length;
        self.take(padding.min(self.0.len()))?;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// A length that cannot be longer than what is left.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(self.u32()?).ok()?;
        (length <= self.0.len()).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(id: u32, data: &[u8]) -> Vec<u8> {
        let mut out = vec![2];
        out.extend(id.to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        out.extend([0, 0]);
        out
    }

    #[test]
    fn files_and_text() {
        let mut bytes = SIGNATURE.to_le_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(attribute(0x0002_800C, b"Dear HR\0"));
        bytes.extend(attribute(0x0006_9002, &[0; 14]));
        bytes.extend(attribute(0x0001_8010, b"slip.txt\0"));
        bytes.extend(attribute(0x0006_800F, b"12 hours"));
        let mut properties = 1u32.to_le_bytes().to_vec();
        properties.extend([0x1F, 0, 0x07, 0x37, 1, 0, 0, 0, 10, 0, 0, 0]);
        properties.extend("a.txt".encode_utf16().flat_map(u16::to_le_bytes));
        properties.extend([0, 0]);
        bytes.extend(attribute(0x0006_9005, &properties));
        let winmail = read(&bytes, 10).unwrap();
        assert_eq!(winmail.text.as_deref(), Some("Dear HR"));
        assert_eq!(
            winmail.files,
            [File { name: "a.txt".into(), media_type: None, content: b"12 hours".to_vec() }]
        );
        for end in 0..bytes.len() {
            let _ = read(&bytes[..end], 10);
        }
        assert_eq!(read(b"no winmail", 10), None);
    }
}
