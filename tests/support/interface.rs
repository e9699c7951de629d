//! The true daemon with the demo's mails in its register, for tests that speak to the interface alone: a Maildir, mail
//! sent into a directory, one user of each role, and a guardian. No mail server takes part.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use caseward::case::actor::Role;
use caseward::case::{Actor, Moment, UserId};
use caseward::daemon::Daemon;
use caseward::desk::users::{AddToken, AddUser, Profile};
use caseward::settings::{MailboxSettings, Secret, Settings, Since, Team};
use caseward::store::rows::RegisterState;
use serde_json::Value;

use super::app::{Database, fresh_postgres};

pub const TEAM: &str = "people";
pub const ENTITY: &str = "north";

/// Somebody who uses the interface.
#[derive(Clone, Debug)]
pub struct Somebody {
    pub id: UserId,
    pub token: String,
}

pub struct Office {
    pub daemon: Daemon,
    pub base: String,
    pub client: reqwest::Client,
    dir: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answered {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Office {
    /// Opens with `mails` of the demo's mails taken in; `change` has the last word on the settings.
    pub async fn open(database: Database, mails: usize, change: impl FnOnce(&mut Settings, &Path)) -> Self {
        // The client wants one even to speak plainly; another test may have been first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let dir = tempfile::tempdir().expect("a directory");
        let mut settings = settings(database, dir.path());
        change(&mut settings, dir.path());
        caseward::vault::MasterKey::create(&dir.path().join("master.key")).expect("a key");
        deliver(dir.path(), mails);
        let daemon = Daemon::start(settings, Box::new(Moment::now)).await.expect("the daemon starts");
        let base = format!("http://{}", daemon.address);
        let office = Self { daemon, base, client: reqwest::Client::new(), dir };
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let register = &office.daemon.register.store;
            let accounts =
                register.read(|tx| tx.list_register(None, None, 1_000)).await.expect("the register answers");
            // What is in hand is pending.
            let had = accounts.iter().filter(|(row, _)| row.state != RegisterState::Pending).count();
            if had >= mails {
                break;
            }
            assert!(Instant::now() < until, "{had} of {mails} mails were taken in");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        office
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a user of the one team and legal entity, with a token.
    pub async fn user(&self, login: &str, roles: &[Role], teams: &[&str], entities: &[&str]) -> Somebody {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let add = AddUser {
            actor: Actor::System,
            profile: Profile {
                login: login.into(),
                name: login.into(),
                email: Some(format!("{login}@company.example")),
            },
            roles: roles.iter().copied().collect(),
            teams: words(teams),
            entities: words(entities),
        };
        let desk = &self.daemon.register.desk;
        let id = desk.run(add).await.expect("a user").id;
        let token = AddToken { actor: Actor::System, user: id, label: "test".into(), expires_at: None };
        Somebody { id, token: desk.run(token).await.expect("a token").secret }
    }

    pub async fn call(&self, who: &Somebody, method: &str, path: &str, body: Option<&Value>) -> Answered {
        self.send(who, method, path, body, &[]).await
    }

    pub async fn send(
        &self,
        who: &Somebody,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answered {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&who.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("answered");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answered { status, headers, body, text }
    }

    pub async fn close(self) {
        self.daemon.stop().await;
    }
}

fn settings(database: Database, dir: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.database.url = match database {
        Database::Sqlite => format!("sqlite:{}", dir.join("caseward.db").display()),
        Database::Postgres => fresh_postgres(),
    };
    settings.vault.master_key = Secret::File(dir.join("master.key"));
    settings.api.listen = ([127, 0, 0, 1], 0).into();
    settings.api.per_minute = 1_000_000;
    settings.access.guardian = Some("guardian".into());
    settings.access.outside_contacts = vec!["outside".into()];
    settings.smtp.directory = Some(made(dir.join("sent")));
    let mut mailbox = MailboxSettings::maildir("hr", "hr@meridian.example", &dir.join("mailbox"));
    mailbox.since = Since::All;
    mailbox.trust.all_internal = true;
    settings.mailboxes = vec![mailbox];
    settings.teams =
        vec![Team { name: TEAM.into(), categories: Vec::new(), legal_entity: ENTITY.into(), calendar: None }];
    settings
}

fn made(path: PathBuf) -> PathBuf {
    std::fs::create_dir_all(&path).expect("a directory");
    path
}

fn deliver(dir: &Path, mails: usize) {
    for sub in ["cur", "tmp"] {
        made(dir.join("mailbox").join(sub));
    }
    let new = made(dir.join("mailbox/new"));
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/demo/mails");
    let mut files: Vec<_> =
        std::fs::read_dir(demo).expect("mails").map(|file| file.expect("a mail").path()).collect();
    files.sort();
    for (number, file) in files.iter().take(mails).enumerate() {
        std::fs::copy(file, new.join(format!("1.{number:03}.test"))).expect("delivered");
    }
}
