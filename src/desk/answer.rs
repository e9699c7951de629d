//! What HR says: answers to a party by mail, first letters to new parties, internal notes, and cases opened by hand
//! for what came by phone or in person.

use super::context::{Context, DeskError};
use super::filing::{NewCase, NewMessage, NewParty, Shelf};
use super::parties::checked_address;
use super::posting::Post;
use super::runner::Action;
use super::view::View;
use crate::case::access::{Access, opens_cases};
use crate::case::clock::{Happening, What};
use crate::case::{
    Actor, CaseId, Category, Channel, ConversationId, MessageId, MessageKind, Moment, Part, PartyId,
    Priority, Sensitivity, Status,
};
use crate::letters::{Kind, Values};
use crate::mail::compose::OutgoingAttachment;
use crate::store::rows::{CaseRow, ConversationRow, OutboxKind};
use crate::vault::Record;

/// Writes to a party in their conversation.
pub struct Answer {
    pub actor: Actor,
    pub case: CaseId,
    pub version: Option<i64>,
    /// None: the reporter.
    pub party: Option<PartyId>,
    pub text: String,
    pub attachments: Vec<OutgoingAttachment>,
}

impl Action for Answer {
    type Output = (CaseRow, MessageId);

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "message.answer"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Self::Output, DeskError> {
        let mut case = cx.case_for(&self.actor, self.case, Access::Work)?;
        check_version(&case, self.version)?;
        check_text(&self.text)?;
        let conversation = conversation(cx, &case, self.party)?;
        let scope = cx.scope(case.id.as_bytes())?;
        let addresses = cx.tx.addresses_of(conversation.party_id)?;
        let address = addresses.first().ok_or_else(|| {
            DeskError::Invalid("no address is known of this party; reach them another way".into())
        })?;
        let party = cx.tx.party(conversation.party_id)?.ok_or(DeskError::NotFound)?;
        let party = Record::open(&scope, "parties", party.id.as_bytes(), &party.key)?;
        let to = String::from_utf8_lossy(&party.read("address", &address.address)?).into_owned();
        let subject = subject_line(&scope, &case, &conversation)?;
        let reference = conversation.reference.to_string();
        let values = Values {
            organisation: &cx.settings.organisation.name,
            organisation_language: &cx.settings.organisation.language,
            reference: &reference,
            subject: subject.as_deref(),
            text: Some(&self.text),
            ..Values::default()
        };
        let letter = cx
            .shared
            .letters
            .render(Kind::Answer, &conversation.language, &values)
            .map_err(|error| DeskError::Invalid(error.to_string()))?;
        if case.status == Status::New {
            case.status = Status::Open;
        }
        cx.advance(&mut case)?;
        let post = Post {
            kind: OutboxKind::Answer,
            to: &to,
            letter: &letter,
            text: Some(&self.text),
            attachments: self.attachments.clone(),
            in_reply_to: cx.last_from_party(&case, conversation.id)?,
            author: self.actor.user_id(),
        };
        let id = cx.post(&case, &conversation, &post)?;
        if conversation.reference == case.reference {
            cx.happened(&mut case, &[What::Happened(Happening::Answered)])?;
        }
        cx.record(
            &self.actor,
            "message.answered",
            Some(&case),
            &serde_json::json!({ "message": id.to_string() }),
        )?;
        Ok((case, id))
    }
}

/// A person's reply keeps the conversation's subject in a standard case only (promise 7).
fn subject_line(
    scope: &crate::vault::Key,
    case: &CaseRow,
    conversation: &ConversationRow,
) -> Result<Option<String>, DeskError> {
    if case.sensitivity != Sensitivity::Standard {
        return Ok(None);
    }
    let record = Record::open(scope, "conversations", conversation.id.as_bytes(), &conversation.key)?;
    let subject = String::from_utf8_lossy(&record.read("subject", &conversation.subject)?).into_owned();
    let has_prefix = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    Ok(Some(subject)
        .filter(|subject| !subject.is_empty())
        .map(|subject| if has_prefix { subject } else { format!("Re: {subject}") }))
}

fn conversation(
    cx: &mut Context<'_>,
    case: &CaseRow,
    party: Option<PartyId>,
) -> Result<ConversationRow, DeskError> {
    let found = match party {
        Some(party) => cx.tx.conversation_of_party(party)?.filter(|row| row.case_id == case.id),
        None => cx.tx.conversation_by_reference(case.reference)?,
    };
    found.ok_or(DeskError::NotFound)
}

