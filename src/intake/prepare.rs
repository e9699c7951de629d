//! Understanding one fetched mail: everything that needs no register. A mail whose parsing panics is kept for
//! quarantine; it never takes another one with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::classify::{Classifier, Input, Verdict};
use super::identity::identity;
use crate::case::{Channel, Moment};
use crate::desk::Shared;
use crate::desk::receive::{Arrived, Place};
use crate::mail::{self, Limits, Mail, authentication::Policy};
use crate::vault::Lookup;

/// Of attached texts so many are read, and so much of each.
const ATTACHED_TEXTS: usize = 20;
const ATTACHED_BYTES: usize = 256 * 1024;

/// What the preparing threads share.
pub struct Preparation {
    pub limits: Limits,
    pub classifier: Box<dyn Classifier>,
}

/// A mail as fetched.
pub struct Incoming {
    pub place: Option<Place>,
    pub mailbox: String,
    pub received_at: Moment,
    pub bytes: u64,
    pub raw: Vec<u8>,
    pub complete: bool,
    pub acknowledge: bool,
    /// Acknowledge only what its Date says is newer than this.
    pub dated_after: Option<Moment>,
    pub channel: Channel,
    /// Why it goes into quarantine, whatever it says.
    pub quarantine: Option<&'static str>,
    /// Why nobody looks into it.
    pub opaque: Option<&'static str>,
}

impl Preparation {
    /// Prepares mails on the blocking threads, a share for each of `workers`; the order stays.
    pub async fn prepare_all(
        self: &Arc<Self>,
        incoming: Vec<Incoming>,
        policy: Policy,
        shared: Arc<Shared>,
        workers: usize,
    ) -> Vec<Arrived> {
        let policy = Arc::new(policy);
        let share = incoming.len().div_ceil(workers.max(1)).max(1);
        let mut shares = Vec::new();
        let mut rest = incoming.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<_> = rest.by_ref().take(share).collect();
            let (preparation, shared, policy) = (Arc::clone(self), Arc::clone(&shared), Arc::clone(&policy));
            shares.push(tokio::task::spawn_blocking(move || {
                some.into_iter()
                    .map(|one| preparation.prepare(one, &policy, shared.vault.lookup()))
                    .collect::<Vec<_>>()
            }));
        }
        let mut prepared = Vec::new();
        for share in shares {
            // Preparing catches panics itself: nothing is lost here.
            prepared.extend(share.await.unwrap_or_default());
        }
        prepared
    }

    /// Parses, classifies and hashes.
    #[must_use]
    pub fn prepare(&self, incoming: Incoming, policy: &Policy, lookup: &Lookup) -> Arrived {
        let _span = crate::desk::receive::span(&incoming.mailbox, incoming.place).entered();
        let identity = identity(lookup, &incoming.raw);
        let understood = match incoming.opaque {
            Some(why) => Err(why),
            None => self.understand(&incoming.raw, policy),
        };
        let recent = incoming.dated_after.is_none_or(|oldest| {
            let date = understood.as_ref().ok().and_then(|(mail, _): &(Mail, Verdict)| mail.date);
            date.is_some_and(|date| Moment::from(date) >= oldest)
        });
        Arrived {
            place: incoming.place,
            mailbox: incoming.mailbox,
            received_at: incoming.received_at,
            bytes: incoming.bytes,
            raw: incoming.raw,
            complete: incoming.complete,
            identity,
            understood,
            acknowledge: incoming.acknowledge && recent,
            channel: incoming.channel,
            quarantine: incoming.quarantine,
        }
    }

    fn understand(&self, raw: &[u8], policy: &Policy) -> Result<(Mail, Verdict), &'static str> {
        catch_unwind(AssertUnwindSafe(|| {
            let mail = mail::parse(raw, &self.limits, policy);
            let verdict = classify(self.classifier.as_ref(), raw, &mail, &self.limits);
            (mail, verdict)
        }))
        .map_err(|_| "this mail could not be understood")
    }
}

/// What the classifier says of a mail and what is attached to it.
#[must_use]
pub fn classify(classifier: &dyn Classifier, raw: &[u8], mail: &Mail, limits: &Limits) -> Verdict {
    let names: Vec<String> = mail.attachments.iter().map(|one| one.name.clone()).collect();
    let texts: Vec<String> = mail
        .attachments
        .iter()
        .filter(|one| one.media_type.starts_with("text/"))
        .take(ATTACHED_TEXTS)
        .filter_map(|one| mail::attachment(raw, &one.part, limits))
        .map(|bytes| String::from_utf8_lossy(bytes.get(..ATTACHED_BYTES).unwrap_or(&bytes)).into_owned())
        .collect();
    classifier.classify(&Input {
        subject: &mail.subject,
        new_text: &mail.reply,
        whole_text: &mail.text,
        attachment_names: &names,
        attachment_texts: &texts,
    })
}
