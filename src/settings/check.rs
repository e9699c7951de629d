//! The rules that settings keep beyond their types: what fits together, what is safe, what is within reason.
//! Works on values alone; whether a host answers or a file can be read is for `caseward check`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::paths::mailbox_key;
use super::tree::{Origin, Origins};
use super::{Api, Audit, Database, Intake, MailboxSettings, Organisation, Settings, SmtpSettings, Tls};

/// The languages that mail templates are shipped in, ISO 639-1.
pub const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

/// The built-in categories; `categories` in the settings adds others.
pub const CATEGORIES: [&str; 11] = [
    "payroll",
    "leave",
    "benefits",
    "policy",
    "documents",
    "general",
    "grievance",
    "harassment",
    "misconduct",
    "compliance",
    "health",
];

/// What is wrong with a key; the predicate of a sentence.
#[derive(Debug)]
pub(super) struct Fault {
    pub key: String,
    pub reason: String,
}

pub(super) type Checked = Result<(), Fault>;

/// The first rule that is broken.
pub(super) fn check(settings: &Settings, origins: &Origins) -> Checked {
    organisation(&settings.organisation)?;
    database(&settings.database, origins)?;
    audit(&settings.audit)?;
    api(&settings.api)?;
    super::access::check(&settings.access)?;
    intake(&settings.intake)?;
    smtp(&settings.smtp, origins)?;
    mailboxes(&settings.mailboxes)?;
    categories(settings)?;
    let levels = ["error", "warn", "info", "debug", "trace"];
    ensure(levels.contains(&settings.log.level.as_str()), "log.level", || {
        format!("must be one of \"{}\"", levels.join("\", \""))
    })
}

fn audit(audit: &Audit) -> Checked {
    ensure(audit.witnesses.len() <= 20, "audit.witnesses", || "takes up to 20 addresses".into())?;
    let wrong = audit.witnesses.iter().position(|one| crate::mail::compose::checked_address(one).is_none());
    ensure(wrong.is_none(), "audit.witnesses", || {
        format!("number {} is no e-mail address; it reads name@company", wrong.map_or(0, |at| at + 1))
    })
}

impl Settings {
    /// All categories: the built-in ones and the organisation's own.
    pub fn all_categories(&self) -> impl Iterator<Item = &str> {
        CATEGORIES.into_iter().chain(self.categories.iter().map(String::as_str))
    }
}

/// Whether `host` can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn ensure(holds: bool, key: impl Into<String>, reason: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Fault { key: key.into(), reason: reason() }) }
}

fn within<T: PartialOrd + std::fmt::Display>(key: &str, value: &T, range: RangeInclusive<T>) -> Checked {
    ensure(range.contains(value), key, || {
        format!("must lie between {} and {}, found {value}", range.start(), range.end())
    })
}

/// Bounds in seconds.
pub(super) fn lasts(key: &str, value: Duration, range: RangeInclusive<u64>) -> Checked {
    ensure(range.contains(&value.as_secs()), key, || {
        format!("must lie between {} and {} seconds, found {}", range.start(), range.end(), value.as_secs())
    })
}

/// One line of text, which will stand in a header or a log.
pub(super) fn line(key: &str, text: &str) -> Checked {
    ensure(!text.trim().is_empty(), key, || "must not be empty".into())?;
    ensure(!text.contains(char::is_control), key, || "must be one line without control characters".into())
}

/// `[a-z0-9-]{1,32}`: names that stand in metrics, file names and variables.
pub(super) fn slug(key: &str, text: &str) -> Checked {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure((1..=32).contains(&text.len()) && text.chars().all(plain), key, || {
        "must be 1 to 32 of the characters a-z, 0-9 and -".into()
    })
}

pub(super) fn host(key: &str, text: &str) -> Checked {
    ensure(!text.is_empty(), key, || "must not be empty".into())?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    ensure(text.parse::<IpAddr>().is_ok() || text.chars().all(plain), key, || {
        "must be a host name or an address alone; the port has a key of its own".into()
    })
}

/// Plain connections stay on this machine.
pub(super) fn plain_only_here(key: &str, tls: Tls, host: &str) -> Checked {
    ensure(tls != Tls::None || is_loopback(host), key, || {
        "may be \"none\" only for localhost, 127.0.0.0/8 and ::1; use \"implicit\" or \"starttls\"".into()
    })
}

fn organisation(organisation: &Organisation) -> Checked {
    line("organisation.name", &organisation.name)?;
    ensure(LANGUAGES.contains(&organisation.language.as_str()), "organisation.language", || {
        format!("must be one of the languages shipped: \"{}\"", LANGUAGES.join("\", \""))
    })?;
    let Some(written) = &organisation.public_url else { return Ok(()) };
    let valid = reqwest::Url::parse(written).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
    });
    ensure(valid, "organisation.public_url", || {
        "must be a web address such as \"https://caseward.company.example\"".into()
    })
}

fn database(database: &Database, origins: &Origins) -> Checked {
    let key = "database.url";
    within("database.readers", &database.readers, 1..=64)?;
    if let Some(file) = database.url.strip_prefix("sqlite:") {
        ensure(!file.is_empty(), key, || "names no file; write \"sqlite:PATH\"".into())?;
        let host = file.starts_with("//") && !file.starts_with("///");
        ensure(!host, key, || "takes a path, not a host; write \"sqlite:PATH\" without the slashes".into())?;
        return ensure(database.password.is_none(), "database.password", || {
            "is for PostgreSQL only; remove it, SQLite content is sealed by the vault".into()
        });
    }
    let postgres = ["postgres://", "postgresql://"].iter().any(|scheme| database.url.starts_with(scheme));
    ensure(postgres, key, || {
        "must begin with \"sqlite:\" (followed by a path), \"postgres://\" or \"postgresql://\"".into()
    })?;
    let Ok(url) = reqwest::Url::parse(&database.url) else {
        return ensure(false, key, || "must look like \"postgres://user@host:5432/caseward\"".into());
    };
    let in_file = matches!(origins.written(key), Some(Origin::Line(_)));
    ensure(url.password().is_none() || !in_file, key, || {
        "holds a password; put it into a file of mode 0600 and write `password = { file = \"PATH\" }`".into()
    })?;
    ensure(url.password().is_none() || database.password.is_none(), "database.password", || {
        "is given in the URL too; keep one".into()
    })
}

