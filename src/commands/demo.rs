//! `caseward demo`: everything on this machine, nothing configured. A directory with a register and a Maildir is made
//! and filled with invented mail; the true daemon takes it in. A second start goes on where the first was.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use include_dir::{Dir, include_dir};
use jiff::{Span, Timestamp};

use super::user::{New, add_to};
use crate::case::{Moment, actor::Role};
use crate::daemon::{Daemon, Register, StartError};
use crate::directory::list;
use crate::logging;
use crate::settings::{MailboxSettings, Secret, Settings, Team};
use crate::store::StoreError;
use crate::store::rows::OutboxState;
use crate::vault::MasterKey;

static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/demo");

/// One of the three people of HR whose tokens are shown.
type DemoUser = (&'static str, &'static str, &'static str, &'static [Role], &'static [&'static str]);

/// Login, name, address, roles, teams.
const USERS: [DemoUser; 3] = [
    ("agent", "Maeve Carrigan", "maeve.carrigan@meridian.example", &[Role::Agent], &["people-operations"]),
    (
        "lead",
        "Amara Okonjo-Pell",
        "amara.okonjo-pell@meridian.example",
        &[Role::Lead, Role::Agent, Role::Admin],
        &["people-operations", "employee-relations"],
    ),
    ("auditor", "Hildegard Moosbrugger", "hildegard.moosbrugger@meridian.example", &[Role::Auditor], &[]),
];

/// Runs the demo in `dir` until Ctrl-C.
pub fn run(listen: SocketAddr, dir: &Path) -> ExitCode {
    super::finish(demo(listen, dir))
}

fn demo(listen: SocketAddr, dir: &Path) -> Result<(), StartError> {
    let first = !dir.join("tokens").exists();
    let failed = |error: io::Error| {
        StartError::Other(format!(
            "{}: the demo cannot be laid out ({error}); name another --dir",
            dir.display()
        ))
    };
    make_directories(dir).map_err(failed)?;
    let dir = dir.canonicalize().map_err(failed)?;
    let settings = settings(&dir, listen);
    let mut log = settings.log.clone();
    log.level = "warn".into();
    logging::init(&log);
    if !dir.join("master.key").exists() {
        MasterKey::create(&dir.join("master.key"))?;
    }
    if first {
        let tokens = super::with_register(&settings, async |register| {
            let tokens = people(&register, &settings).await;
            (register, tokens)
        })?;
        deliver(&dir).map_err(failed)?;
        write_private(&dir.join("tokens"), &tokens).map_err(failed)?;
    }
    let tokens = fs::read_to_string(dir.join("tokens")).map_err(failed)?;
    super::runtime()?.block_on(async {
        println!("Caseward takes the demo mailbox in …");
        let daemon = Daemon::start(settings, Box::new(Moment::now)).await?;
        settle(&daemon).await;
        println!("{}", screen(&daemon, &dir, &tokens));
        if tokio::signal::ctrl_c().await.is_err() {
            tracing::warn!("Ctrl-C cannot be heard here; end the demo with SIGTERM");
        }
        println!("\nStopping …");
        daemon.stop().await;
        println!("Stopped. Start it again with the same --dir and it goes on where it was.");
        Ok(())
    })
}

fn make_directories(dir: &Path) -> io::Result<()> {
    for sub in ["mailbox/cur", "mailbox/new", "mailbox/tmp", "sent"] {
        fs::create_dir_all(dir.join(sub))?;
    }
    Ok(())
}

fn settings(dir: &Path, listen: SocketAddr) -> Settings {
    let mut settings = Settings::default();
    settings.organisation.name = "Meridian Instruments".into();
    settings.database.url = format!("sqlite:{}", dir.join("caseward.db").display());
    settings.vault.master_key = Secret::File(dir.join("master.key"));
    settings.api.listen = listen;
    settings.smtp.directory = Some(dir.join("sent"));
    let mut mailbox = MailboxSettings::maildir("hr", "hr@meridian.example", &dir.join("mailbox"));
    mailbox.aliases = vec!["personal@meridian.example".into()];
    mailbox.since = crate::settings::Since::All;
    mailbox.trust.all_internal = true;
    settings.mailboxes = vec![mailbox];
    let team = |name: &str, categories: &[&str]| Team {
        name: name.into(),
        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
        legal_entity: String::new(),
        calendar: None,
    };
    settings.teams = vec![
        team(
            "people-operations",
            &["payroll", "leave", "benefits", "policy", "documents", "general", "health"],
        ),
        team("employee-relations", &["grievance", "harassment", "misconduct", "compliance"]),
    ];
    settings
}

/// Fills the directory and adds the three users; their tokens, one `name token` a line.
async fn people(register: &Register, settings: &Settings) -> Result<String, StartError> {
    let csv = DEMO.get_file("people.csv").map_or(&[][..], include_dir::File::contents);
    let people = list::read(csv).map_err(StartError::Other)?;
    let mut entities: Vec<String> = people.iter().map(|person| person.legal_entity.clone()).collect();
    entities.sort();
    entities.dedup();
    entities.push(String::new());
    super::directory::import_into(register, people).await?;
    let mut tokens = String::new();
    for (login, name, email, roles, teams) in USERS {
        let new = New {
            login: login.into(),
            name: name.into(),
            email: Some(email.into()),
            roles: roles.to_vec(),
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
            entities: entities.clone(),
            token: true,
        };
        if let Some(token) = add_to(register, settings, new).await? {
            tokens.push_str(&format!("{login} {token}\n"));
        }
    }
    Ok(tokens)
}

