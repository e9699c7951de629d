//! Sending to real servers: Postfix for what is normal, the fault server for what goes wrong on the way, and a
//! scripted one for what neither can be made to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each test program uses its own part of this")]
#[path = "support/mailstack.rs"]
mod mailstack;
#[path = "support/scripted.rs"]
mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use caseward::delivery::{Accepted, AccessToken, Envelope, Login, SendError, Smtp, TokenError, Transport};
use caseward::mail::Address;
use caseward::mail::compose::{Outgoing, compose, minted_message_id};
use caseward::settings::{SmtpSettings, Tls};
use secrecy::SecretString;

use mailstack::mailstack;
use scripted::Scripted;

const HR: &str = "hr@hr.test";

fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 16];
    random[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    random[8..].copy_from_slice(&(std::process::id() as u64 ^ started()).to_be_bytes());
    minted_message_id(random, "hr.test")
}

fn started() -> u64 {
    static STARTED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *STARTED.get_or_init(|| jiff::Timestamp::now().as_microsecond() as u64)
}

fn mail(to: &str, message_id: &str) -> Vec<u8> {
    let address = |address: &str| Address { name: Some("Änne".into()), address: address.into() };
    compose(&Outgoing {
        from: address(HR),
        to: address(to),
        reply_to: None,
        subject: "Ihre Nachricht".into(),
        text: "Guten Tag\n.\n..\nschöne Grüße\n".into(),
        html: None,
        attachments: Vec::new(),
        message_id: message_id.into(),
        in_reply_to: None,
        references: Vec::new(),
        date: "2026-01-02T03:04:05Z".parse().unwrap(),
        automatic: true,
    })
    .unwrap()
}

fn settings(port: u16, tls: Tls) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".into(),
        port,
        tls,
        timeout: Duration::from_secs(20),
        ..SmtpSettings::default()
    }
}

fn secured(port: &str, tls: Tls) -> SmtpSettings {
    SmtpSettings { ca_file: Some(mailstack().ca_file()), ..settings(mailstack().port(port), tls) }
}

fn password(password: &str) -> Login {
    Login::Password { username: HR.into(), password: SecretString::from(password) }
}

fn postfix() -> Smtp {
    Smtp::new(&secured("SUBMISSION_PORT", Tls::Starttls), password("secret")).unwrap()
}

fn fault() -> Smtp {
    Smtp::new(&settings(mailstack().port("FAULT_SMTP_PORT"), Tls::None), Login::None).unwrap()
}

fn scripted(server: &Scripted) -> SmtpSettings {
    SmtpSettings { host: "127.0.0.1".into(), ..settings(server.port, Tls::None) }
}

async fn send(smtp: &Smtp, from: Option<&str>, to: &str) -> Result<Accepted, SendError> {
    let envelope = Envelope { from: from.map(str::to_owned), to: to.into() };
    smtp.send(&envelope, &mail(to, &unique())).await
}

/// The outcome in short, for tables.
fn told(outcome: &Result<Accepted, SendError>) -> String {
    match outcome {
        Ok(_) => "accepted".into(),
        Err(SendError::Temporary { code }) => format!("temporary {code}"),
        Err(SendError::Permanent { code }) => format!("permanent {code}"),
        Err(SendError::Unreachable(_)) => "unreachable".into(),
        Err(SendError::Misconfigured(_)) => "misconfigured".into(),
        Err(other) => format!("{other:?}").to_lowercase(),
    }
}

struct Fixed {
    token: String,
    refused: AtomicUsize,
}