pub(super) fn check_version(case: &CaseRow, version: Option<i64>) -> Result<(), DeskError> {
    if version.is_none_or(|version| version == case.version) { Ok(()) } else { Err(DeskError::Conflict) }
}

fn check_text(text: &str) -> Result<(), DeskError> {
    if text.trim().is_empty() {
        return Err(DeskError::Invalid("the text is empty; write something".into()));
    }
    Ok(())
}

/// Writes an internal note, which no party ever sees.
pub struct WriteNote {
    pub actor: Actor,
    pub case: CaseId,
    pub version: Option<i64>,
    pub text: String,
}

impl Action for WriteNote {
    type Output = (CaseRow, MessageId);

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "message.note"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Self::Output, DeskError> {
        let mut case = cx.case_for(&self.actor, self.case, Access::Work)?;
        check_version(&case, self.version)?;
        check_text(&self.text)?;
        cx.advance(&mut case)?;
        let id = write(cx, &case, None, MessageKind::Note, &self.actor, &self.text, cx.now)?;
        cx.record(
            &self.actor,
            "message.noted",
            Some(&case),
            &serde_json::json!({ "message": id.to_string() }),
        )?;
        Ok((case, id))
    }
}

fn write(
    cx: &mut Context<'_>,
    case: &CaseRow,
    conversation: Option<ConversationId>,
    kind: MessageKind,
    actor: &Actor,
    text: &str,
    at: Moment,
) -> Result<MessageId, DeskError> {
    let clean = crate::mail::clean::text(text);
    let view = View { text: clean.clone(), reply: clean, ..View::default() };
    let id = MessageId::new();
    let new = NewMessage {
        id,
        kind,
        at,
        author: actor.user_id(),
        mailbox: "",
        trust: None,
        automatic: "none",
        reason: None,
        identity: None,
        raw: &[],
        raw_complete: true,
        view: &view,
        verdict: None,
    };
    cx.file(&new, &Shelf::Case(case, conversation))?.ok_or(DeskError::Conflict)?;
    Ok(id)
}

/// Opens a case by hand.
pub struct OpenByHand {
    pub actor: Actor,
    pub channel: Channel,
    pub received_at: Moment,
    pub subject: String,
    pub text: String,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
    pub name: String,
    pub email: Option<String>,
    pub language: Option<String>,
}

impl Action for OpenByHand {
    type Output = CaseRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "case.open"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<CaseRow, DeskError> {
        let Actor::User(user) = &self.actor else { return Err(DeskError::NotFound) };
        if !opens_cases(user) {
            return Err(DeskError::Refused("opening a case takes the role agent or lead"));
        }
        check_text(&self.text)?;
        if self.received_at > cx.now {
            return Err(DeskError::Invalid(
                "the date of receipt lies in the future; correct received_at".into(),
            ));
        }
        if !cx.settings.all_categories().any(|known| known == self.category.as_str()) {
            return Err(DeskError::Invalid(
                "this category is not known; it must be one of the settings".into(),
            ));
        }
        let address = self.email.as_deref().map(checked_address).transpose()?;
        let language = self.language.clone().unwrap_or_else(|| cx.settings.organisation.language.clone());
        let mut case = cx.open_case(&NewCase {
            subject: &crate::mail::clean::line(&self.subject),
            category: self.category.clone(),
            sensitivity: self.sensitivity,
            priority: self.priority,
            triage: false,
            channel: self.channel,
            language: &language,
            legal_entity: String::new(),
            received_at: self.received_at,
        })?;
        let mailbox = cx.mailbox("")?.name.clone();
        let name = crate::mail::clean::line(&self.name);
        let party = NewParty {
            part: Part::Reporter,
            person: None,
            name: &name,
            address,
            confirmed: address.is_some(),
        };
        let subject = crate::mail::clean::line(&self.subject);
        let conversation = cx.add_party(&case, &party, &subject, &mailbox)?;
        write(
            cx,
            &case,
            Some(conversation.id),
            MessageKind::Portal,
            &self.actor,
            &self.text,
            self.received_at,
        )?;
        // Whoever takes the call owns the case until it is handed on; else they could not see what they wrote.
        case.owner_id = Some(user.id);
        case.status = Status::Open;
        cx.advance(&mut case)?;
        cx.record(&self.actor, "case.opened", Some(&case), &serde_json::json!({ "channel": self.channel }))?;
        Ok(case)
    }
}
