//! Users, their API tokens, and the answers kept for repeated requests.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::{Moment, TokenId, UserId};
use crate::store::StoreError;
use crate::store::rows::{ApiTokenRow, IdempotencyRow, UserRow};
use crate::store::schema::{api_tokens, idempotency, users};
use crate::store::tx::Users;
use crate::vault::LookupHash;

impl Users for Conn {
    fn insert_user(&mut self, row: &UserRow) -> Result<bool, StoreError> {
        let inserted = diesel::insert_into(users::table)
            .values(row)
            .on_conflict(users::login)
            .do_nothing()
            .execute(self)?;
        Ok(inserted == 1)
    }

    fn update_user(&mut self, row: &UserRow) -> Result<(), StoreError> {
        diesel::update(users::table.find(row.id)).set(row).execute(self)?;
        Ok(())
    }

    fn user(&mut self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        Ok(users::table.find(id).select(UserRow::as_select()).first(self).optional()?)
    }

    fn user_by_login(&mut self, login: LookupHash) -> Result<Option<UserRow>, StoreError> {
        Ok(users::table.filter(users::login.eq(login)).select(UserRow::as_select()).first(self).optional()?)
    }

    fn users(&mut self, after: Option<UserId>, limit: i64) -> Result<Vec<UserRow>, StoreError> {
        let mut query = users::table.select(UserRow::as_select()).into_boxed::<Db>();
        if let Some(after) = after {
            query = query.filter(users::id.gt(after));
        }
        Ok(query.order(users::id).limit(limit).load(self)?)
    }

    fn insert_token(&mut self, row: &ApiTokenRow) -> Result<(), StoreError> {
        diesel::insert_into(api_tokens::table).values(row).execute(self)?;
        Ok(())
    }

    fn token_by_hash(&mut self, hash: LookupHash) -> Result<Option<ApiTokenRow>, StoreError> {
        Ok(api_tokens::table
            .filter(api_tokens::hash.eq(hash))
            .select(ApiTokenRow::as_select())
            .first(self)
            .optional()?)
    }

    fn tokens_of(&mut self, user: UserId) -> Result<Vec<ApiTokenRow>, StoreError> {
        Ok(api_tokens::table
            .filter(api_tokens::user_id.eq(user))
            .order(api_tokens::id)
            .select(ApiTokenRow::as_select())
            .load(self)?)
    }

    fn touch_token(&mut self, id: TokenId, at: Moment) -> Result<(), StoreError> {
        diesel::update(api_tokens::table.find(id)).set(api_tokens::last_used_at.eq(at)).execute(self)?;
        Ok(())
    }

    fn next_token_end(&mut self, now: Moment) -> Result<Option<Moment>, StoreError> {
        Ok(api_tokens::table
            .filter(api_tokens::revoked_at.is_null())
            .filter(api_tokens::expires_at.gt(now))
            .select(diesel::dsl::min(api_tokens::expires_at))
            .first(self)?)
    }

    fn revoke_token(&mut self, id: TokenId, at: Moment) -> Result<(), StoreError> {
        diesel::update(api_tokens::table.find(id)).set(api_tokens::revoked_at.eq(at)).execute(self)?;
        Ok(())
    }

    fn idempotency(&mut self, user: UserId, key: LookupHash) -> Result<Option<IdempotencyRow>, StoreError> {
        Ok(idempotency::table.find((user, key)).select(IdempotencyRow::as_select()).first(self).optional()?)
    }

    fn insert_idempotency(&mut self, row: &IdempotencyRow) -> Result<(), StoreError> {
        diesel::insert_into(idempotency::table).values(row).on_conflict_do_nothing().execute(self)?;
        Ok(())
    }

    fn forget_idempotency(&mut self, before: Moment) -> Result<(), StoreError> {
        diesel::delete(idempotency::table.filter(idempotency::at.lt(before))).execute(self)?;
        Ok(())
    }
}