fn api(api: &Api) -> Checked {
    ensure(api.certificate.is_some() == api.key.is_some(), "api.certificate", || {
        "and `api.key` go together; set both or none".into()
    })?;
    ensure(api.listen.ip().is_loopback() || api.certificate.is_some(), "api.listen", || {
        "is reachable from other machines, which takes TLS; set `api.certificate` and `api.key`, or listen on 127.0.0.1"
            .into()
    })?;
    within("api.max_body", &api.max_body, 1024..=1024 * 1024 * 1024)?;
    within("api.per_minute", &api.per_minute, 1..=1_000_000)?;
    lasts("api.timeout", api.timeout, 1..=600)
}

fn intake(intake: &Intake) -> Checked {
    within("intake.max_message_size", &intake.max_message_size, 64 * 1024..=1024 * 1024 * 1024)?;
    within("intake.max_parts", &intake.max_parts, 10..=100_000)?;
    within("intake.max_depth", &intake.max_depth, 2..=100)?;
    within("intake.max_decoded", &intake.max_decoded, 64 * 1024..=4 * 1024 * 1024 * 1024)?;
    within("intake.max_headers", &intake.max_headers, 50..=100_000)?;
    within("intake.max_html_nodes", &intake.max_html_nodes, 100..=1_000_000)?;
    within("intake.workers", &intake.workers, 1..=64)
}

fn smtp(smtp: &SmtpSettings, origins: &Origins) -> Checked {
    if smtp.directory.is_some() {
        for key in ["smtp.host", "smtp.username", "smtp.password", "smtp.oauth"] {
            ensure(origins.written(key).is_none(), key, || {
                "names a server while `smtp.directory` writes mails as files and sends nothing; keep one of them".into()
            })?;
        }
    }
    host("smtp.host", &smtp.host)?;
    ensure(smtp.port != 0, "smtp.port", || "must not be 0; 587 is usual for STARTTLS, 465 for TLS".into())?;
    plain_only_here("smtp.tls", smtp.tls, &smtp.host)?;
    ensure(smtp.password.is_none() || smtp.oauth.is_none(), "smtp.oauth", || {
        "and `smtp.password` exclude each other; keep one".into()
    })?;
    let proof = smtp.password.is_some() || smtp.oauth.is_some();
    ensure(proof == smtp.username.is_some(), "smtp.username", || {
        "goes with `smtp.password` or `smtp.oauth`; set a name and one of them, or none at all".into()
    })?;
    if let Some(name) = &smtp.username {
        line("smtp.username", name)?;
    }
    if let Some(oauth) = &smtp.oauth {
        super::check_mailbox::oauth("smtp.oauth", oauth)?;
    }
    within("smtp.connections", &smtp.connections, 1..=50)?;
    lasts("smtp.timeout", smtp.timeout, 5..=600)?;
    within("smtp.per_minute", &smtp.per_minute, 1..=100_000)?;
    within("smtp.automatic_per_day", &smtp.automatic_per_day, 1..=10_000_000)?;
    within("smtp.automatic_per_recipient_per_day", &smtp.automatic_per_recipient_per_day, 1..=10_000)
}

fn mailboxes(mailboxes: &[MailboxSettings]) -> Checked {
    let mut names = HashSet::new();
    for (number, mailbox) in mailboxes.iter().enumerate() {
        let key = mailbox_key(number, mailbox);
        super::check_mailbox::mailbox(&key, mailbox)?;
        ensure(names.insert(&mailbox.name), format!("{key}.name"), || {
            "is the name of an earlier mailbox too; give each its own".into()
        })?;
    }
    Ok(())
}

fn categories(settings: &Settings) -> Checked {
    for (number, category) in settings.categories.iter().enumerate() {
        let key = format!("categories[{}]", number + 1);
        slug(&key, category)?;
        let earlier = settings.all_categories().take(CATEGORIES.len() + number);
        ensure(!earlier.into_iter().any(|other| other == category), key, || {
            format!("is `{category}`, which exists already; remove it")
        })?;
    }
    let known: Vec<&str> = settings.all_categories().collect();
    let mut handled: HashMap<&str, &str> = HashMap::new();
    let mut names = HashSet::new();
    for (number, team) in settings.teams.iter().enumerate() {
        line(&format!("team[{}].name", number + 1), &team.name)?;
        ensure(names.insert(&team.name), format!("team[{}].name", team.name), || {
            "is the name of an earlier team too; give each its own".into()
        })?;
        let key = format!("team[{}].categories", team.name);
        ensure(!team.categories.is_empty(), &key, || "must name at least one category".into())?;
        for category in &team.categories {
            ensure(known.contains(&category.as_str()), &key, || {
                match super::de::nearest(category, &known) {
                    Some(near) => format!("names the unknown category `{category}`; did you mean `{near}`?"),
                    None => format!(
                        "names the unknown category `{category}`; define it in the top-level `categories`"
                    ),
                }
            })?;
            if let Some(other) = handled.insert(category, &team.name) {
                return ensure(false, key, || {
                    format!(
                        "names `{category}`, which belongs to the team `{other}`; a category has one team"
                    )
                });
            }
        }
    }
    Ok(())
}
