//! Content-Transfer-Encoding: base64 and quoted-printable as lenient as senders need (RFC 2045 section 6).
//! Linear, and never longer than what came in.

use std::borrow::Cow;

/// How the bytes of a part are wrapped for transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
    Uuencode,
}

impl Encoding {
    /// Reads the header field; anything unknown is taken as it stands.
    pub fn from_header(value: &str) -> Encoding {
        let value = value.trim().trim_matches(['"', '\'', ';', '.']).to_ascii_lowercase();
        match value.as_str() {
            v if v.starts_with("base64") || v == "base-64" || v == "b64" => Encoding::Base64,
            v if v.starts_with("quoted") || v == "qp" => Encoding::QuotedPrintable,
            "x-uuencode" | "x-uue" | "uuencode" | "uue" => Encoding::Uuencode,
            _ => Encoding::Identity,
        }
    }

    pub fn decode<'b>(self, body: &'b [u8]) -> Cow<'b, [u8]> {
        match self {
            Encoding::Identity => Cow::Borrowed(body),
            Encoding::Base64 => Cow::Owned(base64(body)),
            Encoding::QuotedPrintable => Cow::Owned(quoted_printable(body)),
            Encoding::Uuencode => super::uuencode::decode_body(body).map_or(Cow::Borrowed(body), Cow::Owned),
        }
    }
}

/// Decodes base64, skipping what is no base64; padding ends a run, and a new one may follow (some senders pad
/// each line).
pub fn base64(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for &byte in input {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}

/// Decodes quoted-printable text; a broken escape stays as it was written.
pub fn quoted_printable(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    for line in input.split_inclusive(|&b| b == b'\n') {
        let (content, end): (&[u8], &[u8]) = match line {
            [content @ .., b'\r', b'\n'] => (content, b"\r\n"),
            [content @ .., b'\n'] => (content, b"\n"),
            _ => (line, b""),
        };
        let content = content.trim_ascii_end();
        match content {
            [content @ .., b'='] => escapes(content, &mut out),
            _ => {
                // White space before a line end was added in transport (RFC 2045 rule 3), save the last line's.
                escapes(if end.is_empty() { line } else { content }, &mut out);
                out.extend_from_slice(end);
            }
        }
    }
    out
}

fn escapes(mut rest: &[u8], out: &mut Vec<u8>) {
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match (byte, tail) {
            (b'=', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        let (value, after) = escaped.unwrap_or((byte, tail));
        out.push(value);
        rest = after;
    }
}

/// The value of one hexadecimal digit.
pub fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient() {
        assert_eq!(base64(b"SGFs\r\nbG8="), b"Hallo");
        assert_eq!(base64(b"SGFsbG8"), b"Hallo");
        assert_eq!(base64(b"S!G FsbG8="), b"Hallo");
        assert_eq!(base64(b"SGE=SGE="), b"HaHa");
        assert_eq!(quoted_printable(b"a=20b=\r\nc =\r\nd=ZZ \r\ne=3D"), b"a bc d=ZZ\r\ne=".to_vec());
        assert_eq!(quoted_printable(b"caf=c3=A9="), "café".as_bytes());
        assert_eq!(quoted_printable(b"-- =20\r\n"), b"--  \r\n");
    }
}
