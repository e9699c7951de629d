//! The outbox: what waits to be sent, under leases.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::{MessageId, Moment, OutboxId};
use crate::store::StoreError;
use crate::store::rows::{OutboxKind, OutboxRow, OutboxState};
use crate::store::schema::outbox::dsl;
use crate::store::tx::Outbox;
use crate::vault::LookupHash;

impl Outbox for Conn {
    fn insert_outbox(&mut self, row: &OutboxRow) -> Result<(), StoreError> {
        diesel::insert_into(dsl::outbox).values(row).execute(self)?;
        Ok(())
    }

    fn update_outbox(&mut self, row: &OutboxRow) -> Result<(), StoreError> {
        diesel::update(dsl::outbox.find(row.id)).set(row).execute(self)?;
        Ok(())
    }

    fn outbox(&mut self, id: OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        Ok(dsl::outbox.find(id).select(OutboxRow::as_select()).first(self).optional()?)
    }

    fn outbox_of_message(&mut self, message: MessageId) -> Result<Option<OutboxRow>, StoreError> {
        Ok(dsl::outbox
            .filter(dsl::message_id.eq(message))
            .select(OutboxRow::as_select())
            .first(self)
            .optional()?)
    }

    fn claim_outbox(
        &mut self,
        now: Moment,
        until: Moment,
        by: &str,
        kinds: &[OutboxKind],
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let due = dsl::outbox
            .filter(dsl::state.eq(OutboxState::Waiting))
            .filter(dsl::not_before.le(now))
            .filter(dsl::lease_until.is_null().or(dsl::lease_until.le(now)))
            .filter(dsl::kind.eq_any(kinds.to_vec()))
            .order((dsl::not_before, dsl::id))
            .limit(limit)
            .select(dsl::id);
        let ids: Vec<OutboxId> = super::skip_locked!(due).load(self)?;
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            diesel::update(dsl::outbox.find(id))
                .set((dsl::lease_until.eq(until), dsl::lease_by.eq(by)))
                .execute(self)?;
            rows.extend(Outbox::outbox(self, id)?);
        }
        Ok(rows)
    }

    fn sent_since(&mut self, since: Moment, automatic: bool) -> Result<(i64, Option<Moment>), StoreError> {
        let mut sent = dsl::outbox
            .filter(dsl::sent_at.gt(since))
            .select((diesel::dsl::count_star(), diesel::dsl::min(dsl::sent_at)))
            .into_boxed::<Db>();
        if automatic {
            sent = sent.filter(dsl::kind.ne(OutboxKind::Answer));
        }
        Ok(sent.first(self)?)
    }

    fn flying(&mut self, now: Moment) -> Result<i64, StoreError> {
        Ok(dsl::outbox
            .filter(dsl::state.eq(OutboxState::Waiting))
            .filter(dsl::lease_until.gt(now))
            .count()
            .get_result(self)?)
    }

    fn next_due(&mut self) -> Result<Option<Moment>, StoreError> {
        Ok(dsl::outbox
            .filter(dsl::state.eq(OutboxState::Waiting))
            .order((dsl::not_before, dsl::id))
            .select(dsl::not_before)
            .first(self)
            .optional()?)
    }

    fn automatic_mails_to(&mut self, recipient: LookupHash, since: Moment) -> Result<i64, StoreError> {
        Ok(dsl::outbox
            .filter(dsl::recipient.eq(recipient))
            .filter(dsl::created_at.ge(since))
            .filter(dsl::kind.eq(OutboxKind::Acknowledgement))
            .count()
            .get_result(self)?)
    }

    fn list_outbox(
        &mut self,
        state: Option<OutboxState>,
        after: Option<(Moment, OutboxId)>,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut query = dsl::outbox.select(OutboxRow::as_select()).into_boxed::<Db>();
        if let Some(state) = state {
            query = query.filter(dsl::state.eq(state));
        }
        if let Some((at, id)) = after {
            query = query.filter(dsl::created_at.le(at)).filter(dsl::created_at.lt(at).or(dsl::id.lt(id)));
        }
        Ok(query.order((dsl::created_at.desc(), dsl::id.desc())).limit(limit).load(self)?)
    }

    fn count_outbox(&mut self, state: OutboxState) -> Result<i64, StoreError> {
        Ok(dsl::outbox.filter(dsl::state.eq(state)).count().get_result(self)?)
    }

    fn count_leased(&mut self, now: Moment) -> Result<i64, StoreError> {
        Ok(dsl::outbox
            .filter(dsl::state.eq(OutboxState::Waiting))
            .filter(dsl::lease_until.gt(now))
            .count()
            .get_result(self)?)
    }

    fn oldest_waiting(&mut self) -> Result<Option<Moment>, StoreError> {
        Ok(dsl::outbox
            .filter(dsl::state.eq(OutboxState::Waiting))
            .select(diesel::dsl::min(dsl::created_at))
            .first(self)?)
    }
}
