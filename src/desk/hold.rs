//! Unfiled mail: keeping it outside any case, releasing it into one, or discarding it with a reason. Discarding
//! destroys its key: the mail is erased here, its account stays.

use super::conflicts;
use super::context::{Context, DeskError};
use super::filing::{NewCase, NewParty, Shelf, scope_of};
use super::receive::{Arrived, Became, plain_message};
use super::runner::Action;
use super::view::View;
use crate::case::access::{Sight, unfiled as unfiled_sight};
use crate::case::{Actor, CaseId, Category, Channel, MessageId, Part, Priority, Sensitivity};
use crate::store::rows::{Held, MessageRow, RegisterState, ThreadPurpose, ThreadRow};
use crate::vault::Record;

/// Keeps a mail outside any case, under a key of its own.
pub(super) fn keep_unfiled(
    cx: &mut Context<'_>,
    arrived: &Arrived,
    view: &View,
    held: Held,
    reason: &str,
    kind: &str,
) -> Result<Became, DeskError> {
    let new = plain_message(arrived, view, kind, None, Some(reason.into()));
    let id = new.id;
    cx.file(&new, &Shelf::Unfiled(held))?.ok_or(DeskError::Conflict)?;
    let state = match held {
        Held::Quarantined => RegisterState::Quarantined,
        Held::Automatic => RegisterState::Automatic,
        Held::Discarded => RegisterState::Discarded,
    };
    if held == Held::Quarantined {
        tracing::error!(message = %id, reason, "a mail was put into quarantine; look at it");
    }
    let details = serde_json::json!({ "message": id.to_string(), "reason": reason });
    cx.record(&Actor::System, "mail.held", None, &details)?;
    Ok(Became { state, message: Some(id), case: None, opened: false })
}
/// What somebody is told who knows of unfiled mail and may not open it.
pub const OPENED_BY: &str = "unfiled mail is opened by a lead or the guardian; ask one";

/// Puts an unfiled mail into a new case.
pub struct Release {
    pub actor: Actor,
    pub message: MessageId,
    pub reason: String,
}

/// Erases an unfiled mail.
pub struct Discard {
    pub actor: Actor,
    pub message: MessageId,
    pub reason: String,
}

impl Action for Release {
    type Output = CaseId;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "mail.release"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<CaseId, DeskError> {
        let row = unfiled(cx, &self.actor, self.message, &self.reason)?;
        let old = cx.scope(&scope_of(&row))?;
        let record = Record::open(&old, "messages", row.id.as_bytes(), &row.key)?;
        let view = View::open(&record, &row.view)?;
        let finding = conflicts::look_unread(cx, &view)?;
        let language = cx.settings.organisation.language.clone();
        let case = cx.open_case(&NewCase {
            subject: &view.subject,
            category: Category::general(),
            // Nobody has read it: doubt raises.
            sensitivity: if finding.restricted { Sensitivity::Restricted } else { Sensitivity::Confidential },
            priority: Priority::Normal,
            triage: true,
            channel: Channel::Mail,
            language: &language,
            legal_entity: String::new(),
            received_at: row.at,
        })?;
        let from = view.from.as_ref();
        let party = NewParty {
            part: Part::Reporter,
            person: None,
            name: from.and_then(|from| from.name.as_deref()).unwrap_or_default(),
            address: from.map(|from| from.address.as_str()).filter(|address| !address.is_empty()),
            confirmed: false,
        };
        let conversation = cx.add_party(&case, &party, &view.subject, &row.mailbox)?;
        cx.refile(row, &case, conversation.id)?;
        if let Some(id) = &view.message_id {
            cx.tx.insert_thread(&ThreadRow {
                hash: cx.vault().lookup().message_id(id),
                purpose: ThreadPurpose::Stored,
                message_id: self.message,
                case_id: case.id,
                conversation_id: conversation.id,
                recipient: None,
                expires_at: None,
            })?;
        }
        cx.tx.set_place_state(self.message, RegisterState::TakenIn, "released")?;
        let details = serde_json::json!({ "message": self.message.to_string(), "reason": self.reason });
        cx.record(&self.actor, "mail.released", Some(&case), &details)?;
        conflicts::raise(cx, &case, &finding)?;
        Ok(case.id)
    }
}

impl Action for Discard {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "mail.discard"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let row = unfiled(cx, &self.actor, self.message, &self.reason)?;
        cx.tx.erase_key(row.id.as_bytes(), cx.now)?;
        cx.tx.update_message(&MessageRow { held: Some(Held::Discarded), ..row })?;
        let by = self.actor.user_id().map_or_else(|| "the system".into(), |user| format!("user {user}"));
        cx.tx.set_place_state(self.message, RegisterState::Discarded, &format!("discarded by {by}"))?;
        let details = serde_json::json!({ "message": self.message.to_string(), "reason": self.reason });
        cx.record(&self.actor, "mail.discarded", None, &details)
    }
}

fn unfiled(
    cx: &mut Context<'_>,
    actor: &Actor,
    id: MessageId,
    reason: &str,
) -> Result<MessageRow, DeskError> {
    if let Actor::User(user) = actor {
        match unfiled_sight(user) {
            Sight::Content => {}
            Sight::Metadata => return Err(DeskError::Refused(OPENED_BY)),
            Sight::None => return Err(DeskError::NotFound),
        }
    }
    let row = cx.tx.message(id)?.ok_or(DeskError::NotFound)?;
    if !matches!(row.held, Some(Held::Quarantined | Held::Automatic)) {
        return Err(DeskError::NotFound);
    }
    if reason.trim().is_empty() {
        return Err(DeskError::Invalid("give a reason; it stands in the audit log".into()));
    }
    Ok(row)
}
