//! What ties mails to conversations.

use diesel::prelude::*;

use super::Conn;
use crate::case::{CaseId, ConversationId, MessageId};
use crate::store::StoreError;
use crate::store::rows::{ThreadPurpose, ThreadRow};
use crate::store::schema::threads::dsl;
use crate::store::tx::Threads;
use crate::vault::LookupHash;

/// A Message-ID that very many messages share proves nothing; nobody reads more of them than this.
const MOST: i64 = 50;

impl Threads for Conn {
    fn insert_thread(&mut self, row: &ThreadRow) -> Result<(), StoreError> {
        diesel::insert_into(dsl::threads).values(row).on_conflict_do_nothing().execute(self)?;
        Ok(())
    }

    fn threads(&mut self, hash: LookupHash, purpose: ThreadPurpose) -> Result<Vec<ThreadRow>, StoreError> {
        Ok(dsl::threads
            .filter(dsl::hash.eq(hash))
            .filter(dsl::purpose.eq(purpose))
            .order(dsl::message_id)
            .limit(MOST)
            .select(ThreadRow::as_select())
            .load(self)?)
    }

    fn threads_of_conversation(
        &mut self,
        conversation: ConversationId,
        purpose: ThreadPurpose,
    ) -> Result<Vec<ThreadRow>, StoreError> {
        Ok(dsl::threads
            .filter(dsl::conversation_id.eq(conversation))
            .filter(dsl::purpose.eq(purpose))
            .order(dsl::message_id)
            .limit(MOST)
            .select(ThreadRow::as_select())
            .load(self)?)
    }

    fn move_threads(
        &mut self,
        message: MessageId,
        case: CaseId,
        conversation: ConversationId,
    ) -> Result<(), StoreError> {
        diesel::update(dsl::threads.filter(dsl::message_id.eq(message)))
            .set((dsl::case_id.eq(case), dsl::conversation_id.eq(conversation)))
            .execute(self)?;
        Ok(())
    }
}
