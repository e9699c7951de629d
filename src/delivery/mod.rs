//! Outbox → SMTP: takes mails that are committed and hands them to a mail server.

mod directory;
pub mod pace;
pub mod worker;
mod session;
mod smtp;
mod stream;
mod transport;

pub use directory::Directory;
pub use smtp::Smtp;
pub use transport::{Accepted, AccessToken, Envelope, Login, ReplyCode, SendError, TokenError, Transport};
