//! The blind word index, and finding cases by it. Who may see what is the list's own filter, applied here too: what
//! a caller may not see is neither counted nor fetched.

use diesel::prelude::*;

use super::cases::visible;
use super::{Conn, Db};
use crate::case::access::Access;
use crate::case::actor::Role;
use crate::case::{CaseId, Moment, Sensitivity};
use crate::store::StoreError;
use crate::store::rows::{CaseRow, KeyRow};
use crate::store::schema::{cases, grants, party_addresses, search_queue, search_words, vault_keys, walls};
use crate::store::tx::{Search, SearchFilter};

/// As many as go into one statement.
const CHUNK: usize = 500;

impl Search for Conn {
    fn queue_index(&mut self, case: CaseId, at: Moment) -> Result<(), StoreError> {
        // Locks a row that is there: whoever indexes it meanwhile sees this change, or leaves it queued.
        diesel::insert_into(search_queue::table)
            .values((search_queue::case_id.eq(case), search_queue::at.eq(at)))
            .on_conflict(search_queue::case_id)
            .do_update()
            .set(search_queue::at.eq(at))
            .execute(self)?;
        Ok(())
    }

    fn queue_index_of_all(&mut self, at: Moment) -> Result<usize, StoreError> {
        let all: Vec<CaseId> = cases::table.select(cases::id).load(self)?;
        for case in &all {
            self.queue_index(*case, at)?;
        }
        Ok(all.len())
    }

    fn queued_for_index(&mut self, limit: i64) -> Result<Vec<CaseId>, StoreError> {
        Ok(search_queue::table
            .select(search_queue::case_id)
            .order(search_queue::case_id)
            .limit(limit)
            .load(self)?)
    }

    fn count_queued_for_index(&mut self) -> Result<i64, StoreError> {
        Ok(search_queue::table.count().get_result(self)?)
    }

    fn unqueue_index(&mut self, case: CaseId) -> Result<bool, StoreError> {
        Ok(diesel::delete(search_queue::table.find(case)).execute(self)? == 1)
    }

    fn put_words(&mut self, case: CaseId, hashes: &[i64]) -> Result<(), StoreError> {
        self.delete_words(case)?;
        let rows: Vec<_> = hashes
            .iter()
            .map(|hash| (search_words::hash.eq(*hash), search_words::case_id.eq(case)))
            .collect();
        for chunk in rows.chunks(CHUNK) {
            diesel::insert_into(search_words::table).values(chunk.to_vec()).execute(self)?;
        }
        Ok(())
    }

    fn words_of(&mut self, case: CaseId) -> Result<Vec<i64>, StoreError> {
        Ok(search_words::table
            .filter(search_words::case_id.eq(case))
            .select(search_words::hash)
            .load(self)?)
    }

    fn delete_words(&mut self, case: CaseId) -> Result<(), StoreError> {
        diesel::delete(search_words::table.filter(search_words::case_id.eq(case))).execute(self)?;
        Ok(())
    }

