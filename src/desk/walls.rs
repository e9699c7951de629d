//! Conflict walls as they are kept: raised by whoever recuses themselves or by hand, lifted by somebody who is not
//! behind one; and somebody is always left who may handle the case. Mail raises them by `desk/conflicts.rs`.

use super::context::{Context, DIRECTORY, DeskError, Shared, open_record, standing};
use super::runner::Action;
use super::users::{Profile, login_hash, user_of};
use crate::case::access::{Access, access, decides_walls};
use crate::case::actor::{Office, Role};
use crate::case::wall::{Bar, Reason, Why};
use crate::case::{Actor, CaseId, GrantId, Moment, User, UserId};
use crate::letters::Kind;
use crate::store::Tx;
use crate::store::rows::{CaseRow, GrantKind, GrantRow, UserRow, WallRow};
use crate::vault::{Record, SealError, Vault};

/// Steps back from a case for good; only a lead brings one back.
pub struct Recuse {
    pub actor: Actor,
    pub case: CaseId,
    pub reason: String,
}

impl Action for Recuse {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "wall.recuse"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let user = person(&self.actor)?.id;
        let mut case = cx.case_for(&self.actor, self.case, Access::Stub)?;
        let words = reason(&self.reason)?;
        shut_out(cx, &mut case, user, Reason { why: Why::Recused, words })?;
        let details = serde_json::json!({ "user": user.to_string(), "reason": self.reason });
        cx.record(&self.actor, "wall.recused", Some(&case), &details)?;
        tell_guardian(cx, &case)?;
        keep_staffed(cx, &case)
    }
}

/// Walls somebody off by hand: on a suggestion, of somebody held out, or on what a person knows.
pub struct Wall {
    pub actor: Actor,
    pub case: CaseId,
    pub user: UserId,
    pub reason: String,
}

impl Action for Wall {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "wall.raise"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let mut case = deciding(cx, &self.actor, self.case, self.user)?;
        let words = reason(&self.reason)?;
        cx.tx.user(self.user)?.ok_or(DeskError::NotFound)?;
        shut_out(cx, &mut case, self.user, Reason { why: Why::ByHand, words })?;
        let raised = serde_json::json!([{
            "user": self.user.to_string(), "bar": Bar::Walled, "why": Why::ByHand, "words": self.reason,
        }]);
        cx.record(&self.actor, "wall.raised", Some(&case), &serde_json::json!({ "raised": raised }))?;
        tell_guardian(cx, &case)?;
        keep_staffed(cx, &case)
    }
}

/// Takes away what keeps somebody from a case.
pub struct Lift {
    pub actor: Actor,
    pub case: CaseId,
    pub user: UserId,
    pub reason: String,
}

impl Action for Lift {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "wall.lift"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let mut case = deciding(cx, &self.actor, self.case, self.user)?;
        reason(&self.reason)?;
        let row = cx.tx.wall(case.id, self.user)?.ok_or(DeskError::NotFound)?;
        cx.tx.delete_wall(case.id, self.user)?;
        let details = serde_json::json!({
            "user": self.user.to_string(), "bar": row.bar, "reason": self.reason, "case": case.id.to_string(),
        });
        if row.bar == Bar::Suggested {
            return cx.record(&self.actor, "wall.dismissed", None, &details);
        }
        cx.advance(&mut case)?;
        cx.record(&self.actor, "wall.lifted", Some(&case), &details)?;
        tell_guardian(cx, &case)
    }
}

/// Nobody who is walled owns the case.
fn shut_out(cx: &mut Context<'_>, case: &mut CaseRow, user: UserId, reason: Reason) -> Result<(), DeskError> {
    put(cx, case, user, Bar::Walled, &reason)?;
    if case.owner_id == Some(user) {
        case.owner_id = None;
    }
    cx.advance(case)
}

fn reason(text: &str) -> Result<String, DeskError> {
    let text = crate::mail::clean::text(text);
    if text.trim().is_empty() {
        return Err(DeskError::Invalid("give a reason; it stands with the wall".into()));
    }
    Ok(text)
}

fn person(actor: &Actor) -> Result<&User, DeskError> {
    match actor {
        Actor::User(user) => Ok(user),
        Actor::System => Err(DeskError::Refused("walls are raised and lifted by a person")),
    }
}

/// Whether `user` decides on the walls of `case`, behind none of which they are, not even by suggestion.
pub fn decides(tx: &mut dyn Tx, user: &User, case: &CaseRow, now: Moment) -> Result<bool, DeskError> {
    let suggested = tx.wall(case.id, user.id)?.is_some_and(|row| row.bar == Bar::Suggested);
    Ok(!suggested && decides_walls(user, &standing(tx, user, case, now)?))
}

/// The case, if the actor decides on its walls; for `of`, who is not themselves.
fn deciding(cx: &mut Context<'_>, actor: &Actor, case: CaseId, of: UserId) -> Result<CaseRow, DeskError> {
    let user = person(actor)?;
    let row = cx.tx.case(case)?.ok_or(DeskError::NotFound)?;
    if user.id != of && decides(cx.tx, user, &row, cx.now)? {
        return Ok(row);
    }
    cx.case_if(actor, case, |_, _| false)
}

pub(super) fn put(
    cx: &mut Context<'_>,
    case: &CaseRow,
    user: UserId,
    bar: Bar,
    reason: &Reason,
) -> Result<(), DeskError> {
    let scope = cx.scope(case.id.as_bytes())?;
    let (record, key) = Record::create(&scope, "walls", user.as_bytes())?;
    let reason = record.seal("reason", &serde_json::to_vec(reason).map_err(|_| SealError)?)?;
    cx.tx.put_wall(&WallRow { case_id: case.id, user_id: user, at: cx.now, key, reason, bar })?;
    Ok(())
}

