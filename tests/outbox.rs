//! The outbox at work: what becomes of a mail whatever the server says, who sends it when several could, and how many
//! leave in a time. The mails are acknowledgements of mails that arrived.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use caseward::daemon::Register;
use caseward::delivery::worker::Worker;
use caseward::delivery::{Login, Smtp, Transport};
use caseward::mailbox::backoff::Patience;
use caseward::settings::{AckEnvelope, SmtpSettings, Tls};
use caseward::store::rows::{OutboxRow, OutboxState};
use scripted::{Script, Scripted};
use secrecy::SecretString;
use support::app::Database;
use support::intake::Intake;
use support::mailstack::mailstack;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

on_both! {
    what_the_server_says_decides => outcomes;
    a_refused_password_is_not_hammered => refused_password;
    no_more_leave_than_allowed => caps;
    several_daemons_keep_to_the_same_caps => caps_of_two;
    a_lease_outlives_its_daemon => leases;
    what_is_put_off_for_days_is_given_up => given_up;
    a_server_may_refuse_the_null_sender => null_sender;
    a_recipient_gets_so_many_and_no_more => per_recipient;
}

fn transport(port: u16, login: Login) -> Transport {
    let settings = SmtpSettings {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        timeout: Duration::from_secs(10),
        ..SmtpSettings::default()
    };
    Transport::Smtp(Smtp::new(&settings, login).unwrap())
}

