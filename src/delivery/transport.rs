//! What "sending" means to the outbox: one call, an envelope and bytes in, one of a few outcomes out. Texts name
//! codes and remedies, never an address, never what a server said.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{Directory, Smtp};
use crate::mailbox::backoff::Trouble;
use crate::settings::SmtpSettings;

/// Where mail goes: a server, or files for the demo and for tests.
pub enum Transport {
    Smtp(Smtp),
    Directory(Directory),
}

impl Transport {
    /// The directory when the settings name one, else the server. Opens no connection; reads the CA file.
    pub fn open(settings: &SmtpSettings, login: Login) -> Result<Self, SendError> {
        match &settings.directory {
            Some(path) => Directory::open(path).map(Self::Directory),
            None => Smtp::new(settings, login).map(Self::Smtp),
        }
    }

    /// Sends one mail to one recipient. Returns within the settings' `timeout`, once it is this mail's turn.
    pub async fn send(&self, envelope: &Envelope, raw: &[u8]) -> Result<Accepted, SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(envelope, raw).await,
            Self::Directory(directory) => directory.send(envelope, raw).await,
        }
    }

    /// Opens a connection, logs in and ends it; nothing is sent.
    ///
    /// # Errors
    /// What would keep mail from being sent.
    pub async fn try_login(&self) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => smtp.try_login().await,
            Self::Directory(_) => Ok(()),
        }
    }

    /// Ends what is open politely; the next `send` opens it again.
    pub async fn close(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close().await;
        }
    }
}

/// Who sends to whom, as the server sees it (RFC 5321): one recipient, because one refused recipient ends the
/// whole transaction.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// `None` is the null sender `<>`.
    pub from: Option<String>,
    pub to: String,
}

/// The server took responsibility for the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it said, printable ASCII; most servers name their queue id.
    pub line: String,
}

/// How the daemon proves itself to the server.
#[derive(Clone)]
pub enum Login {
    None,
    Password { username: String, password: SecretString },
    Xoauth2 { username: String, token: Arc<dyn AccessToken> },
}

/// Gives OAuth 2.0 access tokens; keeps them and renews them in time.
#[async_trait]
pub trait AccessToken: Send + Sync {
    async fn access_token(&self) -> Result<SecretString, TokenError>;
    /// The server refused the token given last: the next one must be new.
    async fn refused(&self) {}
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Asking again does not help.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unavailable(String),
}

/// A reply code and, where given, the enhanced status code (RFC 3463): `451 4.7.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyCode {
    pub basic: u16,
    pub enhanced: Option<String>,
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced}", self.basic),
            None => write!(f, "{}", self.basic),
        }
    }
}

/// Why a mail is not known to be sent, sorted by what the outbox does about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Try this mail again later.
    #[error("the mail server put the mail off with {code}; it is tried again")]
    Temporary { code: ReplyCode },
    /// This mail will never be taken as it is.
    #[error("the mail server refused the mail with {code}; correct the recipient or the mail, then retry it")]
    Permanent { code: ReplyCode },
    /// Send again with the mailbox as envelope sender.
    #[error("the mail server refuses the null sender; set smtp.ack_envelope = \"bounce\"")]
    NullSenderRefused,
    /// Trying again soon locks accounts.
    #[error("the mail server refused the login; check smtp.username and its password or token")]
    Authentication,
    /// Certainly not sent.
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(String),
    /// Perhaps sent. Resend the same bytes: who gets both sees one Message-ID.
    #[error(
        "the connection ended before the mail server confirmed; it is sent again with the same Message-ID"
    )]
    Unknown,
    /// No mail can be sent until somebody changes the settings or the server.
    #[error("{0}")]
    Misconfigured(String),
}

impl SendError {
    /// Set when the fault is the server's or the settings', not this mail's: all others would fare the same.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Authentication => Some(Trouble::Refused),
            Self::Misconfigured(_) => Some(Trouble::Misconfigured),
            Self::Unreachable(_) => Some(Trouble::Lost),
            Self::Temporary { .. } | Self::Permanent { .. } | Self::NullSenderRefused | Self::Unknown => None,
        }
    }
}
