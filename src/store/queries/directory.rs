//! The people of the directory.

use diesel::prelude::*;

use super::Conn;
use crate::case::{Moment, PersonId};
use crate::store::StoreError;
use crate::store::rows::{PersonAddressRow, PersonRow};
use crate::store::schema::{people, people_addresses};
use crate::store::tx::Directory;
use crate::vault::LookupHash;

impl Directory for Conn {
    fn person_by_employee(&mut self, employee: LookupHash) -> Result<Option<PersonRow>, StoreError> {
        Ok(people::table
            .filter(people::employee.eq(employee))
            .select(PersonRow::as_select())
            .first(self)
            .optional()?)
    }

    fn person(&mut self, id: PersonId) -> Result<Option<PersonRow>, StoreError> {
        Ok(people::table.find(id).select(PersonRow::as_select()).first(self).optional()?)
    }

    fn people_by_address(
        &mut self,
        hash: LookupHash,
    ) -> Result<Vec<(PersonRow, PersonAddressRow)>, StoreError> {
        Ok(people_addresses::table
            .inner_join(people::table.on(people::id.eq(people_addresses::person_id)))
            .filter(people_addresses::hash.eq(hash))
            .order(people::id)
            .select((PersonRow::as_select(), PersonAddressRow::as_select()))
            .load(self)?)
    }

    fn people(&mut self) -> Result<Vec<PersonRow>, StoreError> {
        Ok(people::table.order(people::id).select(PersonRow::as_select()).load(self)?)
    }

    fn directory_changed(&mut self) -> Result<Option<Moment>, StoreError> {
        Ok(people::table
            .select(people::updated_at)
            .order(people::updated_at.desc())
            .first(self)
            .optional()?)
    }

    fn put_person(&mut self, row: &PersonRow, addresses: &[PersonAddressRow]) -> Result<(), StoreError> {
        if diesel::update(people::table.find(row.id)).set(row).execute(self)? == 0 {
            diesel::insert_into(people::table).values(row).execute(self)?;
        }
        diesel::delete(people_addresses::table.filter(people_addresses::person_id.eq(row.id)))
            .execute(self)?;
        for address in addresses {
            diesel::insert_into(people_addresses::table)
                .values(address)
                .on_conflict_do_nothing()
                .execute(self)?;
        }
        Ok(())
    }
}
