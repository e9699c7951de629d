//! Which case a mail may belong to: what it carries that ties it to one, strongest first. Whether the sender may
//! join by it is decided elsewhere; a reference that anybody could have copied proves nothing by itself.

use crate::case::{CaseId, ConversationId, MessageId, Moment, Reference};
use crate::mail::{Mail, compose};
use crate::settings::Settings;
use crate::store::rows::ThreadPurpose;
use crate::store::{StoreError, Tx};
use crate::vault::{Lookup, LookupHash};

/// One thing in a mail that names a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub case: CaseId,
    pub conversation: Option<ConversationId>,
    /// The message referred to.
    pub message: Option<MessageId>,
    /// None for a reference in the subject.
    pub purpose: Option<ThreadPurpose>,
    /// Whom we wrote to, where it is ours.
    pub recipient: Option<LookupHash>,
}

/// How many Message-IDs of a References header are looked up: the newest are at its end (RFC 5322 section 3.6.4).
const MOST_REFERENCES: usize = 30;

/// All evidence of `mail`: reply tokens, then Message-IDs that we minted, then those we stored or wait for, then
/// references in the subject. No case twice.
pub fn evidence(
    tx: &mut dyn Tx,
    lookup: &Lookup,
    settings: &Settings,
    mail: &Mail,
    now: Moment,
) -> Result<Vec<Evidence>, StoreError> {
    let mut found = Vec::new();
    for token in tokens(settings, mail) {
        add(tx, &mut found, lookup.token(&token), ThreadPurpose::Token, now)?;
    }
    let bounced = mail.bounced.iter().filter_map(|one| one.message_id.as_ref());
    let referred = mail.in_reply_to.iter().chain(mail.references.iter().rev()).chain(bounced);
    let hashes: Vec<_> = referred.take(MOST_REFERENCES).map(|id| lookup.message_id(id)).collect();
    for hash in &hashes {
        add(tx, &mut found, *hash, ThreadPurpose::Minted, now)?;
    }
    for hash in &hashes {
        add(tx, &mut found, *hash, ThreadPurpose::Stored, now)?;
    }
    if let Some(id) = &mail.message_id {
        add(tx, &mut found, lookup.message_id(id), ThreadPurpose::Awaited, now)?;
    }
    for reference in Reference::find_in(&mail.subject).take(3) {
        if let Some(conversation) = tx.conversation_by_reference(reference)? {
            push(
                &mut found,
                Evidence {
                    case: conversation.case_id,
                    conversation: Some(conversation.id),
                    message: None,
                    purpose: None,
                    recipient: None,
                },
            );
        }
    }
    Ok(found)
}

/// Reply tokens in the addresses that the mail was sent to.
fn tokens<'a>(settings: &'a Settings, mail: &'a Mail) -> impl Iterator<Item = String> + 'a {
    let addresses = mail.to.iter().chain(&mail.cc).take(50);
    addresses.flat_map(|address| {
        settings.mailboxes.iter().flat_map(move |mailbox| {
            std::iter::once(&mailbox.address)
                .chain(&mailbox.aliases)
                .filter_map(move |own| compose::token_of(&address.address, own))
        })
    })
}

fn add(
    tx: &mut dyn Tx,
    found: &mut Vec<Evidence>,
    hash: LookupHash,
    purpose: ThreadPurpose,
    now: Moment,
) -> Result<(), StoreError> {
    for row in tx.threads(hash, purpose)? {
        if row.expires_at.is_none_or(|expires| expires > now) {
            push(
                found,
                Evidence {
                    case: row.case_id,
                    conversation: Some(row.conversation_id),
                    message: Some(row.message_id),
                    purpose: Some(purpose),
                    recipient: row.recipient,
                },
            );
        }
    }
    Ok(())
}

fn push(found: &mut Vec<Evidence>, evidence: Evidence) {
    if found.iter().all(|one| one.case != evidence.case) {
        found.push(evidence);
    }
}
