//! What a mail does to the conflict wall of its case, before anybody is told of it: `intake/walls.rs` finds whom the
//! mail concerns, this raises the walls. A later mail never walls somebody who sees the case already.

use super::context::{Context, DeskError};
use super::letter::{Joined, Letter, conversation_for};
use super::receive::is_address_of;
use super::view::View;
use super::walls::{active_users, guardian, keep_staffed, profile, put, sees, tell_guardian};
use crate::case::actor::Role;
use crate::case::wall::{Bar, Why};
use crate::case::{Actor, Part, Sensitivity, UserId};
use crate::directory::Roster;
use crate::intake::thread::Evidence;
use crate::intake::walls::{self, Colleague, Finding};
use crate::letters::Kind;
use crate::store::rows::CaseRow;

/// Categories in which nobody is complained of.
const ACCUSING_NOBODY: [&str; 6] = ["payroll", "leave", "benefits", "policy", "documents", "health"];

/// What a letter means for who may see its case.
pub(super) fn look(cx: &mut Context<'_>, letter: &Letter<'_>) -> Result<Finding, DeskError> {
    let sensitive = letter.sensitivity(cx) > Sensitivity::Standard;
    let accusing = !ACCUSING_NOBODY.contains(&letter.verdict.category.as_str());
    find(cx, letter.view, letter.address, sensitive, accusing)
}

/// The same of a mail that nobody classified: it may accuse anybody.
pub(super) fn look_unread(cx: &mut Context<'_>, view: &View) -> Result<Finding, DeskError> {
    let from = view.from.as_ref().map_or("", |from| from.address.as_str());
    find(cx, view, from, true, true)
}

fn find(
    cx: &mut Context<'_>,
    view: &View,
    from: &str,
    sensitive: bool,
    accusing: bool,
) -> Result<Finding, DeskError> {
    let roster = cx.shared.roster.get(cx.tx, &cx.shared.vault)?;
    let colleagues = colleagues(cx, &roster)?;
    let copied: Vec<&str> = view.to.iter().chain(&view.cc).map(|one| one.address.as_str()).collect();
    let mailboxes = &cx.settings.mailboxes;
    let ours = |address: &str| mailboxes.iter().any(|one| is_address_of(one, address));
    let letter = walls::Letter {
        from,
        copied: &copied,
        subject: &view.subject,
        text: &view.reply,
        ours: &ours,
        sensitive,
        accusing,
    };
    Ok(walls::find(&letter, &roster, &colleagues))
}

fn colleagues(cx: &mut Context<'_>, roster: &Roster) -> Result<Vec<Colleague>, DeskError> {
    let mut found = Vec::new();
    for row in active_users(cx.tx)? {
        let profile = profile(cx.tx, cx.shared, &row)?;
        let person = profile.email.as_deref().and_then(|address| roster.by_address(address));
        found.push(Colleague { id: row.id, name: profile.name, address: profile.email, person });
    }
    Ok(found)
}

/// The case that a letter joins, none if it opens one; and what it means for who may see either. When the reporter
/// accuses somebody who sees the case, the letter becomes a restricted case of its own: a wall would tip them off, and
/// let an accused remove an investigator by naming her.
pub(super) fn destination(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
) -> Result<(Option<Joined>, Finding), DeskError> {
    let mut finding = look(cx, letter)?;
    let Some((mut case, conversation, doubt)) = conversation_for(cx, letter.mail, letter.from, evidence)?
    else {
        return Ok((None, finding));
    };
    let party = cx.tx.party(conversation.party_id)?;
    if party.is_some_and(|party| party.part == Part::Reporter) {
        if !seen_by(cx, &case, &finding)?.is_empty() {
            finding.restricted = true;
            return Ok((None, finding));
        }
        if finding.restricted {
            case.sensitivity = Sensitivity::Restricted;
        }
    }
    Ok((Some((case, conversation, doubt)), finding))
}

