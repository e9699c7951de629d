//! The interface over TLS, from certificate and key in files.

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
use support::app::Database;
use support::interface::Office;

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_is_served_over_tls() {
    let office = Office::open(Database::Sqlite, 0, |settings, dir| {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args([
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
                "key.pem",
                "-out",
                "chain.pem",
            ])
            .current_dir(dir)
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        settings.api.certificate = Some(dir.join("chain.pem"));
        settings.api.key = Some(dir.join("key.pem"));
    })
    .await;
    let agent = office.user("agent", &[Role::Agent], &[], &[]).await;
    let port = office.daemon.address.port();
    let pem = std::fs::read(office.path().join("chain.pem")).expect("a certificate");
    let trusting = reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_pem(&pem).expect("a certificate"))
        .build()
        .expect("a client");
    let url = format!("https://localhost:{port}/api/v1/cases");
    let answered = trusting.get(&url).bearer_auth(&agent.token).send().await.expect("answered over TLS");
    assert_eq!(answered.status().as_u16(), 200);
    assert!(reqwest::Client::new().get(&url).send().await.is_err(), "nobody else vouches for it");
    let plain = reqwest::get(format!("http://localhost:{port}/healthz")).await;
    assert!(plain.is_err() || !plain.unwrap().status().is_success(), "nothing is served in clear");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut settings = caseward::settings::Settings::default();
    settings.database.url = format!("sqlite:{}", dir.path().join("caseward.db").display());
    let key = dir.path().join("master.key");
    caseward::vault::MasterKey::create(&key).expect("a key");
    settings.vault.master_key = caseward::settings::Secret::File(key);
    settings.api.listen = ([127, 0, 0, 1], 0).into();
    settings.smtp.directory = Some(dir.path().to_owned());
    let no_pem = dir.path().join("chain.pem");
    std::fs::write(&no_pem, "nothing").expect("written");
    settings.api.certificate = Some(no_pem.clone());
    settings.api.key = Some(no_pem.clone());
    let refused = caseward::daemon::Daemon::start(settings, Box::new(caseward::case::Moment::now)).await;
    let said = refused.err().expect("it does not start").to_string();
    assert!(said.contains(&no_pem.display().to_string()) && said.contains("PEM"), "{said}");
}
