//! Wrapped keys.

use diesel::prelude::*;

use super::Conn;
use crate::store::StoreError;
use crate::store::rows::KeyRow;
use crate::store::schema::vault_keys::dsl;
use crate::store::tx::Keys;

impl Keys for Conn {
    fn insert_key(&mut self, row: &KeyRow) -> Result<(), StoreError> {
        diesel::insert_into(dsl::vault_keys).values(row).execute(self)?;
        Ok(())
    }

    fn key(&mut self, id: &[u8]) -> Result<Option<KeyRow>, StoreError> {
        Ok(dsl::vault_keys.find(id).select(KeyRow::as_select()).first(self).optional()?)
    }

    fn key_for(&mut self, purpose: &str) -> Result<Option<KeyRow>, StoreError> {
        Ok(dsl::vault_keys
            .filter(dsl::purpose.eq(purpose))
            .order(dsl::generation.desc())
            .select(KeyRow::as_select())
            .first(self)
            .optional()?)
    }

    fn delete_key(&mut self, id: &[u8]) -> Result<(), StoreError> {
        diesel::delete(dsl::vault_keys.find(id)).execute(self)?;
        Ok(())
    }
}
