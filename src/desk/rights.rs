//! What users may see as users: roles, teams, legal entities. Whatever widens somebody's sight takes a second
//! person (`access.four_eyes`); without that rule the guardian is told.

use serde::{Deserialize, Serialize};

use super::context::{Context, DIRECTORY, DeskError};
use super::runner::Action;
use super::users::{administers, holder};
use crate::case::access::{self, approves};
use crate::case::actor::Office;
use crate::case::{Actor, ApprovalId, Roles, UserId};
use crate::letters::Kind;
use crate::store::Words;
use crate::store::rows::{ApprovalRow, ApprovalState, UserRow};
use crate::vault::{Record, SealError};

/// What is to be changed of a user; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    pub roles: Option<Roles>,
    pub teams: Option<Vec<String>>,
    pub entities: Option<Vec<String>>,
}

impl Rights {
    /// Whether the user would see more than before.
    fn widens(&self, row: &UserRow) -> bool {
        let more = |new: &Option<Vec<String>>, old: &Words| {
            new.as_ref().is_some_and(|new| new.iter().any(|word| !old.0.contains(word)))
        };
        let roles = self
            .roles
            .as_ref()
            .is_some_and(|new| new.iter().any(|role| access::reads(role) && !row.roles.has(role)));
        roles || more(&self.teams, &row.teams) || more(&self.entities, &row.entities)
    }

    fn apply(&self, row: UserRow) -> UserRow {
        UserRow {
            roles: self.roles.clone().unwrap_or(row.roles),
            teams: self.teams.clone().map_or(row.teams, Words),
            entities: self.entities.clone().map_or(row.entities, Words),
            version: row.version + 1,
            ..row
        }
    }
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Changed {
    Done(UserRow),
    /// It waits for a second person.
    Waits(ApprovalRow),
}

/// Changes a user's rights.
pub struct ChangeRights {
    pub actor: Actor,
    pub user: UserId,
    pub version: Option<i64>,
    pub rights: Rights,
}

impl Action for ChangeRights {
    type Output = Changed;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "user.change"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Changed, DeskError> {
        administers(&self.actor)?;
        let row = cx.tx.user(self.user)?.ok_or(DeskError::NotFound)?;
        if self.version.is_some_and(|version| version != row.version) {
            return Err(DeskError::Conflict);
        }
        change(cx, &self.actor, row, &self.rights)
    }
}

/// Changes a user's rights, or lays the change before a second person.
pub(super) fn change(
    cx: &mut Context<'_>,
    actor: &Actor,
    row: UserRow,
    rights: &Rights,
) -> Result<Changed, DeskError> {
    let widens = rights.widens(&row);
    match actor {
        Actor::User(user) if widens && cx.settings.access.four_eyes => {
            let waiting = lay_before(cx, user.id, row.id, rights)?;
            let details = serde_json::json!({
                "approval": waiting.id.to_string(), "user": row.id.to_string(), "rights": rights,
            });
            cx.record(actor, "user.change-asked", None, &details)?;
            Ok(Changed::Waits(waiting))
        }
        _ => {
            let row = put(cx, row, rights)?;
            let details = serde_json::json!({ "user": row.id.to_string(), "rights": rights });
            cx.record(actor, "user.changed", None, &details)?;
            if widens {
                tell_guardian(cx, &row, actor.user_id())?;
            }
            Ok(Changed::Done(row))
        }
    }
}

fn lay_before(
    cx: &mut Context<'_>,
    asked_by: UserId,
    user: UserId,
    rights: &Rights,
) -> Result<ApprovalRow, DeskError> {
    let id = ApprovalId::new();
    let scope = cx.scope(DIRECTORY)?;
    let (record, key) = Record::create(&scope, "approvals", id.as_bytes())?;
    let change = record.seal("change", &serde_json::to_vec(rights).map_err(|_| SealError)?)?;
    let row = ApprovalRow {
        id,
        user_id: user,
        asked_by,
        at: cx.now,
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
        key,
        change,
    };
    cx.tx.insert_approval(&row)?;
    Ok(row)
}

fn put(cx: &mut Context<'_>, row: UserRow, rights: &Rights) -> Result<UserRow, DeskError> {
    let row = rights.apply(row);
    cx.tx.update_user(&row)?;
    Ok(row)
}

/// Tells the guardian, unless they did it or gain by it.
fn tell_guardian(cx: &mut Context<'_>, gains: &UserRow, did: Option<UserId>) -> Result<(), DeskError> {
    if let Some(guardian) = holder(cx, Office::Guardian)?
        && guardian.id != gains.id
        && Some(guardian.id) != did
    {
        cx.notify(guardian.id, Kind::Rights, None)?;
    }
    Ok(())
}

/// Says yes or no to a change that waits.
pub struct Decide {
    pub actor: Actor,
    pub approval: ApprovalId,
    pub approve: bool,
}

impl Action for Decide {
    type Output = ApprovalRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "approval.decide"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<ApprovalRow, DeskError> {
        let Actor::User(user) = &self.actor else {
            return Err(DeskError::Refused("a change is approved by a person"));
        };
        if !access::sees_approvals(user) {
            return Err(DeskError::NotFound);
        }
        let row = cx.tx.approval(self.approval)?.ok_or(DeskError::NotFound)?;
        // Taking back one's own wish needs nobody else; nor does a no.
        if self.approve && !approves(user, row.asked_by, row.user_id) {
            return Err(DeskError::Refused(
                "this takes a second person: neither who asked nor who gains by it",
            ));
        }
        if row.state != ApprovalState::Pending {
            return Err(DeskError::Invalid("this was decided already".into()));
        }
        let state = if self.approve { ApprovalState::Approved } else { ApprovalState::Refused };
        if self.approve {
            let rights = wanted(cx, &row)?;
            let subject = cx.tx.user(row.user_id)?.ok_or(DeskError::NotFound)?;
            put(cx, subject, &rights)?;
        }
        let row = ApprovalRow { state, decided_by: Some(user.id), decided_at: Some(cx.now), ..row };
        cx.tx.update_approval(&row)?;
        let details = serde_json::json!({ "approval": row.id.to_string(), "user": row.user_id.to_string(), "state": state });
        cx.record(&self.actor, "approval.decided", None, &details)?;
        Ok(row)
    }
}

/// What a waiting change would do.
fn wanted(cx: &mut Context<'_>, row: &ApprovalRow) -> Result<Rights, DeskError> {
    let scope = cx.scope(DIRECTORY)?;
    let record = Record::open(&scope, "approvals", row.id.as_bytes(), &row.key)?;
    Ok(serde_json::from_slice(&record.read("change", &row.change)?).map_err(|_| SealError)?)
}