/// Of those whom a later letter would shut out, the ones who see the case already. Whose own case it is does not
/// change by a letter.
fn seen_by(cx: &mut Context<'_>, case: &CaseRow, finding: &Finding) -> Result<Vec<UserId>, DeskError> {
    let mut seeing = Vec::new();
    for (user, (bar, reason)) in &finding.barred {
        if bar.shuts_out() && reason.why != Why::Party && sees(cx, case, *user)? {
            seeing.push(*user);
        }
    }
    Ok(seeing)
}

/// Raises what a new case's first letter calls for, before anybody is told of the case.
pub(super) fn raise(cx: &mut Context<'_>, case: &CaseRow, finding: &Finding) -> Result<(), DeskError> {
    let all: Vec<UserId> = finding.barred.keys().copied().collect();
    put_all(cx, case, finding, &all)
}

/// Raises what a later letter calls for. Who sees the case already keeps seeing it; a wall for them is suggested to
/// somebody uninvolved, where they do not see it.
pub(super) fn raise_later(cx: &mut Context<'_>, case: &CaseRow, finding: &Finding) -> Result<(), DeskError> {
    let seeing = seen_by(cx, case, finding)?;
    let mut others = Vec::new();
    for (user, (bar, _)) in &finding.barred {
        let known = cx.tx.wall(case.id, *user)?.map(|row| row.bar);
        let keeps = case.owner_id == Some(*user) || (bar.shuts_out() && sees(cx, case, *user)?);
        if !keeps && known.is_none_or(|known| known < *bar) {
            others.push(*user);
        }
    }
    put_all(cx, case, finding, &others)?;
    if seeing.is_empty() {
        return Ok(());
    }
    for user in &seeing {
        if let (None, Some((_, reason))) = (cx.tx.wall(case.id, *user)?, finding.barred.get(user)) {
            put(cx, case, *user, Bar::Suggested, reason)?;
        }
    }
    let users: Vec<String> = seeing.iter().map(ToString::to_string).collect();
    // Not on the case's own record, which those whom it concerns may read.
    let details = serde_json::json!({ "case": case.id.to_string(), "users": users });
    cx.record(&Actor::System, "wall.suggested", None, &details)?;
    let involved: Vec<UserId> = finding.shut_out().collect();
    match decider(cx, case, &involved)? {
        Some(user) => cx.notify_apart(user, Kind::Notification, case).map(drop),
        None => {
            tracing::error!(case = %case.reference, "nobody uninvolved can decide on a suggested wall; name a guardian");
            Ok(())
        }
    }
}

/// A lead of the team who is not involved, else the guardian.
fn decider(cx: &mut Context<'_>, case: &CaseRow, involved: &[UserId]) -> Result<Option<UserId>, DeskError> {
    for row in active_users(cx.tx)? {
        let leads = row.roles.has(Role::Lead) && row.teams.0.contains(&case.team);
        if leads && !involved.contains(&row.id) && !cx.tx.walled(case.id, row.id)? {
            return Ok(Some(row.id));
        }
    }
    Ok(guardian(cx.tx, cx.shared)?.filter(|user| !involved.contains(user)))
}

fn put_all(
    cx: &mut Context<'_>,
    case: &CaseRow,
    finding: &Finding,
    users: &[UserId],
) -> Result<(), DeskError> {
    let mut raised = Vec::new();
    let mut shut_out = false;
    for user in users {
        let Some((bar, reason)) = finding.barred.get(user) else { continue };
        put(cx, case, *user, *bar, reason)?;
        shut_out |= bar.shuts_out();
        raised.push(serde_json::json!({ "user": user.to_string(), "bar": bar, "why": reason.why, "words": reason.words }));
    }
    if raised.is_empty() {
        return Ok(());
    }
    cx.record(&Actor::System, "wall.raised", Some(case), &serde_json::json!({ "raised": raised }))?;
    if shut_out {
        tell_guardian(cx, case)?;
        keep_staffed(cx, case)?;
    }
    Ok(())
}
