//! Where mail comes from. One trait over IMAP and Maildir: list, size, fetch, settle, wait. It deals in folders,
//! UIDs and bytes; it knows nothing of cases or of the register, and keeps no state that matters: whoever calls
//! it decides what was taken in.

pub mod backoff;
mod folder_name;
pub mod imap;
pub mod maildir;
mod maildir_files;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// A message's number within one epoch of a folder. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u32);

/// What a folder says of itself when opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderState {
    /// IMAP UIDVALIDITY, or the Maildir's own number: when it changes, all UIDs mean something else.
    pub validity: u32,
    /// No message can be written back (marked, moved, deleted).
    pub read_only: bool,
}

/// What is known of a message before its body is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    pub uid: Uid,
    /// Bytes, a hint only (Exchange estimates).
    pub size: u64,
    /// INTERNALDATE, or the file's modification time.
    pub received_at: Timestamp,
}

/// One fetched message.
#[derive(Clone)]
pub struct Fetched {
    pub uid: Uid,
    pub raw: Vec<u8>,
    /// Only the head was fetched: the message is larger than the limit.
    pub truncated: bool,
}

/// Mail never gets into a log, not even by accident.
impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetched {{ {:?}, {} bytes, truncated: {} }}", self.uid, self.raw.len(), self.truncated)
    }
}

/// What becomes of a message on the server once it is committed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settle {
    Seen,
    MoveTo(String),
    Delete,
}

/// Why [`Mailbox::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The server hinted that something changed.
    Changed,
    /// The time was over.
    Elapsed,
}

/// Errors of a mailbox, sorted by what the caller does about them. The text names the remedy and never contains
/// mail content, addresses or what the server said verbatim.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// Credentials were refused: trying again soon locks accounts.
    #[error("{0}")]
    Refused(String),
    /// The settings cannot work (unknown folder, bad certificate, TLS not offered).
    #[error("{0}")]
    Misconfigured(String),
    /// The connection failed or broke; try again with back-off.
    #[error("{0}")]
    Lost(String),
    /// One message cannot be read (unreadable file, literal that never arrives whole); others can.
    #[error("message {uid:?}: {reason}")]
    Message { uid: Uid, reason: String },
}

/// One open mailbox. After [`MailboxError::Lost`] and [`MailboxError::Refused`] the value must be dropped: an IMAP
/// session whose command was abandoned answers the next command with the last one's data.
#[async_trait]
pub trait Mailbox: Send {
    /// Opens a folder; the calls below speak of the folder opened last.
    async fn open(&mut self, folder: &str) -> Result<FolderState, MailboxError>;
    /// Every UID above `above`, ascending; with `None`, all there are. Complete, or an error.
    async fn list(&mut self, above: Option<Uid>) -> Result<Vec<Uid>, MailboxError>;
    /// Size and receipt of these; a UID that is gone is absent from the answer.
    async fn size(&mut self, uids: &[Uid]) -> Result<Vec<Listed>, MailboxError>;
    /// The whole messages, in the order asked for; a UID that is gone is absent. The caller bounds the batch by
    /// the listed sizes; a message that turns out larger than `limit` comes truncated (head only).
    async fn fetch(&mut self, uids: &[Uid], limit: u64) -> Result<Vec<Fetched>, MailboxError>;
    /// The header block alone of one message.
    async fn head(&mut self, uid: Uid) -> Result<Option<Fetched>, MailboxError>;
    /// Marks, moves or deletes these. A UID that is gone is no error. `MoveTo` creates the folder when missing.
    async fn settle(&mut self, uids: &[Uid], how: &Settle) -> Result<(), MailboxError>;
    /// Waits for a change or until the time is over (IDLE where offered, else sleeps). Cancel-safe only by
    /// dropping the mailbox.
    async fn wait(&mut self, at_most: Duration) -> Result<Woken, MailboxError>;
    /// Ends the session politely.
    async fn close(self: Box<Self>);
}
