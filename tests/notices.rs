//! Notices to people of HR on a real mail server: who is told, and that nothing of the matter is.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use caseward::case::actor::Role;
use caseward::desk::change::{Base, Change, Changes};
use caseward::desk::users::{AddUser, Profile};
use support::app::{Database, TestApp, authenticated, deliver, system};
use support::mailstack::mailstack;

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_quietly_of_a_case_and_of_what_comes_in() {
    let app = TestApp::start(Database::Sqlite, "hr24@hr.test").await;
    let mark = uuid::Uuid::now_v7().simple().to_string();
    let mail = |id: &str, more: &str| {
        authenticated(
            "candidates.test",
            &format!(
                "Message-ID: <{id}-{mark}@candidates.test>\nFrom: Anna <anna@candidates.test>\nTo: hr24@hr.test\n\
                 Subject: Lighthouse {mark}\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n{more}\nMy lighthouse is dark.\n"
            ),
        )
    };
    deliver("anna@candidates.test", "hr24@hr.test", &mail("one", ""));
    let case = app.until_cases(1).await.remove(0);
    let owner = AddUser {
        actor: system(),
        profile: Profile {
            login: "olga".into(),
            name: "Olga".into(),
            email: Some("bob@candidates.test".into()),
        },
        roles: [Role::Agent].into_iter().collect(),
        teams: vec!["hr".into()],
        entities: Vec::new(),
    };
    let owner = app.run(owner).await.expect("a user").id;
    let changes = Changes { owner: Some(Some(owner)), ..Changes::default() };
    app.run(Change { actor: system(), case: case.id, base: Base::Version(case.version), changes })
        .await
        .expect("owned");
    let notice = mailstack().delivered("bob@candidates.test", &case.reference.to_string());
    assert!(notice.contains("Auto-Submitted:"), "{notice}");
    assert!(!notice.to_lowercase().contains("lighthouse"), "a notice says nothing of the matter: {notice}");

    let reply = format!("In-Reply-To: <one-{mark}@candidates.test>\n");
    deliver("anna@candidates.test", "hr24@hr.test", &mail("two", &reply));
    let messages = app.until_messages(case.reference, 5).await;
    let kinds: Vec<&str> = messages.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "notice").count(), 2, "{kinds:?}");
    app.close().await;
}
