//! One mailbox that is read.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, de::Error};

use super::secret::Secret;
use crate::case::Sensitivity;

/// One mailbox: where it is, how to get in, which folders, and what becomes of mail that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    #[serde(default = "two_days", with = "super::values::seconds")]
    pub acknowledge_within: Duration,
    /// How often to look even if the server announces nothing.
    #[serde(default = "minute", with = "super::values::seconds")]
    pub poll: Duration,
    /// Use IDLE where the server offers it.
    #[serde(default = "yes")]
    pub idle: bool,
    /// Alarm when nothing could be polled for this long.
    #[serde(default = "quarter", with = "super::values::seconds")]
    pub alarm_after: Duration,
    /// What comes here is at least this sensitive.
    #[serde(default = "standard")]
    pub sensitivity: Sensitivity,
    #[serde(default)]
    pub trust: TrustSettings,
}

impl MailboxSettings {
    /// A Maildir under otherwise default settings.
    #[must_use]
    pub fn maildir(name: &str, address: &str, path: &std::path::Path) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            display_name: None,
            aliases: Vec::new(),
            source: Source::Maildir { path: path.into() },
            folders: inbox(),
            after: After::default(),
            processed_folder: processed(),
            quarantine_folder: quarantine(),
            since: Since::default(),
            acknowledge_within: two_days(),
            poll: minute(),
            idle: yes(),
            alarm_after: quarter(),
            sensitivity: standard(),
            trust: TrustSettings::default(),
        }
    }
}

/// Where a mailbox lies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenSource")]
#[expect(clippy::large_enum_variant, reason = "a handful are made, at start")]
pub enum Source {
    Imap {
        host: String,
        port: Option<u16>,
        tls: Tls,
        /// PEM file of an own certificate authority, besides the system's.
        ca_file: Option<PathBuf>,
        username: String,
        password: Option<Secret>,
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenOauth")]
pub struct OauthSettings {
    /// PEM file of an own certificate authority of the token server, besides the system's.
    pub ca_file: Option<PathBuf>,
    pub grant: Grant,
}

/// What an access token is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Microsoft 365.
    ClientCredentials {
        token_url: String,
        client_id: String,
        client_secret: Secret,
        scope: String,
        /// When the client secret ends (RFC 3339 date); warned of ahead.
        secret_expires: Option<String>,
    },
    RefreshToken {
        token_url: String,
        client_id: String,
        client_secret: Option<Secret>,
        refresh_token: Secret,
    },
    /// Google Workspace: a service account's key file with domain-wide delegation.
    ServiceAccount { key_file: PathBuf, scope: String, token_url: Option<String> },
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
            date => date
                .parse()
                .map(Self::Date)
                .map_err(|_| D::Error::custom("expected \"now\", \"all\" or a date such as \"2026-01-31\"")),
        }
    }
}

/// What proves a sender in this mailbox (DESIGN: trust).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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

fn standard() -> Sensitivity {
    Sensitivity::Standard
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

// The two enums are read through flat tables: serde's tagged enums forget the key in which an error lies.

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Imap,
    Maildir,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    kind: Kind,
    host: Option<String>,
    port: Option<u16>,
    tls: Option<Tls>,
    ca_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<Secret>,
    oauth: Option<OauthSettings>,
    path: Option<PathBuf>,
}

impl TryFrom<WrittenSource> for Source {
    type Error = String;

    fn try_from(w: WrittenSource) -> Result<Self, String> {
        let one = "kind";
        match w.kind {
            Kind::Imap => {
                foreign(one, "imap", &[("path", w.path.is_some())])?;
                Ok(Self::Imap {
                    host: needed(one, "imap", "host", w.host)?,
                    port: w.port,
                    tls: w.tls.unwrap_or_default(),
                    ca_file: w.ca_file,
                    username: needed(one, "imap", "username", w.username)?,
                    password: w.password,
                    oauth: w.oauth,
                })
            }
            Kind::Maildir => {
                let others = [
                    ("host", w.host.is_some()),
                    ("port", w.port.is_some()),
                    ("tls", w.tls.is_some()),
                    ("ca_file", w.ca_file.is_some()),
                    ("username", w.username.is_some()),
                    ("password", w.password.is_some()),
                    ("oauth", w.oauth.is_some()),
                ];
                foreign(one, "maildir", &others)?;
                Ok(Self::Maildir { path: needed(one, "maildir", "path", w.path)? })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GrantKind {
    ClientCredentials,
    RefreshToken,
    ServiceAccount,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOauth {
    grant: GrantKind,
    ca_file: Option<PathBuf>,
    token_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    scope: Option<String>,
    secret_expires: Option<String>,
    refresh_token: Option<Secret>,
    key_file: Option<PathBuf>,
}

impl TryFrom<WrittenOauth> for OauthSettings {
    type Error = String;

    fn try_from(w: WrittenOauth) -> Result<Self, String> {
        let one = "grant";
        let client = [("client_id", w.client_id.is_some()), ("client_secret", w.client_secret.is_some())];
        let refresh = ("refresh_token", w.refresh_token.is_some());
        let key = ("key_file", w.key_file.is_some());
        let expires = ("secret_expires", w.secret_expires.is_some());
        let written = match w.grant {
            GrantKind::ClientCredentials => {
                let grant = "client-credentials";
                foreign(one, grant, &[refresh, key])?;
                Grant::ClientCredentials {
                    token_url: needed(one, grant, "token_url", w.token_url)?,
                    client_id: needed(one, grant, "client_id", w.client_id)?,
                    client_secret: needed(one, grant, "client_secret", w.client_secret)?,
                    scope: needed(one, grant, "scope", w.scope)?,
                    secret_expires: w.secret_expires,
                }
            }
            GrantKind::RefreshToken => {
                let grant = "refresh-token";
                foreign(one, grant, &[key, expires, ("scope", w.scope.is_some())])?;
                Grant::RefreshToken {
                    token_url: needed(one, grant, "token_url", w.token_url)?,
                    client_id: needed(one, grant, "client_id", w.client_id)?,
                    client_secret: w.client_secret,
                    refresh_token: needed(one, grant, "refresh_token", w.refresh_token)?,
                }
            }
            GrantKind::ServiceAccount => {
                let grant = "service-account";
                foreign(one, grant, &client)?;
                foreign(one, grant, &[refresh, expires])?;
                Grant::ServiceAccount {
                    key_file: needed(one, grant, "key_file", w.key_file)?,
                    scope: needed(one, grant, "scope", w.scope)?,
                    token_url: w.token_url,
                }
            }
        };
        Ok(Self { ca_file: w.ca_file, grant: written })
    }
}

fn needed<T>(tag: &str, value: &str, key: &str, written: Option<T>) -> Result<T, String> {
    written.ok_or_else(|| format!("lacks `{key}`, which {tag} = \"{value}\" needs; add it"))
}

fn foreign(tag: &str, value: &str, keys: &[(&str, bool)]) -> Result<(), String> {
    match keys.iter().find(|(_, written)| *written) {
        Some((key, _)) => {
            Err(format!("has `{key}`, which {tag} = \"{value}\" does not know; remove it or change `{tag}`"))
        }
        None => Ok(()),
    }
}
