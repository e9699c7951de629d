//! Senders proved by DKIM signatures, their keys asked from a name server on loopback that says what a test wants.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use caseward::case::Trust;
use caseward::intake::prove::Prover;
use caseward::mail::AuthResult;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use support::app::{Database, TestApp, deliver};
use support::intake::Intake;
use tokio::net::UdpSocket;

/// What stands under a name.
#[derive(Clone)]
enum Says {
    Text(String),
    ServerFailure,
    Silence,
}

struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    async fn start(records: BTreeMap<String, Says>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut question = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut question).await.unwrap();
                let (name, end) = name_of(&question[..length]);
                log.lock().unwrap().push(name.clone());
                let code = match records.get(&name) {
                    Some(Says::Silence) => continue,
                    Some(Says::ServerFailure) => 2,
                    Some(Says::Text(_)) => 0,
                    None => 3,
                };
                let mut answer = question[..2].to_vec();
                answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(code == 0), 0, 0, 0, 0]);
                answer.extend(&question[12..end]);
                if let Some(Says::Text(text)) = records.get(&name) {
                    let strings: Vec<u8> = text
                        .as_bytes()
                        .chunks(200)
                        .flat_map(|part| std::iter::once(part.len() as u8).chain(part.iter().copied()))
                        .collect();
                    answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 1, 0]);
                    answer.extend(u16::try_from(strings.len()).unwrap().to_be_bytes());
                    answer.extend(strings);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The name asked for, and where the question ends.
fn name_of(question: &[u8]) -> (String, usize) {
    let (mut name, mut at) = (String::new(), 12);
    while question[at] != 0 {
        let length = usize::from(question[at]);
        name.push_str(std::str::from_utf8(&question[at + 1..=at + length]).unwrap());
        name.push('.');
        at += length + 1;
    }
    (name.to_lowercase(), at + 5)
}

/// A mail signed by `domain`, and its key's record.
fn signed(mail: &str, domain: &str) -> (String, String, String) {
    let mut der =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([9_u8; 32]);
    let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&der).unwrap();
    let public = data_encoding::BASE64.encode(key.public_key().as_ref());
    let signer =
        DkimSigner::from_key(key).domain(domain).selector("s1").headers(["From", "Subject", "Message-ID"]);
    let mail = mail.replace('\n', "\r\n");
    let header = signer.sign(mail.as_bytes()).unwrap().to_header();
    let record = format!("v=DKIM1; k=ed25519; n={}; p={public}", "x".repeat(300));
    (format!("{header}{mail}").replace("\r\n", "\n"), format!("s1._domainkey.{domain}."), record)
}

fn mail(id: &str) -> String {
    format!(
        "Message-ID: <{id}@candidates.test>\nFrom: anna@candidates.test\nTo: hr@hr.test\nSubject: My payslip\n\n\
         It is missing.\n"
    )
}

async fn prove(intake: &Intake, server: &NameServer, raw: &str) -> AuthResult {
    let prover = Prover::new(&[server.address]).unwrap();
    prove_by(&prover, intake, raw).await
}