#[async_trait]
impl AccessToken for Fixed {
    async fn access_token(&self) -> Result<SecretString, TokenError> {
        Ok(SecretString::from(self.token.as_str()))
    }
    async fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

fn fixed(token: &str) -> Arc<Fixed> {
    Arc::new(Fixed { token: token.into(), refused: AtomicUsize::new(0) })
}

fn xoauth2(token: Arc<Fixed>) -> Login {
    Login::Xoauth2 { username: HR.into(), token }
}

#[tokio::test]
async fn postfix_takes_and_delivers_over_both_kinds_of_tls() {
    for (port, tls) in [("SUBMISSION_PORT", Tls::Starttls), ("SUBMISSIONS_PORT", Tls::Implicit)] {
        let transport = Transport::open(&secured(port, tls), password("secret")).unwrap();
        let id = unique();
        let to = "anna@candidates.test";
        let raw = mail(to, &id);
        let envelope = Envelope { from: Some(HR.into()), to: to.into() };
        let accepted = transport.send(&envelope, &raw).await.unwrap();
        assert!(accepted.line.contains("queued as"), "{}", accepted.line);
        transport.close().await;
        let arrived = mailstack().delivered(to, &id).replace("\r\n", "\n");
        let sent = String::from_utf8(raw).unwrap().replace("\r\n", "\n");
        let body = |mail: &str| mail.split_once("\n\n").unwrap().1.to_owned();
        assert_eq!(body(&arrived), body(&sent), "the body arrives byte for byte");
        assert!(arrived.starts_with(&format!("Return-Path: <{HR}>")));
    }
}

#[tokio::test]
async fn the_null_sender_arrives_as_such() {
    let (to, id) = ("bob@candidates.test", unique());
    let envelope = Envelope { from: None, to: to.into() };
    postfix().send(&envelope, &mail(to, &id)).await.unwrap();
    assert!(mailstack().delivered(to, &id).starts_with("Return-Path: <>"));
}

#[tokio::test]
async fn postfix_refusals_keep_their_codes() {
    for (to, expected) in [
        ("temp@reject.test", "temporary 451 4.7.1"),
        ("full@reject.test", "temporary 452 4.2.2"),
        ("perm@reject.test", "permanent 550 5.1.1"),
        ("policy@reject.test", "permanent 554 5.7.1"),
        ("nobody@hr.test", "permanent 550 5.1.1"),
        ("someone@outside.test", "permanent 550 5.4.4"),
    ] {
        let smtp = postfix();
        let outcome = send(&smtp, Some(HR), to).await;
        assert_eq!(told(&outcome), expected, "{to}");
        let text = outcome.unwrap_err().to_string();
        assert!(!text.contains('@') && !text.contains("mailstack"), "{text}");
        // A refusal must not spoil the next mail.
        assert_eq!(told(&send(&smtp, Some(HR), "anna@candidates.test").await), "accepted", "after {to}");
    }
}

#[tokio::test]
async fn faults_at_each_step() {
    for (to, expected) in [
        ("rcpt-450@fault.test", "temporary 450 4.7.0"),
        ("rcpt-550@fault.test", "permanent 550 5.7.0"),
        ("data-451@fault.test", "temporary 451 4.7.0"),
        ("data-552@fault.test", "permanent 552 5.7.0"),
        ("dot-451@fault.test", "temporary 451 4.7.0"),
        ("dot-554@fault.test", "permanent 554 5.7.0"),
        ("drop-rcpt@fault.test", "unreachable"),
        ("drop-data@fault.test", "unreachable"),
        ("drop-dot@fault.test", "unknown"),
        ("accept-drop@fault.test", "unknown"),
        ("fine@fault.test", "accepted"),
    ] {
        assert_eq!(told(&send(&fault(), Some(HR), to).await), expected, "{to}");
    }
    for (from, expected) in
        [("mail-451@hr.test", "temporary 451 4.7.0"), ("mail-550@hr.test", "permanent 550 5.7.0")]
    {
        assert_eq!(told(&send(&fault(), Some(from), "fine@fault.test").await), expected, "{from}");
    }
}

#[tokio::test]
async fn a_mail_whose_fate_is_unknown_is_repeated_as_the_same_mail() {
    let (to, id) = ("accept-drop@fault.test", unique());
    let envelope = Envelope { from: None, to: to.into() };
    for taken in 1..=2 {
        let outcome = fault().send(&envelope, &mail(to, &id)).await;
        assert_eq!(outcome, Err(SendError::Unknown));
        assert_eq!(mailstack().taken(&id), taken);
    }
}

#[tokio::test]
async fn a_silent_server_is_left_in_time() {
    // The server waits 30 s before it answers.
    for (to, expected) in [("slow-dot@fault.test", "unknown"), ("slow-rcpt@fault.test", "unreachable")] {
        let hurried = SmtpSettings {
            timeout: Duration::from_secs(1),
            ..settings(mailstack().port("FAULT_SMTP_PORT"), Tls::None)
        };
        let smtp = Smtp::new(&hurried, Login::None).unwrap();
        let outcome =
            tokio::time::timeout(Duration::from_secs(20), send(&smtp, Some(HR), to)).await.expect("an end");
        assert_eq!(told(&outcome), expected, "{to}");
    }
}

#[tokio::test]
async fn logins() {
    let submission = secured("SUBMISSION_PORT", Tls::Starttls);
    let to = "anna@candidates.test";
    let good = mailstack().access_token(HR);
    let bad = fixed("not-a-token");
    for (what, login, expected) in [
        ("wrong password", password("wrong"), "authentication"),
        ("bad token", xoauth2(Arc::clone(&bad)), "authentication"),
        ("no login", Login::None, "permanent 554 5.7.1"),
        ("good token", xoauth2(fixed(&good)), "accepted"),
    ] {
        let smtp = Smtp::new(&submission, login).unwrap();
        assert_eq!(told(&send(&smtp, Some(HR), to).await), expected, "{what}");
    }
    assert_eq!(bad.refused.load(Ordering::Relaxed), 1, "the provider learns that its token is no good");

    let faulty = secured("FAULT_SMTPS_PORT", Tls::Implicit);
    for (secret, expected) in
        [("wrong", "authentication"), ("temp", "temporary 454 4.7.0"), ("anything", "accepted")]
    {
        let smtp = Smtp::new(&faulty, password(secret)).unwrap();
        assert_eq!(told(&send(&smtp, Some(HR), "fine@fault.test").await), expected, "{secret}");
    }
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let stack = mailstack();
    let no_ca = SmtpSettings { ca_file: None, ..secured("SUBMISSION_PORT", Tls::Starttls) };
    let implicit_on_starttls = secured("SUBMISSION_PORT", Tls::Implicit);
    let starttls_on_plain = settings(Scripted::start(&[]).await.port, Tls::Starttls);
    let closed = settings(1, Tls::Starttls);
    let unknown = SmtpSettings { host: "no-such-host.invalid".into(), ..settings(25, Tls::Starttls) };
    let refusing = Scripted::start(&[("CONNECT", Some("554 5.7.1 your address is listed"))]).await;
    for (what, settings, expected, says) in [
        ("unknown authority", no_ca, "misconfigured", "smtp.ca_file"),
        ("TLS at once", implicit_on_starttls, "misconfigured", "starttls"),
        ("no STARTTLS", starttls_on_plain, "misconfigured", "STARTTLS"),
        ("nobody listens", closed, "unreachable", "refused"),
        ("unknown host", unknown, "unreachable", "smtp.host"),
        ("blocked", scripted(&refusing), "misconfigured", "554 5.7.1"),
    ] {
        let smtp = Smtp::new(&settings, password("secret")).unwrap();
        let outcome = send(&smtp, Some(HR), "anna@candidates.test").await;
        assert_eq!(told(&outcome), expected, "{what}: {outcome:?}");
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains(says) && error.trouble().is_some(), "{what}: {error}");
    }
    let far_and_plain = SmtpSettings { host: "mail.company.test".into(), ..settings(25, Tls::None) };
    assert!(matches!(Smtp::new(&far_and_plain, Login::None), Err(SendError::Misconfigured(_))));
    let bad_ca = SmtpSettings {
        ca_file: Some("/nonexistent.pem".into()),
        ..settings(stack.port("MX_PORT"), Tls::Starttls)
    };
    assert!(matches!(Smtp::new(&bad_ca, Login::None), Err(SendError::Misconfigured(_))));
}

