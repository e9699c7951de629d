//! Messages and the sealed chunks of their raw bytes.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::{CaseId, MessageId, Moment};
use crate::store::StoreError;
use crate::store::rows::{Held, MessageRow};
use crate::store::schema::{chunks, messages};
use crate::store::tx::Messages;
use crate::vault::LookupHash;

impl Messages for Conn {
    fn insert_message(&mut self, row: &MessageRow) -> Result<bool, StoreError> {
        // On PostgreSQL a unique violation would abort the transaction; this waits for the other one instead.
        let inserted = diesel::insert_into(messages::table)
            .values(row)
            .on_conflict(messages::identity)
            .do_nothing()
            .execute(self)?;
        Ok(inserted == 1)
    }

    fn update_message(&mut self, row: &MessageRow) -> Result<(), StoreError> {
        diesel::update(messages::table.find(row.id)).set(row).execute(self)?;
        Ok(())
    }

    fn message(&mut self, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        Ok(messages::table.find(id).select(MessageRow::as_select()).first(self).optional()?)
    }

    fn message_by_identity(&mut self, identity: LookupHash) -> Result<Option<MessageRow>, StoreError> {
        Ok(messages::table
            .filter(messages::identity.eq(identity))
            .select(MessageRow::as_select())
            .first(self)
            .optional()?)
    }

    fn messages_of(
        &mut self,
        case: CaseId,
        after: Option<(Moment, MessageId)>,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let mut query = messages::table
            .filter(messages::case_id.eq(case))
            .select(MessageRow::as_select())
            .into_boxed::<Db>();
        if let Some((at, id)) = after {
            query = query.filter(messages::at.ge(at)).filter(messages::at.gt(at).or(messages::id.gt(id)));
        }
        Ok(query.order((messages::at, messages::id)).limit(limit).load(self)?)
    }

    fn held(
        &mut self,
        held: Held,
        after: Option<(Moment, MessageId)>,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let mut query = messages::table
            .filter(messages::held.eq(held))
            .select(MessageRow::as_select())
            .into_boxed::<Db>();
        if let Some((at, id)) = after {
            query = query.filter(messages::at.le(at)).filter(messages::at.lt(at).or(messages::id.lt(id)));
        }
        Ok(query.order((messages::at.desc(), messages::id.desc())).limit(limit).load(self)?)
    }

    fn count_held(&mut self, held: Held) -> Result<i64, StoreError> {
        Ok(messages::table.filter(messages::held.eq(held)).count().get_result(self)?)
    }

    fn put_chunk(&mut self, message: MessageId, seq: i32, data: &[u8]) -> Result<(), StoreError> {
        diesel::insert_into(chunks::table)
            .values((chunks::message_id.eq(message), chunks::seq.eq(seq), chunks::data.eq(data)))
            .execute(self)?;
        Ok(())
    }

    fn chunk(&mut self, message: MessageId, seq: i32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(chunks::table.find((message, seq)).select(chunks::data).first(self).optional()?)
    }
}