struct Working {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Working {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn work(register: &Register, transport: Transport, holder: &str) -> Working {
    let worker = Worker {
        transport: Arc::new(transport),
        desk: register.desk.clone(),
        store: register.store.clone(),
        shared: Arc::clone(&register.shared),
        holder: holder.into(),
        parallel: 3,
        timeout: Duration::from_secs(10),
        patience: Patience {
            first: Duration::from_millis(50),
            refused: Duration::from_millis(400),
            login_every: Duration::ZERO,
        },
    };
    let stop = CancellationToken::new();
    Working { task: tokio::spawn(worker.run(stop.clone())), stop }
}

/// A mail from `from` arrives; its acknowledgement waits.
async fn waits_for(intake: &Intake, from: &str) {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let raw = format!(
        "Message-ID: <{id}@mail.test>\nFrom: {from}\nTo: hr@hr.test\nSubject: x\n\nMy payslip. {id}\n"
    );
    assert!(intake.arrive(&raw).await.opened);
}

async fn outbox(intake: &Intake) -> Vec<OutboxRow> {
    let mut rows = intake.read(|tx| tx.list_outbox(None, None, 1_000)).await;
    rows.reverse();
    rows
}

fn count(rows: &[OutboxRow], state: OutboxState) -> usize {
    rows.iter().filter(|row| row.state == state).count()
}

async fn until(intake: &Intake, what: &str, holds: impl Fn(&[OutboxRow]) -> bool) -> Vec<OutboxRow> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let rows = outbox(intake).await;
        if holds(&rows) {
            return rows;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}: {rows:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn outcomes(database: Database) {
    use OutboxState::{Dead, Sent, Waiting};
    for (to, state, attempts, says) in [
        ("fine", Sent, 1, ""),
        ("rcpt-550", Dead, 1, "550 5.7.0"),
        ("dot-554", Dead, 1, "554 5.7.0"),
        ("rcpt-450", Waiting, 1, "450 4.7.0"),
        ("dot-451", Waiting, 1, "451 4.7.0"),
        // Perhaps sent: again later, as the same mail.
        ("accept-drop", Waiting, 1, "same Message-ID"),
        // Certainly not sent, and no fault of the mail's.
        ("drop-rcpt", Waiting, 0, "cannot be reached"),
    ] {
        let intake = Intake::open(database, |_| {}).await;
        waits_for(&intake, &format!("{to}@outside.example")).await;
        let working =
            work(&intake.register, transport(mailstack().port("FAULT_SMTP_PORT"), Login::None), "one");
        let rows = until(&intake, to, |rows| rows[0].state == Sent || rows[0].last_error.is_some()).await;
        assert_eq!((rows[0].state, rows[0].attempts), (state, attempts), "{to}");
        let error = rows[0].last_error.clone().unwrap_or_default();
        assert!(error.contains(says) && !error.contains("outside.example"), "{to}: {error}");
        let message = rows[0].message_id;
        let delivery = intake.read(move |tx| tx.message(message)).await.unwrap().delivery;
        let shown = match state {
            Sent => "sent",
            Dead => "failed",
            _ => "waiting",
        };
        assert_eq!(delivery.as_deref(), Some(shown), "{to}");
        // It keeps nobody else back.
        waits_for(&intake, "fine@outside.example").await;
        until(&intake, "the next mail leaves", |rows| rows[1].state == Sent).await;
        if to == "accept-drop" {
            let raw = intake.sent(rows[0].case_id.unwrap()).await.remove(0);
            let id = raw.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
            intake.advance(HOUR);
            until(&intake, "it is sent again", |rows| rows[0].attempts == 2).await;
            assert_eq!(mailstack().taken(&id), 2, "as the same mail");
        }
        working.stop().await;
        intake.register.close().await;
    }
}

async fn refused_password(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    for number in 0..20 {
        waits_for(&intake, &format!("a{number}@outside.example")).await;
    }
    const REFUSES: Script =
        &[("EHLO", Some("250-scripted\r\n250 AUTH PLAIN LOGIN")), ("AUTH", Some("535 5.7.8 no"))];
    let login = || Login::Password { username: "hr".into(), password: SecretString::from("secret") };
    let server = Scripted::start(REFUSES).await;
    let working = work(&intake.register, transport(server.port, login()), "one");
    until(&intake, "the first try", |_| server.count("AUTH") >= 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Waits of 0.2 to 0.4, 0.4 to 0.8, 0.8 to 1.6 and 1.6 to 3.2 seconds; three mails in hand at the first try.
    assert!(server.count("AUTH") <= 3 + 4, "{} logins", server.count("AUTH"));
    working.stop().await;
    let rows = outbox(&intake).await;
    assert!(rows.iter().all(|row| row.state == OutboxState::Waiting && row.attempts == 0), "{rows:#?}");
    // Somebody corrects the password.
    const TAKES: Script =
        &[("EHLO", Some("250-scripted\r\n250 AUTH PLAIN LOGIN")), ("AUTH", Some("235 2.7.0 yes"))];
    let server = Scripted::start(TAKES).await;
    let working = work(&intake.register, transport(server.port, login()), "one");
    intake.advance(MINUTE);
    until(&intake, "all are sent", |rows| count(rows, OutboxState::Sent) == 20).await;
    working.stop().await;
    intake.register.close().await;
}

async fn caps(database: Database) {
    let intake = Intake::open(database, |settings| {
        settings.smtp.per_minute = 5;
        settings.smtp.automatic_per_day = 8;
    })
    .await;
    for number in 0..12 {
        waits_for(&intake, &format!("a{number}@outside.example")).await;
    }
    let server = Scripted::start(&[]).await;
    let working = work(&intake.register, transport(server.port, Login::None), "one");
    for (sent, wait) in [(5, MINUTE), (8, MINUTE), (8, 24 * HOUR), (12, MINUTE)] {
        until(&intake, "so many are sent", |rows| count(rows, OutboxState::Sent) == sent).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(count(&outbox(&intake).await, OutboxState::Sent), sent, "no more for now");
        intake.advance(wait);
    }
    working.stop().await;
    intake.register.close().await;
}

async fn caps_of_two(database: Database) {
    let intake = Intake::open(database, |settings| settings.smtp.per_minute = 10).await;
    for number in 0..30 {
        waits_for(&intake, &format!("a{number}@outside.example")).await;
    }
    let other = intake.beside().await;
    let server = Scripted::start(&[]).await;
    let one = work(&intake.register, transport(server.port, Login::None), "one");
    let two = work(&other, transport(server.port, Login::None), "two");
    for sent in [10, 20, 30] {
        until(&intake, "so many are sent", |rows| count(rows, OutboxState::Sent) == sent).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(server.count("DOT"), sent, "no more for now, and none twice");
        intake.advance(MINUTE);
    }
    one.stop().await;
    two.stop().await;
    other.close().await;
    intake.register.close().await;
}

async fn leases(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    waits_for(&intake, "slow-dot@outside.example").await;
    let slow = work(&intake.register, transport(mailstack().port("FAULT_SMTP_PORT"), Login::None), "one");
    until(&intake, "it is in hand", |rows| rows[0].lease_until.is_some()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    slow.task.abort();
    let server = Scripted::start(&[]).await;
    let working = work(&intake.register, transport(server.port, Login::None), "two");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(server.count("DOT"), 0, "it may be on its way still");
    intake.advance(MINUTE);
    until(&intake, "another one sends it", |rows| rows[0].state == OutboxState::Sent).await;
    assert_eq!(server.count("DOT"), 1);
    working.stop().await;
    intake.register.close().await;
}

async fn given_up(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    waits_for(&intake, "greylisted@outside.example").await;
    let server = Scripted::start(&[("RCPT", Some("450 4.2.0 later"))]).await;
    let working = work(&intake.register, transport(server.port, Login::None), "one");
    until(&intake, "the first try", |rows| rows[0].attempts == 1).await;
    for attempts in 2..12 {
        intake.advance(HOUR);
        until(&intake, "another try", |rows| rows[0].attempts == attempts).await;
    }
    assert_eq!(outbox(&intake).await[0].state, OutboxState::Waiting, "half a day is nothing");
    intake.advance(48 * HOUR);
    let rows = until(&intake, "it is given up", |rows| rows[0].state == OutboxState::Dead).await;
    assert!(rows[0].last_error.as_deref().is_some_and(|why| why.contains("450")));
    working.stop().await;
    intake.register.close().await;
}

async fn null_sender(database: Database) {
    for (envelope, refusals, senders) in [
        (AckEnvelope::Null, 1, ["MAIL FROM:<>", "MAIL FROM:<hr@hr.test>"].as_slice()),
        (AckEnvelope::Bounce, 0, &["MAIL FROM:<hr@hr.test>"]),
    ] {
        let intake = Intake::open(database, |settings| settings.smtp.ack_envelope = envelope).await;
        waits_for(&intake, "a@outside.example").await;
        let server = Scripted::start(&[("MAIL FROM:<>", Some("550 5.7.1 null sender not welcome"))]).await;
        let working = work(&intake.register, transport(server.port, Login::None), "one");
        let rows = until(&intake, "it is sent", |rows| rows[0].state == OutboxState::Sent).await;
        assert_eq!(rows[0].attempts, refusals + 1, "at once, as the mailbox");
        let heard: Vec<String> = server.heard().into_iter().filter(|line| line.starts_with("MAIL")).collect();
        assert_eq!(heard.len(), senders.len());
        assert!(heard.iter().zip(senders).all(|(heard, wanted)| heard.starts_with(wanted)), "{heard:?}");
        working.stop().await;
        intake.register.close().await;
    }
}

async fn per_recipient(database: Database) {
    let intake = Intake::open(database, |settings| settings.smtp.automatic_per_recipient_per_day = 3).await;
    for _ in 0..6 {
        waits_for(&intake, "loop@outside.example").await;
    }
    assert_eq!(outbox(&intake).await.len(), 3);
    intake.advance(24 * HOUR + MINUTE);
    waits_for(&intake, "loop@outside.example").await;
    assert_eq!(outbox(&intake).await.len(), 4);
    intake.register.close().await;
}