    fn cases_with_any(&mut self, hashes: &[i64], most: i64) -> Result<Option<Vec<CaseId>>, StoreError> {
        let mut found = Vec::new();
        for hash in hashes {
            let left = most.saturating_sub(i64::try_from(found.len()).unwrap_or(i64::MAX));
            let more: Vec<CaseId> = search_words::table
                .filter(search_words::hash.eq(hash))
                .select(search_words::case_id)
                .limit(left + 1)
                .load(self)?;
            found.extend(more);
            if i64::try_from(found.len()).unwrap_or(i64::MAX) > most {
                return Ok(None);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }

    fn which_words(&mut self, words: &[(i64, CaseId)]) -> Result<Vec<(i64, CaseId)>, StoreError> {
        let mut found = Vec::new();
        for chunk in words.chunks(CHUNK) {
            let hashes: Vec<i64> = chunk.iter().map(|(hash, _)| *hash).collect();
            let rows: Vec<(i64, CaseId)> = search_words::table
                .filter(search_words::hash.eq_any(hashes))
                .select((search_words::hash, search_words::case_id))
                .load(self)?;
            found.extend(rows);
        }
        Ok(found)
    }

    fn guarded_keys(&mut self, filter: &SearchFilter) -> Result<Vec<(CaseId, String, KeyRow)>, StoreError> {
        let user = &filter.base.visible_to;
        let walled = walls::table.filter(walls::user_id.eq(user.id)).select(walls::case_id);
        let granted = grants::table
            .filter(grants::user_id.eq(user.id))
            .filter(grants::ended_at.is_null())
            .filter(grants::level.ne(Access::Stub))
            .filter(grants::expires_at.is_null().or(grants::expires_at.gt(filter.base.now)))
            .select(grants::case_id);
        let keyed = || {
            cases::table
                .inner_join(vault_keys::table.on(vault_keys::id.eq(cases::id)))
                .filter(cases::sensitivity.ne(Sensitivity::Standard))
                .filter(diesel::dsl::not(cases::id.eq_any(walled)))
                .select((cases::id, cases::language, KeyRow::as_select()))
        };
        let mut found: Vec<(CaseId, String, KeyRow)> =
            keyed().filter(cases::owner_id.eq(user.id)).load(self)?;
        found.extend(keyed().filter(cases::id.eq_any(granted)).load::<(CaseId, String, KeyRow)>(self)?);
        if user.roles.has(Role::Lead) {
            let led = keyed()
                .filter(cases::team.eq_any(user.teams.clone()))
                .filter(cases::sensitivity.eq(Sensitivity::Confidential));
            found.extend(led.load::<(CaseId, String, KeyRow)>(self)?);
        }
        found.sort_by_key(|(case, ..)| *case);
        found.dedup_by_key(|(case, ..)| *case);
        Ok(found)
    }

    fn find_among(
        &mut self,
        filter: &SearchFilter,
        ids: &[CaseId],
        words: &[Vec<i64>],
    ) -> Result<Vec<CaseRow>, StoreError> {
        let mut found = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let rows = with_words(narrowed(filter), words).filter(cases::id.eq_any(chunk.to_vec()));
            found.extend(rows.load::<CaseRow>(self)?);
        }
        found.sort_by_key(|row| std::cmp::Reverse((row.opened_at, row.id)));
        found.truncate(usize::try_from(filter.base.limit).unwrap_or_default());
        Ok(found)
    }

    fn find_newest(&mut self, filter: &SearchFilter, words: &[Vec<i64>]) -> Result<Vec<CaseRow>, StoreError> {
        Ok(with_words(narrowed(filter), words)
            .order((cases::opened_at.desc(), cases::id.desc()))
            .limit(filter.base.limit)
            .load(self)?)
    }
}

type Found<'a> = cases::BoxedQuery<'a, Db, diesel::dsl::SqlTypeOf<diesel::dsl::AsSelect<CaseRow, Db>>>;

/// Standard cases that have, for each word, one of its hashes; with no word, all cases.
fn with_words<'a>(mut query: Found<'a>, words: &[Vec<i64>]) -> Found<'a> {
    if !words.is_empty() {
        query = query.filter(cases::sensitivity.eq(Sensitivity::Standard));
    }
    for any in words {
        let there = search_words::table
            .filter(search_words::case_id.eq(cases::id))
            .filter(search_words::hash.eq_any(any.clone()));
        query = query.filter(diesel::dsl::exists(there));
    }
    query
}

/// The visible cases for which all but the words holds, after the last one shown.
fn narrowed(filter: &SearchFilter) -> Found<'_> {
    let base = &filter.base;
    let mut query = cases::table.select(CaseRow::as_select()).filter(visible(base)).into_boxed::<Db>();
    if let Some(status) = base.status {
        query = query.filter(cases::status.eq(status));
    }
    if let Some(category) = &base.category {
        query = query.filter(cases::category.eq(category));
    }
    if let Some(owner) = base.owner {
        query = query.filter(cases::owner_id.eq(owner));
    }
    if let Some(before) = filter.opened_before {
        query = query.filter(cases::opened_at.lt(before));
    }
    if let Some(after) = filter.opened_from {
        query = query.filter(cases::opened_at.ge(after));
    }
    for hash in &filter.from_addresses {
        let party =
            party_addresses::table.filter(party_addresses::hash.eq(*hash)).select(party_addresses::case_id);
        query = query.filter(cases::id.eq_any(party));
    }
    if let Some((at, id)) = base.after {
        query = query.filter(cases::opened_at.le(at)).filter(cases::opened_at.lt(at).or(cases::id.lt(id)));
    }
    query
}
