//! Listing and fetching: UID sets out, complete answers in. Bodies come in pieces, so that memory does not depend
//! on what a server says of their size.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response};
use jiff::Timestamp;

use super::uid_set::uid_sets;
use super::wire::Failure;
use super::{Imap, lost};
use crate::mailbox::{Fetched, Listed, MailboxError, Uid};

/// Bodies are asked for in pieces of this many bytes; most mails are one piece.
const PIECE: u64 = 1024 * 1024;

/// One piece of a body, or of a head.
struct Piece {
    bytes: Vec<u8>,
    /// `false`: the server sent the whole section although a part of it was asked for.
    partial: bool,
}

impl Imap {
    pub(super) async fn list_uids(&mut self, above: Option<Uid>) -> Result<Vec<Uid>, MailboxError> {
        // Servers answer from the view of the last command's end; NOOP brings in what arrived since.
        self.noop().await?;
        self.wire.news = false;
        if self.wire.exists == 0 {
            return Ok(Vec::new());
        }
        let floor = above.map_or(0, |uid| uid.0);
        let Some(first) = floor.checked_add(1) else { return Ok(Vec::new()) };
        let mut found = BTreeSet::new();
        self.fetch_items(&format!("{first}:*"), "UID", |uid, _| {
            found.insert(uid);
        })
        .await
        .map_err(|failure| failure.lost("UID FETCH"))?;
        // `N:*` names the last message even when its UID is below N (RFC 3501 section 6.4.8).
        found.retain(|uid| uid.0 > floor);
        if above.is_none() && (found.len() as u64) < u64::from(self.wire.exists) {
            self.search_too(&mut found).await?;
        }
        Ok(found.into_iter().collect())
    }

    /// The second opinion when the first listing has fewer messages than the server says there are.
    async fn search_too(&mut self, found: &mut BTreeSet<Uid>) -> Result<(), MailboxError> {
        let note = |response: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                found.extend(uids.iter().copied().filter(|uid| *uid > 0).map(Uid));
            }
        };
        self.wire.run("UID SEARCH ALL", note).await.map_err(|failure| failure.lost("UID SEARCH"))?;
        if (found.len() as u64) < u64::from(self.wire.exists) {
            return Err(lost("the mail server listed fewer messages than it says there are"));
        }
        Ok(())
    }

    pub(super) async fn sizes(&mut self, uids: &[Uid]) -> Result<Vec<Listed>, MailboxError> {
        let mut found: BTreeMap<Uid, Listed> = BTreeMap::new();
        for set in uid_sets(uids) {
            self.fetch_items(&set, "UID RFC822.SIZE INTERNALDATE", |uid, attributes| {
                if let Some(listed) = listed(uid, attributes) {
                    found.insert(uid, listed);
                }
            })
            .await
            .map_err(|failure| failure.lost("UID FETCH"))?;
        }
        self.must_be_gone(uids, |uid| found.contains_key(&uid)).await?;
        Ok(uids.iter().filter_map(|uid| found.remove(uid)).collect())
    }

    pub(super) async fn bodies(&mut self, uids: &[Uid], limit: u64) -> Result<Vec<Fetched>, MailboxError> {
        let mut first = self.first_pieces(uids).await?;
        self.must_be_gone(uids, |uid| first.contains_key(&uid)).await?;
        let mut fetched = Vec::with_capacity(first.len());
        for uid in uids {
            let Some(piece) = first.remove(uid) else { continue };
            fetched.extend(self.whole(*uid, piece, limit).await?);
        }
        Ok(fetched)
    }

    /// The beginnings of several bodies. When the server refuses a set, the culprit is found one by one, so that
    /// a single rotten message is told apart from a broken server.
    async fn first_pieces(&mut self, uids: &[Uid]) -> Result<HashMap<Uid, Piece>, MailboxError> {
        let mut first = HashMap::new();
        for set in uid_sets(uids) {
            match self.pieces(&set, "BODY.PEEK[]", 0, &mut first).await {
                Ok(()) => {}
                Err(Failure::No { transient: false, .. }) => return self.one_by_one(uids, first).await,
                Err(failure) => return Err(failure.lost("UID FETCH")),
            }
        }
        Ok(first)
    }

    async fn one_by_one(
        &mut self,
        uids: &[Uid],
        mut first: HashMap<Uid, Piece>,
    ) -> Result<HashMap<Uid, Piece>, MailboxError> {
        for uid in uids {
            if !first.contains_key(uid) {
                self.pieces(&uid.0.to_string(), "BODY.PEEK[]", 0, &mut first)
                    .await
                    .map_err(|failure| refused(failure, *uid))?;
            }
        }
        Ok(first)
    }

    async fn pieces(
        &mut self,
        set: &str,
        section: &str,
        from: u64,
        into: &mut HashMap<Uid, Piece>,
    ) -> Result<(), Failure> {
        self.fetch_items(set, &format!("UID {section}<{from}.{PIECE}>"), |uid, attributes| {
            let piece = attributes.iter().find_map(|attribute| match attribute {
                AttributeValue::BodySection { index, data: Some(bytes), .. } => {
                    let right_place = index.is_none_or(|index| u64::from(index) == from);
                    right_place.then(|| Piece { bytes: bytes.to_vec(), partial: index.is_some() })
                }
                _ => None,
            });
            if let Some(piece) = piece {
                into.insert(uid, piece);
            }
        })
        .await
    }

    /// Completes a body from its first piece. The end is where a piece comes back short, wherever RFC822.SIZE
    /// says it is. `None` when the message went away meanwhile.
    async fn whole(&mut self, uid: Uid, first: Piece, limit: u64) -> Result<Option<Fetched>, MailboxError> {
        let mut raw = first.bytes;
        let mut more = first.partial && raw.len() as u64 >= PIECE;
        while more && raw.len() as u64 <= limit {
            let from = raw.len() as u64;
            let mut next = HashMap::new();
            self.pieces(&uid.0.to_string(), "BODY.PEEK[]", from, &mut next)
                .await
                .map_err(|failure| refused(failure, uid))?;
            let Some(piece) = next.remove(&uid) else {
                self.must_be_gone(&[uid], |_| false).await?;
                return Ok(None);
            };
            if !piece.partial {
                return Err(lost("the mail server sent another part of a message than it was asked for"));
            }
            more = piece.bytes.len() as u64 >= PIECE;
            raw.extend_from_slice(&piece.bytes);
        }
        if raw.len() as u64 > limit {
            drop(raw);
            return self.head_of(uid).await;
        }
        Ok(Some(Fetched { uid, raw, truncated: false }))
    }

    pub(super) async fn head_of(&mut self, uid: Uid) -> Result<Option<Fetched>, MailboxError> {
        let mut found = HashMap::new();
        self.pieces(&uid.0.to_string(), "BODY.PEEK[HEADER]", 0, &mut found)
            .await
            .map_err(|failure| refused(failure, uid))?;
        match found.remove(&uid) {
            Some(piece) => Ok(Some(Fetched { uid, raw: piece.bytes, truncated: true })),
            None => {
                self.must_be_gone(&[uid], |_| false).await?;
                Ok(None)
            }
        }
    }

    /// Makes sure that every message that was asked for and not received is no longer in the folder. One that
    /// still is there cannot be read: the server keeps its content back, or sends NIL for it.
    async fn must_be_gone(
        &mut self,
        asked: &[Uid],
        received: impl Fn(Uid) -> bool,
    ) -> Result<(), MailboxError> {
        let missing: Vec<Uid> = asked.iter().copied().filter(|uid| !received(*uid)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // A server shows an expunged message as long as it could not announce its end; NOOP lets it.
        self.noop().await?;
        let mut there = BTreeSet::new();
        for set in uid_sets(&missing) {
            self.fetch_items(&set, "UID", |uid, _| {
                there.insert(uid);
            })
            .await
            .map_err(|failure| failure.lost("UID FETCH"))?;
        }
        match missing.iter().find(|uid| there.contains(uid)) {
            Some(uid) => Err(withheld(*uid)),
            None => Ok(()),
        }
    }
}

