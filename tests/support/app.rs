//! The true daemon for a test: a real mailbox on Dovecot, a real MTA, a database of its own, a clock that the test
//! moves. Closing it fails the test if work is left in the outbox.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use caseward::case::{Actor, Moment, Reference, actor::Role};
use caseward::commands::directory;
use caseward::commands::user::{New, add_to};
use caseward::daemon::{Daemon, Register};
use caseward::desk::DeskError;
use caseward::settings::{MailboxSettings, Secret, Settings, Source, Team, Tls};
use caseward::store::rows::{CaseRow, MessageRow, OutboxState};
use caseward::store::{StoreError, Tx};

use super::mailstack::mailstack;

/// Who works here.
pub const PEOPLE: &str = "employee_id,name,email,other_emails,language\n\
    1,Anna Example,anna@candidates.test,anna.private@candidates.test,en\n\
    2,Bob Example,bob@candidates.test,,de\n\
    3,Away Example,away@candidates.test,,en\n";

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

pub struct TestApp {
    pub daemon: Daemon,
    pub settings: Settings,
    pub mailbox: &'static str,
    pub agent_token: String,
    pub lead_token: String,
    ahead: Arc<AtomicI64>,
    dir: tempfile::TempDir,
}

impl TestApp {
    /// Starts the daemon on `mailbox`, one of the mail stack's users that no other test uses.
    pub async fn start(database: Database, mailbox: &'static str) -> Self {
        Self::start_with(database, mailbox, |_| ()).await
    }

    /// The same with settings of the test's own.
    pub async fn start_with(
        database: Database,
        mailbox: &'static str,
        set: impl FnOnce(&mut Settings),
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut settings = settings(database, mailbox, dir.path());
        set(&mut settings);
        caseward::vault::MasterKey::create(&dir.path().join("master.key")).expect("a key");
        let ahead = Arc::new(AtomicI64::new(0));
        let (agent_token, lead_token) = prepare(&settings).await;
        let daemon = Daemon::start(settings.clone(), clock(&ahead)).await.expect("the daemon starts");
        let app = Self { daemon, settings, mailbox, agent_token, lead_token, ahead, dir };
        app.until("the mailbox was looked through", || {
            app.daemon.pulses.iter().all(|(_, pulse)| pulse.polled_at.load(Ordering::Relaxed) > 0)
        })
        .await;
        app
    }

    /// Stops the daemon and starts it again on the same register.
    pub async fn restart(self) -> Self {
        let Self { daemon, settings, mailbox, agent_token, lead_token, ahead, dir } = self;
        daemon.stop().await;
        let daemon = Daemon::start(settings.clone(), clock(&ahead)).await.expect("the daemon starts again");
        Self { daemon, settings, mailbox, agent_token, lead_token, ahead, dir }
    }

    /// Another daemon on the same register and mailbox.
    pub async fn beside(&self) -> Daemon {
        Daemon::start(self.settings.clone(), clock(&self.ahead)).await.expect("a second daemon starts")
    }

    /// Moves the daemon's clock.
    pub fn advance(&self, span: Duration) {
        self.ahead.fetch_add(i64::try_from(span.as_micros()).expect("a short span"), Ordering::Relaxed);
    }

