//! A mail that a person wrote: whose conversation it joins, or which case it opens (promise 8).

use super::acknowledge::{acknowledge, language};
use super::change::moved;
use super::conflicts;
use super::context::{Context, DeskError};
use super::filing::{NewCase, NewMessage, NewParty, Shelf};
use super::receive::{Arrived, Became, word};
use super::view::View;
use crate::case::{Actor, CaseId, ConversationId, MessageId, MessageKind, Part, Sensitivity, Status};
use crate::intake::classify::Verdict;
use crate::intake::thread::Evidence;
use crate::intake::trust::Sender;
use crate::intake::walls::Finding;
use crate::letters::Kind;
use crate::mail::{AuthResult, Mail};
use crate::store::rows::{CaseRow, ConversationRow, LinkRow, RegisterState, ThreadPurpose, ThreadRow};

/// Cases merged into one another, at most; more would be a circle.
const MOST_MERGES: usize = 20;

/// A mail that a person wrote, with all that is known of it.
pub(super) struct Letter<'a> {
    pub arrived: &'a Arrived,
    pub mail: &'a Mail,
    pub verdict: &'a Verdict,
    pub view: &'a View,
    pub from: &'a Sender,
    pub address: &'a str,
}

impl Letter<'_> {
    fn message(&self, id: MessageId, reason: Option<String>) -> NewMessage<'_> {
        NewMessage {
            id,
            kind: MessageKind::MailIn,
            at: self.arrived.received_at,
            author: None,
            mailbox: &self.arrived.mailbox,
            trust: Some(self.from.trust),
            automatic: word(self.mail.automatic),
            reason,
            identity: Some(self.arrived.identity),
            raw: &self.arrived.raw,
            raw_complete: self.arrived.complete,
            view: self.view,
            verdict: serde_json::to_string(self.verdict).ok(),
        }
    }

    fn state(&self) -> RegisterState {
        if self.arrived.complete { RegisterState::TakenIn } else { RegisterState::TooLarge }
    }

    /// What the classifier says and what its mailbox asks for at least.
    pub fn sensitivity(&self, cx: &Context<'_>) -> Sensitivity {
        let mailboxes = &cx.settings.mailboxes;
        let mailbox = mailboxes.iter().find(|mailbox| mailbox.name == self.arrived.mailbox);
        self.verdict.sensitivity.max(mailbox.map_or(Sensitivity::Standard, |mailbox| mailbox.sensitivity))
    }
}

/// Files a letter where it belongs.
pub(super) fn file(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
) -> Result<Became, DeskError> {
    match conflicts::destination(cx, letter, evidence)? {
        (Some(joined), finding) => join(cx, letter, joined, &finding),
        (None, finding) => open(cx, letter, evidence, &finding),
    }
}