fn listed(uid: Uid, attributes: &[AttributeValue<'_>]) -> Option<Listed> {
    let mut size = None;
    let mut date = None;
    for attribute in attributes {
        match attribute {
            AttributeValue::Rfc822Size(octets) => size = Some(u64::from(*octets)),
            AttributeValue::InternalDate(text) => date = Some(internal_date(text)),
            _ => {}
        }
    }
    // A date that cannot be read must neither hide the message nor put it before the start: it counts as just
    // received.
    Some(Listed { uid, size: size?, received_at: date?.unwrap_or_else(Timestamp::now) })
}

/// `dd-Mon-yyyy hh:mm:ss +zzzz`, the day padded with a space (RFC 3501 section 9, `date-time`).
fn internal_date(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%d-%b-%Y %H:%M:%S %z", text.trim_start()).ok()
}

fn refused(failure: Failure, uid: Uid) -> MailboxError {
    match failure {
        Failure::No { transient: false, .. } => withheld(uid),
        failure => failure.lost("UID FETCH"),
    }
}

fn withheld(uid: Uid) -> MailboxError {
    MailboxError::Message {
        uid,
        reason: "the mail server lists it but does not hand it out; look at it with a mail program".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates() {
        for (text, expected) in [
            ("17-Jul-1996 02:44:25 -0700", Some("1996-07-17T09:44:25Z")),
            (" 1-Jan-2026 00:00:00 +0000", Some("2026-01-01T00:00:00Z")),
            ("31-Dec-1969 23:59:59 +0000", Some("1969-12-31T23:59:59Z")),
            ("yesterday", None),
        ] {
            assert_eq!(internal_date(text).map(|at| at.to_string()).as_deref(), expected);
        }
    }
}
