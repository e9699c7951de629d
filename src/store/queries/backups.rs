//! Which copies of the register exist, and what is known to be in one.

use diesel::prelude::*;

use super::Conn;
use crate::case::{BackupId, Moment};
use crate::store::StoreError;
use crate::store::rows::BackupRow;
use crate::store::schema::__diesel_schema_migrations as migrations;
use crate::store::schema::backups::dsl;
use crate::store::tx::Backups;

/// The migrations that were run here.
pub fn applied(conn: &mut Conn) -> QueryResult<Vec<String>> {
    migrations::table.select(migrations::version).load(conn)
}

impl Backups for Conn {
    fn insert_backup(&mut self, row: &BackupRow) -> Result<(), StoreError> {
        diesel::insert_into(dsl::backups).values(row).execute(self)?;
        Ok(())
    }

    fn backup(&mut self, id: BackupId) -> Result<Option<BackupRow>, StoreError> {
        Ok(dsl::backups.find(id).select(BackupRow::as_select()).first(self).optional()?)
    }

    fn latest_backup(&mut self) -> Result<Option<BackupRow>, StoreError> {
        // Identities are ordered by the time they were made.
        Ok(dsl::backups.order(dsl::id.desc()).select(BackupRow::as_select()).first(self).optional()?)
    }

    fn set_backup_verified(&mut self, id: BackupId, at: Moment) -> Result<(), StoreError> {
        diesel::update(dsl::backups.find(id)).set(dsl::verified_at.eq(at)).execute(self)?;
        Ok(())
    }

    fn last_verified_backup(&mut self) -> Result<Option<Moment>, StoreError> {
        Ok(dsl::backups
            .filter(dsl::verified_at.is_not_null())
            .order(dsl::at.desc())
            .select(dsl::at)
            .first(self)
            .optional()?)
    }
}