#[tokio::test]
async fn a_refused_null_sender_is_told_apart() {
    let server = Scripted::start(&[("MAIL FROM:<>", Some("550 5.7.1 null sender not welcome"))]).await;
    let smtp = Smtp::new(&scripted(&server), Login::None).unwrap();
    assert_eq!(send(&smtp, None, "a@company.test").await, Err(SendError::NullSenderRefused));
    assert_eq!(told(&send(&smtp, Some(HR), "a@company.test").await), "accepted");
}

#[tokio::test]
async fn size_and_utf8_are_looked_at_before_sending() {
    let small = Scripted::start(&[("EHLO", Some("250-scripted\r\n250-8BITMIME\r\n250 SIZE 100"))]).await;
    let roomy =
        Scripted::start(&[("EHLO", Some("250-scripted\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 SIZE 0"))])
            .await;
    let plain = Scripted::start(&[("EHLO", Some("250 scripted"))]).await;
    let utf8 = "änne@company.test";
    for (server, to, expected) in [
        (&small, "a@company.test", "permanent 552 5.3.4"),
        (&roomy, "a@company.test", "accepted"),
        (&roomy, utf8, "accepted"),
        (&plain, "a@company.test", "accepted"),
        (&plain, utf8, "permanent 553 5.6.7"),
        (&plain, "a@company.test>\r\nRCPT TO:<b@company.test", "permanent 553 5.1.3"),
    ] {
        let smtp = Smtp::new(&scripted(server), Login::None).unwrap();
        let raw = mail(if to.contains('>') { "a@company.test" } else { to }, &unique());
        let outcome = smtp.send(&Envelope { from: None, to: to.into() }, &raw).await;
        assert_eq!(told(&outcome), expected, "{to}");
    }
    assert_eq!(small.count("MAIL"), 0);
    assert!(
        roomy
            .heard()
            .iter()
            .any(|line| line.starts_with("MAIL FROM:<> SIZE=") && line.ends_with("SMTPUTF8 BODY=8BITMIME"))
    );
    assert!(plain.heard().contains(&"MAIL FROM:<>".to_owned()), "no parameter that was not offered");
}

