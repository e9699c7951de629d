//! The same mail again, out of another folder, mailbox or epoch: one mail, one effect (promise 2). A better
//! authenticated copy raises what is known of the sender and threads the message anew; of two mailboxes the
//! stricter rules win.

use super::acknowledge::acknowledge;
use super::change::moved;
use super::conflicts;
use super::context::{Context, DeskError};
use super::letter::{self, Joined, Letter};
use super::receive::{Arrived, Became, Route, route};
use super::view::View;
use crate::case::{Actor, CaseId, MessageId, MessageKind, Status, Trust};
use crate::intake::thread::{Evidence, evidence};
use crate::intake::trust::sender;
use crate::store::rows::{CaseRow, Held, LinkRow, MessageRow, RegisterState};

/// More messages than a case has that nobody worked yet.
const FEW: i64 = 20;

/// What becomes of a copy that changes nothing.
pub(super) fn same(known: &MessageRow) -> Became {
    Became { state: RegisterState::Duplicate, message: Some(known.id), case: known.case_id, opened: false }
}

/// Takes from a copy what it adds to the message that is known.
pub(super) fn again(cx: &mut Context<'_>, arrived: &Arrived, known: MessageRow) -> Result<Became, DeskError> {
    let mut became = same(&known);
    let Ok((mail, verdict)) = &arrived.understood else { return Ok(became) };
    let from = sender(cx.tx, cx.shared.vault.lookup(), mail)?;
    let Route::Letter(address) = route(cx, mail, &from) else { return Ok(became) };
    let view = View::of(mail);
    let letter = Letter { arrived, mail, verdict, view: &view, from: &from, address };
    let better = from.trust > known.trust.unwrap_or(Trust::Stranger);
    let case = match known.case_id {
        Some(case) => cx.tx.case(case)?,
        None => None,
    };
    match case {
        // What a person must look at stays with them, and what was discarded is gone.
        None if !better || known.held != Some(Held::Automatic) => {}
        None => {
            let evidence = evidence(cx.tx, cx.shared.vault.lookup(), cx.settings, mail, cx.now)?;
            became.case = Some(unfiled_no_more(cx, &letter, &evidence, known)?);
        }
        Some(case) if better => {
            let evidence = evidence(cx.tx, cx.shared.vault.lookup(), cx.settings, mail, cx.now)?;
            became.case = Some(proved(cx, &letter, &evidence, known, case)?);
        }
        Some(case) if arrived.mailbox != known.mailbox => stricter(cx, &letter, case)?,
        Some(_) => {}
    }
    Ok(became)
}

/// Bulk mail of a stranger turns out to be a known sender's letter.
fn unfiled_no_more(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
    known: MessageRow,
) -> Result<CaseId, DeskError> {
    let id = known.id;
    let known = MessageRow { trust: Some(letter.from.trust), reason: None, ..known };
    let (joined, finding) = conflicts::destination(cx, letter, evidence)?;
    let opened = joined.is_none();
    let (case, conversation) = match joined {
        Some((mut case, conversation, _)) => {
            letter::joined_by(cx, letter, &mut case)?;
            (case, conversation)
        }
        None => letter::open_for(cx, letter, evidence, &finding)?,
    };
    cx.refile(known, &case, conversation.id)?;
    letter::remember(cx, letter, id, &case, conversation.id)?;
    if opened {
        letter::record_opened(cx, letter, &case, id)?;
        conflicts::raise(cx, &case, &finding)?;
        acknowledge(cx, letter, &case, &conversation)?;
    } else {
        record_proved(cx, letter, &case, id)?;
        conflicts::raise_later(cx, &case, &finding)?;
    }
    Ok(case.id)
}

