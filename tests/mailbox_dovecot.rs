//! The whole daemon on a real Dovecot whose mailboxes go through what mailboxes go through: recreated, moved back,
//! the same mail in two of them, and a daemon that dies while another stands by.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::time::Duration;

use caseward::settings::{After, MailboxSettings, Source};
use caseward::store::rows::{RegisterRow, RegisterState};
use support::app::{Database, TestApp, authenticated, deliver};
use support::intake::settled_down;
use support::mailstack::mailstack;

fn mail(hr: &str, id: &str) -> String {
    authenticated(
        "candidates.test",
        &format!(
            "Message-ID: <{id}@candidates.test>\nFrom: anna@candidates.test\nTo: {hr}\nSubject: {id}\n\n\
             My payslip is missing.\n"
        ),
    )
}

fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// What this test's mails became; others may lie there from before.
async fn places(app: &TestApp) -> Vec<RegisterRow> {
    let rows = app.read(|tx| tx.list_register(None, None, 1_000)).await;
    rows.into_iter().map(|(row, _)| row).filter(|row| row.state != RegisterState::BeforeStart).collect()
}

async fn until(app: &TestApp, what: &str, holds: impl Fn(&[RegisterRow]) -> bool) -> Vec<RegisterRow> {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let places = places(app).await;
        if holds(&places) && settled_down(&places) {
            return places;
        }
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}: {places:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn count(places: &[RegisterRow], state: RegisterState) -> usize {
    places.iter().filter(|row| row.state == state).count()
}

async fn outbox(app: &TestApp) -> usize {
    app.read(|tx| tx.list_outbox(None, None, 1_000)).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_recreated_makes_nothing_twice() {
    for (database, hr) in [(Database::Sqlite, "hr16@hr.test"), (Database::Postgres, "hr17@hr.test")] {
        let folder = unique();
        mailstack().doveadm(&["mailbox", "create", "-u", hr, &folder]);
        let app = TestApp::start_with(database, hr, |settings| {
            settings.mailboxes[0].folders = vec![folder.clone()];
            settings.mailboxes[0].after = After::Keep;
        })
        .await;
        let ids: Vec<String> = (0..3).map(|_| unique()).collect();
        let save = || {
            for id in &ids {
                deliver("anna@candidates.test", hr, &mail(hr, id));
            }
            // LMTP delivers to INBOX; what lies there goes into the folder that is watched.
            mailstack().doveadm(&["move", "-u", hr, &folder, "mailbox", "INBOX", "all"]);
        };
        save();
        app.until_cases(3).await;
        assert_eq!(outbox(&app).await, 3);
        mailstack().doveadm(&["mailbox", "delete", "-u", hr, &folder]);
        mailstack().doveadm(&["mailbox", "create", "-u", hr, &folder]);
        save();
        let places = until(&app, "the new epoch is accounted for", |places| places.len() == 6).await;
        assert_eq!(count(&places, RegisterState::Duplicate), 3, "{places:#?}");
        assert_eq!((app.cases().await.len(), outbox(&app).await), (3, 3));
        // Away and back: other UIDs.
        mailstack().doveadm(&["move", "-u", hr, "Junk", "mailbox", &folder, "all"]);
        mailstack().doveadm(&["move", "-u", hr, &folder, "mailbox", "Junk", "all"]);
        let places = until(&app, "what came back is accounted for", |places| places.len() == 9).await;
        assert_eq!(count(&places, RegisterState::Duplicate), 6);
        assert_eq!((app.cases().await.len(), outbox(&app).await), (3, 3));
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mailboxes_with_the_same_mail_make_one_case() {
    for (database, hr, other) in [
        (Database::Sqlite, "hr18@hr.test", "hr19@hr.test"),
        (Database::Postgres, "hr19@hr.test", "hr18@hr.test"),
    ] {
        let app = TestApp::start_with(database, hr, |settings| {
            let mut second = settings.mailboxes[0].clone();
            second.name = "other".into();
            second.address = other.into();
            let Source::Imap { username, .. } = &mut second.source else { panic!("not IMAP") };
            *username = other.into();
            settings.mailboxes.push(MailboxSettings { aliases: vec![hr.into()], ..second });
        })
        .await;
        let id = unique();
        let mail = mail(hr, &id);
        deliver("anna@candidates.test", hr, &mail);
        deliver("anna@candidates.test", other, &format!("X-Other-Trace: yes\n{mail}"));
        let places = until(&app, "both are accounted for", |places| places.len() == 2).await;
        assert_eq!(count(&places, RegisterState::Duplicate), 1, "{places:#?}");
        assert_eq!((app.cases().await.len(), outbox(&app).await), (1, 1));
        until(&app, "both are moved", |places| places.iter().all(|row| row.settled)).await;
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_is_replaced_by_another() {
    let hr = "hr15@hr.test";
    let mut app = TestApp::start(Database::Postgres, hr).await;
    let second = app.beside().await;
    for _ in 0..5 {
        deliver("anna@candidates.test", hr, &mail(hr, &unique()));
    }
    app.until_cases(5).await;
    assert!(second.pulses[0].1.last_polled().is_none(), "one works the mailbox, the other stands by");
    // Without a word: its tasks end where they are, its lease runs out.
    drop(std::mem::replace(&mut app.daemon, second));
    app.advance(Duration::from_secs(180));
    for _ in 0..5 {
        deliver("anna@candidates.test", hr, &mail(hr, &unique()));
    }
    app.until_cases(10).await;
    let places = until(&app, "all is settled", |places| places.iter().all(|row| row.settled)).await;
    assert_eq!(count(&places, RegisterState::TakenIn), 10, "nothing twice: {places:#?}");
    assert_eq!(outbox(&app).await, 10);
    app.close().await;
}
