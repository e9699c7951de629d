//! The directory: who works here, under which addresses. Names and addresses are sealed; look-ups use hashes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::context::{Context, DIRECTORY, DeskError};
use super::runner::Action;
use super::users::administers;
use crate::case::{Actor, PersonId};
use crate::store::rows::{PersonAddressRow, PersonRow};
use crate::vault::{Record, SealError};

/// One line of the directory as imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub employee_id: String,
    pub name: String,
    pub email: String,
    #[serde(default)]
    pub other_emails: String,
    #[serde(default)]
    pub manager_id: String,
    #[serde(default)]
    pub assistant_of: String,
    #[serde(default)]
    pub department: String,
    #[serde(default)]
    pub location: String,
    #[serde(default)]
    pub legal_entity: String,
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub executive: String,
    #[serde(default)]
    pub hr_role: String,
}

/// Replaces the directory by this list; who is missing is no employee any more.
pub struct ImportPeople {
    pub actor: Actor,
    pub people: Vec<Person>,
}

/// What an import changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub present: usize,
    pub left: usize,
}

impl Action for ImportPeople {
    type Output = Imported;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "directory.import"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Imported, DeskError> {
        administers(&self.actor)?;
        let mut ids = HashMap::new();
        for person in &self.people {
            let employee = cx.vault().lookup().hash("employee", &[person.employee_id.as_bytes()]);
            let id = cx.tx.person_by_employee(employee)?.map_or_else(PersonId::new, |row| row.id);
            if ids.insert(person.employee_id.as_str(), (id, employee)).is_some() {
                return Err(DeskError::Invalid(
                    "two lines have the same employee_id; nothing was imported".into(),
                ));
            }
        }
        for person in &self.people {
            put(cx, person, &ids)?;
        }
        let mut left = 0;
        for row in cx.tx.people()? {
            if row.active && !ids.values().any(|(id, _)| *id == row.id) {
                left += 1;
                cx.tx.put_person(&PersonRow { active: false, updated_at: cx.now, ..row }, &[])?;
            }
        }
        let imported = Imported { present: self.people.len(), left };
        let details = serde_json::json!({ "present": imported.present, "left": left });
        cx.record(&self.actor, "directory.imported", None, &details)?;
        Ok(imported)
    }
}

fn put(
    cx: &mut Context<'_>,
    person: &Person,
    ids: &HashMap<&str, (PersonId, crate::vault::LookupHash)>,
) -> Result<(), DeskError> {
    let Some((id, employee)) = ids.get(person.employee_id.as_str()) else { return Ok(()) };
    let scope = cx.scope(DIRECTORY)?;
    let (record, key) = Record::create(&scope, "people", id.as_bytes())?;
    let other = |name: &str| ids.get(name).map(|(id, _)| *id);
    let row = PersonRow {
        id: *id,
        employee: *employee,
        manager_id: other(&person.manager_id),
        assistant_of: other(&person.assistant_of),
        legal_entity: person.legal_entity.clone(),
        language: person.language.clone(),
        executive: matches!(person.executive.as_str(), "true" | "yes" | "1"),
        hr_role: Some(person.hr_role.clone()).filter(|role| !role.is_empty()),
        active: true,
        updated_at: cx.now,
        key,
        profile: record.seal("profile", &serde_json::to_vec(person).map_err(|_| SealError)?)?,
    };
    let address = |address: &str, work| PersonAddressRow {
        hash: cx.vault().lookup().address(address),
        person_id: *id,
        work,
    };
    let others = person.other_emails.split([';', ' ']).map(str::trim).filter(|text| !text.is_empty());
    let mut addresses = vec![address(&person.email, true)];
    addresses.extend(others.map(|text| address(text, false)));
    cx.tx.put_person(&row, &addresses)?;
    Ok(())
}
