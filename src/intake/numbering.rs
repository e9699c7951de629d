//! Maildir has no UIDs: the numbers of its base names are kept in the register, through the desk.

use async_trait::async_trait;

use crate::desk::Desk;
use crate::desk::register::NumberNames;
use crate::mailbox::MailboxError;
use crate::mailbox::maildir::Numbering;
use crate::store::Store;

/// Numbers names in the register.
pub struct RegisterNumbers {
    pub mailbox: String,
    pub desk: Desk,
    pub store: Store,
}

#[async_trait]
impl Numbering for RegisterNumbers {
    async fn validity(&self, _folder: &str) -> Result<u32, MailboxError> {
        // A number never returns: base names are numbered once and for all.
        Ok(1)
    }

    async fn number(&self, folder: &str, names: &[String]) -> Result<Vec<u32>, MailboxError> {
        let number =
            NumberNames { mailbox: self.mailbox.clone(), folder: folder.into(), names: names.to_vec() };
        self.desk.run(number).await.map_err(|error| MailboxError::Lost(error.to_string()))
    }

    async fn name(&self, folder: &str, uid: u32) -> Result<Option<String>, MailboxError> {
        let (mailbox, folder) = (self.mailbox.clone(), folder.to_owned());
        self.store
            .read(move |tx| tx.maildir_name(&mailbox, &folder, i64::from(uid)))
            .await
            .map_err(|error: crate::store::StoreError| MailboxError::Lost(error.to_string()))
    }
}
