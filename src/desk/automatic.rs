//! Mail that a program wrote: recorded, never acknowledged, opens nothing. A bounce shows on the mail that bounced.

use super::context::{Context, DeskError};
use super::filing::Shelf;
use super::hold::keep_unfiled;
use super::letter::conversation_for;
use super::receive::{Arrived, Became, plain_message, word};
use super::view::View;
use crate::case::Actor;
use crate::intake::thread::Evidence;
use crate::intake::trust::Sender;
use crate::mail::{Automatic, Mail};
use crate::store::rows::{Held, MessageRow, RegisterState, ThreadPurpose};

/// Records an automatic mail: on the case it is about, else outside any.
pub(super) fn record(
    cx: &mut Context<'_>,
    arrived: &Arrived,
    mail: &Mail,
    view: &View,
    from: &Sender,
    evidence: &[Evidence],
) -> Result<Became, DeskError> {
    let kind = word(mail.automatic);
    let bounced = mail.automatic == Automatic::Bounce;
    // A report comes from a server; what ties it to a mail of ours is the Message-ID that we minted for that.
    let ours = |one: &&Evidence| matches!(one.purpose, Some(ThreadPurpose::Minted | ThreadPurpose::Token));
    let shelf = match evidence.iter().find(ours) {
        Some(one) if bounced => {
            mark_bounced(cx, one)?;
            Some((one.case, one.conversation))
        }
        _ if bounced => None,
        _ => conversation_for(cx, mail, from, evidence)?
            .map(|(case, conversation, _)| (case.id, Some(conversation.id))),
    };
    let Some((case, conversation)) = shelf else {
        return keep_unfiled(cx, arrived, view, Held::Automatic, "automatic mail", kind);
    };
    let mut case = cx.tx.case(case)?.ok_or(DeskError::NotFound)?;
    cx.advance(&mut case)?;
    let new = plain_message(arrived, view, kind, Some(from.trust), None);
    let id = new.id;
    cx.file(&new, &Shelf::Case(&case, conversation))?.ok_or(DeskError::Conflict)?;
    let action = if bounced { "message.bounced" } else { "message.automatic" };
    cx.record(&Actor::System, action, Some(&case), &serde_json::json!({ "message": id.to_string() }))?;
    Ok(Became { state: RegisterState::Automatic, message: Some(id), case: Some(case.id), opened: false })
}

fn mark_bounced(cx: &mut Context<'_>, evidence: &Evidence) -> Result<(), DeskError> {
    if let Some(message) = evidence.message
        && let Some(row) = cx.tx.message(message)?
    {
        cx.tx.update_message(&MessageRow { delivery: Some("bounced".into()), ..row })?;
    }
    Ok(())
}
