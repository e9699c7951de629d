//! One mailbox that is read.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::secret::Secret;

/// One mailbox: where it is, how to get in, which folders, and what becomes of mail that was taken in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSettings {
    /// Short stable name, used in the register, metrics and logs.
    pub name: String,
    /// The address employees write to; also the From of what Caseward sends for this mailbox.
    pub address: String,
    /// Display name of outgoing mail.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Further addresses under which mail reaches this mailbox.
    #[serde(default)]
    pub aliases: Vec<String>,
    pub source: Source,
    #[serde(default = "inbox")]
    pub folders: Vec<String>,
    #[serde(default)]
    pub after: After,
    #[serde(default = "processed")]
    pub processed_folder: String,
    #[serde(default = "quarantine")]
    pub quarantine_folder: String,
    #[serde(default)]
    pub since: Since,
    /// Mail older than this is taken in without an acknowledgement.
    #[serde(default = "two_days", with = "seconds")]
    pub acknowledge_within: Duration,
    /// How often to look even if the server announces nothing.
    #[serde(default = "minute", with = "seconds")]
    pub poll: Duration,
    /// Use IDLE where the server offers it.
    #[serde(default = "yes")]
    pub idle: bool,
    /// Alarm when nothing could be polled for this long.
    #[serde(default = "quarter", with = "seconds")]
    pub alarm_after: Duration,
    #[serde(default)]
    pub trust: TrustSettings,
}

/// Where a mailbox lies.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    Imap {
        host: String,
        #[serde(default)]
        port: Option<u16>,
        #[serde(default)]
        tls: Tls,
        /// PEM file of an own certificate authority, besides the system's.
        #[serde(default)]
        ca_file: Option<PathBuf>,
        username: String,
        #[serde(default)]
        password: Option<Secret>,
        #[serde(default)]
        oauth: Option<OauthSettings>,
    },
    Maildir {
        path: PathBuf,
    },
}

/// Transport security. `None` is accepted for loopback hosts only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    #[default]
    Implicit,
    Starttls,
    None,
}

/// OAuth 2.0 access tokens for XOAUTH2.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "grant", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OauthSettings {
    /// Microsoft 365.
    ClientCredentials {
        token_url: String,
        client_id: String,
        client_secret: Secret,
        scope: String,
        /// When the client secret ends (RFC 3339 date); warned of ahead.
        #[serde(default)]
        secret_expires: Option<String>,
    },
    RefreshToken {
        token_url: String,
        client_id: String,
        #[serde(default)]
        client_secret: Option<Secret>,
        refresh_token: Secret,
    },
    /// Google Workspace: a service account's key file with domain-wide delegation.
    ServiceAccount {
        key_file: PathBuf,
        scope: String,
        #[serde(default)]
        token_url: Option<String>,
    },
}

/// What becomes of a message on the server once it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// Nothing: works on a read-only mailbox.
    Keep,
    Seen,
    #[default]
    Move,
    /// Expunge what is committed and in a verified backup.
    Delete,
}

/// From when on mail is taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// From the first connection on.
    #[default]
    Now,
    Date(jiff::civil::Date),
    All,
}

impl<'de> Deserialize<'de> for Since {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "now" => Ok(Self::Now),
            "all" => Ok(Self::All),
            date => date.parse().map(Self::Date).map_err(|_| {
                serde::de::Error::custom("expected \"now\", \"all\" or a date such as \"2026-01-31\"")
            }),
        }
    }
}

/// What proves a sender in this mailbox (DESIGN: trust).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustSettings {
    /// The authserv-id of our own MX; only its `Authentication-Results` count.
    pub authserv_id: Option<String>,
    /// Trust `Authentication-Results` that carry no authserv-id (Microsoft 365).
    pub anonymous_results: bool,
    /// Host names or address prefixes of our own relays, as they stand after `by` in `Received`.
    pub own_hosts: Vec<String>,
    /// Header that proves internal mail, e.g. `X-MS-Exchange-Organization-AuthAs: Internal`.
    pub internal_header: Option<String>,
    /// Accept an authenticated sender noted in a `Received` of our own hosts (Postfix).
    pub authenticated_received: bool,
    /// Everything in this mailbox was authenticated on submission (a closed system, the demo).
    pub all_internal: bool,
}

fn inbox() -> Vec<String> {
    vec!["INBOX".into()]
}
fn processed() -> String {
    "Caseward/Processed".into()
}
fn quarantine() -> String {
    "Caseward/Quarantine".into()
}
fn two_days() -> Duration {
    Duration::from_secs(2 * 24 * 3600)
}
fn minute() -> Duration {
    Duration::from_secs(60)
}
fn quarter() -> Duration {
    Duration::from_secs(15 * 60)
}
fn yes() -> bool {
    true
}

/// Durations in settings: whole seconds, or text such as `90s`, `5m`, `2h`, `2d`.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Text(String),
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Seconds(n) => Ok(Duration::from_secs(n)),
            Written::Text(text) => parse(&text).ok_or_else(|| {
                D::Error::custom(
                    "expected a number of seconds or text such as \"90s\", \"5m\", \"2h\" or \"2d\"",
                )
            }),
        }
    }

    fn parse(text: &str) -> Option<Duration> {
        let text = text.trim();
        let unit = text.chars().last()?;
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        number.checked_mul(factor).map(Duration::from_secs)
    }
}