#[tokio::test]
async fn words_before_their_time_end_the_connection() {
    let server = Scripted::start(&[
        ("EHLO", Some("250-scripted\r\n250 STARTTLS")),
        ("STARTTLS", Some("220 go\r\n250-injected\r\n250 AUTH PLAIN")),
    ])
    .await;
    let smtp = Smtp::new(&settings(server.port, Tls::Starttls), password("secret")).unwrap();
    let outcome = send(&smtp, Some(HR), "a@company.test").await;
    assert!(outcome.unwrap_err().to_string().contains("out of turn"));
    assert_eq!(server.count("AUTH"), 0);
}

#[tokio::test]
async fn servers_that_talk_nonsense_do_no_harm() {
    for script in [
        &[("CONNECT", Some("hello"))] as scripted::Script,
        &[("CONNECT", Some("220"))],
        &[("CONNECT", None)],
        &[("EHLO", Some("250-scripted\r\n250- \r\n250 SIZE x"))],
        &[("EHLO", Some("250-\r\n250 "))],
        &[("MAIL", Some("2"))],
        &[("RCPT", Some("999 \u{0}\u{7}"))],
        &[("DATA", Some("250 no need"))],
        &[("DOT", Some("354 more"))],
        &[("DOT", Some("xyz"))],
        &[("DOT", Some("250 \u{1b}[31mqueued \u{202e}"))],
    ] {
        let server = Scripted::start(script).await;
        let smtp = Arc::new(Smtp::new(&scripted(&server), Login::None).unwrap());
        let sending = tokio::spawn(async move { send(&smtp, None, "a@company.test").await });
        match sending.await.unwrap_or_else(|_| panic!("{script:?}")) {
            Ok(accepted) => {
                assert!(accepted.line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()))
            }
            Err(error) if script[0].0 == "DOT" => assert_eq!(error, SendError::Unknown, "{script:?}"),
            Err(error) => assert!(error.trouble().is_some(), "{script:?}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_mails_and_a_lost_one_is_replaced() {
    let server = Scripted::start(&[]).await;
    let smtp = Smtp::new(&scripted(&server), Login::None).unwrap();
    for _ in 0..5 {
        send(&smtp, None, "a@company.test").await.unwrap();
    }
    assert_eq!(server.count("CONNECT"), 1);
    smtp.close().await;
    assert_eq!(server.count("QUIT"), 1);

    // This one takes a mail and hangs up at the next command.
    let moody = Scripted::start(&[("DOT", Some("250 ok\r\n421 4.4.2 enough"))]).await;
    let smtp = Smtp::new(&scripted(&moody), Login::None).unwrap();
    for _ in 0..3 {
        assert_eq!(told(&send(&smtp, None, "a@company.test").await), "accepted");
    }
    assert_eq!(moody.count("CONNECT"), 3);
    assert_eq!(moody.count("DOT"), 3, "no mail is sent twice");
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let server = Scripted::start(&[]).await;
    let two = SmtpSettings { connections: 2, ..scripted(&server) };
    let smtp = Arc::new(Smtp::new(&two, Login::None).unwrap());
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let smtp = Arc::clone(&smtp);
            tokio::spawn(async move { send(&smtp, None, "a@company.test").await })
        })
        .collect();
    for send in sends {
        assert_eq!(told(&send.await.unwrap()), "accepted");
    }
    assert_eq!(server.count("DOT"), 20);
    assert!(server.count("CONNECT") <= 2);
}

#[tokio::test]
async fn rate_over_one_connection() {
    let one = SmtpSettings { connections: 1, ..secured("SUBMISSION_PORT", Tls::Starttls) };
    let smtp = Smtp::new(&one, password("secret")).unwrap();
    let started = Instant::now();
    for _ in 0..200 {
        send(&smtp, Some(HR), "bob@candidates.test").await.unwrap();
    }
    println!("200 mails over one connection: {:.0} a second", 200.0 / started.elapsed().as_secs_f64());
}
