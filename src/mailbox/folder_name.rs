//! Folder names as settings write them (`Caseward/Processed`, Unicode) and as IMAP and Maildir++ store them:
//! modified UTF-7 (RFC 3501 section 5.1.3). Pure functions.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

const MODIFIED: GeneralPurpose = GeneralPurpose::new(&alphabet::IMAP_MUTF7, NO_PAD);

/// Modified UTF-7 of a name: printable ASCII, nothing else.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for character in name.chars() {
        if matches!(character, ' '..='~') {
            unshift(&mut out, &mut shifted);
            out.push(character);
            if character == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0; 2];
            shifted.extend(character.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    unshift(&mut out, &mut shifted);
    out
}

/// An IMAP quoted string (RFC 3501 section 4.3) of printable ASCII.
pub fn quote(ascii: &str) -> String {
    format!("\"{}\"", ascii.replace('\\', "\\\\").replace('"', "\\\""))
}

fn unshift(out: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        out.push('&');
        MODIFIED.encode_string(&shifted, out);
        out.push('-');
        shifted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_utf7() {
        for (name, encoded) in [
            ("INBOX", "INBOX"),
            ("Gelöscht", "Gel&APY-scht"),
            ("R&D", "R&-D"),
            ("日本語", "&ZeVnLIqe-"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("a\r\nb", "a&AA0ACg-b"),
            ("😀", "&2D3eAA-"),
        ] {
            assert_eq!(encode(name), encoded);
        }
    }

    #[test]
    fn quoting() {
        assert_eq!(quote(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
