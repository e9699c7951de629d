//! An entry's bytes: who did what to which case at which version. Its details (the reason among them) are sealed
//! elsewhere, and the entry commits to them with a salt, so that erasing them leaves the log verifiable.

use data_encoding::BASE64;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::case::{CaseId, EntryId, Moment, UserId};

/// What an entry says in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub id: EntryId,
    pub at: Moment,
    pub actor: Option<UserId>,
    /// On whose behalf, when not the actor's own.
    pub behalf: Option<UserId>,
    /// A dotted word such as `case.opened`; a refusal ends in `.refused`.
    pub action: &'a str,
    pub case: Option<CaseId>,
    /// The case's version that this made. None for what changes nothing: reading, being refused.
    pub version: Option<i64>,
    /// SHA-256 over salt and details.
    pub commitment: Option<[u8; 32]>,
}

/// The commitment to sealed details.
#[must_use]
pub fn commit(salt: &[u8; 16], details: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"caseward details 1\n");
    hash.update(salt);
    hash.update(details);
    hash.finalize().into()
}

/// The entry as stored, hashed and signed: one line of JSON, version first, fields in this order for ever.
#[must_use]
pub fn bytes(entry: &Entry<'_>) -> Vec<u8> {
    let text =
        |value: Option<String>| value.map_or_else(|| "null".to_owned(), |value| format!("\"{value}\""));
    let action: String =
        entry.action.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
    format!(
        "{{\"v\":1,\"id\":\"{}\",\"at\":{},\"actor\":{},\"behalf\":{},\"action\":\"{action}\",\"case\":{},\"version\":{},\"details\":{}}}",
        entry.id,
        entry.at.micros(),
        text(entry.actor.map(|id| id.to_string())),
        text(entry.behalf.map(|id| id.to_string())),
        text(entry.case.map(|id| id.to_string())),
        entry.version.map_or_else(|| "null".to_owned(), |version| version.to_string()),
        text(entry.commitment.map(|hash| BASE64.encode(&hash))),
    )
    .into_bytes()
}

/// Reads an entry's bytes back; `None` when they are no entry.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Entry<'_>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line<'a> {
        v: u8,
        id: &'a str,
        at: i64,
        actor: Option<&'a str>,
        behalf: Option<&'a str>,
        action: &'a str,
        case: Option<&'a str>,
        version: Option<i64>,
        details: Option<&'a str>,
    }
    fn id<T: std::str::FromStr>(text: Option<&str>) -> Option<Option<T>> {
        text.map(|text| text.parse().ok()).map_or(Some(None), |id| id.map(Some))
    }
    let line: Line<'_> = serde_json::from_slice(bytes).ok().filter(|line: &Line<'_>| line.v == 1)?;
    let commitment = match line.details {
        Some(text) => Some(BASE64.decode(text.as_bytes()).ok()?.try_into().ok()?),
        None => None,
    };
    Some(Entry {
        id: line.id.parse().ok()?,
        at: Moment::from_micros(line.at),
        actor: id(line.actor)?,
        behalf: id(line.behalf)?,
        action: line.action,
        case: id(line.case)?,
        version: line.version,
        commitment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_these_bytes() {
        let entry = Entry {
            id: EntryId::from_bytes([1; 16]),
            at: Moment::from_micros(1_700_000_000_000_000),
            actor: None,
            behalf: None,
            action: "case.opened",
            case: Some(CaseId::from_bytes([2; 16])),
            version: Some(1),
            commitment: Some(commit(&[3; 16], b"{}")),
        };
        let line = String::from_utf8(bytes(&entry)).unwrap();
        insta::assert_snapshot!(line);
        assert_eq!(read(line.as_bytes()), Some(entry));
        assert_eq!(read(b"{}"), None);
    }
}
