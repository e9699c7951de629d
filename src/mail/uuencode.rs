//! uuencode: files that programs of before MIME put into the text between `begin 644 name` and `end`.

use super::clean;

/// A file found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub content: Vec<u8>,
}

/// Takes the files out of a text: what is left of it, and the files in order.
pub fn extract(text: &str) -> (String, Vec<Found>) {
    if !text.contains("begin ") {
        return (text.to_owned(), Vec::new());
    }
    let mut left = String::with_capacity(text.len());
    let mut found = Vec::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let Some(name) = begin(line.trim_end()) else {
            left.push_str(line);
            continue;
        };
        let mut attempt = lines.clone();
        match content(&mut attempt) {
            Some(content) => {
                found.push(Found { name: name.to_owned(), content });
                lines = attempt;
            }
            None => left.push_str(line),
        }
    }
    (left, found)
}

/// The first file of a body whose transfer encoding is uuencode.
pub fn decode_body(body: &[u8]) -> Option<Vec<u8>> {
    let text: String = body.iter().map(|&b| char::from(b)).collect();
    extract(&text).1.into_iter().next().map(|f| f.content)
}

/// `begin 644 name`: the name.
fn begin(line: &str) -> Option<&str> {
    let (mode, name) = line.strip_prefix("begin ")?.split_once(' ')?;
    let is_mode = (3..=4).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    (is_mode && clean::file_name(name).is_some()).then_some(name)
}

/// Reads data lines up to `end`; gives up at the first line that is none, so that a text is scanned once.
fn content<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut was_data = false;
    for line in lines {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim() == "end" {
            return was_data.then_some(out);
        }
        if line.trim().is_empty() || line == "`" {
            continue;
        }
        data_line(line, &mut out)?;
        was_data = true;
    }
    None
}

fn data_line(line: &str, out: &mut Vec<u8>) -> Option<()> {
    let value = |b: u8| (0x20..=0x60).contains(&b).then(|| u32::from((b - 0x20) & 0x3f));
    let (first, data) = line.as_bytes().split_first()?;
    let length = usize::try_from(value(*first)?).ok()?;
    let needed = length.div_ceil(3) * 4;
    // Blanks at the end of a line get lost on the way; a checksum character may follow the data.
    if data.len() > needed + 2 || data.len() + 3 < length.div_ceil(3) {
        return None;
    }
    let padded: Vec<u8> = data.iter().copied().chain(std::iter::repeat(b' ')).take(needed).collect();
    let start = out.len();
    for group in padded.chunks(4) {
        let mut bits = 0;
        for &byte in group {
            bits = bits << 6 | value(byte)?;
        }
        out.extend(bits.to_be_bytes().iter().skip(1));
    }
    out.truncate(start + length);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_files_out_of_text() {
        let text = "Hello\nbegin 644 cat.txt\n#0V%T\n`\nend\nBye\nbegin with this\n";
        let (left, found) = extract(text);
        assert_eq!(left, "Hello\nBye\nbegin with this\n");
        assert_eq!(found, [Found { name: "cat.txt".into(), content: b"Cat".to_vec() }]);
        let broken = "begin 644 a.txt\nthis is prose, not data\n";
        assert_eq!(extract(broken), (broken.to_owned(), vec![]));
    }
}
