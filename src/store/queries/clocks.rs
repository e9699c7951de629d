//! What clocks are derived from, and what their timers have done.

use diesel::prelude::*;

use super::Conn;
use crate::case::{CaseId, Moment};
use crate::store::StoreError;
use crate::store::rows::EventRow;
use crate::store::schema::{case_events, case_reminders, case_timers, cases};
use crate::store::tx::Clocks;

impl Clocks for Conn {
    fn insert_event(&mut self, row: &EventRow) -> Result<(), StoreError> {
        diesel::insert_into(case_events::table).values(row).execute(self)?;
        Ok(())
    }

    fn events_of(&mut self, case: CaseId) -> Result<Vec<EventRow>, StoreError> {
        Ok(case_events::table
            .filter(case_events::case_id.eq(case))
            .order(case_events::seq)
            .select(EventRow::as_select())
            .load(self)?)
    }

    fn set_deadline(&mut self, case: CaseId, at: Option<Moment>) -> Result<(), StoreError> {
        diesel::update(cases::table.find(case)).set(cases::next_deadline.eq(at)).execute(self)?;
        Ok(())
    }

    fn set_timer(&mut self, case: CaseId, at: Option<Moment>) -> Result<(), StoreError> {
        match at {
            Some(at) => diesel::insert_into(case_timers::table)
                .values((case_timers::case_id.eq(case), case_timers::at.eq(at)))
                .on_conflict(case_timers::case_id)
                .do_update()
                .set(case_timers::at.eq(at))
                .execute(self)?,
            None => diesel::delete(case_timers::table.find(case)).execute(self)?,
        };
        Ok(())
    }

    fn due_timers(&mut self, now: Moment, limit: i64) -> Result<Vec<CaseId>, StoreError> {
        Ok(case_timers::table
            .filter(case_timers::at.le(now))
            .order((case_timers::at, case_timers::case_id))
            .limit(limit)
            .select(case_timers::case_id)
            .load(self)?)
    }

    fn next_timer(&mut self) -> Result<Option<Moment>, StoreError> {
        Ok(case_timers::table
            .order((case_timers::at, case_timers::case_id))
            .select(case_timers::at)
            .first(self)
            .optional()?)
    }

    fn remember_reminder(
        &mut self,
        case: CaseId,
        step: &str,
        due: Moment,
        at: Moment,
    ) -> Result<bool, StoreError> {
        let inserted = diesel::insert_into(case_reminders::table)
            .values((
                case_reminders::case_id.eq(case),
                case_reminders::step.eq(step),
                case_reminders::due.eq(due),
                case_reminders::at.eq(at),
            ))
            .on_conflict_do_nothing()
            .execute(self)?;
        Ok(inserted == 1)
    }

    fn reminded(&mut self, case: CaseId) -> Result<Vec<(String, Moment)>, StoreError> {
        Ok(case_reminders::table
            .filter(case_reminders::case_id.eq(case))
            .select((case_reminders::step, case_reminders::due))
            .load(self)?)
    }
}
