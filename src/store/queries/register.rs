//! The mail register: folders, their epochs, and what became of each place.

use diesel::prelude::*;

use super::{Conn, Db};
use crate::case::{FolderId, MessageId, Moment};
use crate::store::StoreError;
use crate::store::rows::{FolderRow, RegisterRow, RegisterState};
use crate::store::schema::{folders, maildir_names, messages, register};
use crate::store::tx::Register;

/// Both databases bound the number of bind variables.
const CHUNK: usize = 500;

impl Register for Conn {
    fn latest_epoch(&mut self, mailbox: &str, folder: &str) -> Result<Option<FolderRow>, StoreError> {
        Ok(folders::table
            .filter(folders::mailbox.eq(mailbox))
            .filter(folders::folder.eq(folder))
            .order(folders::epoch.desc())
            .select(FolderRow::as_select())
            .first(self)
            .optional()?)
    }

    fn insert_folder(&mut self, row: &FolderRow) -> Result<(), StoreError> {
        diesel::insert_into(folders::table).values(row).execute(self)?;
        Ok(())
    }

    fn set_reconciled(&mut self, folder: FolderId, at: Moment) -> Result<(), StoreError> {
        diesel::update(folders::table.find(folder)).set(folders::reconciled_at.eq(at)).execute(self)?;
        Ok(())
    }

    fn registered_uids(&mut self, folder: FolderId) -> Result<Vec<i64>, StoreError> {
        Ok(register::table
            .filter(register::folder_id.eq(folder))
            .order(register::uid)
            .select(register::uid)
            .load(self)?)
    }

    fn highest_uid(&mut self, folder: FolderId) -> Result<Option<i64>, StoreError> {
        Ok(register::table
            .filter(register::folder_id.eq(folder))
            .select(diesel::dsl::max(register::uid))
            .first(self)?)
    }

    fn unread(&mut self, folder: FolderId) -> Result<Vec<RegisterRow>, StoreError> {
        Ok(register::table
            .filter(register::folder_id.eq(folder))
            .filter(register::message_id.is_null())
            .filter(register::state.eq_any([RegisterState::Pending, RegisterState::Quarantined]))
            .order(register::uid)
            .select(RegisterRow::as_select())
            .load(self)?)
    }

    fn count_unread(&mut self) -> Result<i64, StoreError> {
        Ok(register::table
            .filter(register::state.eq_any([RegisterState::Pending, RegisterState::Quarantined]))
            .filter(register::message_id.is_null())
            .count()
            .get_result(self)?)
    }

    fn deletable(&mut self, folder: FolderId, before: Moment) -> Result<Vec<i64>, StoreError> {
        Ok(register::table
            .inner_join(messages::table.on(register::message_id.eq(messages::id.nullable())))
            .filter(register::folder_id.eq(folder))
            .filter(diesel::dsl::not(register::settled))
            .filter(register::at.lt(before))
            .filter(messages::raw_complete)
            .order(register::uid)
            .select(register::uid)
            .load(self)?)
    }

    fn unsettled(&mut self, folder: FolderId) -> Result<Vec<RegisterRow>, StoreError> {
        Ok(register::table
            .filter(register::folder_id.eq(folder))
            .filter(diesel::dsl::not(register::settled))
            .order(register::uid)
            .select(RegisterRow::as_select())
            .load(self)?)
    }

    fn place(&mut self, folder: FolderId, uid: i64) -> Result<Option<RegisterRow>, StoreError> {
        Ok(register::table.find((folder, uid)).select(RegisterRow::as_select()).first(self).optional()?)
    }

    fn put_place(&mut self, row: &RegisterRow) -> Result<(), StoreError> {
        diesel::insert_into(register::table)
            .values(row)
            .on_conflict((register::folder_id, register::uid))
            .do_update()
            .set((
                register::state.eq(row.state),
                register::reason.eq(&row.reason),
                register::message_id.eq(row.message_id),
                register::bytes.eq(row.bytes),
                register::received_at.eq(row.received_at),
                register::at.eq(row.at),
                register::attempts.eq(row.attempts),
                register::settled.eq(row.settled),
            ))
            .execute(self)?;
        Ok(())
    }

    fn set_settled(
        &mut self,
        folder: FolderId,
        uids: &[i64],
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        for some in uids.chunks(CHUNK) {
            let rows = register::table
                .filter(register::folder_id.eq(folder))
                .filter(register::uid.eq_any(some.to_vec()));
            match reason {
                Some(reason) => diesel::update(rows)
                    .set((register::settled.eq(true), register::reason.eq(reason)))
                    .execute(self)?,
                None => diesel::update(rows).set(register::settled.eq(true)).execute(self)?,
            };
        }
        Ok(())
    }

    fn set_place_state(
        &mut self,
        message: MessageId,
        state: RegisterState,
        reason: &str,
    ) -> Result<(), StoreError> {
        diesel::update(register::table.filter(register::message_id.eq(message)))
            .set((register::state.eq(state), register::reason.eq(reason)))
            .execute(self)?;
        Ok(())
    }

    fn list_register(
        &mut self,
        state: Option<RegisterState>,
        after: Option<(Moment, FolderId, i64)>,
        limit: i64,
    ) -> Result<Vec<(RegisterRow, FolderRow)>, StoreError> {
        let mut query = register::table
            .inner_join(folders::table)
            .select((RegisterRow::as_select(), FolderRow::as_select()))
            .into_boxed::<Db>();
        if let Some(state) = state {
            query = query.filter(register::state.eq(state));
        }
        if let Some((at, folder, uid)) = after {
            query = query.filter(register::at.le(at)).filter(register::at.lt(at).or(
                register::folder_id.lt(folder).or(register::folder_id.eq(folder).and(register::uid.lt(uid))),
            ));
        }
        Ok(query
            .order((register::at.desc(), register::folder_id.desc(), register::uid.desc()))
            .limit(limit)
            .load(self)?)
    }

    fn maildir_numbers(&mut self, mailbox: &str, folder: &str) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(maildir_names::table
            .filter(maildir_names::mailbox.eq(mailbox))
            .filter(maildir_names::folder.eq(folder))
            .order(maildir_names::uid)
            .select((maildir_names::uid, maildir_names::name))
            .load(self)?)
    }

    fn maildir_name(&mut self, mailbox: &str, folder: &str, uid: i64) -> Result<Option<String>, StoreError> {
        Ok(maildir_names::table
            .find((mailbox, folder, uid))
            .select(maildir_names::name)
            .first(self)
            .optional()?)
    }

    fn insert_maildir_name(
        &mut self,
        mailbox: &str,
        folder: &str,
        uid: i64,
        name: &str,
    ) -> Result<(), StoreError> {
        diesel::insert_into(maildir_names::table)
            .values((
                maildir_names::mailbox.eq(mailbox),
                maildir_names::folder.eq(folder),
                maildir_names::uid.eq(uid),
                maildir_names::name.eq(name),
            ))
            .execute(self)?;
        Ok(())
    }
}
