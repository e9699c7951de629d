//! Outbox → SMTP: takes mails that are committed and hands them to a mail server.

mod directory;
mod session;
mod smtp;
mod stream;
mod transport;
pub mod worker;

pub use directory::Directory;
pub use smtp::Smtp;
pub use transport::{Accepted, AccessToken, Envelope, Login, ReplyCode, SendError, TokenError, Transport};
