//! Message identifiers: Message-ID, In-Reply-To and References as lists of ids without brackets.

use super::{clean, header};

/// Longer ids are no ids; nothing that sends real mail comes near.
const MAX_ID: usize = 500;

/// A thread of a thousand mails is cut in its middle, as servers do: its root and its latest matter.
const MAX_IDS: usize = 200;

/// All ids of a field; without brackets every word with an `@` counts.
pub fn list(value: &[u8]) -> Vec<String> {
    let text = header::decode_words(&header::raw_text(value, None));
    let mut ids: Vec<String> = Vec::new();
    let bracketed = text.split('<').skip(1).filter_map(|piece| piece.split_once('>').map(|(id, _)| id));
    ids.extend(bracketed.filter_map(sane));
    if ids.is_empty() {
        ids.extend(text.split_whitespace().filter(|word| word.contains('@')).filter_map(sane));
    }
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    if ids.len() > MAX_IDS {
        let latest = ids.split_off(ids.len() - MAX_IDS + 1);
        ids.truncate(1);
        ids.extend(latest);
    }
    ids
}

/// The one id of a Message-ID field, which may lack its brackets or its `@`.
pub fn single(value: &[u8]) -> Option<String> {
    let text = header::decode_words(&header::raw_text(value, None));
    let inner = match text.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map_or(rest, |(id, _)| id),
        None => text.split_whitespace().next()?,
    };
    sane(inner)
}

/// An id without white space (folding puts some in), brackets or anything invisible.
fn sane(id: &str) -> Option<String> {
    let id = clean::token(id);
    let id = id.trim_matches(['<', '>', ',', ';']);
    (!id.is_empty() && id.len() <= MAX_ID && !id.contains(['<', '>', '\u{FFFD}'])).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(single(b"<a@x.test>").as_deref(), Some("a@x.test"));
        assert_eq!(single(b"a@x.test").as_deref(), Some("a@x.test"));
        assert_eq!(single(b"<no-at-sign> (comment)").as_deref(), Some("no-at-sign"));
        assert_eq!(single(b"<a\r\n b@x.test>").as_deref(), Some("ab@x.test"));
        assert_eq!(single(b"<>"), None);
        assert_eq!(list(b"<a@x>\r\n\t<b@x><a@x>"), ["a@x", "b@x"]);
        assert_eq!(list(b"Your message of Monday <a@x>"), ["a@x"]);
        assert_eq!(list(b"a@x b@x"), ["a@x", "b@x"]);
        let many: String = (0..1000).map(|n| format!("<{n}@x> ")).collect();
        let ids = list(many.as_bytes());
        assert_eq!((ids.len(), ids[0].as_str(), ids[199].as_str()), (200, "0@x", "999@x"));
    }
}
