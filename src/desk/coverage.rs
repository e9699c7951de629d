//! Whether a complaint about anybody would leave a case to nobody; for `caseward check`. Reads alone.

use std::collections::{BTreeSet, HashMap};

use super::context::{DeskError, Shared};
use super::walls::{active_users, holder, profile};
use crate::case::UserId;
use crate::case::actor::{Office, Role};
use crate::store::Tx;
use crate::store::rows::UserRow;

/// Whom to accuse would leave nobody, for `caseward check`: a sentence for each team of which that is so, with the
/// employee_ids of some.
pub fn gaps(tx: &mut dyn Tx, shared: &Shared) -> Result<Vec<String>, DeskError> {
    let settings = shared.settings();
    let roster = shared.roster.get(tx, &shared.vault)?;
    let users = active_users(tx)?;
    let mut persons = HashMap::new();
    for row in &users {
        let profile = profile(tx, shared, row)?;
        let person = profile.email.as_deref().and_then(|address| roster.by_address(address));
        persons.extend(person.map(|person| (row.id, person)));
    }
    let mut outside = Vec::new();
    for office in [Office::Outside1, Office::Outside2] {
        outside.extend(holder(tx, shared, office)?);
    }
    let mut teams: BTreeSet<&str> = settings.teams.iter().map(|team| team.name.as_str()).collect();
    if teams.is_empty() {
        teams.insert("hr");
    }
    let mut gaps = Vec::new();
    for team in teams {
        let handles = |row: &&UserRow| {
            (row.roles.has(Role::Agent) || row.roles.has(Role::Lead))
                && row.teams.0.iter().any(|own| own == team)
        };
        let left: Vec<UserId> =
            users.iter().filter(handles).map(|row| row.id).chain(outside.iter().copied()).collect();
        match left.as_slice() {
            [] => continue,
            [_] => {
                gaps.push(format!(
                    "the team `{team}` has one person alone, and a complaint about them would leave nobody; name \
                     `access.outside_contacts`"
                ));
                continue;
            }
            _ => {}
        }
        let mut fatal: BTreeSet<&str> = BTreeSet::new();
        for member in roster.members() {
            let line = roster.line(member.id);
            if left.iter().all(|user| persons.get(user).is_some_and(|person| line.contains(person))) {
                fatal.insert(&member.employee_id);
            }
        }
        if fatal.is_empty() {
            continue;
        }
        let some: Vec<&str> = fatal.iter().take(5).copied().collect();
        gaps.push(format!(
            "a complaint about any of {} people ({}{}) would leave nobody for a case of the team `{team}`; name people \
             outside their line in `access.outside_contacts`",
            fatal.len(),
            some.join(", "),
            if fatal.len() > some.len() { ", …" } else { "" }
        ));
    }
    Ok(gaps)
}

/// Logins of the settings that name no active user.
pub fn unknown_offices(tx: &mut dyn Tx, shared: &Shared) -> Result<Vec<String>, DeskError> {
    let settings = shared.settings();
    let mut unknown = Vec::new();
    for office in Office::ALL {
        let Some(login) = settings.access.login_of(*office) else { continue };
        if holder(tx, shared, *office)?.is_none() {
            let key = if *office == Office::Guardian { "guardian" } else { "outside_contacts" };
            unknown.push(format!(
                "`access.{key}` names `{login}`, who is no active user; add them or name another"
            ));
        }
    }
    Ok(unknown)
}
