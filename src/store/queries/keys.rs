//! Wrapped keys, and the tokens that are sealed under them.

use diesel::prelude::*;

use super::Conn;
use crate::case::Moment;
use crate::store::StoreError;
use crate::store::rows::{KeyRow, MasterKeyRow, RefreshTokenRow};
use crate::store::schema::vault_keys::dsl;
use crate::store::schema::{erasures, master_keys, refresh_tokens};
use crate::store::tx::Keys;
use crate::vault::Sealed;

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

    fn erase_key(&mut self, id: &[u8], at: Moment) -> Result<(), StoreError> {
        self.delete_key(id)?;
        diesel::insert_into(erasures::table)
            .values((erasures::id.eq(id), erasures::at.eq(at), erasures::journalled.eq(false)))
            .on_conflict_do_nothing()
            .execute(self)?;
        Ok(())
    }

    fn unjournalled_erasures(&mut self, limit: i64) -> Result<Vec<(Vec<u8>, Moment)>, StoreError> {
        Ok(erasures::table
            .filter(diesel::dsl::not(erasures::journalled))
            .order(erasures::at)
            .limit(limit)
            .select((erasures::id, erasures::at))
            .load(self)?)
    }

    fn mark_journalled(&mut self, id: &[u8]) -> Result<(), StoreError> {
        diesel::update(erasures::table.find(id)).set(erasures::journalled.eq(true)).execute(self)?;
        Ok(())
    }

    fn keys_not_under(&mut self, master: i32, limit: i64) -> Result<Vec<KeyRow>, StoreError> {
        Ok(dsl::vault_keys
            .filter(dsl::master.ne(master))
            .order(dsl::id)
            .limit(limit)
            .select(KeyRow::as_select())
            .load(self)?)
    }

    fn rewrap_key(&mut self, id: &[u8], wrapped: &Sealed, master: i32) -> Result<(), StoreError> {
        diesel::update(dsl::vault_keys.find(id))
            .set((dsl::wrapped.eq(wrapped), dsl::master.eq(master)))
            .execute(self)?;
        Ok(())
    }

    fn count_keys(&mut self) -> Result<Vec<(i32, i64)>, StoreError> {
        Ok(dsl::vault_keys
            .group_by(dsl::master)
            .order(dsl::master)
            .select((dsl::master, diesel::dsl::count_star()))
            .load(self)?)
    }

    fn master_keys(&mut self) -> Result<Vec<MasterKeyRow>, StoreError> {
        Ok(master_keys::table.order(master_keys::generation).select(MasterKeyRow::as_select()).load(self)?)
    }

    fn put_master_key(&mut self, row: &MasterKeyRow) -> Result<(), StoreError> {
        diesel::insert_into(master_keys::table)
            .values(row)
            .on_conflict(master_keys::generation)
            .do_update()
            .set(row)
            .execute(self)?;
        Ok(())
    }

    fn forget_master_keys_before(&mut self, generation: i32) -> Result<(), StoreError> {
        diesel::delete(master_keys::table.filter(master_keys::generation.lt(generation))).execute(self)?;
        diesel::update(master_keys::table.find(generation))
            .set(master_keys::other.eq(None::<Sealed>))
            .execute(self)?;
        Ok(())
    }
}