/// A case to join, the sender's own conversation in it, and what is doubtful about that.
pub(super) type Joined = (CaseRow, ConversationRow, Option<&'static str>);

/// The sender's own conversation in the case that the evidence names, if this sender may join by it.
pub(super) fn conversation_for(
    cx: &mut Context<'_>,
    mail: &Mail,
    from: &Sender,
    evidence: &[Evidence],
) -> Result<Option<Joined>, DeskError> {
    let result = mail.authentication.result;
    if result == AuthResult::Fail {
        return Ok(None);
    }
    for one in evidence {
        let strong = matches!(one.purpose, Some(ThreadPurpose::Token | ThreadPurpose::Minted));
        if result != AuthResult::Pass && !strong {
            continue;
        }
        let case = surviving(cx, one.case)?;
        // Whom HR wrote to is who HR means, even if the address was never confirmed otherwise.
        let written_to =
            strong && result == AuthResult::Pass && one.recipient.is_some() && one.recipient == from.hash;
        let found = match one.conversation.filter(|_| written_to) {
            Some(conversation) => cx.tx.conversation(conversation)?,
            None => own_conversation(cx, case, from)?,
        };
        let Some(conversation) = found.filter(|conversation| conversation.case_id == case) else { continue };
        let Some(case) = cx.tx.case(case)? else { continue };
        let doubt =
            (result != AuthResult::Pass).then_some("the sender is not proved; joined by our own token");
        return Ok(Some((case, conversation, doubt)));
    }
    Ok(None)
}

/// The case that goes on where this one was merged into another.
fn surviving(cx: &mut Context<'_>, mut case: CaseId) -> Result<CaseId, DeskError> {
    for _ in 0..MOST_MERGES {
        let links = cx.tx.links_of(case)?;
        match links.iter().find(|link| link.from_case == case && link.kind == LinkRow::MERGED) {
            Some(link) => case = link.to_case,
            None => break,
        }
    }
    Ok(case)
}

/// The conversation of this sender in a case: by a confirmed address, or as the same person of the directory.
fn own_conversation(
    cx: &mut Context<'_>,
    case: CaseId,
    from: &Sender,
) -> Result<Option<ConversationRow>, DeskError> {
    if let Some(hash) = from.hash {
        for party in cx.tx.parties_by_address(case, hash)? {
            if party.confirmed
                && let Some(conversation) = cx.tx.conversation_of_party(party.party_id)?
            {
                return Ok(Some(conversation));
            }
        }
    }
    let Some(person) = from.person.as_ref() else { return Ok(None) };
    for party in cx.tx.parties_of(case)? {
        if party.person_id == Some(person.id) {
            return Ok(cx.tx.conversation_of_party(party.id)?);
        }
    }
    Ok(None)
}

fn join(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    (mut case, conversation, doubt): Joined,
    finding: &Finding,
) -> Result<Became, DeskError> {
    joined_by(cx, letter, &mut case)?;
    let id = MessageId::new();
    let new = letter.message(id, doubt.map(Into::into));
    cx.file(&new, &Shelf::Case(&case, Some(conversation.id)))?.ok_or(DeskError::Conflict)?;
    remember(cx, letter, id, &case, conversation.id)?;
    let details =
        serde_json::json!({ "message": id.to_string(), "trust": letter.from.trust, "doubt": doubt });
    cx.record(&Actor::System, "message.received", Some(&case), &details)?;
    conflicts::raise_later(cx, &case, finding)?;
    if let Some(owner) = case.owner_id {
        cx.notify(owner, Kind::Notification, Some(&case))?;
    }
    Ok(Became { state: letter.state(), message: Some(id), case: Some(case.id), opened: false })
}

/// What a party's letter does to the case: the machine only raises (promise 5), and a case that was done is open
/// again.
pub(super) fn joined_by(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    case: &mut CaseRow,
) -> Result<(), DeskError> {
    let was = case.clone();
    case.sensitivity = case.sensitivity.max(letter.sensitivity(cx));
    case.priority = case.priority.max(letter.verdict.priority);
    if case.status != Status::New {
        case.status = Status::Open;
        case.closed_at = None;
    }
    cx.advance(case)?;
    let whats = moved(&was, case);
    cx.happened(case, &whats)
}

fn open(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
    finding: &Finding,
) -> Result<Became, DeskError> {
    let (case, conversation) = open_for(cx, letter, evidence, finding)?;
    let id = MessageId::new();
    cx.file(&letter.message(id, None), &Shelf::Case(&case, Some(conversation.id)))?
        .ok_or(DeskError::Conflict)?;
    remember(cx, letter, id, &case, conversation.id)?;
    record_opened(cx, letter, &case, id)?;
    conflicts::raise(cx, &case, finding)?;
    acknowledge(cx, letter, &case, &conversation)?;
    Ok(Became { state: letter.state(), message: Some(id), case: Some(case.id), opened: true })
}

/// A new case with the sender as its reporter, linked to the cases it may belong to.
pub(super) fn open_for(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
    finding: &Finding,
) -> Result<(CaseRow, ConversationRow), DeskError> {
    let sensitivity = if finding.restricted { Sensitivity::Restricted } else { letter.sensitivity(cx) };
    let language = language(cx, letter);
    let name = letter.mail.from.as_ref().and_then(|from| from.name.clone()).unwrap_or_default();
    let person = letter.from.person.as_ref();
    let case = cx.open_case(&NewCase {
        subject: &letter.mail.subject,
        category: letter.verdict.category.clone(),
        sensitivity,
        priority: letter.verdict.priority,
        triage: letter.verdict.triage,
        channel: letter.arrived.channel,
        language: &language,
        legal_entity: person.map(|person| person.legal_entity.clone()).unwrap_or_default(),
        received_at: letter.arrived.received_at,
    })?;
    let party = NewParty {
        part: Part::Reporter,
        person: person.map(|person| person.id),
        name: &name,
        address: Some(letter.address),
        confirmed: true,
    };
    let conversation = cx.add_party(&case, &party, &letter.mail.subject, &letter.arrived.mailbox)?;
    for one in evidence.iter().filter(|one| one.case != case.id) {
        let link =
            LinkRow { from_case: case.id, to_case: one.case, kind: LinkRow::MAY_BELONG.into(), at: cx.now };
        cx.tx.insert_link(&link)?;
    }
    Ok((case, conversation))
}

pub(super) fn record_opened(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    case: &CaseRow,
    message: MessageId,
) -> Result<(), DeskError> {
    let details = serde_json::json!({
        "message": message.to_string(), "trust": letter.from.trust, "category": letter.verdict.category,
        "sensitivity": case.sensitivity, "priority": letter.verdict.priority,
        "rules": letter.verdict.rules, "because": letter.verdict.because,
    });
    cx.record(&Actor::System, "case.opened", Some(case), &details)
}

/// What later mails may refer to, and what this one refers to that has not arrived yet.
pub(super) fn remember(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    message: MessageId,
    case: &CaseRow,
    conversation: ConversationId,
) -> Result<(), DeskError> {
    let row = |hash, purpose| ThreadRow {
        hash,
        purpose,
        message_id: message,
        case_id: case.id,
        conversation_id: conversation,
        recipient: None,
        expires_at: None,
    };
    let hash = |id: &String| cx.shared.vault.lookup().message_id(id);
    let own = letter.mail.message_id.iter().map(|id| row(hash(id), ThreadPurpose::Stored));
    let referred = letter.mail.in_reply_to.iter().chain(&letter.mail.references).take(30);
    let awaited: Vec<_> = own.chain(referred.map(|id| row(hash(id), ThreadPurpose::Awaited))).collect();
    for row in &awaited {
        let arrived = row.purpose == ThreadPurpose::Awaited
            && !(cx.tx.threads(row.hash, ThreadPurpose::Stored)?.is_empty()
                && cx.tx.threads(row.hash, ThreadPurpose::Minted)?.is_empty());
        if !arrived {
            cx.tx.insert_thread(row)?;
        }
    }
    Ok(())
}
