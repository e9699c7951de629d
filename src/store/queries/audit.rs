//! The audit log: entries and their places in the tree are added and read, never changed; the database itself
//! forbids it.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::{CaseId, EntryId, Moment, Reference};
use crate::store::StoreError;
use crate::store::rows::{EntryRow, TreeRow};
use crate::store::schema::{audit_entries, audit_pending, audit_tree, audit_witnessed, cases};
use crate::store::tx::Audit;

impl Audit for Conn {
    fn insert_entry(&mut self, row: &EntryRow) -> Result<(), StoreError> {
        diesel::insert_into(audit_entries::table).values(row).execute(self)?;
        diesel::insert_into(audit_pending::table).values(audit_pending::entry_id.eq(row.id)).execute(self)?;
        Ok(())
    }

    fn entry(&mut self, id: EntryId) -> Result<Option<EntryRow>, StoreError> {
        Ok(audit_entries::table.find(id).select(EntryRow::as_select()).first(self).optional()?)
    }

    fn entries_of_case(
        &mut self,
        case: CaseId,
        after: Option<(i64, EntryId)>,
        limit: i64,
    ) -> Result<Vec<EntryRow>, StoreError> {
        let mut query = audit_entries::table
            .filter(audit_entries::case_id.eq(case))
            .filter(audit_entries::case_version.is_not_null())
            .select(EntryRow::as_select())
            .into_boxed::<Db>();
        if let Some((version, id)) = after {
            query = query
                .filter(audit_entries::case_version.ge(version))
                .filter(audit_entries::case_version.gt(version).or(audit_entries::id.gt(id)));
        }
        Ok(query.order((audit_entries::case_version, audit_entries::id)).limit(limit).load(self)?)
    }

    fn all_entries_of_case(&mut self, case: CaseId) -> Result<Vec<EntryRow>, StoreError> {
        Ok(audit_entries::table
            .filter(audit_entries::case_id.eq(case))
            .order((audit_entries::at, audit_entries::id))
            .select(EntryRow::as_select())
            .load(self)?)
    }

    fn entries(&mut self, after: Option<(Moment, EntryId)>, limit: i64) -> Result<Vec<EntryRow>, StoreError> {
        let mut query = audit_entries::table.select(EntryRow::as_select()).into_boxed::<Db>();
        if let Some((at, id)) = after {
            query = query
                .filter(audit_entries::at.le(at))
                .filter(audit_entries::at.lt(at).or(audit_entries::id.lt(id)));
        }
        Ok(query.order((audit_entries::at.desc(), audit_entries::id.desc())).limit(limit).load(self)?)
    }

    fn pending_entries(&mut self, limit: i64) -> Result<Vec<EntryRow>, StoreError> {
        Ok(audit_pending::table
            .inner_join(audit_entries::table.on(audit_entries::id.eq(audit_pending::entry_id)))
            // Of each case the lower versions first, also when there is more than `limit`.
            .order((audit_entries::case_version, audit_pending::entry_id))
            .limit(limit)
            .select(EntryRow::as_select())
            .load(self)?)
    }

    fn has_pending_entries(&mut self) -> Result<bool, StoreError> {
        Ok(audit_pending::table.select(audit_pending::entry_id).first::<EntryId>(self).optional()?.is_some())
    }

    fn append_tree(&mut self, row: &TreeRow) -> Result<bool, StoreError> {
        let free = audit_tree::table.find(row.seq).count().get_result::<i64>(self)? == 0;
        if !free || diesel::delete(audit_pending::table.find(row.entry_id)).execute(self)? != 1 {
            return Ok(false);
        }
        Ok(diesel::insert_into(audit_tree::table).values(row).on_conflict_do_nothing().execute(self)? == 1)
    }

    fn tree_size(&mut self) -> Result<i64, StoreError> {
        let last: Option<i64> = audit_tree::table.select(diesel::dsl::max(audit_tree::seq)).first(self)?;
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    fn tree_row(&mut self, seq: i64) -> Result<Option<TreeRow>, StoreError> {
        Ok(audit_tree::table.find(seq).select(TreeRow::as_select()).first(self).optional()?)
    }

    fn tree_place(&mut self, entry: EntryId) -> Result<Option<TreeRow>, StoreError> {
        Ok(audit_tree::table
            .filter(audit_tree::entry_id.eq(entry))
            .select(TreeRow::as_select())
            .first(self)
            .optional()?)
    }

    fn tree_page(&mut self, seq: i64, limit: i64) -> Result<Vec<(TreeRow, Option<EntryRow>)>, StoreError> {
        Ok(audit_tree::table
            .left_join(audit_entries::table.on(audit_entries::id.eq(audit_tree::entry_id)))
            .filter(audit_tree::seq.ge(seq))
            .order(audit_tree::seq)
            .limit(limit)
            .select((TreeRow::as_select(), Option::<EntryRow>::as_select()))
            .load(self)?)
    }

    fn entries_outside_tree(&mut self, limit: i64) -> Result<Vec<EntryRow>, StoreError> {
        let place = audit_tree::table.filter(audit_tree::entry_id.eq(audit_entries::id));
        Ok(audit_entries::table
            .filter(diesel::dsl::not(diesel::dsl::exists(place)))
            .order(audit_entries::id)
            .limit(limit)
            .select(EntryRow::as_select())
            .load(self)?)
    }

    fn case_beyond_log(&mut self) -> Result<Option<Reference>, StoreError> {
        let told = audit_entries::table
            .filter(audit_entries::case_id.eq(cases::id.nullable()))
            .filter(audit_entries::case_version.ge(cases::version.nullable()));
        Ok(cases::table
            .filter(diesel::dsl::not(diesel::dsl::exists(told)))
            .select(cases::reference)
            .first(self)
            .optional()?)
    }

    fn note_witnessed(&mut self, day: i64, size: i64, at: Moment) -> Result<bool, StoreError> {
        let row = (audit_witnessed::day.eq(day), audit_witnessed::size.eq(size), audit_witnessed::at.eq(at));
        Ok(diesel::insert_into(audit_witnessed::table).values(row).on_conflict_do_nothing().execute(self)?
            == 1)
    }
}
