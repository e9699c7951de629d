//! The daily mail to the witnesses: the checkpoint of the audit log and nothing else. Whoever keeps them can tell
//! later whether history was rewritten. Once a day, whatever restarts and however many daemons.

use super::context::{Context, DeskError};
use super::filing::Shelf;
use super::posting::Dispatch;
use super::runner::Action;
use super::sequence::checkpoint;
use crate::audit::LogKey;
use crate::case::Actor;
use crate::letters::Letter;
use crate::mail::compose::OutgoingAttachment;
use crate::store::rows::OutboxKind;

const DAY: i64 = 86_400 * 1_000_000;

/// Mails today's checkpoint to the witnesses, unless that was done; to how many.
pub struct TellWitnesses;

impl Action for TellWitnesses {
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "audit.witness"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        let witnesses = &cx.settings.audit.witnesses;
        let key = LogKey::from_seed(cx.vault().log_signing().bytes());
        let Some(note) = checkpoint(cx.tx, key.public())? else { return Ok(0) };
        let size = cx.tx.tree_size()?;
        if witnesses.is_empty() || !cx.tx.note_witnessed(cx.now.micros().div_euclid(DAY), size, cx.now)? {
            return Ok(0);
        }
        let mailbox = cx.mailbox("")?.clone();
        let text = String::from_utf8_lossy(&note).into_owned();
        let letter = Letter {
            subject: format!("{} {}", key.public().origin(), cx.now.timestamp().strftime("%Y-%m-%d")),
            html: format!("<pre>{text}</pre>\n"),
            text,
        };
        for witness in witnesses {
            cx.dispatch(Dispatch {
                kind: OutboxKind::Notification,
                to: witness,
                letter: &letter,
                text: None,
                // Mail programs reflow text; a witness keeps the file.
                attachments: vec![OutgoingAttachment {
                    name: "checkpoint.txt".into(),
                    media_type: "text/plain".into(),
                    bytes: note.clone(),
                }],
                in_reply_to: None,
                author: None,
                reply_to: None,
                mailbox: &mailbox,
                shelf: Shelf::Apart,
            })?;
        }
        let details = serde_json::json!({ "size": size, "witnesses": witnesses.len() });
        cx.note(&Actor::System, "audit.witnessed", None, &details)?;
        Ok(witnesses.len())
    }
}