/// The sender of a message in a case is better known now than when it was filed.
fn proved(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
    known: MessageRow,
    case: CaseRow,
) -> Result<CaseId, DeskError> {
    let id = known.id;
    let known = MessageRow { trust: Some(letter.from.trust), reason: None, ..known };
    cx.tx.update_message(&known)?;
    let (home, finding) = conflicts::destination(cx, letter, evidence)?;
    let home = home.filter(|(target, ..)| target.id != case.id);
    if let Some((target, conversation, _)) = home
        && nobody_worked(cx, &case)?
    {
        return merge(cx, letter, case, (target, conversation, None));
    }
    let mut case = case;
    case.sensitivity = case.sensitivity.max(letter.sensitivity(cx));
    let Some(conversation) = known.conversation_id else { return Ok(case.id) };
    let conversation = cx.tx.conversation(conversation)?.ok_or(DeskError::NotFound)?;
    if let Some(person) = &letter.from.person
        && case.status != Status::Closed
    {
        cx.tx.set_party_person(conversation.party_id, person.id)?;
        if case.legal_entity.is_empty() {
            case.legal_entity.clone_from(&person.legal_entity);
        }
    }
    cx.advance(&mut case)?;
    record_proved(cx, letter, &case, id)?;
    conflicts::raise_later(cx, &case, &finding)?;
    if !acknowledged(cx, &case)? {
        acknowledge(cx, letter, &case, &conversation)?;
    }
    Ok(case.id)
}

/// A case that the mail opened for want of proof goes into the one it belongs to, acknowledgement and all: its
/// reference was told to the sender and must lead there.
fn merge(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    mut from: CaseRow,
    (mut into, conversation, _): Joined,
) -> Result<CaseId, DeskError> {
    into.sensitivity = into.sensitivity.max(from.sensitivity);
    letter::joined_by(cx, letter, &mut into)?;
    super::walls::carry(cx, &from, &into, false)?;
    for row in cx.tx.messages_of(from.id, None, FEW)? {
        let details = serde_json::json!({ "message": row.id.to_string(), "from": from.id.to_string() });
        cx.refile(row, &into, conversation.id)?;
        cx.record(&Actor::System, "message.moved-here", Some(&into), &details)?;
    }
    let was = from.clone();
    from.status = Status::Closed;
    from.closed_at = Some(cx.now);
    cx.advance(&mut from)?;
    let whats = moved(&was, &from);
    cx.happened(&mut from, &whats)?;
    let link = LinkRow { from_case: from.id, to_case: into.id, kind: LinkRow::MERGED.into(), at: cx.now };
    cx.tx.insert_link(&link)?;
    cx.record(
        &Actor::System,
        "case.merged",
        Some(&from),
        &serde_json::json!({ "into": into.id.to_string() }),
    )?;
    Ok(into.id)
}

/// Whether nothing happened to the case but its opening: the work of people is not undone.
fn nobody_worked(cx: &mut Context<'_>, case: &CaseRow) -> Result<bool, DeskError> {
    if case.status != Status::New || case.owner_id.is_some() {
        return Ok(false);
    }
    let messages = cx.tx.messages_of(case.id, None, FEW)?;
    let letters = messages.iter().filter(|row| row.kind == MessageKind::MailIn).count();
    let only_answered =
        messages.iter().all(|row| matches!(row.kind, MessageKind::MailIn | MessageKind::Acknowledgement));
    Ok(letters == 1 && only_answered)
}

/// A copy in a mailbox whose rules ask for more.
fn stricter(cx: &mut Context<'_>, letter: &Letter<'_>, mut case: CaseRow) -> Result<(), DeskError> {
    let asked = letter.sensitivity(cx);
    if asked <= case.sensitivity {
        return Ok(());
    }
    case.sensitivity = asked;
    cx.advance(&mut case)?;
    let details = serde_json::json!({ "sensitivity": asked, "mailbox": letter.arrived.mailbox });
    cx.record(&Actor::System, "case.raised", Some(&case), &details)?;
    let finding = conflicts::look(cx, letter)?;
    conflicts::raise_later(cx, &case, &finding)
}

fn acknowledged(cx: &mut Context<'_>, case: &CaseRow) -> Result<bool, DeskError> {
    let messages = cx.tx.messages_of(case.id, None, 1_000)?;
    Ok(messages.iter().any(|row| row.kind == MessageKind::Acknowledgement))
}

fn record_proved(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    case: &CaseRow,
    message: MessageId,
) -> Result<(), DeskError> {
    let details = serde_json::json!({ "message": message.to_string(), "trust": letter.from.trust });
    cx.record(&Actor::System, "message.proved", Some(case), &details)
}
