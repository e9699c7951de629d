//! The audit log of the true register: what enters it, in which order, that nobody can change it, what outsiders can
//! verify, and what the witnesses get. The same on both databases.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use caseward::audit::LogKey;
use caseward::case::actor::Role;
use caseward::case::{Actor, CaseId, Sensitivity};
use caseward::commands::audit::{export_from, proof_of, show_from};
use caseward::daemon::Daemon;
use caseward::desk::answer::WriteNote;
use caseward::desk::context::Context;
use caseward::desk::inspect::verify_log;
use caseward::desk::trace::Trace;
use caseward::desk::witness::TellWitnesses;
use caseward::desk::{Action, DeskError};
use caseward::store::rows::EntryRow;
use diesel::Connection;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use support::app::Database;
use support::office::{Office, stranger};

type Pg = AsyncConnectionWrapper<AsyncPgConnection>;

impl Office {
    async fn log(&self) -> Vec<EntryRow> {
        let page = self.read(|tx| tx.tree_page(0, 100_000)).await;
        page.into_iter().map(|(_, entry)| entry.expect("the entry")).collect()
    }

    async fn verified(&self) -> u64 {
        let shared = std::sync::Arc::clone(&self.register.shared);
        let key = LogKey::from_seed(shared.vault.log_signing().bytes()).public().clone();
        let found: Result<_, DeskError> =
            self.register.store.read(move |tx| verify_log(tx, &shared.vault, key, Vec::new())).await;
        found.unwrap().expect("nothing is wrong").size
    }
}

/// Changes nothing and writes no entry.
struct Idle(Actor);

impl Action for Idle {
    type Output = ();
    fn actor(&self) -> &Actor {
        &self.0
    }
    fn name(&self) -> &'static str {
        "test.idle"
    }
    fn run(&self, _: &mut Context<'_>) -> Result<(), DeskError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_action_and_no_refusal_goes_without_an_entry() {
    let office = Office::open(Database::Sqlite).await;
    let agent = office.user("agent", &[Role::Agent]).await;
    let case = office.case(&agent, Sensitivity::Restricted).await;
    office.run(Idle(Actor::User(agent.clone()))).await.unwrap();
    let actor = Actor::User(stranger());
    let note = WriteNote { actor: actor.clone(), case: case.id, version: None, text: "I was here".into() };
    assert!(matches!(office.run(note).await, Err(DeskError::NotFound)));
    let nowhere = WriteNote { actor, case: CaseId::new(), version: None, text: "Where?".into() };
    assert!(matches!(office.run(nowhere).await, Err(DeskError::NotFound)));
    office.sequence().await;
    let told: Vec<_> = office
        .log()
        .await
        .into_iter()
        .map(|row| {
            (row.action, row.case_id == Some(case.id), row.case_version, row.actor_id == Some(agent.id))
        })
        .collect();
    let entry = |action: &str, of_case, version, by_agent| (action.to_owned(), of_case, version, by_agent);
    assert_eq!(
        told,
        [
            entry("user.added", false, None, false),
            entry("user.changed", false, None, false),
            entry("case.opened", true, Some(2), true),
            entry("test.idle", false, None, true),
            entry("message.note.refused", true, None, false),
            entry("message.note.refused", false, None, false),
        ]
    );
    office.register.close().await;
}

/// An action is silent only where it is known to be, and why.
#[test]
fn only_these_actions_are_silent() {
    let mut silent = BTreeSet::new();
    for file in sources(Path::new("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for block in text.split("Action for ").skip(1) {
            let name: String = block.chars().take_while(char::is_ascii_alphanumeric).collect();
            let body = block.split("\n}").next().unwrap_or_default();
            if body.contains("fn leaves_entry") && !body.contains("self.action.leaves_entry()") {
                silent.insert(name);
            }
        }
    }
    let known = [
        // Leases.
        "TakeLease",
        "ReleaseLease",
        // The outbox's tries; what ends one is entered by hand.
        "Claim",
        "Note",
        // The mail register is itself the account; a new epoch is entered by hand.
        "OpenFolder",
        "AccountFor",
        "NotHad",
        "Settled",
        "Reconciled",
        "NumberNames",
        // The last use of a token, coarse.
        "TouchToken",
        // Asks whether the desk lives.
        "Alive",
        // The log itself.
        "Sequence",
        "IndexCases",
        // Begun and finished by entries.
        "Rewrap",
        // Whoever is reminded is entered by hand.
        "Tick",
        // Erasing is entered where it is done; erasing again, by hand.
        "Journalled",
        "Replay",
        "TellWitnesses",
    ];
    let known: BTreeSet<_> = known.into_iter().map(str::to_owned).collect();
    let new: Vec<_> = silent.difference(&known).collect();
    assert!(new.is_empty(), "these actions leave no entry: {new:?}; let them, or say here why not");
}

