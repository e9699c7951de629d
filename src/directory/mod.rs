//! The people: who works here, who answers to whom, and by which names they are called. Pure functions over a
//! [`Roster`] that was read once; knows neither cases nor mail, and nothing of how the people are kept.

pub mod list;
pub mod names;

use std::collections::{BTreeSet, HashMap};

use crate::case::PersonId;
use names::{Index, Name};

/// Somebody who works here today.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: PersonId,
    pub employee_id: String,
    pub name: String,
    /// All of them.
    pub addresses: Vec<String>,
    pub manager: Option<PersonId>,
    pub assistant_of: Option<PersonId>,
    pub executive: bool,
    /// `head`, `deputy`, `lead`, `agent` …; none outside HR.
    pub hr_role: Option<String>,
}

/// All members, with what is asked of them.
#[derive(Debug, Default)]
pub struct Roster {
    members: HashMap<PersonId, Member>,
    by_address: HashMap<String, Vec<PersonId>>,
    reports: HashMap<PersonId, Vec<PersonId>>,
    assistants: HashMap<PersonId, Vec<PersonId>>,
    names: Index<PersonId>,
}

impl Roster {
    #[must_use]
    pub fn new(members: Vec<Member>) -> Self {
        let mut roster = Self::default();
        for member in members {
            for address in &member.addresses {
                roster.by_address.entry(plain(address)).or_default().push(member.id);
            }
            if let Some(manager) = member.manager {
                roster.reports.entry(manager).or_default().push(member.id);
            }
            if let Some(principal) = member.assistant_of {
                roster.assistants.entry(principal).or_default().push(member.id);
            }
            roster.names.add(member.id, Name::read(&member.name));
            roster.members.insert(member.id, member);
        }
        roster
    }

    #[must_use]
    pub fn get(&self, id: PersonId) -> Option<&Member> {
        self.members.get(&id)
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// By what names they are called.
    #[must_use]
    pub fn names(&self) -> &Index<PersonId> {
        &self.names
    }

    /// Whose address this is: one person's alone, or nobody's.
    #[must_use]
    pub fn by_address(&self, address: &str) -> Option<PersonId> {
        match self.by_address.get(&plain(address)).map(Vec::as_slice) {
            Some([one]) => Some(*one),
            _ => None,
        }
    }

    /// Those above, nearest first. An assistant's principal is above them too.
    #[must_use]
    pub fn up(&self, of: PersonId) -> Vec<PersonId> {
        let mut found = Vec::new();
        let mut waiting = vec![of];
        while let Some(id) = waiting.pop() {
            let Some(member) = self.members.get(&id) else { continue };
            let principal = member.assistant_of.filter(|_| id == of);
            for above in principal.into_iter().chain(member.manager) {
                if above != of && !found.contains(&above) {
                    found.push(above);
                    waiting.push(above);
                }
            }
        }
        found
    }

    /// Everybody below, at any depth.
    #[must_use]
    pub fn down(&self, of: PersonId) -> BTreeSet<PersonId> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![of];
        while let Some(id) = waiting.pop() {
            for below in self.reports.get(&id).into_iter().flatten() {
                if *below != of && found.insert(*below) {
                    waiting.push(*below);
                }
            }
        }
        found
    }

    /// Who speaks for this person: whoever assists them; and in HR, whoever is `deputy` and reports to them or, for
    /// a head, to the same manager.
    #[must_use]
    pub fn beside(&self, of: PersonId) -> BTreeSet<PersonId> {
        let in_hr = self.get(of).filter(|member| member.hr_role.is_some());
        let manager = in_hr.filter(|member| is_head(member)).and_then(|member| member.manager);
        let deputies = in_hr
            .map(|member| member.id)
            .into_iter()
            .chain(manager)
            .flat_map(|manager| self.reports.get(&manager).into_iter().flatten().copied())
            .filter(|id| *id != of && self.get(*id).is_some_and(is_deputy));
        self.assistants.get(&of).into_iter().flatten().copied().chain(deputies).collect()
    }

    /// The line of a person: themselves, those above and below, and the deputies and assistants of all of them.
    #[must_use]
    pub fn line(&self, of: PersonId) -> BTreeSet<PersonId> {
        let mut line = self.down(of);
        line.extend(self.up(of));
        line.insert(of);
        let beside: Vec<PersonId> = line.iter().flat_map(|id| self.beside(*id)).collect();
        line.extend(beside);
        line
    }

