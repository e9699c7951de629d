//! The outbox's book-keeping: claiming due mail, noting what became of a try, trying a dead one again.

use std::time::Duration;

use super::context::{Context, DeskError, standing};
use super::filing::{read_raw, scope_of};
use super::runner::Action;
use crate::case::access::{Access, Sight, access, administers, outgoing};
use crate::case::clock::{Happening, What};
use crate::case::{Actor, Moment, OutboxId};
use crate::store::rows::{MessageRow, OutboxKind, OutboxRow, OutboxState};
use crate::vault::Record;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How soon to ask again when nobody knows better.
const BUSY: Duration = Duration::from_millis(500);

/// A mail leased for sending, opened.
pub struct Parcel {
    pub id: OutboxId,
    pub mailbox: String,
    pub attempts: i32,
    pub created_at: Moment,
    pub null_sender: bool,
    pub from: String,
    pub to: String,
    pub raw: Vec<u8>,
}

/// Leases due mails, as many as may leave now by the register's own count: over restarts and over all daemons.
pub struct Claim {
    pub holder: String,
    pub most: i64,
    /// Long enough for the outer time limit of a send.
    pub lease: Duration,
}

/// What was leased.
pub struct Claimed {
    pub parcels: Vec<Parcel>,
    /// Due mails are held back until then.
    pub again: Option<Moment>,
}

impl Action for Claim {
    type Output = Claimed;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "outbox.claim"
    }

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Claimed, DeskError> {
        // Another daemon counts just now: two that count side by side would both find room for the same mail.
        if !cx.tx.try_lock_outbox()? {
            return Ok(Claimed { parcels: Vec::new(), again: Some(cx.now.plus(BUSY)) });
        }
        let smtp = &cx.settings.smtp;
        let flying = cx.tx.flying(cx.now)?;
        let minute = Window { span: MINUTE, most: smtp.per_minute };
        let day = Window { span: DAY, most: smtp.automatic_per_day };
        let all = minute.room(cx.tx.sent_since(cx.now.minus(MINUTE), false)?, flying, cx.now);
        // A flood of automatic mail never keeps people's answers back.
        let automatic = day.room(cx.tx.sent_since(cx.now.minus(DAY), true)?, flying, cx.now);
        let room = self.most.min(all.mails);
        if room <= 0 {
            return Ok(Claimed { parcels: Vec::new(), again: all.again });
        }
        let kinds = if automatic.mails > 0 { OutboxKind::ALL } else { &[OutboxKind::Answer] };
        let until = cx.now.plus(self.lease);
        let rows = cx.tx.claim_outbox(cx.now, until, &self.holder, kinds, room)?;
        let again = automatic.again.filter(|_| rows.is_empty());
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
                created_at: row.created_at,
                null_sender: row.null_sender,
                from: part("from"),
                to: part("to"),
                raw: read_raw(cx.tx, &scope, &message)?,
            });
        }
        Ok(Claimed { parcels, again })
    }
}

/// So many in any span of time, however the span is laid: Microsoft 365 counts exactly.
struct Window {
    span: Duration,
    most: u32,
}

struct Room {
    mails: i64,
    /// When there is room again, if there is none.
    again: Option<Moment>,
}

impl Window {
    /// `sent` within the span, the oldest of them at, and how many are on their way.
    fn room(&self, (sent, oldest): (i64, Option<Moment>), flying: i64, now: Moment) -> Room {
        let mails = (i64::from(self.most.max(1)) - sent - flying).max(0);
        let again = (mails == 0).then(|| oldest.map_or(now.plus(BUSY), |oldest| oldest.plus(self.span)));
        Room { mails, again }
    }
}

/// How a try ended.
#[derive(Clone, Debug)]
pub enum Tried {
    /// With the server's words of acceptance.
    Sent { line: String },
    /// Try again then.
    Later { at: Moment, why: String },
    /// The server or the settings are at fault, not this mail: try again then, and do not count it.
    ServerDown { at: Moment, why: String },
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
        let row_attempts = row.attempts;
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
            Tried::ServerDown { at, why } => {
                next.attempts = row_attempts;
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
        let case = row.case_id.map(|id| cx.tx.case(id)).transpose()?.flatten();
        cx.asked = row.case_id;
        if let Actor::User(user) = &self.actor {
            let standing = case.as_ref().map(|case| standing(cx.tx, user, case, cx.now)).transpose()?;
            // Trying again changes nothing of the case: whoever runs the mail may, and whoever works the case.
            let works = standing.as_ref().is_some_and(|standing| access(user, standing) >= Access::Work);
            match outgoing(user, standing.as_ref()) {
                Sight::None => return Err(DeskError::NotFound),
                _ if works || administers(user) => {}
                _ => {
                    return Err(DeskError::Refused("trying again takes work on the case, or the role admin"));
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_sees_more_than_allowed() {
        let window = Window { span: MINUTE, most: 30 };
        let at = |seconds: u32| Moment::from_micros(0).plus(Duration::from_secs(1) * seconds);
        let mut sent: Vec<Moment> = Vec::new();
        for second in 0..600 {
            let now = at(second);
            let within: Vec<Moment> = sent.iter().copied().filter(|sent| *sent > now.minus(MINUTE)).collect();
            let room = window.room((i64::try_from(within.len()).unwrap(), within.first().copied()), 0, now);
            assert_eq!(room.again.is_some(), room.mails == 0);
            if let Some(again) = room.again {
                assert_eq!(again, within[0].plus(MINUTE), "asked again when the oldest falls out");
            }
            sent.extend((0..room.mails.min(3)).map(|_| now));
        }
        for start in 0..540 {
            let minute = at(start)..at(start + 60);
            assert!(sent.iter().filter(|sent| minute.contains(*sent)).count() <= 30, "from {start}");
        }
        assert_eq!(sent.len(), 300);
        assert_eq!(window.room((10, None), 25, at(0)).mails, 0, "what is on its way counts");
        assert_eq!(Window { span: MINUTE, most: 0 }.room((0, None), 0, at(0)).mails, 1);
    }
}
