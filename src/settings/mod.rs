//! TOML + environment + credentials → typed, validated settings; every error names the key and the file.
//! Plain values only: nothing here connects, opens or resolves anything but the settings' own files.

mod access;
mod check;
mod check_mailbox;
mod de;
mod load;
mod mailbox;
mod notes;
mod paths;
mod secret;
mod secrets;
mod smtp;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

pub use access::AccessSettings;
pub use check::{CATEGORIES, LANGUAGES};
pub use load::{SettingsError, environment, load};
pub use mailbox::{After, Grant, MailboxSettings, OauthSettings, Since, Source, Tls, TrustSettings};
pub use secret::Secret;
pub use smtp::{AckEnvelope, ReplyAddress, SmtpSettings};
pub(crate) use values::duration;

/// Everything the daemon is told. Field by field documented in `config/caseward.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub organisation: Organisation,
    pub database: Database,
    pub vault: Vault,
    pub audit: Audit,
    pub api: Api,
    pub access: AccessSettings,
    pub intake: Intake,
    pub classifier: ClassifierSettings,
    #[serde(rename = "mailbox")]
    pub mailboxes: Vec<MailboxSettings>,
    pub smtp: SmtpSettings,
    #[serde(rename = "team")]
    pub teams: Vec<Team>,
    pub clocks: Clocks,
    pub log: Log,
    /// Categories beside the built-in [`CATEGORIES`].
    pub categories: Vec<String>,
    /// Directory of `classifier/`, `procedures/`, `calendars/`. [`load`] fills in the settings file's own directory
    /// when it is not given; `None` only without a settings file.
    pub config_dir: Option<PathBuf>,
    /// Own mail templates, looked up before the built-in ones.
    pub templates_dir: Option<PathBuf>,
}

/// Who we are, as employees see it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Organisation {
    pub name: String,
    /// ISO 639-1: used when a person's language is not known.
    pub language: String,
    /// Where people reach the API and, later, the console; used in links.
    pub public_url: Option<String>,
}

/// Where the register lies: `sqlite:PATH` or `postgres://…`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    pub url: String,
    /// Password for PostgreSQL, when it is not in the URL.
    pub password: Option<Secret>,
    /// PEM file of an own certificate authority, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Reading connections.
    pub readers: u8,
}

/// The master key: 0600, made by `caseward key new`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    pub master_key: Secret,
}

/// The record of all that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Who gets the log's checkpoint by mail every day.
    pub witnesses: Vec<String>,
    /// Where what must outlast the database is kept: the last checkpoint. See [`Settings::audit_dir`].
    pub dir: Option<PathBuf>,
}

impl Settings {
    /// Where the last checkpoint is kept: as set, else `audit` beside the database's file.
    #[must_use]
    pub fn audit_dir(&self) -> Option<PathBuf> {
        let beside = || {
            let file = self.database.url.strip_prefix("sqlite:").filter(|file| *file != ":memory:")?;
            Some(PathBuf::from(file).parent()?.join("audit"))
        };
        self.audit.dir.clone().or_else(beside)
    }
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    #[serde(deserialize_with = "values::listen")]
    pub listen: SocketAddr,
    /// PEM files; both or none. Without them only loopback addresses may be listened on.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Whoever shows this may read `/metrics` from elsewhere.
    pub metrics_token: Option<Secret>,
    /// Largest request body, bytes.
    pub max_body: u64,
    /// Requests a minute for one token or address.
    pub per_minute: u32,
    /// A request may take this long.
    #[serde(with = "values::seconds")]
    pub timeout: std::time::Duration,
}

/// Bounds on what a mail may be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intake {
    /// Above this, headers only; the raw mail stays on the server. Bytes.
    pub max_message_size: u64,
    pub max_parts: usize,
    pub max_depth: usize,
    /// All parts decoded, bytes.
    pub max_decoded: u64,
    pub max_headers: usize,
    pub max_html_nodes: usize,
    /// Threads that parse and classify.
    pub workers: usize,
    /// Check DKIM signatures where our own servers say nothing of a sender; asks name servers.
    pub dkim: bool,
    /// The name servers to ask; the system's when there are none.
    pub resolvers: Vec<SocketAddr>,
}

/// How mail is sorted by what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierSettings {
    /// How careful it is when it is unsure of sensitivity.
    pub point: crate::intake::classify::OperatingPoint,
}

/// The group that handles categories.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    pub name: String,
    /// Categories this team handles; a category belongs to one team.
    pub categories: Vec<String>,
    #[serde(default)]
    pub legal_entity: String,
    /// The file in `calendars/` that says when this team works; `office` when not given.
    #[serde(default)]
    pub calendar: Option<String>,
}

/// Deadlines, and who is told of them last.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clocks {
    /// Files in `clocks/` that are in force.
    pub packs: Vec<String>,
    /// Logins of those who are told when owner and lead did not act.
    pub head: Vec<String>,
}

/// How the daemon speaks to its operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// Text for people, JSON for machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for Organisation {
    fn default() -> Self {
        Self { name: "Human Resources".into(), language: "en".into(), public_url: None }
    }
}

/// The URL may hold a password.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("password", &self.password)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl Default for Database {
    fn default() -> Self {
        Self { url: "sqlite:caseward.db".into(), password: None, ca_file: None, readers: 4 }
    }
}

impl Default for Vault {
    fn default() -> Self {
        Self { master_key: Secret::File("master.key".into()) }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            certificate: None,
            key: None,
            metrics_token: None,
            max_body: 30 * 1024 * 1024,
            per_minute: 600,
            timeout: std::time::Duration::from_secs(30),
        }
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self { packs: vec!["service".into()], head: Vec::new() }
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            max_message_size: 50 * 1024 * 1024,
            max_parts: 1_000,
            max_depth: 30,
            max_decoded: 100 * 1024 * 1024,
            max_headers: 2_000,
            max_html_nodes: 50_000,
            workers: 2,
            dkim: true,
            resolvers: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}
