//! Deadlines on the true daemon: they start with a mail, rest and end with what people do, and tell their owner once,
//! whatever the clock and however often the daemon starts.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::time::Duration;

use caseward::case::actor::Role;
use caseward::case::{MessageKind, Status, UserId};
use caseward::desk::change::{Base, Change, Changes};
use caseward::desk::clocks::{Deed, MoveClock, Tick};
use caseward::desk::users::{AddUser, Profile};
use caseward::store::rows::CaseRow;
use support::app::{Database, TestApp, authenticated, deliver, system};
use support::mailstack::mailstack;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_told_of_once_on_sqlite() {
    told_once(Database::Sqlite, "hr22@hr.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_told_of_once_on_postgres() {
    told_once(Database::Postgres, "hr23@hr.test").await;
}

async fn told_once(database: Database, hr: &'static str) {
    let app = TestApp::start(database, hr).await;
    let case = a_case(&app, hr).await;
    let owner = a_user(&app, "olga", "bob@candidates.test").await;
    let case = change(&app, &case, Changes { owner: Some(Some(owner)), ..Changes::default() }).await;
    let first = case.next_deadline.expect("a first response is due");

    app.advance(DAY * 8);
    let overdue = format!("A deadline has passed in case {}", case.reference);
    let notice = mailstack().delivered("bob@candidates.test", &overdue);
    assert!(notice.contains("Auto-Submitted:"), "{notice}");
    assert_eq!(notices(&app, &case).await, 2, "of the assignment and of the deadline");

    let app = app.restart().await;
    for _ in 0..3 {
        app.run(Tick).await.expect("looked at");
    }
    assert_eq!(notices(&app, &case).await, 2, "nothing is told twice");

    let waiting = change(&app, &case, Changes { status: Some(Status::Waiting), ..Changes::default() }).await;
    assert_eq!(waiting.next_deadline, Some(first), "what is overdue stays so");
    let resolved =
        change(&app, &waiting, Changes { status: Some(Status::Resolved), ..Changes::default() }).await;
    assert_eq!(resolved.next_deadline, None);
    app.advance(DAY * 60);
    app.run(Tick).await.expect("looked at");
    assert_eq!(notices(&app, &case).await, 2, "a case that is done has no deadlines");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_starts_extends_and_fulfils_a_statutory_clock_with_proof() {
    let app = TestApp::start_with(Database::Sqlite, "hr21@hr.test", |settings| {
        settings.clocks.packs = vec!["gdpr-access".into()];
    })
    .await;
    let case = a_case(&app, "hr21@hr.test").await;
    assert_eq!(case.next_deadline, None, "nobody said yet that it is a request for access");
    let deed = |case: &CaseRow, deed: Deed, reason: &str| MoveClock {
        actor: system(),
        case: case.id,
        version: case.version,
        pack: "gdpr-access".into(),
        deed,
        reason: reason.into(),
    };
    let answer = || Deed::Extend { clock: "answer".into() };
    assert!(app.run(deed(&case, answer(), "complex")).await.is_err(), "it does not run yet");
    assert!(app.run(deed(&case, Deed::Norm { applies: true }, " ")).await.is_err(), "proof is wanted");
    let case =
        app.run(deed(&case, Deed::Norm { applies: true }, "asks for all data")).await.expect("started");
    let regular = case.next_deadline.expect("a month");
    let case = app.run(deed(&case, answer(), "complex request, told on the 3rd")).await.expect("extended");
    let extended = case.next_deadline.expect("three months");
    assert!(extended > regular.plus(DAY * 55), "{regular} {extended}");
    assert!(app.run(deed(&case, answer(), "again")).await.is_err(), "the norm allows one extension");
    let case =
        app.run(deed(&case, Deed::Fulfil { clock: "answer".into() }, "handed over")).await.expect("met");
    assert_eq!(case.next_deadline, None);
    app.close().await;
}

async fn a_case(app: &TestApp, hr: &str) -> CaseRow {
    let mark = uuid::Uuid::now_v7().simple();
    let mail = authenticated(
        "candidates.test",
        &format!(
            "Message-ID: <{mark}@candidates.test>\nFrom: Anna <anna@candidates.test>\nTo: {hr}\nSubject: Days left\n\
             Date: Mon, 2 Mar 2026 10:00:00 +0000\n\nHow many days of leave do I have left this year?\n"
        ),
    );
    deliver("anna@candidates.test", hr, &mail);
    let case = app.until_cases(1).await.remove(0);
    mailstack().delivered("anna@candidates.test", &case.reference.to_string());
    case
}

async fn a_user(app: &TestApp, login: &str, email: &str) -> UserId {
    let user = AddUser {
        actor: system(),
        profile: Profile { login: login.into(), name: login.into(), email: Some(email.into()) },
        roles: [Role::Agent].into_iter().collect(),
        teams: vec!["hr".into()],
        entities: Vec::new(),
    };
    app.run(user).await.expect("a user").id
}

async fn change(app: &TestApp, case: &CaseRow, changes: Changes) -> CaseRow {
    app.run(Change { actor: system(), case: case.id, base: Base::Version(case.version), changes })
        .await
        .expect("changed")
}

async fn notices(app: &TestApp, case: &CaseRow) -> usize {
    app.messages(case.reference).await.iter().filter(|row| row.kind == MessageKind::Notice).count()
}
