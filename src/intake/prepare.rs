//! Understanding one fetched mail: everything that needs no register. A mail whose parsing panics is kept for
//! quarantine; it never takes another one with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::classify::{Classifier, Input, Verdict};
use super::identity::identity;
use crate::case::{Channel, Moment};
use crate::desk::receive::{Arrived, Place};
use crate::mail::{self, Limits, Mail, authentication::Policy};
use crate::vault::Lookup;

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
    pub channel: Channel,
}

impl Preparation {
    /// Parses, classifies and hashes.
    #[must_use]
    pub fn prepare(&self, incoming: Incoming, policy: &Policy, lookup: &Lookup) -> Arrived {
        let identity = identity(lookup, &incoming.raw);
        let understood = catch_unwind(AssertUnwindSafe(|| {
            let mail = mail::parse(&incoming.raw, &self.limits, policy);
            let verdict = self.classify(&mail);
            (mail, verdict)
        }))
        .map_err(|_| "this mail could not be understood");
        Arrived {
            place: incoming.place,
            mailbox: incoming.mailbox,
            received_at: incoming.received_at,
            bytes: incoming.bytes,
            raw: incoming.raw,
            complete: incoming.complete,
            identity,
            understood,
            acknowledge: incoming.acknowledge,
            channel: incoming.channel,
        }
    }

    fn classify(&self, mail: &Mail) -> Verdict {
        let names: Vec<String> = mail.attachments.iter().map(|one| one.name.clone()).collect();
        self.classifier.classify(&Input {
            subject: &mail.subject,
            new_text: &mail.reply,
            quoted: &mail.text,
            attachment_names: &names,
            from_name: mail.from.as_ref().and_then(|from| from.name.as_deref()),
        })
    }
}
