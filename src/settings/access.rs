//! Who is told when access is exceptional, and who steps in when nobody of the team may see a case. Logins of users;
//! whether there are such users is for `caseward check`.

use serde::Deserialize;

use super::check::{Checked, ensure, line};
use crate::case::actor::Office;

/// The people beside the teams.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessSettings {
    /// Told of walls, overrides and break-glass; outside the HR line where possible.
    pub guardian: Option<String>,
    /// At most two, asked in this order when a conflict wall leaves nobody of the team.
    pub outside_contacts: Vec<String>,
    /// What widens somebody's sight (roles that read, teams, legal entities) takes a second person. Without, the
    /// guardian is told.
    pub four_eyes: bool,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { guardian: None, outside_contacts: Vec::new(), four_eyes: true }
    }
}

impl AccessSettings {
    /// Who holds an office.
    #[must_use]
    pub fn login_of(&self, office: Office) -> Option<&str> {
        match office {
            Office::Guardian => self.guardian.as_deref(),
            Office::Outside1 => self.outside_contacts.first().map(String::as_str),
            Office::Outside2 => self.outside_contacts.get(1).map(String::as_str),
        }
    }
}

pub(super) fn check(access: &AccessSettings) -> Checked {
    let key = "access.outside_contacts";
    ensure(access.outside_contacts.len() <= 2, key, || "takes at most two logins, in order".into())?;
    if let Some(guardian) = &access.guardian {
        line("access.guardian", guardian)?;
    }
    for login in &access.outside_contacts {
        line(key, login)?;
    }
    let twice = matches!(access.outside_contacts.as_slice(), [one, two] if one == two);
    ensure(!twice, key, || "names one login twice; give another, or one alone".into())
}
