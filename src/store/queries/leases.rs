//! Leases with fencing numbers: who works a mailbox when several daemons share a database.

use diesel::prelude::*;
use diesel::upsert::excluded;

use super::Conn;
use crate::case::Moment;
use crate::store::StoreError;
use crate::store::schema::leases::dsl;
use crate::store::tx::{Fence, Leases};

impl Leases for Conn {
    fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: Moment,
        until: Moment,
    ) -> Result<Option<Fence>, StoreError> {
        let renewed = diesel::update(dsl::leases.find(name).filter(dsl::holder.eq(holder)))
            .set(dsl::until.eq(until))
            .returning(dsl::fence)
            .get_result(self)
            .optional()?;
        if let Some(fence) = renewed {
            return Ok(Some(Fence(fence)));
        }
        let taken = diesel::query_dsl::methods::FilterDsl::filter(
            diesel::insert_into(dsl::leases)
                .values((dsl::name.eq(name), dsl::holder.eq(holder), dsl::fence.eq(1), dsl::until.eq(until)))
                .on_conflict(dsl::name)
                .do_update()
                .set((
                    dsl::holder.eq(excluded(dsl::holder)),
                    dsl::fence.eq(dsl::fence + 1),
                    dsl::until.eq(excluded(dsl::until)),
                )),
            dsl::until.le(now),
        )
        .returning(dsl::fence)
        .get_result(self)
        .optional()?;
        Ok(taken.map(Fence))
    }

    fn holds_lease(&mut self, name: &str, holder: &str, fence: Fence) -> Result<bool, StoreError> {
        let held = dsl::leases.find(name).filter(dsl::holder.eq(holder)).filter(dsl::fence.eq(fence.0));
        Ok(diesel::select(diesel::dsl::exists(held)).get_result(self)?)
    }

    fn release_lease(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        diesel::update(dsl::leases.find(name).filter(dsl::holder.eq(holder)))
            .set(dsl::until.eq(0))
            .execute(self)?;
        Ok(())
    }
}
