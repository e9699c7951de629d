//! The audit log: entries are added and read, never changed; the database itself forbids it.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::{CaseId, EntryId, Moment};
use crate::store::StoreError;
use crate::store::rows::EntryRow;
use crate::store::schema::audit_entries::dsl;
use crate::store::tx::Audit;

impl Audit for Conn {
    fn insert_entry(&mut self, row: &EntryRow) -> Result<(), StoreError> {
        diesel::insert_into(dsl::audit_entries).values(row).execute(self)?;
        Ok(())
    }

    fn entries_of_case(&mut self, case: CaseId, limit: i64) -> Result<Vec<EntryRow>, StoreError> {
        Ok(dsl::audit_entries
            .filter(dsl::case_id.eq(case))
            .order((dsl::case_version, dsl::id))
            .limit(limit)
            .select(EntryRow::as_select())
            .load(self)?)
    }

    fn entries(&mut self, after: Option<(Moment, EntryId)>, limit: i64) -> Result<Vec<EntryRow>, StoreError> {
        let mut query = dsl::audit_entries.select(EntryRow::as_select()).into_boxed::<Db>();
        if let Some((at, id)) = after {
            query = query.filter(dsl::at.le(at)).filter(dsl::at.lt(at).or(dsl::id.lt(id)));
        }
        Ok(query.order((dsl::at.desc(), dsl::id.desc())).limit(limit).load(self)?)
    }
}
