//! Exceptions to who sees a case: grants with a level, a reason and an end, and break-glass. Nobody gives one to
//! themselves but by break-glass, of which the owner and a guardian are told at once.

use std::time::Duration;

use super::context::{Context, DeskError};
use super::runner::Action;
use super::users::holder;
use crate::case::access::{Access, breaks_glass, gives_grant};
use crate::case::actor::Office;
use crate::case::{Actor, CaseId, GrantId, Moment, User, UserId};
use crate::letters::Kind;
use crate::store::rows::{CaseRow, GrantKind, GrantRow};
use crate::vault::Record;

/// Break-glass lasts no longer.
pub const LONGEST: Duration = Duration::from_secs(8 * 3600);
/// A shorter reason for break-glass is none, characters.
pub const SHORTEST: usize = 20;

/// Gives a user access to a case.
pub struct Grant {
    pub actor: Actor,
    pub case: CaseId,
    pub to: UserId,
    pub level: Access,
    pub reason: String,
    /// Until it is taken back when not given.
    pub expires_at: Option<Moment>,
}

impl Action for Grant {
    type Output = GrantRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "grant.give"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<GrantRow, DeskError> {
        let user = person(&self.actor)?;
        let mut case =
            cx.case_if(&self.actor, self.case, |_, standing| gives_grant(user, standing, self.to))?;
        if self.level == Access::None {
            return Err(DeskError::Invalid("a grant gives something; to take one back, end it".into()));
        }
        if self.reason.trim().is_empty() {
            return Err(DeskError::Invalid("give a reason; it stands with the grant".into()));
        }
        if self.expires_at.is_some_and(|expires| expires <= cx.now) {
            return Err(DeskError::Invalid("this end lies in the past; correct expires_at".into()));
        }
        let enabled = cx.tx.user(self.to)?.is_some_and(|row| row.disabled_at.is_none());
        if !enabled || cx.tx.walled(case.id, self.to)? {
            return Err(DeskError::Invalid(
                "this user cannot be given access to this case; choose another".into(),
            ));
        }
        let given = Given {
            to: self.to,
            level: self.level,
            kind: GrantKind::Given,
            by: user.id,
            expires_at: self.expires_at,
            reason: &self.reason,
        };
        let row = give(cx, &mut case, &given)?;
        cx.record(&self.actor, "grant.given", Some(&case), &details(&row, &self.reason))?;
        cx.notify(self.to, Kind::Notification, Some(&case))?;
        Ok(row)
    }
}

/// Takes a grant back.
pub struct EndGrant {
    pub actor: Actor,
    pub case: CaseId,
    pub grant: GrantId,
}

impl Action for EndGrant {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "grant.end"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let user = person(&self.actor)?;
        let known = cx.tx.grants_of(self.case)?.into_iter().find(|row| row.id == self.grant);
        // Everybody may give up what they were given.
        let own = known.as_ref().is_some_and(|row| row.user_id == user.id);
        let to = known.as_ref().map_or(user.id, |row| row.user_id);
        let mut case =
            cx.case_if(&self.actor, self.case, |_, standing| own || gives_grant(user, standing, to))?;
        let row = known.ok_or(DeskError::NotFound)?;
        if !row.in_force(cx.now) {
            return Ok(());
        }
        cx.tx.end_grant(row.id, cx.now)?;
        cx.advance(&mut case)?;
        let details = serde_json::json!({ "grant": row.id.to_string(), "user": row.user_id.to_string() });
        cx.record(&self.actor, "grant.ended", Some(&case), &details)
    }
}

/// Opens a case to who asks, for hours, in an emergency.
pub struct BreakGlass {
    pub actor: Actor,
    pub case: CaseId,
    pub reason: String,
    pub span: Duration,
}

impl Action for BreakGlass {
    type Output = (CaseRow, GrantRow);

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "glass.break"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Self::Output, DeskError> {
        let user = person(&self.actor)?;
        let mut reads = false;
        let mut case = cx.case_if(&self.actor, self.case, |have, standing| {
            reads = have >= Access::Read;
            breaks_glass(user, standing)
        })?;
        if reads {
            return Err(DeskError::Invalid("you may read this case as it is; nothing was done".into()));
        }
        if self.reason.trim().chars().count() < SHORTEST {
            return Err(DeskError::Invalid(format!("give a reason of at least {SHORTEST} characters")));
        }
        if self.span.is_zero() || self.span > LONGEST {
            return Err(DeskError::Invalid("emergency access lasts from 1 to 8 hours".into()));
        }
        let given = Given {
            to: user.id,
            level: Access::Read,
            kind: GrantKind::BreakGlass,
            by: user.id,
            expires_at: Some(cx.now.plus(self.span)),
            reason: &self.reason,
        };
        let row = give(cx, &mut case, &given)?;
        cx.record(&self.actor, "glass.broken", Some(&case), &details(&row, &self.reason))?;
        tell(cx, user, &case)?;
        Ok((case, row))
    }
}

/// Tells the owner, and a guardian other than the caller; in their place an outside contact. Never through a wall.
fn tell(cx: &mut Context<'_>, caller: &User, case: &CaseRow) -> Result<(), DeskError> {
    if let Some(owner) = case.owner_id.filter(|owner| *owner != caller.id) {
        cx.notify(owner, Kind::BreakGlass, Some(case))?;
    }
    for office in Office::ALL {
        let Some(holder) = holder(cx, *office)?.filter(|holder| holder.id != caller.id) else { continue };
        if cx.notify(holder.id, Kind::BreakGlass, Some(case))?.is_some() {
            return Ok(());
        }
    }
    Err(DeskError::Invalid(
        "no guardian but you can be told of this; name one in the settings, with an e-mail address".into(),
    ))
}

struct Given<'a> {
    to: UserId,
    level: Access,
    kind: GrantKind,
    by: UserId,
    expires_at: Option<Moment>,
    reason: &'a str,
}

fn give(cx: &mut Context<'_>, case: &mut CaseRow, given: &Given<'_>) -> Result<GrantRow, DeskError> {
    let id = GrantId::new();
    let scope = cx.scope(case.id.as_bytes())?;
    let (record, key) = Record::create(&scope, "grants", id.as_bytes())?;
    let row = GrantRow {
        id,
        case_id: case.id,
        user_id: given.to,
        level: given.level,
        kind: given.kind,
        granted_by: given.by,
        at: cx.now,
        expires_at: given.expires_at,
        ended_at: None,
        key,
        reason: record.seal("reason", crate::mail::clean::text(given.reason).as_bytes())?,
    };
    cx.tx.insert_grant(&row)?;
    cx.advance(case)?;
    Ok(row)
}

fn details(row: &GrantRow, reason: &str) -> serde_json::Value {
    serde_json::json!({
        "grant": row.id.to_string(), "user": row.user_id.to_string(), "level": row.level,
        "expires_at": row.expires_at.map(|at| at.to_string()), "reason": reason,
    })
}

fn person(actor: &Actor) -> Result<&User, DeskError> {
    match actor {
        Actor::User(user) => Ok(user),
        Actor::System => Err(DeskError::Refused("access is given by a person")),
    }
}
