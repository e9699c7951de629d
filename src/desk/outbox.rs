//! The outbox's book-keeping: claiming due mail, noting what became of a try, trying a dead one again.

use std::time::Duration;

use super::context::{Context, DeskError};
use super::filing::{read_raw, scope_of};
use super::runner::Action;
use crate::case::access::Access;
use crate::case::actor::Role;
use crate::case::clock::{Happening, What};
use crate::case::{Actor, Moment, OutboxId};
use crate::store::rows::{MessageRow, OutboxKind, OutboxRow, OutboxState};
use crate::vault::Record;

/// A mail leased for sending, opened.
pub struct Parcel {
    pub id: OutboxId,
    pub mailbox: String,
    pub attempts: i32,
    pub null_sender: bool,
    pub from: String,
    pub to: String,
    pub raw: Vec<u8>,
}

/// Leases due mails.
pub struct Claim {
    pub holder: String,
    pub most: i64,
    /// Long enough for the outer time limit of a send.
    pub lease: Duration,
}

impl Action for Claim {
    type Output = Vec<Parcel>;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "outbox.claim"
    }

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Vec<Parcel>, DeskError> {
        let rows = cx.tx.claim_outbox(cx.now, cx.now.plus(self.lease), &self.holder, self.most)?;
        let mut parcels = Vec::with_capacity(rows.len());
        for row in rows {
            let message = cx.tx.message(row.message_id)?.ok_or(DeskError::NotFound)?;
            let scope = cx.scope(&scope_of(&message))?;
            let record = Record::open(&scope, "messages", message.id.as_bytes(), &message.key)?;
            let envelope: serde_json::Value =
                serde_json::from_slice(&record.read("envelope", &row.envelope)?).unwrap_or_default();
            let part = |name: &str| {
                envelope.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
            };
            parcels.push(Parcel {
                id: row.id,
                mailbox: row.mailbox,
                attempts: row.attempts,
                null_sender: row.null_sender,
                from: part("from"),
                to: part("to"),
                raw: read_raw(cx.tx, &scope, &message)?,
            });
        }
        Ok(parcels)
    }
}

/// How a try ended.
#[derive(Clone, Debug)]
pub enum Tried {
    /// With the server's words of acceptance.
    Sent { line: String },
    /// Try again then.
    Later { at: Moment, why: String },
    /// The server refuses the null sender: try again at once as the mailbox.
    AsMailbox,
    /// For good.
    Dead { why: String },
}

/// Notes how a try ended.
pub struct Note {
    pub id: OutboxId,
    pub tried: Tried,
}

impl Action for Note {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "outbox.note"
    }

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let row = cx.tx.outbox(self.id)?.ok_or(DeskError::NotFound)?;
        let message = cx.tx.message(row.message_id)?.ok_or(DeskError::NotFound)?;
        let mut next = OutboxRow { attempts: row.attempts + 1, lease_until: None, lease_by: None, ..row };
        let mut delivery = None;
        match &self.tried {
            Tried::Sent { line } => {
                let record = cx.record_of(&message)?;
                next.state = OutboxState::Sent;
                next.sent_at = Some(cx.now);
                next.accepted = Some(record.seal("accepted", line.as_bytes())?);
                next.last_error = None;
                delivery = Some("sent");
            }
            Tried::Later { at, why } => {
                next.not_before = *at;
                next.last_error = Some(why.clone());
            }
            Tried::AsMailbox => next.null_sender = false,
            Tried::Dead { why } => {
                next.state = OutboxState::Dead;
                next.last_error = Some(why.clone());
                delivery = Some("failed");
            }
        }
        cx.tx.update_outbox(&next)?;
        let Some(delivery) = delivery else { return Ok(()) };
        // A bounce may have been faster than this note.
        if message.delivery.as_deref() != Some("bounced") {
            cx.tx.update_message(&MessageRow { delivery: Some(delivery.into()), ..message })?;
        }
        let mut case = match next.case_id {
            Some(id) => cx.tx.case(id)?,
            None => None,
        };
        if next.state == OutboxState::Sent
            && next.kind == OutboxKind::Acknowledgement
            && let Some(case) = &mut case
        {
            cx.happened(case, &[What::Happened(Happening::Acknowledged)])?;
        }
        let details = serde_json::json!({ "outbox": self.id.to_string(), "delivery": delivery });
        cx.record(&Actor::System, &format!("mail.{delivery}"), case.as_ref(), &details)
    }
}

/// Tries a dead mail again.
pub struct Retry {
    pub actor: Actor,
    pub id: OutboxId,
}

impl Action for Retry {
    type Output = OutboxRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "outbox.retry"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<OutboxRow, DeskError> {
        let row = cx.tx.outbox(self.id)?.ok_or(DeskError::NotFound)?;
        let admin = matches!(&self.actor, Actor::User(user) if user.roles.has(Role::Admin));
        let case = match row.case_id {
            Some(id) if !admin => Some(cx.case_for(&self.actor, id, Access::Work)?),
            Some(id) => cx.tx.case(id)?,
            None if admin => None,
            None => return Err(DeskError::NotFound),
        };
        if row.state != OutboxState::Dead {
            return Err(DeskError::Invalid("only a mail that was given up can be tried again".into()));
        }
        let next = OutboxRow { state: OutboxState::Waiting, not_before: cx.now, attempts: 0, ..row };
        cx.tx.update_outbox(&next)?;
        cx.record(
            &self.actor,
            "mail.retried",
            case.as_ref(),
            &serde_json::json!({ "outbox": self.id.to_string() }),
        )?;
        Ok(next)
    }
}
