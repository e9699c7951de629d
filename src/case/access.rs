//! Who may see a case, decided in one place (promise 4). Lists filter in SQL; a property test proves that filter
//! equal to [`access`].

use super::actor::{Role, User};
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
