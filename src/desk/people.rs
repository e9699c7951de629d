//! The directory as the register keeps it: names and addresses sealed, look-ups by hashes. An import replaces the
//! list; who is missing in it has left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::context::{Context, DIRECTORY, DeskError, scope};
use super::runner::Action;
use super::users::administers;
use crate::case::{Actor, Moment, PersonId};
use crate::directory::list::{self, Difference, Person};
use crate::directory::{Member, Roster};
use crate::store::Tx;
use crate::store::rows::{PersonAddressRow, PersonRow};
use crate::vault::{Key, LookupHash, Record, SealError, Vault};

/// Replaces the directory by this list.
pub struct ImportPeople {
    pub actor: Actor,
    pub people: Vec<Person>,
}

impl Action for ImportPeople {
    type Output = Difference;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "directory.import"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Difference, DeskError> {
        administers(&self.actor)?;
        let lines: Vec<(u64, Person)> = (2..).zip(self.people.iter().cloned()).collect();
        list::check(&lines).map_err(DeskError::Invalid)?;
        let difference = list::difference(&people(cx.tx, &cx.shared.vault)?, &self.people);
        let mut ids = HashMap::new();
        for person in &self.people {
            let employee = cx.vault().lookup().hash("employee", &[person.employee_id.as_bytes()]);
            let id = cx.tx.person_by_employee(employee)?.map_or_else(PersonId::new, |row| row.id);
            ids.insert(person.employee_id.as_str(), (id, employee));
        }
        let changed = difference.changed.iter().map(|one| &one.person);
        // Later than any change before, also when the clock is not: by this the opened roster is known to be old.
        let at = match cx.tx.directory_changed()? {
            Some(last) => cx.now.max(last.plus(Duration::from_micros(1))),
            None => cx.now,
        };
        for person in difference.added.iter().chain(changed) {
            put(cx, person, &ids, at)?;
        }
        for person in &difference.gone {
            let employee = cx.vault().lookup().hash("employee", &[person.employee_id.as_bytes()]);
            if let Some(row) = cx.tx.person_by_employee(employee)? {
                cx.tx.put_person(&PersonRow { active: false, updated_at: at, ..row }, &[])?;
            }
        }
        let details = serde_json::json!({
            "added": difference.added.len(), "changed": difference.changed.len(), "gone": difference.gone.len(),
        });
        cx.record(&self.actor, "directory.imported", None, &details)?;
        Ok(difference)
    }
}

fn put(
    cx: &mut Context<'_>,
    person: &Person,
    ids: &HashMap<&str, (PersonId, LookupHash)>,
    at: Moment,
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
        executive: person.is_executive(),
        hr_role: Some(person.hr_role.clone()).filter(|role| !role.is_empty()),
        active: true,
        updated_at: at,
        key,
        profile: record.seal("profile", &serde_json::to_vec(person).map_err(|_| SealError)?)?,
    };
    let addresses: Vec<PersonAddressRow> = person
        .addresses()
        .enumerate()
        .map(|(number, address)| PersonAddressRow {
            hash: cx.vault().lookup().address(address),
            person_id: *id,
            work: number == 0,
        })
        .collect();
    cx.tx.put_person(&row, &addresses)?;
    Ok(())
}

/// Everybody who works here, as the list said it.
pub fn people(tx: &mut dyn Tx, vault: &Vault) -> Result<Vec<Person>, DeskError> {
    Ok(opened(tx, vault)?.into_iter().map(|(_, person)| person).collect())
}

fn opened(tx: &mut dyn Tx, vault: &Vault) -> Result<Vec<(PersonRow, Person)>, DeskError> {
    let scope = scope(tx, vault, DIRECTORY)?;
    let rows = tx.people()?.into_iter().filter(|row| row.active);
    rows.map(|row| open(&scope, &row).map(|person| (row, person)).map_err(DeskError::from)).collect()
}

fn open(scope: &Key, row: &PersonRow) -> Result<Person, SealError> {
    let record = Record::open(scope, "people", row.id.as_bytes(), &row.key)?;
    serde_json::from_slice(&record.read("profile", &row.profile)?).map_err(|_| SealError)
}

/// The roster, opened once for each state of the directory: unsealing thousands of names at every mail would hold up
/// the mails behind it.
#[derive(Default)]
pub struct OpenedRoster(Mutex<Option<(Option<Moment>, Arc<Roster>)>>);

impl OpenedRoster {
    /// The roster of the directory as this transaction sees it.
    pub fn get(&self, tx: &mut dyn Tx, vault: &Vault) -> Result<Arc<Roster>, DeskError> {
        let changed = tx.directory_changed()?;
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, roster)) = &*opened
            && *known == changed
        {
            return Ok(Arc::clone(roster));
        }
        let roster = Arc::new(roster(tx, vault)?);
        *opened = Some((changed, Arc::clone(&roster)));
        Ok(roster)
    }
}

fn roster(tx: &mut dyn Tx, vault: &Vault) -> Result<Roster, DeskError> {
    let members = opened(tx, vault)?.into_iter().map(|(row, person)| Member {
        id: row.id,
        addresses: person.addresses().map(str::to_owned).collect(),
        employee_id: person.employee_id,
        name: person.name,
        manager: row.manager_id,
        assistant_of: row.assistant_of,
        executive: row.executive,
        hr_role: row.hr_role,
    });
    Ok(Roster::new(members.collect()))
}
