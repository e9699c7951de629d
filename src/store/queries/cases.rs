//! Cases, their links, and the list filter that mirrors `case::access`.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::walls::SHUT_OUT;
use super::{Conn, Db};
use crate::case::actor::Role;
use crate::case::{CaseId, Reference, Sensitivity};
use crate::store::StoreError;
use crate::store::rows::{CaseRow, LinkRow};
use crate::store::schema::{case_links, cases, grants, walls};
use crate::store::tx::{CaseFilter, Cases};

impl Cases for Conn {
    fn insert_case(&mut self, row: &CaseRow) -> Result<(), StoreError> {
        diesel::insert_into(cases::table).values(row).execute(self)?;
        Ok(())
    }

    fn case(&mut self, id: CaseId) -> Result<Option<CaseRow>, StoreError> {
        Ok(cases::table.find(id).select(CaseRow::as_select()).first(self).optional()?)
    }

    fn case_by_reference(&mut self, reference: Reference) -> Result<Option<CaseRow>, StoreError> {
        Ok(cases::table
            .filter(cases::reference.eq(&reference))
            .select(CaseRow::as_select())
            .first(self)
            .optional()?)
    }

    fn update_case(&mut self, row: &CaseRow) -> Result<bool, StoreError> {
        let before = cases::table.filter(cases::id.eq(row.id)).filter(cases::version.eq(row.version - 1));
        Ok(diesel::update(before).set(row).execute(self)? == 1)
    }

    fn list_cases(&mut self, filter: &CaseFilter) -> Result<Vec<CaseRow>, StoreError> {
        let mut query = cases::table.select(CaseRow::as_select()).filter(visible(filter)).into_boxed::<Db>();
        if let Some(status) = filter.status {
            query = query.filter(cases::status.eq(status));
        }
        if let Some(category) = &filter.category {
            query = query.filter(cases::category.eq(category));
        }
        if let Some(sensitivity) = filter.sensitivity {
            query = query.filter(cases::sensitivity.eq(sensitivity));
        }
        if let Some(priority) = filter.priority {
            query = query.filter(cases::priority.eq(priority));
        }
        if let Some(owner) = filter.owner {
            query = query.filter(cases::owner_id.eq(owner));
        }
        if let Some(team) = &filter.team {
            query = query.filter(cases::team.eq(team));
        }
        if let Some(triage) = filter.triage {
            query = query.filter(cases::triage.eq(triage));
        }
        if let Some((at, id)) = filter.after {
            // The plain OR of a keyset makes both databases scan; the leading bound keeps them on the index.
            query =
                query.filter(cases::opened_at.le(at)).filter(cases::opened_at.lt(at).or(cases::id.lt(id)));
        }
        Ok(query.order((cases::opened_at.desc(), cases::id.desc())).limit(filter.limit).load(self)?)
    }

    fn insert_link(&mut self, row: &LinkRow) -> Result<(), StoreError> {
        diesel::insert_into(case_links::table).values(row).on_conflict_do_nothing().execute(self)?;
        Ok(())
    }

    fn links_of(&mut self, case: CaseId) -> Result<Vec<LinkRow>, StoreError> {
        Ok(case_links::table
            .filter(case_links::from_case.eq(case).or(case_links::to_case.eq(case)))
            .select(LinkRow::as_select())
            .order((case_links::at, case_links::from_case))
            .load(self)?)
    }
}

pub(super) type Condition = Box<dyn BoxableExpression<cases::table, Db, SqlType = Bool>>;

/// The cases on which `access` gives more than `none`. Stubs are listed too; what they show is up to the caller.
pub(super) fn visible(filter: &CaseFilter) -> Condition {
    let user = &filter.visible_to;
    let granted = grants::table
        .filter(grants::user_id.eq(user.id))
        .filter(grants::ended_at.is_null())
        .filter(grants::expires_at.is_null().or(grants::expires_at.gt(filter.now)))
        .select(grants::case_id);
    let walled = walls::table
        .filter(walls::user_id.eq(user.id).and(walls::bar.eq_any(SHUT_OUT)))
        .select(walls::case_id);
    let mine: Condition = Box::new(cases::owner_id.eq(user.id).assume_not_null());
    let mut any: Condition = Box::new(mine.or(cases::id.eq_any(granted)));
    let agent = user.roles.has(Role::Agent);
    if agent {
        any = Box::new(
            any.or(cases::team
                .eq_any(user.teams.clone())
                .and(cases::sensitivity.eq_any([Sensitivity::Standard, Sensitivity::Confidential]))),
        );
        any = Box::new(
            any.or(cases::legal_entity
                .eq_any(user.entities.clone())
                .and(cases::sensitivity.eq(Sensitivity::Standard))),
        );
    }
    if user.roles.has(Role::Lead) {
        any = Box::new(any.or(cases::team.eq_any(user.teams.clone())));
    }
    if user.roles.has(Role::Auditor) {
        any = Box::new(any.or(cases::version.ge(0)));
    }
    Box::new(any.and(diesel::dsl::not(cases::id.eq_any(walled))))
}