    /// Asks the API; status and body.
    pub async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let login = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(self.daemon.address).await.expect("the API answers");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answered");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.daemon.register.store.read(read).await.expect("the register answers")
    }

    /// Every case, newest activity first, as a lead of everything sees them.
    pub async fn cases(&self) -> Vec<CaseRow> {
        let now = self.daemon.register.shared.now();
        let user = caseward::case::User {
            id: caseward::case::UserId::new(),
            roles: [Role::Auditor].into_iter().collect(),
            teams: Vec::new(),
            entities: Vec::new(),
            office: None,
        };
        let filter = caseward::store::tx::CaseFilter {
            visible_to: user,
            now,
            status: None,
            category: None,
            sensitivity: None,
            priority: None,
            owner: None,
            team: None,
            triage: None,
            after: None,
            limit: 1_000,
        };
        self.read(move |tx| tx.list_cases(&filter)).await
    }

    pub async fn messages(&self, reference: Reference) -> Vec<MessageRow> {
        self.read(move |tx| {
            let case = tx.case_by_reference(reference)?.expect("the case");
            tx.messages_of(case.id, None, 1_000)
        })
        .await
    }

    /// Waits until there are `count` cases.
    pub async fn until_cases(&self, count: usize) -> Vec<CaseRow> {
        let until = deadline();
        loop {
            let cases = self.cases().await;
            if cases.len() >= count || Instant::now() > until {
                assert_eq!(cases.len(), count, "cases");
                return cases;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a case has `count` messages.
    pub async fn until_messages(&self, reference: Reference, count: usize) -> Vec<MessageRow> {
        let until = deadline();
        loop {
            let messages = self.messages(reference).await;
            if messages.len() >= count || Instant::now() > until {
                assert_eq!(messages.len(), count, "messages");
                return messages;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let until = deadline();
        while !holds() {
            assert!(Instant::now() < until, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn run<A: caseward::desk::Action>(&self, action: A) -> Result<A::Output, DeskError> {
        self.daemon.register.desk.run(action).await
    }

    /// Stops; fails if the outbox still holds something.
    pub async fn close(self) {
        let until = deadline();
        loop {
            let left: i64 = self.read(|tx| tx.count_outbox(OutboxState::Waiting)).await;
            if left == 0 || Instant::now() > until {
                assert_eq!(left, 0, "mails were left in the outbox");
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.daemon.stop().await;
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub fn clock(ahead: &Arc<AtomicI64>) -> caseward::daemon::Clock {
    let ahead = Arc::clone(ahead);
    Box::new(move || Moment::from_micros(Moment::now().micros() + ahead.load(Ordering::Relaxed)))
}

fn settings(database: Database, address: &str, dir: &std::path::Path) -> Settings {
    let stack = mailstack();
    let mut settings = Settings::default();
    settings.organisation.name = "Example Works".into();
    settings.database.url = match database {
        Database::Sqlite => format!("sqlite:{}", dir.join("caseward.db").display()),
        Database::Postgres => fresh_postgres(),
    };
    settings.vault.master_key = Secret::File(dir.join("master.key"));
    settings.api.listen = ([127, 0, 0, 1], 0).into();
    settings.intake.dkim = false;
    let password = dir.join("password");
    write_private(&password, "secret\n");
    let mut mailbox = MailboxSettings::maildir("hr", address, dir);
    mailbox.source = Source::Imap {
        host: "localhost".into(),
        port: Some(stack.port("IMAPS_PORT")),
        tls: Tls::Implicit,
        ca_file: Some(stack.ca_file()),
        username: address.into(),
        password: Some(Secret::File(password.clone())),
        oauth: None,
    };
    mailbox.trust.authserv_id = Some("mx.hr.test".into());
    mailbox.trust.own_hosts = vec!["mx.hr.test".into(), "mail.hr.test".into(), hostname()];
    mailbox.poll = Duration::from_secs(2);
    settings.mailboxes = vec![mailbox];
    settings.smtp.host = "localhost".into();
    settings.smtp.port = stack.port("SUBMISSION_PORT");
    settings.smtp.tls = Tls::Starttls;
    settings.smtp.ca_file = Some(stack.ca_file());
    settings.smtp.username = Some(address.into());
    settings.smtp.password = Some(Secret::File(password));
    settings.teams =
        vec![Team { name: "hr".into(), categories: Vec::new(), legal_entity: String::new(), calendar: None }];
    settings
}

/// Dovecot writes this name into the Received header of what it takes by LMTP.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

pub fn write_private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

/// A new, empty database on the server that `CASEWARD_TEST_POSTGRES` names.
pub fn fresh_postgres() -> String {
    let server = std::env::var("CASEWARD_TEST_POSTGRES")
        .expect("CASEWARD_TEST_POSTGRES names a PostgreSQL server; run the tests by tests/run");
    let name = format!("caseward_{}", uuid::Uuid::now_v7().simple());
    let url = server.clone();
    let statement = format!("CREATE DATABASE {name}");
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(
            async {
                let (client, connection) =
                    tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("PostgreSQL answers");
                let driver = tokio::spawn(connection);
                client.batch_execute(&statement).await.expect("a database is made");
                drop(client);
                driver.await.expect("the driver ends").expect("the connection ends");
            },
        );
    })
    .join()
    .expect("the database is made");
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{base}/{name}")
}

async fn prepare(settings: &Settings) -> (String, String) {
    let settings = settings.clone();
    let opened = settings.clone();
    let register = tokio::task::spawn_blocking(move || Register::open(&opened, Box::new(Moment::now)))
        .await
        .expect("no panic")
        .expect("the register opens");
    let people = directory::read(PEOPLE.as_bytes()).expect("people");
    directory::import_into(&register, people).await.expect("imported");
    let mut tokens = Vec::new();
    for (login, roles) in [("agent", vec![Role::Agent]), ("lead", vec![Role::Lead, Role::Agent, Role::Admin])]
    {
        let new = New {
            login: login.into(),
            name: login.into(),
            email: None,
            roles,
            teams: Vec::new(),
            entities: Vec::new(),
            token: true,
        };
        tokens.push(add_to(&register, &settings, new).await.expect("added").expect("a token"));
    }
    register.close().await;
    (tokens.remove(0), tokens.remove(0))
}

/// The system as an actor, for tests that need no person.
pub fn system() -> Actor {
    Actor::System
}

/// Delivers `mail` to `to` by LMTP, as an MTA would.
pub fn deliver(from: &str, to: &str, mail: &str) {
    let stream = TcpStream::connect(("127.0.0.1", mailstack().port("LMTP_PORT"))).expect("LMTP answers");
    let mut lines = BufReader::new(stream.try_clone().expect("a stream"));
    let mut say = |text: String, wanted: &str| {
        (&stream).write_all(text.as_bytes()).expect("LMTP listens");
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).expect("LMTP answers");
            assert!(line.starts_with(wanted), "LMTP said {line}");
            if line.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
    };
    say(String::new(), "220");
    say("LHLO test\r\n".into(), "250");
    say(format!("MAIL FROM:<{from}>\r\n"), "250");
    say(format!("RCPT TO:<{to}>\r\n"), "250");
    say("DATA\r\n".into(), "354");
    let text = mail.replace("\r\n", "\n").replace('\n', "\r\n").replace("\r\n.", "\r\n..");
    say(format!("{text}\r\n.\r\n"), "250");
    say("QUIT\r\n".into(), "221");
}

/// Puts our MX's word on top: this mail was authenticated.
pub fn authenticated(domain: &str, mail: &str) -> String {
    format!("Authentication-Results: mx.hr.test; dmarc=pass header.from={domain}\n{mail}")
}
