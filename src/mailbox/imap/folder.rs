//! Folders: opening them, and marking, moving and deleting messages in them. Knows how servers differ in naming
//! folders (delimiter, personal namespace) and in what they offer (MOVE, UIDPLUS).

use async_imap::imap_proto::{MailboxDatum, Response, ResponseCode};

use super::uid_set::uid_sets;
use super::wire::Failure;
use super::{Imap, lost};
use crate::mailbox::{FolderState, MailboxError, Settle, Uid, folder_name};

impl Imap {
    pub(super) async fn open_folder(&mut self, folder: &str) -> Result<FolderState, MailboxError> {
        let verb = if self.read_only { "EXAMINE" } else { "SELECT" };
        for name in self.names(folder)? {
            match self.select(verb, &name).await {
                Ok(state) => return Ok(state),
                Err(Failure::No { transient: false, .. }) => {}
                Err(failure) => return Err(failure.lost(verb)),
            }
        }
        Err(MailboxError::Misconfigured(format!(
            "folder \"{folder}\" cannot be opened; check its name and that the account may read it"
        )))
    }

    async fn select(&mut self, verb: &str, name: &str) -> Result<FolderState, Failure> {
        self.writable = false;
        self.wire.exists = 0;
        let (mut validity, mut read_only, mut exists) = (None, self.read_only, false);
        let note = |response: &Response<'_>| match response {
            Response::Data { outcome, .. } | Response::Done { outcome, .. } => match outcome.code {
                Some(ResponseCode::UidValidity(number)) => validity = Some(number),
                Some(ResponseCode::ReadOnly) => read_only = true,
                _ => {}
            },
            Response::MailboxData(MailboxDatum::Exists(_)) => exists = true,
            _ => {}
        };
        self.wire.run(&format!("{verb} {name}"), note).await?;
        self.wire.news = false;
        let Some(validity) = validity.filter(|number| *number > 0 && exists) else {
            return Err(Failure::Lost(lost(
                "the mail server opened a folder without telling its state (UIDVALIDITY)",
            )));
        };
        self.writable = !read_only;
        Ok(FolderState { validity, read_only })
    }

    pub(super) async fn settle_all(&mut self, uids: &[Uid], how: &Settle) -> Result<(), MailboxError> {
        if !self.writable {
            return Err(MailboxError::Misconfigured(
                "the folder is open for reading only; set after = \"keep\" or give the account the right to change it"
                    .into(),
            ));
        }
        for set in uid_sets(uids) {
            match how {
                Settle::Seen => self.store(&set, "\\Seen").await?,
                Settle::Delete => self.delete(&set).await?,
                Settle::MoveTo(folder) => self.move_to(&set, folder).await?,
            }
        }
        Ok(())
    }

    async fn store(&mut self, set: &str, flag: &str) -> Result<(), MailboxError> {
        self.wire
            .run(&format!("UID STORE {set} +FLAGS.SILENT ({flag})"), |_| {})
            .await
            .map_err(|failure| failure.lost("UID STORE"))
    }

    async fn delete(&mut self, set: &str) -> Result<(), MailboxError> {
        self.store(set, "\\Deleted").await?;
        if !self.can.uidplus {
            // Plain EXPUNGE would take along what somebody else marked.
            tracing::info!("the mail server lacks UIDPLUS: messages stay in the folder, marked as deleted");
            return Ok(());
        }
        self.wire
            .run(&format!("UID EXPUNGE {set}"), |_| {})
            .await
            .map_err(|failure| failure.lost("UID EXPUNGE"))
    }

    async fn move_to(&mut self, set: &str, folder: &str) -> Result<(), MailboxError> {
        let verb = if self.can.moving { "UID MOVE" } else { "UID COPY" };
        for name in self.names(folder)? {
            let command = format!("{verb} {set} {name}");
            let mut outcome = self.wire.run(&command, |_| {}).await;
            if missing_folder(&outcome) && self.create(&name).await? {
                outcome = self.wire.run(&command, |_| {}).await;
            }
            match outcome {
                // Over quota, say: the other name would only scatter mail over two folders.
                Err(Failure::No { transient: false, .. }) if self.exists(&name).await? => break,
                Ok(()) if self.can.moving => return Ok(()),
                Ok(()) => return self.delete(set).await,
                Err(Failure::No { transient: false, .. }) => {}
                Err(failure) => return Err(failure.lost(verb)),
            }
        }
        Err(MailboxError::Misconfigured(format!(
            "messages cannot be moved to folder \"{folder}\"; create it, or check quota and rights"
        )))
    }

    async fn exists(&mut self, name: &str) -> Result<bool, MailboxError> {
        let mut found = false;
        let note = |response: &Response<'_>| {
            found |= matches!(response, Response::MailboxData(MailboxDatum::List(_)));
        };
        self.wire.run(&format!("LIST \"\" {name}"), note).await.map_err(|failure| failure.lost("LIST"))?;
        Ok(found)
    }

    /// Whether the folder was created. It exists already when the server had another reason to refuse.
    async fn create(&mut self, name: &str) -> Result<bool, MailboxError> {
        match self.wire.run(&format!("CREATE {name}"), |_| {}).await {
            Ok(()) => {
                // So that people see it; a server that refuses it still moves.
                match self.wire.run(&format!("SUBSCRIBE {name}"), |_| {}).await {
                    Err(Failure::Lost(error)) => Err(error),
                    _ => Ok(true),
                }
            }
            Err(Failure::Lost(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// What `folder` may be called on this server, likeliest first, ready to be sent. Courier and some Cyrus
    /// servers keep personal folders below INBOX only.
    fn names(&self, folder: &str) -> Result<Vec<String>, MailboxError> {
        if folder.is_empty() || folder.chars().any(char::is_control) {
            return Err(MailboxError::Misconfigured(
                "a folder name is empty or holds control characters".into(),
            ));
        }
        if folder.eq_ignore_ascii_case("INBOX") {
            return Ok(vec!["\"INBOX\"".into()]);
        }
        let encoded = folder_name::encode(folder);
        let Some(delimiter) = self.can.delimiter else { return Ok(vec![folder_name::quote(&encoded)]) };
        let native = encoded.replace('/', &delimiter.to_string());
        let below_inbox = format!("INBOX{delimiter}{native}");
        Ok(vec![folder_name::quote(&native), folder_name::quote(&below_inbox)])
    }
}

/// TRYCREATE says it plainly; some servers just say NO.
fn missing_folder(outcome: &Result<(), Failure>) -> bool {
    matches!(outcome, Err(Failure::No { try_create: true, .. } | Failure::No { transient: false, .. }))
}
