//! The master key: changed while a daemon runs, interrupted and gone on with; its offline copy.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails loudly"
)]

mod support;

use caseward::case::actor::Role;
use caseward::case::{Moment, Sensitivity};
use caseward::commands::audit::show_from;
use caseward::commands::key::{finish_in, rotate_to, status_of};
use caseward::daemon::Register;
use caseward::desk::keys::{BeginRotation, Rewrap, VerifyCopy};
use caseward::settings::{Secret, Settings};
use caseward::vault::MasterKey;
use support::app::Database;
use support::office::Office;

async fn opened(settings: &Settings) -> Result<Register, String> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || Register::open(&settings, Box::new(Moment::now)))
        .await
        .unwrap()
        .map_err(|error| error.to_string())
}

fn key_at(path: &std::path::Path) -> MasterKey {
    MasterKey::from_text(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_is_changed_while_a_daemon_runs() {
    for database in [Database::Sqlite, Database::Postgres] {
        let office = Office::open(database).await;
        let agent = office.user("agent", &[Role::Agent]).await;
        let mut cases = Vec::new();
        for _ in 0..3 {
            cases.push(office.case(&agent, Sensitivity::Restricted).await);
        }
        let path = office.dir.path().join("new.key");
        MasterKey::create(&path).unwrap();
        let mut renewed = office.settings.clone();
        renewed.vault.master_key = Secret::File(path.clone());
        assert!(opened(&renewed).await.is_err(), "a key that the register does not know");

        // Interrupted before anything was rewrapped: both keys open all, and what is new.
        office.run(BeginRotation { new: key_at(&path) }).await.unwrap();
        let second = opened(&renewed).await.unwrap();
        cases.push(office.case(&agent, Sensitivity::Standard).await);
        for case in &cases {
            show_from(&office.register, case.reference).await.unwrap();
            show_from(&second, case.reference).await.unwrap();
        }
        // Gone on with, by the daemon that has the old key.
        assert!(rotate_to(&office.register, key_at(&path)).await.unwrap() > 0);
        assert_eq!(office.run(Rewrap).await.unwrap(), 0);
        cases.push(office.case(&agent, Sensitivity::Restricted).await);
        for case in &cases {
            show_from(&office.register, case.reference).await.unwrap();
            show_from(&second, case.reference).await.unwrap();
        }
        let early = finish_in(&office.register).await.unwrap_err().to_string();
        assert!(early.contains("vault.master_key"), "{early}");
        finish_in(&second).await.unwrap();
        let status = status_of(&second).await.unwrap();
        assert!(!status.changing && status.generation == 2 && status.wrapped.len() == 1, "{status:?}");
        for case in &cases {
            show_from(&second, case.reference).await.unwrap();
        }
        // The old key opens nothing any more, in a running daemon and at a start.
        assert!(show_from(&office.register, cases[0].reference).await.is_err());
        let old = opened(&office.settings).await.err().unwrap();
        assert!(old.contains("vault.master_key"), "{old}");
        second.close().await;
        office.register.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_copy_is_verified() {
    let office = Office::open(Database::Sqlite).await;
    assert_eq!(status_of(&office.register).await.unwrap().copy_verified_at, None);
    let other = office.dir.path().join("other.key");
    MasterKey::create(&other).unwrap();
    assert!(office.run(VerifyCopy { copy: key_at(&other) }).await.is_err());
    assert_eq!(status_of(&office.register).await.unwrap().copy_verified_at, None);
    office.run(VerifyCopy { copy: key_at(&office.dir.path().join("master.key")) }).await.unwrap();
    assert!(status_of(&office.register).await.unwrap().copy_verified_at.is_some());
    office.register.close().await;
}