/// Why somebody is kept from a case.
fn reason_of(tx: &mut dyn Tx, vault: &Vault, row: &WallRow) -> Result<Reason, DeskError> {
    let record = open_record(tx, vault, row.case_id.as_bytes(), "walls", row.user_id.as_bytes(), &row.key)?;
    Ok(serde_json::from_slice(&record.read("reason", &row.reason)?).map_err(|_| SealError)?)
}

/// What leaves a case for another one takes its walls along; who sees the other one already goes on seeing it.
pub(super) fn carry(cx: &mut Context<'_>, from: &CaseRow, to: &CaseRow, new: bool) -> Result<(), DeskError> {
    for row in cx.tx.walls_of(from.id)? {
        let known = cx.tx.wall(to.id, row.user_id)?.is_some_and(|known| known.bar >= row.bar);
        if known || !(new || (row.bar.shuts_out() && !sees(cx, to, row.user_id)?)) {
            continue;
        }
        let reason = reason_of(cx.tx, &cx.shared.vault, &row)?;
        put(cx, to, row.user_id, row.bar, &reason)?;
    }
    Ok(())
}

pub(super) fn sees(cx: &mut Context<'_>, case: &CaseRow, user: UserId) -> Result<bool, DeskError> {
    let Some(row) = cx.tx.user(user)?.filter(|row| row.disabled_at.is_none()) else { return Ok(false) };
    let user = user_of(&row, cx.shared);
    Ok(access(&user, &standing(cx.tx, &user, case, cx.now)?) > Access::None)
}

pub(super) fn active_users(tx: &mut dyn Tx) -> Result<Vec<UserRow>, DeskError> {
    Ok(tx.users(None, i64::MAX)?.into_iter().filter(|row| row.disabled_at.is_none()).collect())
}

pub(super) fn profile(tx: &mut dyn Tx, shared: &Shared, row: &UserRow) -> Result<Profile, DeskError> {
    let record = open_record(tx, &shared.vault, DIRECTORY, "users", row.id.as_bytes(), &row.key)?;
    Ok(serde_json::from_slice(&record.read("profile", &row.profile)?).map_err(|_| SealError)?)
}

/// The guardian, if one is named and active.
pub(super) fn guardian(tx: &mut dyn Tx, shared: &Shared) -> Result<Option<UserId>, DeskError> {
    holder(tx, shared, Office::Guardian)
}

/// Who holds an office and is active.
pub(super) fn holder(tx: &mut dyn Tx, shared: &Shared, office: Office) -> Result<Option<UserId>, DeskError> {
    let settings = shared.settings();
    let Some(login) = settings.access.login_of(office) else { return Ok(None) };
    let row = tx.user_by_login(login_hash(&shared.vault, login))?;
    Ok(row.filter(|row| row.disabled_at.is_none()).map(|row| row.id))
}

pub(super) fn tell_guardian(cx: &mut Context<'_>, case: &CaseRow) -> Result<(), DeskError> {
    match guardian(cx.tx, cx.shared)? {
        Some(guardian) => cx.notify(guardian, Kind::Notification, Some(case)).map(drop),
        None => Ok(()),
    }
}

/// Who of the team may handle a case, those to be asked last at the end.
pub fn eligible(cx: &mut Context<'_>, case: &CaseRow) -> Result<Vec<UserId>, DeskError> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for row in active_users(cx.tx)? {
        let handles = row.roles.has(Role::Agent) || row.roles.has(Role::Lead);
        if !(handles && row.teams.0.contains(&case.team)) {
            continue;
        }
        match cx.tx.wall(case.id, row.id)?.map(|wall| wall.bar) {
            Some(bar) if !bar.may_own() => {}
            Some(Bar::Last) => last.push(row.id),
            _ => first.push(row.id),
        }
    }
    first.append(&mut last);
    Ok(first)
}

/// When walls leave nobody, the case goes to the first outside contact that is not behind one, by grant; told by link.
pub(super) fn keep_staffed(cx: &mut Context<'_>, case: &CaseRow) -> Result<(), DeskError> {
    let owned = match case.owner_id {
        Some(owner) => !cx.tx.walled(case.id, owner)?,
        None => false,
    };
    if owned || !eligible(cx, case)?.is_empty() {
        return Ok(());
    }
    for office in [Office::Outside1, Office::Outside2] {
        let Some(contact) = holder(cx.tx, cx.shared, office)? else { continue };
        if cx.tx.walled(case.id, contact)? {
            continue;
        }
        give(cx, case, contact)?;
        let details = serde_json::json!({ "user": contact.to_string() });
        cx.record(&Actor::System, "case.handed-outside", Some(case), &details)?;
        cx.notify(contact, Kind::Notification, Some(case))?;
        return Ok(());
    }
    tracing::error!(case = %case.reference, "walls leave nobody for this case; name outside contacts in [access]");
    cx.record(&Actor::System, "case.left-to-nobody", Some(case), &serde_json::json!({}))
}

fn give(cx: &mut Context<'_>, case: &CaseRow, contact: UserId) -> Result<(), DeskError> {
    let id = GrantId::new();
    let scope = cx.scope(case.id.as_bytes())?;
    let (record, key) = Record::create(&scope, "grants", id.as_bytes())?;
    cx.tx.insert_grant(&GrantRow {
        id,
        case_id: case.id,
        user_id: contact,
        level: Access::Manage,
        kind: GrantKind::Given,
        // Nobody: the system gave it.
        granted_by: UserId::from_bytes([0; 16]),
        at: cx.now,
        expires_at: None,
        ended_at: None,
        key,
        reason: record.seal("reason", b"a conflict wall left nobody of the team")?,
    })?;
    Ok(())
}
