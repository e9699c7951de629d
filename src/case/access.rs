//! Who may see a case, decided in one place (promise 4). Lists filter in SQL; a property test proves that filter
//! equal to [`access`].

use super::actor::{Office, Role, User};
use super::id::UserId;
use super::kinds::Sensitivity;
use super::kinds::words;

words! {
    /// What somebody may do with a case: each includes those before it.
    Access { None = "none", Stub = "stub", Read = "read", Work = "work", Manage = "manage" }
}

/// What access depends on, of a case and of one user's standing in it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub sensitivity: Sensitivity,
    pub owner: Option<UserId>,
    pub team: &'a str,
    pub legal_entity: &'a str,
    /// The highest grant in force for this user.
    pub grant: Option<Access>,
    /// The user is on the conflict wall: whatever else they are, they see nothing.
    pub walled: bool,
}

/// The access `user` has. Deny by default; rights add up, the highest counts.
#[must_use]
pub fn access(user: &User, case: &Standing<'_>) -> Access {
    if case.walled {
        return Access::None;
    }
    let owner = if case.owner == Some(user.id) { Access::Work } else { Access::None };
    let in_team = user.teams.iter().any(|team| team == case.team);
    let member =
        if in_team && user.roles.has(Role::Agent) { by_team(case.sensitivity) } else { Access::None };
    let lead = if in_team && user.roles.has(Role::Lead) { by_lead(case.sensitivity) } else { Access::None };
    let same_entity = user.entities.iter().any(|entity| entity == case.legal_entity);
    let colleague = match case.sensitivity {
        Sensitivity::Standard if user.roles.has(Role::Agent) && same_entity => Access::Read,
        _ => Access::None,
    };
    let auditor = if user.roles.has(Role::Auditor) { by_auditor(case.sensitivity) } else { Access::None };
    [owner, member, lead, colleague, auditor, case.grant.unwrap_or(Access::None)]
        .into_iter()
        .max()
        .unwrap_or(Access::None)
}

/// Whether `user` may name the case's owner and give grants: who manages it, and its team's lead also where the lead
/// may not read.
#[must_use]
pub fn assigns(user: &User, case: &Standing<'_>) -> bool {
    let leads = user.roles.has(Role::Lead) && user.teams.iter().any(|team| team == case.team);
    access(user, case) == Access::Manage || (leads && !case.walled)
}

/// Whether `user` may make `owner` the owner; nobody names themselves owner of what they cannot read.
#[must_use]
pub fn names_owner(user: &User, case: &Standing<'_>, owner: Option<UserId>) -> bool {
    let have = access(user, case);
    (have >= Access::Work || assigns(user, case)) && (owner != Some(user.id) || have >= Access::Read)
}

/// Whether `user` may give `to` a grant; nobody grants to themselves.
#[must_use]
pub fn gives_grant(user: &User, case: &Standing<'_>, to: UserId) -> bool {
    assigns(user, case) && to != user.id
}

/// Whether `user` raises and lifts walls of the case: who assigns it, and the guardian.
#[must_use]
pub fn decides_walls(user: &User, case: &Standing<'_>) -> bool {
    assigns(user, case) || (user.office == Some(Office::Guardian) && !case.walled)
}

/// Whether `user` may break the glass: leads and auditors who know of the case. Never through a wall.
#[must_use]
pub fn breaks_glass(user: &User, case: &Standing<'_>) -> bool {
    let may = user.roles.has(Role::Lead) || user.roles.has(Role::Auditor);
    may && access(user, case) >= Access::Stub
}

words! {
    /// What somebody may know of a mail as a mail: each includes those before it.
    Sight { None = "none", Metadata = "metadata", Content = "content" }
}

/// What `user` may know of mail that is in no case, and of the mail register. It may hold anything: its content is for
/// leads and the guardian, how it fares for admins as well.
#[must_use]
pub fn unfiled(user: &User) -> Sight {
    if user.roles.has(Role::Lead) || user.office == Some(Office::Guardian) {
        Sight::Content
    } else if user.roles.has(Role::Admin) {
        Sight::Metadata
    } else {
        Sight::None
    }
}

/// What `user` may know of a mail on its way out, given their standing in its case. What is about no case is a notice
/// to somebody in HR.
#[must_use]
pub fn outgoing(user: &User, case: Option<&Standing<'_>>) -> Sight {
    let metadata = if user.roles.has(Role::Admin) { Sight::Metadata } else { Sight::None };
    match case {
        Some(case) if case.walled => Sight::None,
        Some(case) if access(user, case) >= Access::Read => Sight::Content,
        Some(_) => metadata,
        None => unfiled(user),
    }
}

/// Whether `user` opens cases by hand.
#[must_use]
pub fn opens_cases(user: &User) -> bool {
    user.roles.has(Role::Agent) || user.roles.has(Role::Lead)
}

/// Whether `user` changes users, their tokens and the directory.
#[must_use]
pub fn administers(user: &User) -> bool {
    user.roles.has(Role::Admin)
}

/// Whether a role lets its holder see cases: giving one takes a second person.
#[must_use]
pub const fn reads(role: Role) -> bool {
    !matches!(role, Role::Admin)
}

/// Whether `user` sees the changes that wait for a second person.
#[must_use]
pub fn sees_approvals(user: &User) -> bool {
    user.roles.has(Role::Admin) || user.office == Some(Office::Guardian)
}

/// Whether `user` is the second person for a change that `asked` wants and `gains` profits by.
#[must_use]
pub fn approves(user: &User, asked: UserId, gains: UserId) -> bool {
    sees_approvals(user) && user.id != asked && user.id != gains
}

const fn by_team(sensitivity: Sensitivity) -> Access {
    match sensitivity {
        Sensitivity::Standard => Access::Work,
        Sensitivity::Confidential => Access::Stub,
        Sensitivity::Restricted => Access::None,
    }
}

const fn by_lead(sensitivity: Sensitivity) -> Access {
    match sensitivity {
        Sensitivity::Standard | Sensitivity::Confidential => Access::Manage,
        Sensitivity::Restricted => Access::Stub,
    }
}

const fn by_auditor(sensitivity: Sensitivity) -> Access {
    match sensitivity {
        Sensitivity::Standard => Access::Read,
        Sensitivity::Confidential | Sensitivity::Restricted => Access::Stub,
    }
}
