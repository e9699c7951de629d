//! What was erased stays erased, also when a backup from before is restored: the journal outside the database knows.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails loudly"
)]

mod support;

use std::sync::Arc;

use caseward::case::actor::Role;
use caseward::case::{Actor, Channel, MessageId, Moment};
use caseward::daemon::{Daemon, Register};
use caseward::desk::hold::Discard;
use caseward::desk::receive::Receive;
use caseward::intake::prepare::Incoming;
use support::app::Database;
use support::office::Office;

/// A mail that nobody can be told to have sent is kept apart.
async fn quarantined(office: &Office) -> MessageId {
    let incoming = Incoming {
        place: None,
        mailbox: "hr".into(),
        received_at: Moment::from_micros(1_750_000_000_000_000),
        bytes: 10,
        raw: b"Subject: nobody\n\nWords\n".to_vec(),
        complete: true,
        acknowledge: false,
        dated_after: None,
        quarantine: None,
        opaque: None,
        channel: Channel::Mail,
    };
    let lookup = office.register.shared.vault.lookup();
    let arrived = office.register.preparation.prepare(incoming, &Default::default(), lookup);
    office
        .run(Receive { arrived: Arc::new(arrived), lease: None, bare: false })
        .await
        .unwrap()
        .message
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_brings_nothing_back() {
    let office = Office::open(Database::Sqlite).await;
    let lead = office.user("lead", &[Role::Lead]).await;
    let message = quarantined(&office).await;
    let key = move |tx: &mut dyn caseward::store::Tx| Ok(tx.key(message.as_bytes())?.is_some());
    let office = office.reopen().await;
    assert!(office.read(key).await);
    let file = office.dir.path().join("caseward.db");
    let backup = office.dir.path().join("backup.db");
    std::fs::copy(&file, &backup).unwrap();

    let discard = Discard { actor: Actor::User(lead), message, reason: "Sent by mistake".into() };
    office.run(discard).await.unwrap();
    assert!(!office.read(key).await);
    office.sequence().await;
    let journal = std::fs::read_to_string(office.dir.path().join("audit/erasures")).unwrap();
    assert_eq!(journal.lines().count(), 1, "{journal}");
    office.sequence().await;
    let Office { register, mut settings, dir, .. } = office;
    register.close().await;
    for end in ["", "-wal", "-shm"] {
        let beside = format!("{}{end}", file.display());
        if std::path::Path::new(&beside).exists() {
            std::fs::remove_file(beside).unwrap();
        }
    }
    std::fs::copy(&backup, &file).unwrap();

    settings.mailboxes.clear();
    let clock = || Box::new(Moment::now) as caseward::daemon::Clock;
    let daemon = Daemon::start(settings.clone(), clock()).await.unwrap();
    let Register { store, .. } = &daemon.register;
    let there: Result<bool, caseward::store::StoreError> = store.read(key).await;
    assert!(!there.unwrap());
    let told: Result<_, caseward::store::StoreError> = store.read(|tx| tx.entries(None, 100)).await;
    assert_eq!(told.unwrap().iter().filter(|entry| entry.action == "erasure.replayed").count(), 1);
    daemon.stop().await;
    let daemon = Daemon::start(settings, clock()).await.unwrap();
    let told: Result<_, caseward::store::StoreError> =
        daemon.register.store.read(|tx| tx.entries(None, 100)).await;
    assert_eq!(told.unwrap().iter().filter(|entry| entry.action == "erasure.replayed").count(), 1, "once");
    daemon.stop().await;
    drop(dir);
}
