//! Who acts: a person with roles, or the system on nobody's behalf.

use serde::{Deserialize, Serialize};

use super::id::UserId;
use super::kinds::words;

words! {
    /// What a user may be. Roles add up; `admin` adds no sight of any case.
    Role { Agent = "agent", Lead = "lead", Investigator = "investigator", Auditor = "auditor", Admin = "admin" }
}

/// A set of roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles(std::collections::BTreeSet<Role>);

impl Roles {
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

words! {
    /// A post beside the roles: who is told of break-glass, walls and overrides, and the two outside contacts who get
    /// a case when nobody in HR may.
    Office { Guardian = "guardian", Outside1 = "outside-1", Outside2 = "outside-2" }
}

/// A person of HR as far as access is concerned; neither name nor address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub roles: Roles,
    /// Teams this person belongs to; a lead leads them.
    pub teams: Vec<String>,
    /// Legal entities whose standard cases this person may read.
    pub entities: Vec<String>,
    pub office: Option<Office>,
}

/// Who an action is done by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The daemon itself: intake, timers, delivery.
    System,
    User(User),
}

impl Actor {
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::System => None,
            Self::User(user) => Some(user.id),
        }
    }
}