fn sources(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_to_change_the_log() {
    for database in [Database::Sqlite, Database::Postgres] {
        let office = Office::open(database).await;
        office.run(Trace::system("test.happened", serde_json::json!({}))).await.unwrap();
        office.sequence().await;
        let mut statements = vec![
            "UPDATE audit_entries SET action = 'other'".to_owned(),
            "DELETE FROM audit_entries".into(),
            "UPDATE audit_tree SET seq = seq + 1".into(),
            "DELETE FROM audit_tree".into(),
        ];
        let refused: Vec<bool> = match database {
            Database::Sqlite => {
                statements.push("INSERT OR REPLACE INTO audit_tree SELECT * FROM audit_tree".into());
                statements.push("INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries".into());
                let path = office.dir.path().join("caseward.db");
                let mut db = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
                statements.iter().map(|text| db.batch_execute(text).is_err()).collect()
            }
            Database::Postgres => {
                statements.push("TRUNCATE audit_tree".into());
                statements.push("TRUNCATE audit_entries CASCADE".into());
                let (url, statements) = (office.settings.database.url.clone(), statements.clone());
                std::thread::spawn(move || {
                    let mut db = Pg::establish(&url).unwrap();
                    statements.iter().map(|text| db.batch_execute(text).is_err()).collect()
                })
                .join()
                .unwrap()
            }
        };
        for (statement, refused) in statements.iter().zip(refused) {
            assert!(refused, "{database:?}: {statement}");
        }
        office.register.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_sequence_each_entry_once_and_each_case_by_its_versions() {
    let office = Office::open(Database::Postgres).await;
    let agent = office.user("agent", &[Role::Agent]).await;
    let mut settings = office.settings.clone();
    settings.mailboxes.clear();
    let clock = || Box::new(caseward::case::Moment::now) as caseward::daemon::Clock;
    let one = Daemon::start(settings.clone(), clock()).await.unwrap();
    // Its clock goes wrong: order by time would turn versions around.
    let behind = Box::new(|| caseward::case::Moment::now().minus(Duration::from_secs(3)));
    let two = Daemon::start(settings, behind).await.unwrap();
    let cases =
        [office.case(&agent, Sensitivity::Standard).await, office.case(&agent, Sensitivity::Standard).await];
    for round in 0..30 {
        let daemon = if round % 2 == 0 { &one } else { &two };
        for case in &cases {
            let note = WriteNote {
                actor: Actor::User(agent.clone()),
                case: case.id,
                version: None,
                text: format!("Note {round}"),
            };
            daemon.register.desk.run(note).await.unwrap();
        }
    }
    let until = Instant::now() + Duration::from_secs(30);
    while office.read(|tx| tx.has_pending_entries()).await {
        assert!(Instant::now() < until, "entries are left outside the tree");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = office.log().await;
    for case in &cases {
        let versions: Vec<_> = log
            .iter()
            .filter(|row| row.case_id == Some(case.id))
            .filter_map(|row| row.case_version)
            .collect();
        assert_eq!(versions, (2..=32).collect::<Vec<_>>());
    }
    assert_eq!(office.verified().await, log.len() as u64);
    one.stop().await;
    two.stop().await;
    office.register.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_written_past_the_daemon_never_enters_the_tree() {
    let office = Office::open(Database::Sqlite).await;
    office.run(Trace::system("test.happened", serde_json::json!({}))).await.unwrap();
    office.sequence().await;
    let size = office.read(|tx| tx.tree_size()).await;
    let path = office.dir.path().join("caseward.db");
    let mut db = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    db.batch_execute(
        "INSERT INTO audit_entries SELECT zeroblob(16), at, case_id, case_version, actor_id, action, bytes, key, details, mac
             FROM audit_entries WHERE action = 'test.happened';
         UPDATE audit_entries SET id = id WHERE 0;
         INSERT INTO audit_pending VALUES (zeroblob(16));",
    )
    .unwrap();
    // The copy bears a right MAC over right bytes, but another id: its columns lie.
    office.run(Trace::system("test.later", serde_json::json!({}))).await.unwrap();
    office.sequence().await;
    assert_eq!(office.read(|tx| tx.tree_size()).await, size + 1);
    let shared = std::sync::Arc::clone(&office.register.shared);
    let key = LogKey::from_seed(shared.vault.log_signing().bytes()).public().clone();
    let found: Result<_, DeskError> =
        office.register.store.read(move |tx| verify_log(tx, &shared.vault, key, Vec::new())).await;
    assert_eq!(found.unwrap().unwrap_err().index, u64::try_from(size + 1).unwrap());
    office.register.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_verifies_an_export_with_nothing_but_the_public_key() {
    let office = Office::open(Database::Sqlite).await;
    let agent = office.user("agent", &[Role::Agent]).await;
    let case = office.case(&agent, Sensitivity::Restricted).await;
    for _ in 0..300 {
        office.run(Trace::system("test.happened", serde_json::json!({}))).await.unwrap();
    }
    office.sequence().await;
    let shown = show_from(&office.register, case.reference).await.unwrap();
    assert!(shown.contains("\tcase.opened\t2\t{\"channel\":\"phone\"}"), "{shown}");
    let dir = office.dir.path().to_path_buf();
    let (file, tiles, config) = (dir.join("log.txt"), dir.join("tiles"), dir.join("caseward.toml"));
    export_from(&office.register, file.clone()).await.unwrap();
    export_from(&office.register, tiles.clone()).await.unwrap();
    let shared = std::sync::Arc::clone(&office.register.shared);
    let proof = office.register.store.read(move |tx| proof_of(tx, &shared, "2")).await.unwrap().to_string();
    std::fs::write(dir.join("entry.tlog-proof"), &proof).unwrap();
    office.register.close().await;
    let text = format!("[database]\nurl = \"sqlite:{}\"\n", dir.join("caseward.db").display());
    std::fs::write(&config, text).unwrap();

    let told = |args: &[&str]| {
        let program = Command::new(env!("CARGO_BIN_EXE_caseward")).arg("audit").args(args).output().unwrap();
        let text = String::from_utf8(program.stdout).unwrap() + &String::from_utf8(program.stderr).unwrap();
        (program.status.code().unwrap(), text)
    };
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (config, file, tiles) = (path(&config), path(&file), path(&tiles));
    let (code, key) = told(&["key", "--config", &config]);
    assert_eq!(code, 0, "{key}");
    let key = key.trim();
    let (code, live) = told(&["verify", "--config", &config]);
    assert_eq!(code, 0, "{live}");
    for export in [&file, &tiles] {
        let (code, text) = told(&["verify", export, "--key", key]);
        assert_eq!(code, 0, "{text}");
    }
    let (code, text) = told(&["verify", &path(&dir.join("entry.tlog-proof")), "--key", key]);
    assert!(code == 0 && text.contains("\"case.opened\"") && text.contains("place 2 "), "{text}");

    // The checkpoint kept outside the database, of a log that was longer once.
    let (code, text) =
        told(&["verify", &file, "--key", key, "--checkpoint", &path(&dir.join("audit/checkpoint"))]);
    assert!(code == 1 && text.contains("the end was cut off"), "{text}");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let (code, text) = told(&["verify", &file, "--key", key]);
    assert!(code == 1 && text.contains("cut short") && text.lines().count() == 1, "{text}");
    for (wrong, args) in [
        ("no key", vec!["verify", file.as_str()]),
        ("a bad key", vec!["verify", &file, "--key", "x"]),
        ("no file", vec!["verify", "/nowhere", "--key", key]),
        ("no checkpoint", vec!["verify", &file, "--key", key, "--checkpoint", &file]),
    ] {
        let (code, text) = told(&args);
        assert!(code == 2 && text.lines().count() == 1, "{wrong}: {code} {text}");
    }
    let (code, text) = told(&["prove", "99999", "--config", &config]);
    assert!(code == 1 && text.contains("no such entry"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_get_one_checkpoint_a_day() {
    for database in [Database::Sqlite, Database::Postgres] {
        let mut office = Office::open(database).await;
        office.settings.audit.witnesses =
            vec!["notary@witness.example".into(), "council@witness.example".into()];
        office = office.reopen().await;
        assert_eq!(office.run(TellWitnesses).await.unwrap(), 0, "the log is empty");
        office.run(Trace::system("test.happened", serde_json::json!({}))).await.unwrap();
        office.sequence().await;
        assert_eq!(office.run(TellWitnesses).await.unwrap(), 2);
        assert_eq!(office.run(TellWitnesses).await.unwrap(), 0);
        office = office.reopen().await;
        assert_eq!(office.run(TellWitnesses).await.unwrap(), 0, "a restart");
        office.advance(Duration::from_secs(86_400));
        assert_eq!(office.run(TellWitnesses).await.unwrap(), 2, "the next day");
        let claim =
            caseward::desk::outbox::Claim { holder: "test".into(), most: 10, lease: Duration::from_secs(60) };
        let parcels = office.run(claim).await.unwrap().parcels;
        assert_eq!(parcels.len(), 4);
        let key = LogKey::from_seed(office.register.shared.vault.log_signing().bytes());
        let mail = caseward::mail::parse(&parcels[0].raw, &Default::default(), &Default::default());
        let part = &mail.attachments[0].part;
        let note = caseward::mail::attachment(&parcels[0].raw, part, &Default::default()).unwrap();
        let opened = key.public().open(&note).unwrap();
        assert!(opened.size >= 1);
        office.register.close().await;
    }
}
