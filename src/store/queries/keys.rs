//! Wrapped keys, and the tokens that are sealed under them.

use diesel::prelude::*;

use super::Conn;
use crate::store::StoreError;
use crate::store::rows::{KeyRow, RefreshTokenRow};
use crate::store::schema::refresh_tokens;
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

    fn refresh_token(&mut self, name: &str) -> Result<Option<RefreshTokenRow>, StoreError> {
        Ok(refresh_tokens::table.find(name).select(RefreshTokenRow::as_select()).first(self).optional()?)
    }

    fn put_refresh_token(&mut self, row: &RefreshTokenRow) -> Result<(), StoreError> {
        diesel::insert_into(refresh_tokens::table)
            .values(row)
            .on_conflict(refresh_tokens::name)
            .do_update()
            .set(row)
            .execute(self)?;
        Ok(())
    }
}