/// Lays the mails into the mailbox, in order, as an MTA would.
fn deliver(dir: &Path) -> io::Result<()> {
    let Some(mails) = DEMO.get_dir("mails") else { return Ok(()) };
    let mut files: Vec<_> = mails.files().collect();
    files.sort_by_key(|file| file.path());
    let now = Timestamp::now();
    for (number, file) in files.into_iter().enumerate() {
        let name = format!("{}.{number:03}.demo", now.as_second());
        let tmp = dir.join("mailbox/tmp").join(&name);
        fs::write(&tmp, with_crlf(&with_dates(file.contents(), now)))?;
        fs::rename(tmp, dir.join("mailbox/new").join(&name))?;
    }
    Ok(())
}

/// `@DATE-72h@` and `@DATE-5m@` become the time so long before `now`, as a mail's header writes it. Bytes, because
/// not all of the mails are UTF-8.
fn with_dates(raw: &[u8], now: Timestamp) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.windows(6).position(|window| window == b"@DATE-") {
        let (before, found) = rest.split_at(at);
        let body = found.get(6..).unwrap_or_default();
        let end = body.iter().position(|byte| *byte == b'@').unwrap_or(0);
        let (value, after) = body.split_at(end);
        text.extend_from_slice(before);
        match date_before(value, now) {
            Some(date) => {
                text.extend_from_slice(date.as_bytes());
                rest = after.get(1..).unwrap_or_default();
            }
            None => {
                text.extend_from_slice(b"@DATE-");
                rest = body;
            }
        }
    }
    text.extend_from_slice(rest);
    text
}

fn date_before(value: &[u8], now: Timestamp) -> Option<String> {
    let (unit, number) = value.split_last()?;
    let number: i64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let span = match unit {
        b'h' => Span::new().try_hours(number).ok()?,
        b'm' => Span::new().try_minutes(number).ok()?,
        _ => return None,
    };
    let at = now.checked_sub(span).ok()?;
    jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).ok()
}

fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len() + raw.len() / 30);
    for byte in raw {
        if *byte == b'\n' && text.last() != Some(&b'\r') {
            text.push(b'\r');
        }
        text.push(*byte);
    }
    text
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Waits until the mailbox was looked through and what it caused is sent; not for ever.
async fn settle(daemon: &Daemon) {
    for _ in 0..600 {
        let polled = daemon.pulses.iter().all(|(_, pulse)| pulse.polled_at.load(Ordering::Relaxed) > 0);
        let left = daemon.register.store.read(|tx| tx.count_outbox(OutboxState::Waiting)).await;
        if polled && left.is_ok_and(|left: i64| left == 0) {
            return;
        }
        if let Err(error) =
            daemon.register.store.read(|tx| tx.ping()).await.map_err(|error: StoreError| error)
        {
            tracing::warn!(%error, "the register does not answer");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn screen(daemon: &Daemon, dir: &Path, tokens: &str) -> String {
    let token = |name: &str| -> String {
        let line = tokens.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().to_owned()
    };
    let base = format!("http://{}", daemon.address);
    let (agent, lead, auditor) = (token("agent "), token("lead "), token("auditor "));
    let show = |path: PathBuf| path.display().to_string();
    format!(
        "
Caseward runs. 40 invented mails are in the register; stop with Ctrl-C.

  API            {base}/api/v1/cases
  documentation  {base}/api/docs
  agent          {agent}
  lead           {lead}
  auditor        {auditor}

Try:
  curl -s -H 'Authorization: Bearer {agent}' '{base}/api/v1/cases?limit=5'
  curl -s -H 'Authorization: Bearer {lead}' '{base}/api/v1/cases?category=grievance'
  curl -s -H 'Authorization: Bearer {lead}' '{base}/api/v1/quarantine'

Sent mail lies in  {sent}
Drop another mail: printf 'From: Tomasz Example <t@meridian.example>\\nTo: hr@meridian.example\\nSubject: Payslip\\n\\nWhere is my payslip for May?\\n' > {drop}
and look at the first curl line again: it arrives within a second.
",
        sent = show(dir.join("sent")),
        drop = show(dir.join("mailbox/new/another")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_before_now() {
        let now: Timestamp = "2026-03-04T12:00:00Z".parse().unwrap();
        let text = with_dates(b"Date: @DATE-24h@\nX: @DATE-oops@ \xff @DATE-", now);
        assert_eq!(text, b"Date: Tue, 3 Mar 2026 12:00:00 +0000\nX: @DATE-oops@ \xff @DATE-");
    }

    #[test]
    fn there_are_forty_mails_and_the_people_can_be_read() {
        assert_eq!(DEMO.get_dir("mails").unwrap().files().count(), 40);
        assert!(list::read(DEMO.get_file("people.csv").unwrap().contents()).unwrap().len() > 30);
    }
}
