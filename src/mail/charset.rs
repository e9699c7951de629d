//! Bytes to text: by the declared character set when the bytes agree with it, else by the best guess. Senders
//! write no label, a wrong one, or one nobody knows; text is never lost for that. Knows nothing of MIME.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes` as `label` says, or as they look when the label is absent, unknown or plainly wrong.
pub fn decode(bytes: &[u8], label: Option<&str>) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return lossy(encoding, bytes.get(length..).unwrap_or_default());
    }
    let label = label.map(normalise).unwrap_or_default();
    match label.as_str() {
        "" => return guess(bytes),
        "utf-7" | "unicode-1-1-utf-7" | "x-unicode-2-0-utf-7" => return by_mail_parser(bytes, "utf-7"),
        "iso-2022-kr" => return lossy(EUC_KR, &shift_to_high(bytes, b"\x0e", b"\x0f")),
        "hz-gb-2312" | "hz" => return lossy(GBK, &shift_to_high(bytes, b"~{", b"~}")),
        _ => {}
    }
    let known = Encoding::for_label(label.as_bytes()).filter(|&encoding| encoding != REPLACEMENT);
    let Some(encoding) = known else { return by_mail_parser(bytes, &label) };
    if encoding == UTF_8 {
        return utf8(bytes);
    }
    // us-ascii and latin1 are what a careless program writes on anything.
    if encoding == WINDOWS_1252 && (bytes.is_ascii() || label.contains("ascii")) {
        return guess(bytes);
    }
    if encoding == ISO_2022_JP {
        // It is a code of 7 bits; what has 8 is one of the other Japanese ones under the wrong label.
        let is_labelled = bytes.is_ascii() || bytes.contains(&0x1b);
        return if is_labelled { lossy(encoding, &without_idle_escapes(bytes)) } else { japanese(bytes) };
    }
    let text = lossy(encoding, bytes);
    match std::str::from_utf8(bytes) {
        Ok(utf8) if encoding == WINDOWS_1252 || text.contains('\u{FFFD}') => utf8.to_owned(),
        _ => text,
    }
}

/// Text whose label nobody gave: ASCII, UTF-8, ISO-2022-JP, then what the bytes resemble.
fn guess(bytes: &[u8]) -> String {
    let has_escape = bytes.windows(2).any(|pair| pair == b"\x1b$" || pair == b"\x1b(");
    if has_escape && bytes.is_ascii() {
        return lossy(ISO_2022_JP, &without_idle_escapes(bytes));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    utf8(bytes)
}

/// UTF-8 with a few broken bytes stays UTF-8 (cut in the middle of a character); else it was something else.
fn utf8(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let broken = text.chars().filter(|&c| c == '\u{FFFD}').count();
    if broken == 0 || broken < text.chars().filter(|c| !c.is_ascii() && *c != '\u{FFFD}').count() {
        return text.into_owned();
    }
    // Noise (zeros, executables) is not worth a guess; the detector wants prose, and a start of it is enough.
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes.get(..64 * 1024).unwrap_or(bytes), true);
    let high = bytes.iter().filter(|b| !b.is_ascii()).count();
    let guessed = detector.guess(None, Utf8Detection::Deny);
    // Few accented letters among many others: the detector has little to go on, and the West is likelier.
    let encoding = if high < 4 && guessed.is_single_byte() { WINDOWS_1252 } else { guessed };
    lossy(encoding, bytes)
}

/// 8-bit Japanese: whichever of its codes reads it without a mistake.
fn japanese(bytes: &[u8]) -> String {
    let codes = [UTF_8, SHIFT_JIS, EUC_JP];
    let read =
        codes.iter().map(|code| code.decode_without_bom_handling(bytes)).find(|(_, has_errors)| !has_errors);
    // One strange character between Latin ones is a slip, not Japanese.
    let read = read
        .map(|(text, _)| text.into_owned())
        .filter(|text| text.chars().filter(|c| !c.is_ascii()).count() > 1);
    read.unwrap_or_else(|| lossy(ISO_2022_JP, bytes))
}

