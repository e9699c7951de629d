//! Exceptions to access: grants, and changes of users that wait for a second person.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::access::Access;
use crate::case::{ApprovalId, CaseId, GrantId, Moment, UserId};
use crate::store::StoreError;
use crate::store::rows::{ApprovalRow, ApprovalState, GrantRow};
use crate::store::schema::{approvals, grants};
use crate::store::tx::Grants;

impl Grants for Conn {
    fn insert_grant(&mut self, row: &GrantRow) -> Result<(), StoreError> {
        diesel::insert_into(grants::table).values(row).execute(self)?;
        Ok(())
    }

    fn end_grant(&mut self, id: GrantId, at: Moment) -> Result<(), StoreError> {
        diesel::update(grants::table.find(id)).set(grants::ended_at.eq(at)).execute(self)?;
        Ok(())
    }

    fn grants_of(&mut self, case: CaseId) -> Result<Vec<GrantRow>, StoreError> {
        Ok(grants::table
            .filter(grants::case_id.eq(case))
            .order((grants::at, grants::id))
            .select(GrantRow::as_select())
            .load(self)?)
    }

    fn granted(&mut self, case: CaseId, user: UserId, now: Moment) -> Result<Option<Access>, StoreError> {
        let levels: Vec<Access> = grants::table
            .filter(grants::case_id.eq(case))
            .filter(grants::user_id.eq(user))
            .filter(grants::ended_at.is_null())
            .filter(grants::expires_at.is_null().or(grants::expires_at.gt(now)))
            .select(grants::level)
            .load(self)?;
        Ok(levels.into_iter().max())
    }

    fn insert_approval(&mut self, row: &ApprovalRow) -> Result<(), StoreError> {
        diesel::insert_into(approvals::table).values(row).execute(self)?;
        Ok(())
    }

    fn update_approval(&mut self, row: &ApprovalRow) -> Result<(), StoreError> {
        diesel::update(approvals::table.find(row.id)).set(row).execute(self)?;
        Ok(())
    }

    fn approval(&mut self, id: ApprovalId) -> Result<Option<ApprovalRow>, StoreError> {
        Ok(approvals::table.find(id).select(ApprovalRow::as_select()).first(self).optional()?)
    }

    fn list_approvals(
        &mut self,
        state: ApprovalState,
        after: Option<(Moment, ApprovalId)>,
        limit: i64,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        let mut query = approvals::table
            .filter(approvals::state.eq(state))
            .select(ApprovalRow::as_select())
            .into_boxed::<Db>();
        if let Some((at, id)) = after {
            query = query.filter(approvals::at.le(at)).filter(approvals::at.lt(at).or(approvals::id.lt(id)));
        }
        Ok(query.order((approvals::at.desc(), approvals::id.desc())).limit(limit).load(self)?)
    }
}