async fn prove_by(prover: &Prover, intake: &Intake, raw: &str) -> AuthResult {
    let arrived = intake.prepare(0, raw, true);
    let proved = prover.prove(vec![arrived], intake.register.shared.now()).await.remove(0);
    proved.understood.as_ref().expect("understood").0.authentication.result
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_as_good_as_its_records() {
    let intake = Intake::open(Database::Sqlite, |_| {}).await;
    let (raw, name, record) = signed(&mail("1"), "candidates.test");
    let (wide, wide_name, _) = signed(&mail("1"), "mail.candidates.test");
    let (foreign, foreign_name, _) = signed(&mail("1"), "elsewhere.example");
    let key = || Says::Text(record.clone());
    let dmarc = |text: &str| ("_dmarc.candidates.test.".to_owned(), Says::Text(text.into()));
    for (what, raw, records, expected) in [
        ("signed", &raw, vec![(name.clone(), key())], AuthResult::Pass),
        ("by a part of the organisation", &wide, vec![(wide_name.clone(), key())], AuthResult::Pass),
        (
            "where the very domain is asked for",
            &wide,
            vec![(wide_name.clone(), key()), dmarc("v=DMARC1; p=reject; adkim=s")],
            AuthResult::None,
        ),
        (
            "and given",
            &raw,
            vec![(name.clone(), key()), dmarc("v=DMARC1; p=reject; adkim=s")],
            AuthResult::Pass,
        ),
        ("by somebody else", &foreign, vec![(foreign_name, key())], AuthResult::None),
        ("changed", &raw.replace("missing", "too high"), vec![(name.clone(), key())], AuthResult::None),
        ("no key", &raw, vec![], AuthResult::None),
        ("the server is out of order", &raw, vec![(name.clone(), Says::ServerFailure)], AuthResult::None),
        (
            "the policy cannot be had",
            &raw,
            vec![(name.clone(), key()), ("_dmarc.candidates.test.".into(), Says::ServerFailure)],
            AuthResult::None,
        ),
        ("not signed", &mail("1"), vec![(name.clone(), key())], AuthResult::None),
    ] {
        let server = NameServer::start(records.into_iter().collect()).await;
        assert_eq!(prove(&intake, &server, raw).await, expected, "{what}");
    }
    // What our own servers said is not asked about again.
    let server = NameServer::start(BTreeMap::from([(name, key())])).await;
    let failed = format!("Authentication-Results: mx.hr.test; dmarc=fail header.from=candidates.test\n{raw}");
    assert_eq!(prove(&intake, &server, &failed).await, AuthResult::Fail);
    assert_eq!(server.asked(), 0);
    intake.register.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_and_silence_ends() {
    let intake = Intake::open(Database::Sqlite, |_| {}).await;
    let (raw, name, record) = signed(&mail("1"), "candidates.test");
    let policy = ("_dmarc.candidates.test.".to_owned(), Says::Text("v=DMARC1; p=none".into()));
    let server = NameServer::start(BTreeMap::from([(name.clone(), Says::Text(record)), policy])).await;
    let prover = Prover::new(&[server.address]).unwrap();
    assert_eq!(prove_by(&prover, &intake, &raw).await, AuthResult::Pass);
    let asked = server.asked();
    assert_eq!(prove_by(&prover, &intake, &raw).await, AuthResult::Pass);
    assert_eq!(server.asked(), asked, "from the cache");

    let silent = NameServer::start(BTreeMap::from([
        (name, Says::Silence),
        ("_dmarc.candidates.test.".into(), Says::Silence),
    ]))
    .await;
    let prover = Prover::new(&[silent.address]).unwrap();
    let many: Vec<_> = (0..50).map(|_| intake.prepare(0, &raw, true)).collect();
    let began = Instant::now();
    let proved = prover.prove(many, intake.register.shared.now()).await;
    assert_eq!(proved.len(), 50, "every mail goes on");
    assert!(began.elapsed() < Duration::from_secs(20), "one wait for all of them, with an end");
    intake.register.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_proves_senders() {
    for (database, hr) in [(Database::Sqlite, "hr20@hr.test"), (Database::Postgres, "hr21@hr.test")] {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let (raw, name, record) = signed(&mail(&id), "candidates.test");
        let server = NameServer::start(BTreeMap::from([(name, Says::Text(record))])).await;
        let app = TestApp::start_with(database, hr, |settings| {
            settings.intake.dkim = true;
            settings.intake.resolvers = vec![server.address];
        })
        .await;
        deliver("anna@candidates.test", hr, &raw);
        let case = app.until_cases(1).await.remove(0);
        let messages = app.until_messages(case.reference, 2).await;
        let letter = messages.iter().find(|row| row.trust.is_some()).expect("the letter");
        assert_eq!(letter.trust, Some(Trust::Employee));
        app.close().await;
    }
}
