//! A register without mail servers: the desk, the store and the keys, on either database, with a clock that the test
//! moves.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use caseward::case::actor::Role;
use caseward::case::{Actor, Category, Channel, Moment, Priority, Roles, Sensitivity, User, UserId};
use caseward::daemon::Register;
use caseward::desk::answer::OpenByHand;
use caseward::desk::users::{AddUser, Profile, user_of};
use caseward::desk::{Action, DeskError};
use caseward::settings::{MailboxSettings, Secret, Settings, Team};
use caseward::store::rows::CaseRow;
use caseward::store::{StoreError, Tx};
use caseward::vault::MasterKey;

use super::app::{Database, fresh_postgres};

pub struct Office {
    pub register: Register,
    pub settings: Settings,
    pub ahead: Arc<AtomicI64>,
    pub dir: tempfile::TempDir,
}

impl Office {
    pub async fn open(database: Database) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        MasterKey::create(&dir.path().join("master.key")).expect("a key");
        let settings = settings(database, dir.path());
        let ahead = Arc::new(AtomicI64::new(0));
        Self { register: register(&settings, &ahead).await, settings, ahead, dir }
    }

    /// Closes the register and opens it again.
    pub async fn reopen(self) -> Self {
        let Self { register: open, settings, ahead, dir } = self;
        open.close().await;
        Self { register: register(&settings, &ahead).await, settings, ahead, dir }
    }

    pub fn advance(&self, span: std::time::Duration) {
        self.ahead.fetch_add(i64::try_from(span.as_micros()).expect("a short span"), Ordering::Relaxed);
    }

    pub async fn run<A: Action>(&self, action: A) -> Result<A::Output, DeskError> {
        self.register.desk.run(action).await
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.register.store.read(read).await.expect("the register answers")
    }

    pub async fn user(&self, login: &str, roles: &[Role]) -> User {
        let add = AddUser {
            actor: Actor::System,
            profile: Profile { login: login.into(), name: login.into(), email: None },
            roles: roles.iter().copied().collect::<Roles>(),
            teams: vec!["hr".into()],
            entities: vec![String::new()],
        };
        user_of(&self.run(add).await.expect("added"), &self.register.shared)
    }

    /// A case opened by hand by `user`, who owns it.
    pub async fn case(&self, user: &User, sensitivity: Sensitivity) -> CaseRow {
        self.run(by_hand(user, sensitivity, "Overtime", "The overtime of May is missing."))
            .await
            .expect("opened")
    }

    /// Gives every entry its place in the tree.
    pub async fn sequence(&self) {
        self.register.sequencer(&self.settings, "test").finish().await;
    }
}

pub fn by_hand(user: &User, sensitivity: Sensitivity, subject: &str, text: &str) -> OpenByHand {
    OpenByHand {
        actor: Actor::User(user.clone()),
        channel: Channel::Phone,
        received_at: Moment::from_micros(1_750_000_000_000_000),
        subject: subject.into(),
        text: text.into(),
        category: "payroll".parse::<Category>().expect("a category"),
        sensitivity,
        priority: Priority::Normal,
        name: "Pat Example".into(),
        email: Some("pat@employee.example".into()),
        language: None,
    }
}

/// Nobody in the register.
pub fn stranger() -> User {
    User { id: UserId::new(), roles: Roles::default(), teams: Vec::new(), entities: Vec::new(), office: None }
}

async fn register(settings: &Settings, ahead: &Arc<AtomicI64>) -> Register {
    let (settings, ahead) = (settings.clone(), Arc::clone(ahead));
    let clock = move || Moment::from_micros(Moment::now().micros() + ahead.load(Ordering::Relaxed));
    tokio::task::spawn_blocking(move || Register::open(&settings, Box::new(clock)))
        .await
        .expect("no panic")
        .expect("the register opens")
}

fn settings(database: Database, dir: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.database.url = match database {
        Database::Sqlite => format!("sqlite:{}", dir.join("caseward.db").display()),
        Database::Postgres => fresh_postgres(),
    };
    settings.audit.dir = Some(dir.join("audit"));
    settings.vault.master_key = Secret::File(dir.join("master.key"));
    settings.api.listen = ([127, 0, 0, 1], 0).into();
    settings.mailboxes = vec![MailboxSettings::maildir("hr", "hr@company.example", &dir.join("Maildir"))];
    settings.smtp.directory = Some(dir.join("sent"));
    settings.teams =
        vec![Team { name: "hr".into(), categories: Vec::new(), legal_entity: String::new(), calendar: None }];
    settings
}
