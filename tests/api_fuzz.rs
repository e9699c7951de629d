//! The interface against its own document, by schemathesis: whatever is sent in whosever name, no 5xx, and no answer
//! that the document does not describe. `CASEWARD_TEST_SCHEMATHESIS` names the program; tests/run provides it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::process::Command;

use caseward::case::actor::Role;
use serde_json::Value;
use support::app::Database;
use support::interface::{ENTITY, Office, Somebody, TEAM};

/// Examples of each operation, in the name of each role: some two minutes in all on two cores.
const EXAMPLES: &str = "12";
const SETTINGS: &str = include_str!("schemathesis/schemathesis.toml");

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_departs_from_the_document() {
    let program = std::env::var("CASEWARD_TEST_SCHEMATHESIS")
        .expect("CASEWARD_TEST_SCHEMATHESIS names the program `st`; run the tests by tests/run");
    let office = Office::open(Database::Sqlite, 40, |_, _| {}).await;
    let everything =
        office.user("everything", &[Role::Lead, Role::Agent, Role::Admin], &[TEAM], &[ENTITY]).await;
    let roles: [(&str, &[Role]); 6] = [
        ("guardian", &[]),
        ("agent", &[Role::Agent]),
        ("lead", &[Role::Agent, Role::Lead]),
        ("investigator", &[Role::Investigator]),
        ("auditor", &[Role::Auditor]),
        // Last: an admin may disable the others.
        ("admin", &[Role::Admin]),
    ];
    for (login, roles) in roles {
        let somebody = office.user(login, roles, &[TEAM], &[ENTITY, ""]).await;
        let settings = office.path().join("schemathesis.toml");
        std::fs::write(&settings, settings_for(&office, &everything, &somebody).await).expect("written");
        let (program, base) = (program.clone(), office.base.clone());
        let dir = office.path().to_owned();
        let output = tokio::task::spawn_blocking(move || {
            Command::new(program)
                .current_dir(dir)
                .arg("--config-file")
                .arg(settings)
                .args(["run", "--no-color", "--checks", "all", "--max-examples", EXAMPLES])
                .args(["--request-timeout", "30", "--header"])
                .arg(format!("Authorization: Bearer {}", somebody.token))
                .arg(format!("{base}/api/openapi.json"))
                .output()
                .expect("schemathesis runs")
        })
        .await
        .expect("no panic");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "as {login}:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        println!(
            "{login}: {}",
            said.lines().rev().find(|line| line.contains("generated")).unwrap_or_default()
        );
    }
    office.close().await;
}

/// With things that are there, so that not all that is asked is missing: a case that they see as far as any, and what
/// belongs to it.
async fn settings_for(office: &Office, everything: &Somebody, somebody: &Somebody) -> String {
    let items = async |who: &Somebody, path: &str| -> Vec<Value> {
        office.call(who, "GET", path, None).await.body["items"].as_array().cloned().unwrap_or_default()
    };
    let id = |item: &Value| item["id"].as_str().expect("an identity").to_owned();
    let mut cases = items(somebody, "/api/v1/cases?sensitivity=standard").await;
    if cases.is_empty() {
        cases = items(everything, "/api/v1/cases?sensitivity=standard").await;
    }
    let case = cases.iter().max_by_key(|case| case["access"] != "read").expect("a case");
    let reference = case["reference"].as_str().expect("a reference");
    let party = id(&items(everything, &format!("/api/v1/cases/{reference}/parties")).await[0]);
    let message = id(&items(everything, &format!("/api/v1/cases/{reference}/messages")).await[0]);
    let held = items(everything, "/api/v1/quarantine?held=automatic").await;
    let held = held.first().map_or_else(|| message.clone(), id);
    let outgoing = id(&items(everything, "/api/v1/outbox").await[0]);
    let user = everything.id.to_string();
    let mut text = format!(
        "{SETTINGS}\n[parameters]\n\"path.reference\" = \"{reference}\"\n\"path.party\" = \"{party}\"\n"
    );
    for (kind, id) in [("messages", message), ("quarantine", held), ("outbox", outgoing), ("users", user)] {
        text.push_str(&format!(
            "\n[[operations]]\ninclude-path-regex = \"^/api/v1/{kind}/\"\nparameters = {{ \"path.id\" = \"{id}\" }}\n"
        ));
    }
    text
}
