//! A mail's identity: a keyed hash that is the same for every copy, in whatever mailbox, under whatever trace
//! headers, and different for other content under the same Message-ID.

use crate::vault::{Lookup, LookupHash};

const HEADERS: [&[u8]; 6] = [b"message-id", b"date", b"from", b"to", b"cc", b"subject"];

/// The identity of the message `raw`.
#[must_use]
pub fn identity(lookup: &Lookup, raw: &[u8]) -> LookupHash {
    let (head, body) = split(raw);
    let mut values: Vec<Vec<u8>> = HEADERS.iter().map(|name| header(head, name)).collect();
    values.push(normalised(body));
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    lookup.hash("mail-identity", &values)
}

/// Head and body, whatever the line ends.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\n" || line == b"\r\n" {
            return raw.split_at(at);
        }
    }
    (raw, b"")
}

/// Every value of a header, unfolded, white space collapsed: servers fold anew.
fn header(head: &[u8], name: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut inside = false;
    for line in head.split(|byte| *byte == b'\n') {
        let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        let text = if folded {
            if !inside {
                continue;
            }
            line
        } else {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                inside = false;
                continue;
            };
            let (found, rest) = line.split_at(colon);
            inside = found.trim_ascii().eq_ignore_ascii_case(name);
            if !inside {
                continue;
            }
            value.push(b'\n');
            rest.get(1..).unwrap_or_default()
        };
        for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            value.push(b' ');
            value.extend_from_slice(word);
        }
    }
    value
}

/// CRLF as LF, without the line ends at the end that servers add or drop.
fn normalised(body: &[u8]) -> Vec<u8> {
    let mut normal: Vec<u8> = Vec::with_capacity(body.len());
    for byte in body {
        if *byte == b'\n' && normal.last() == Some(&b'\r') {
            normal.pop();
        }
        normal.push(*byte);
    }
    while normal.last().is_some_and(u8::is_ascii_whitespace) {
        normal.pop();
    }
    normal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vault::{Key, MasterKey, Purposes, Vault};

    fn vault() -> Vault {
        let dir = tempfile::tempdir().unwrap();
        let purposes = Purposes { lookup: Key::from_bytes([1; 32]), ..Purposes::generate().unwrap() };
        Vault::new(MasterKey::create(&dir.path().join("key")).unwrap(), purposes)
    }

    const MAIL: &str = "Message-ID: <1@a.test>\nFrom: a@a.test\nTo: hr@a.test\nSubject: one two\n\nHello\n";

    #[test]
    fn trace_headers_folding_and_line_ends_do_not_count() {
        let vault = vault();
        let same = [
            MAIL.replace('\n', "\r\n"),
            format!("Received: from x\n by y\nX-Spam: no\n{MAIL}"),
            MAIL.replace("one two", "one\n two"),
            format!("{MAIL}\r\n\r\n"),
        ];
        for copy in same {
            assert_eq!(
                identity(vault.lookup(), copy.as_bytes()),
                identity(vault.lookup(), MAIL.as_bytes()),
                "{copy}"
            );
        }
    }

    #[test]
    fn other_content_under_the_same_message_id_is_another_mail() {
        let vault = vault();
        for (from, to) in [("Hello", "Hallo"), ("one two", "one"), ("a@a.test", "b@a.test")] {
            let other = MAIL.replace(from, to);
            assert_ne!(
                identity(vault.lookup(), other.as_bytes()),
                identity(vault.lookup(), MAIL.as_bytes()),
                "{other}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_identity(raw: Vec<u8>) {
            let vault = vault();
            prop_assert_eq!(identity(vault.lookup(), &raw), identity(vault.lookup(), &raw));
        }
    }
}