    /// The head of HR. Where nobody is called `head`, whoever is `lead`; more than one when the list leaves it open.
    #[must_use]
    pub fn heads_of_hr(&self) -> Vec<PersonId> {
        let with = |wanted: fn(&Member) -> bool| {
            self.members().filter(|member| wanted(member)).map(|member| member.id).collect::<Vec<_>>()
        };
        Some(with(is_head)).filter(|heads| !heads.is_empty()).unwrap_or_else(|| with(is_lead))
    }

    /// Executives who answer to nobody; all executives when each has a manager.
    #[must_use]
    pub fn top(&self) -> Vec<PersonId> {
        let all = || self.members().filter(|member| member.executive);
        let top: Vec<PersonId> = all().filter(|one| one.manager.is_none()).map(|one| one.id).collect();
        if top.is_empty() { all().map(|one| one.id).collect() } else { top }
    }
}

fn plain(address: &str) -> String {
    address.trim().to_lowercase()
}

fn role(member: &Member) -> &str {
    member.hr_role.as_deref().unwrap_or_default()
}
fn is_head(member: &Member) -> bool {
    matches!(role(member), "head" | "director")
}
fn is_lead(member: &Member) -> bool {
    role(member) == "lead"
}
fn is_deputy(member: &Member) -> bool {
    role(member).starts_with("deputy")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(lines: &[(&str, &str, &str, &str)]) -> (Roster, HashMap<String, PersonId>) {
        let ids: HashMap<String, PersonId> =
            lines.iter().map(|(name, ..)| ((*name).to_owned(), PersonId::new())).collect();
        let members = lines
            .iter()
            .map(|(name, manager, assists, role)| Member {
                id: ids[*name],
                employee_id: (*name).into(),
                name: (*name).into(),
                addresses: vec![format!("{name}@company.example")],
                manager: ids.get(*manager).copied(),
                assistant_of: ids.get(*assists).copied(),
                executive: *role == "executive",
                hr_role: Some((*role).to_owned()).filter(|role| !role.is_empty() && role != "executive"),
            })
            .collect();
        (Roster::new(members), ids)
    }

    #[test]
    fn a_line_reaches_up_and_down_with_deputies_and_assistants() {
        let (roster, ids) = roster(&[
            ("chief", "", "", "executive"),
            ("chiefs-aide", "chief", "chief", ""),
            ("head", "chief", "", "head"),
            ("deputy", "chief", "", "deputy"),
            ("aide", "deputy", "head", ""),
            ("agent", "head", "", "agent"),
            ("works", "chief", "", ""),
            ("hand", "works", "", ""),
        ]);
        let line = |of: &str| {
            let line = roster.line(ids[of]);
            let mut names: Vec<&str> =
                ids.iter().filter(|(_, id)| line.contains(id)).map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(line("hand"), ["chief", "chiefs-aide", "hand", "works"]);
        assert_eq!(line("agent"), ["agent", "aide", "chief", "chiefs-aide", "deputy", "head"]);
        assert_eq!(line("head"), ["agent", "aide", "chief", "chiefs-aide", "deputy", "head"]);
        assert_eq!(line("aide"), ["aide", "chief", "chiefs-aide", "deputy", "head"]);
        assert_eq!(line("chief").len(), 8);
        assert_eq!(roster.up(ids["hand"]), [ids["works"], ids["chief"]]);
        assert_eq!(roster.heads_of_hr(), [ids["head"]]);
        assert_eq!(roster.top(), [ids["chief"]]);
    }

    #[test]
    fn a_circle_ends() {
        let (roster, ids) = roster(&[("a", "b", "", ""), ("b", "a", "a", "")]);
        assert_eq!(roster.line(ids["a"]).len(), 2);
        assert_eq!(roster.up(ids["a"]), [ids["b"]]);
    }

    #[test]
    fn a_shared_address_is_nobodys() {
        let (mut first, _) = roster(&[("a", "", "", "")]);
        assert!(first.by_address(" A@company.example ").is_some());
        let second = Member { id: PersonId::new(), ..first.members().next().unwrap().clone() };
        first = Roster::new(first.members().cloned().chain([second]).collect());
        assert!(first.by_address("a@company.example").is_none());
    }
}
