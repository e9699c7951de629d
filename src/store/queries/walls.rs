//! Who is kept from which case.

use diesel::prelude::*;

use super::Conn;
use crate::case::wall::Bar;
use crate::case::{CaseId, UserId};
use crate::store::StoreError;
use crate::store::rows::WallRow;
use crate::store::schema::walls;
use crate::store::tx::Walls;

/// The bars behind which a case does not exist; those of `Bar::shuts_out`.
pub const SHUT_OUT: [Bar; 2] = [Bar::Held, Bar::Walled];

impl Walls for Conn {
    fn walled(&mut self, case: CaseId, user: UserId) -> Result<bool, StoreError> {
        let wall = walls::table.find((case, user)).filter(walls::bar.eq_any(SHUT_OUT));
        Ok(diesel::select(diesel::dsl::exists(wall)).get_result(self)?)
    }

    fn wall(&mut self, case: CaseId, user: UserId) -> Result<Option<WallRow>, StoreError> {
        Ok(walls::table.find((case, user)).select(WallRow::as_select()).first(self).optional()?)
    }

    fn walls_of(&mut self, case: CaseId) -> Result<Vec<WallRow>, StoreError> {
        Ok(walls::table
            .filter(walls::case_id.eq(case))
            .order((walls::at, walls::user_id))
            .select(WallRow::as_select())
            .load(self)?)
    }

    fn put_wall(&mut self, row: &WallRow) -> Result<(), StoreError> {
        self.delete_wall(row.case_id, row.user_id)?;
        diesel::insert_into(walls::table).values(row).execute(self)?;
        Ok(())
    }

    fn delete_wall(&mut self, case: CaseId, user: UserId) -> Result<(), StoreError> {
        diesel::delete(walls::table.find((case, user))).execute(self)?;
        Ok(())
    }
}