fn lossy(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

fn by_mail_parser(bytes: &[u8], label: &str) -> String {
    match charset_decoder(label.as_bytes()) {
        Some(decoder) => decoder(bytes),
        None => guess(bytes),
    }
}

/// `"UTF8"`, `cp-850`, `windows-1252http-equiv…`: what senders write, as the standard spells it.
fn normalise(label: &str) -> String {
    let label = label.trim().trim_matches(['"', '\'', ' ', '<', '>']).to_ascii_lowercase();
    let label = label.split(['*', ';', ',', ' ']).next().unwrap_or_default();
    let label = label.strip_prefix("charset=").unwrap_or(label);
    match label {
        "utf" | "utf_8" | "utf8mb4" | "utf-8-sig" | "x-utf-8" | "unicode-utf-8" | "cp65001" | "65001" => {
            "utf-8".into()
        }
        "unknown" | "unknown-8bit" | "x-unknown" | "default" | "default_charset" | "8bit" | "7bit"
        | "binary" | "none" | "iso" | "ansi" | "x-user-defined" | "_iso-2022-jp$esc" => String::new(),
        "latin-1"
        | "iso-latin-1"
        | "iso-8859"
        | "iso8859"
        | "8859_1"
        | "iso-8859-1-windows-3.1-latin-1"
        | "windows1252"
        | "win-1252"
        | "cp-1252"
        | "1252" => "windows-1252".into(),
        "437" | "cp437" | "ibm437" | "cp-850" | "cp850" | "850" => "ibm850".into(),
        "cp932" | "ms932" | "x-ms-cp932" | "windows-932" | "shift-jis" | "sjis-win" => "shift_jis".into(),
        "cp936" | "x-gb2312" | "gb-2312" | "x-mac-simp-chinese" => "gbk".into(),
        "cp949" | "ms949" | "x-windows-949" | "uhc" | "ks_c_5601" => "euc-kr".into(),
        "cp950" | "x-windows-950" => "big5".into(),
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms" | "cp50220" | "cp50221" => {
            "iso-2022-jp".into()
        }
        "macroman" | "mac-roman" | "x-mac" => "macintosh".into(),
        other if Encoding::for_label(other.as_bytes()).is_some() => other.to_owned(),
        other => match other
            .strip_prefix("windows")
            .or_else(|| other.strip_prefix("win"))
            .or_else(|| other.strip_prefix("cp"))
        {
            // `win-1251`, `cp-1250`, and a label that the next attribute was glued to.
            Some(rest) => {
                let digits: String = rest
                    .chars()
                    .skip_while(|c| !c.is_ascii_digit())
                    .take_while(char::is_ascii_digit)
                    .collect();
                if digits.starts_with("125") { format!("windows-{digits}") } else { other.to_owned() }
            }
            None => other.to_owned(),
        },
    }
}

/// Joined encoded words switch to ASCII and back with nothing between; a strict decoder calls that an error.
fn without_idle_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        match rest {
            [0x1b, b'(', b'B' | b'J', after @ ..] if after.first() == Some(&0x1b) => rest = after,
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// 7-bit shift encodings (ISO-2022-KR, HZ): the same code with the high bit set is an 8-bit one we can read.
fn shift_to_high(bytes: &[u8], shift_in: &[u8], shift_out: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.strip_prefix(b"\x1b$)C").unwrap_or(bytes);
    let mut high = false;
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(if high { shift_out } else { shift_in }) {
            high = !high;
            rest = after;
            continue;
        }
        high &= byte != b'\n';
        out.push(if high && byte > b' ' { byte | 0x80 } else { byte });
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_right_wrong_and_absent() {
        let cases: &[(&[u8], Option<&str>, &str)] = &[
            ("Grüße".as_bytes(), Some("utf-8"), "Grüße"),
            (b"Gr\xfc\xdfe", Some("iso-8859-1"), "Grüße"),
            (b"Gr\xfc\xdfe", Some("utf-8"), "Grüße"),
            (b"Gr\xfc\xdfe", None, "Grüße"),
            (b"Gr\xfc\xdfe", Some("x-nonsense"), "Grüße"),
            ("Grüße".as_bytes(), Some("us-ascii"), "Grüße"),
            ("Grüße".as_bytes(), Some("iso-8859-1"), "Grüße"),
            ("Grüße".as_bytes(), None, "Grüße"),
            (b"\x1b$B$3$s$K$A$O\x1b(B", Some("iso-2022-jp"), "こんにちは"),
            (b"\x1b$B$3$s$K$A$O\x1b(B", None, "こんにちは"),
            (b"\x1b$B$3$s\x1b(B\x1b$B$K$A$O\x1b(B", Some("iso-2022-jp"), "こんにちは"),
            (b"\x93quoted\x94", Some("iso-8859-1"), "“quoted”"),
            (b"\xa4 5", Some("ISO-8859-15"), "€ 5"),
            (b"Gr\x81\xe1e", Some("cp850"), "Grüße"),
            (b"Gr+APwA3w-e", Some("utf-7"), "Grüße"),
            (b"~{<:Ky2;#,~}", Some("hz-gb-2312"), "己所不，"),
            (b"\xef\xbb\xbfGruss", Some("iso-8859-1"), "Gruss"),
            (
                b"\xcf\xf0\xe8\xe2\xe5\xf2, \xea\xe0\xea \xe4\xe5\xeb\xe0",
                Some("win-1251"),
                "Привет, как дела",
            ),
            (b"\xcf\xf0\xe8\xe2\xe5\xf2, \xea\xe0\xea \xe4\xe5\xeb\xe0", None, "Привет, как дела"),
        ];
        for (bytes, label, expected) in cases {
            assert_eq!(decode(bytes, *label), *expected, "{label:?}");
        }
    }
}
