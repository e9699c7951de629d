//! How mail goes out.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::mailbox::{OauthSettings, Tls};
use super::secret::Secret;

/// One outgoing mail server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// PEM file of an own certificate authority, besides the system's.
    pub ca_file: Option<PathBuf>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub oauth: Option<OauthSettings>,
    /// Write mails as files into this directory instead of sending (demo and tests only).
    pub directory: Option<PathBuf>,
    /// Connections held at once.
    pub connections: u8,
    /// The whole dialogue of one mail may take this long.
    #[serde(with = "super::values::seconds")]
    pub timeout: Duration,
    /// Mails a minute, in all (Microsoft 365 takes 30).
    pub per_minute: u32,
    /// Automatic mails to one recipient in 24 hours; further ones are not sent.
    pub automatic_per_recipient_per_day: u32,
    /// Automatic mails in 24 hours, in all; further ones wait.
    pub automatic_per_day: u32,
    /// Envelope sender of automatic mail.
    pub ack_envelope: AckEnvelope,
    pub reply_address: ReplyAddress,
    /// Acknowledge senders whose address is not proved.
    pub acknowledge_unverified: bool,
}

/// The envelope sender of acknowledgements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AckEnvelope {
    /// `<>`: nothing can bounce back (RFC 3834 section 3.3).
    #[default]
    Null,
    /// The mailbox, so that bounces are seen.
    Bounce,
}

/// Where an employee's reply is directed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyAddress {
    /// `hr+TOKEN@company`.
    #[default]
    Plus,
    /// The plain mailbox address; threading rests on Message-IDs.
    None,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 587,
            tls: Tls::Starttls,
            ca_file: None,
            username: None,
            password: None,
            oauth: None,
            directory: None,
            connections: 3,
            timeout: Duration::from_secs(60),
            per_minute: 600,
            automatic_per_recipient_per_day: 20,
            automatic_per_day: 5_000,
            ack_envelope: AckEnvelope::Null,
            reply_address: ReplyAddress::Plus,
            acknowledge_unverified: true,
        }
    }
}
