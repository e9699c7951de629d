//! What IMAP servers do when they are broken, overloaded or hostile. Whatever it is, an answer is complete or an
//! error, and no error repeats what the server said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/scripted_imap.rs"]
mod scripted_imap;

use std::time::Duration;

use caseward::mailbox::imap::{Imap, Timing};
use caseward::mailbox::{Mailbox, MailboxError, Settle, Uid, Woken};
use caseward::settings::MailboxSettings;
use scripted_imap::{Rule, Scripted, Then, rule};

/// Stands for what must never come up in an error: mail text, addresses, what the server said.
const PRIVATE: &str = "anna.private@hr.test";
const QUICK: Timing = Timing {
    connect: Duration::from_secs(20),
    progress: Duration::from_millis(500),
    command: Duration::from_secs(20),
};
const PATIENT: Timing = Timing { progress: Duration::from_secs(20), ..QUICK };

fn settings(port: u16) -> (MailboxSettings, tempfile::TempPath) {
    use std::io::Write;
    let mut password = tempfile::NamedTempFile::new().unwrap();
    password.write_all(b"secret\n").unwrap();
    let settings = toml::from_str(&format!(
        r#"
        name = "t"
        address = "hr@hr.test"
        source = {{ kind = "imap", host = "127.0.0.1", port = {port}, tls = "none", username = "hr", password = {{ file = {:?} }} }}
        "#,
        password.path()
    ))
    .unwrap();
    (settings, password.into_temp_path())
}

async fn connect(server: &Scripted, timing: Timing) -> Result<Imap, MailboxError> {
    let (settings, _password) = settings(server.port);
    Imap::connect(&settings, None, timing).await
}

async fn opened(rules: Vec<Rule>) -> (Imap, Scripted) {
    let server = Scripted::start(rules).await;
    let mut imap = connect(&server, PATIENT).await.unwrap();
    imap.open("INBOX").await.unwrap();
    (imap, server)
}

fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().copied().map(Uid).collect()
}

fn body(uid: u32, text: &str) -> String {
    format!("* {uid} FETCH (UID {uid} BODY[]<0> {{{}}}\r\n{text})\r\n", text.len())
}

fn assert_lost<T: std::fmt::Debug>(result: Result<T, MailboxError>, case: &str) {
    match result {
        Err(MailboxError::Lost(text)) => assert!(!text.contains(PRIVATE), "{text}"),
        other => panic!("{case}: {other:?}"),
    }
}

#[tokio::test]
async fn a_fetch_that_ends_early_is_never_a_short_ok() {
    let one = body(1, PRIVATE);
    for (case, reply, then) in [
        ("closed between responses", one.clone(), Then::Close),
        (
            "closed within a literal",
            format!("{one}* 2 FETCH (UID 2 BODY[]<0> {{500}}\r\n{PRIVATE}"),
            Then::Close,
        ),
        ("closed at once", String::new(), Then::Close),
        ("goodbye", format!("{one}* BYE {PRIVATE}\r\n"), Then::Close),
        ("no IMAP", format!("{one}* 2 FETCH )( {PRIVATE}\r\nTAG OK done\r\n"), Then::GoOn),
        ("another command's tag", format!("{one}Z9 OK {PRIVATE}\r\n"), Then::GoOn),
        ("BAD", format!("{one}TAG BAD {PRIVATE}\r\n"), Then::GoOn),
        ("busy", format!("{one}TAG NO [UNAVAILABLE] {PRIVATE}\r\n"), Then::GoOn),
    ] {
        let (mut imap, _server) = opened(vec![("UID FETCH", reply, then)]).await;
        assert_lost(imap.fetch(&uids(&[1, 2, 3]), 1000).await, case);
    }
}

#[tokio::test]
async fn a_session_that_went_wrong_is_over() {
    // The server would go on; what it says next may be the answer to what was asked before.
    for reply in ["Z9 OK done\r\n", "* 1 FETCH )(\r\n", "* BYE going\r\n"] {
        let (mut imap, _server) = opened(vec![rule("UID FETCH", reply)]).await;
        assert_lost(imap.fetch(&uids(&[1]), 1000).await, reply);
        assert_lost(imap.open("INBOX").await, reply);
    }
}

#[tokio::test]
async fn a_huge_literal_is_refused_when_it_is_announced() {
    let reply = "* 2 FETCH (UID 2 BODY[]<0> {400000000}\r\n".to_owned();
    let (mut imap, _server) = opened(vec![("UID FETCH", reply, Then::Silence)]).await;
    let error = imap.fetch(&uids(&[2]), 1000).await.unwrap_err();
    assert!(matches!(&error, MailboxError::Lost(text) if text.contains("larger")), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_left() {
    let server = Scripted::start(vec![("UID FETCH", "* 1 FETCH (UI".into(), Then::Silence)]).await;
    let mut imap = connect(&server, QUICK).await.unwrap();
    imap.open("INBOX").await.unwrap();
    assert_lost(imap.fetch(&uids(&[1]), 1000).await, "silence");
    assert_lost(imap.list(None).await, "the session is over");
}

#[tokio::test]
async fn a_dropped_command_ends_the_session() {
    let (mut imap, server) = opened(vec![("UID FETCH", body(1, "stale"), Then::Silence)]).await;
    {
        let asked = uids(&[1]);
        let mut fetch = imap.fetch(&asked, 1000);
        while !server.heard().iter().any(|command| command.starts_with("UID FETCH")) {
            tokio::select! {
                _ = &mut fetch => panic!("the server never answered"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    }
    assert_lost(imap.fetch(&uids(&[2]), 1000).await, "after a dropped command");
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_ignored() {
    let reply = [
        body(9, "unasked"),
        "* 4 EXISTS\r\n* 2 FETCH (FLAGS (\\Seen))\r\n".into(),
        body(2, "two"),
        body(1, "one"),
        "TAG OK done\r\n".into(),
    ]
    .concat();
    let (mut imap, _server) =
        opened(vec![rule("UID FETCH 3", "TAG OK done\r\n"), rule("UID FETCH", &reply)]).await;
    let fetched = imap.fetch(&uids(&[1, 2, 3]), 1000).await.unwrap();
    let texts: Vec<_> = fetched.iter().map(|mail| (mail.uid.0, String::from_utf8_lossy(&mail.raw))).collect();
    assert_eq!(texts, [(1, "one".into()), (2, "two".into())], "3 is gone, 9 was not asked for");
    assert_eq!(imap.wait(Duration::ZERO).await.unwrap(), Woken::Changed, "EXISTS came with the answer");
}

#[tokio::test]
async fn a_message_that_is_kept_back_is_named() {
    let there = "* 3 FETCH (UID 3)\r\nTAG OK done\r\n";
    let others = format!("{}{}TAG OK done\r\n", body(1, "one"), body(2, "two"));
    for (case, rules) in [
        ("silently", vec![rule("UID FETCH 3 (UID)", there), rule("UID FETCH 1:3", &others)]),
        (
            "as NIL",
            vec![
                rule("UID FETCH 3 (UID)", there),
                rule("UID FETCH 1:3", &format!("* 3 FETCH (UID 3 BODY[]<0> NIL)\r\n{others}")),
            ],
        ),
        (
            "by NO",
            vec![
                rule("UID FETCH 1:3", &format!("TAG NO {PRIVATE}\r\n")),
                rule("UID FETCH 1 ", &format!("{}TAG OK done\r\n", body(1, "one"))),
                rule("UID FETCH 2 ", &format!("{}TAG OK done\r\n", body(2, "two"))),
                rule("UID FETCH 3 ", &format!("TAG NO {PRIVATE}\r\n")),
            ],
        ),
    ] {
        let mut rules = rules;
        rules.push(rule("UID FETCH 1:2", &others));
        let (mut imap, _server) = opened(rules).await;
        match imap.fetch(&uids(&[1, 2, 3]), 1000).await {
            Err(MailboxError::Message { uid: Uid(3), reason }) => assert!(!reason.contains(PRIVATE)),
            other => panic!("{case}: {other:?}"),
        }
        assert_eq!(
            imap.fetch(&uids(&[1, 2]), 1000).await.unwrap().len(),
            2,
            "{case}: the others can be read"
        );
    }
}

#[tokio::test]
async fn a_refused_command_is_an_error() {
    for answer in ["NO", "BAD"] {
        let refusal = format!("TAG {answer} {PRIVATE}\r\n");
        let (mut imap, _server) = opened(vec![rule("UID", &refusal), rule("CREATE", &refusal)]).await;
        assert_lost(imap.list(None).await, answer);
        assert_lost(imap.list(Some(Uid(2))).await, answer);
        assert_lost(imap.size(&uids(&[1])).await, answer);
        assert_lost(imap.settle(&uids(&[1]), &Settle::Seen).await, answer);
        assert_lost(imap.settle(&uids(&[1]), &Settle::Delete).await, answer);
        assert!(imap.settle(&uids(&[1]), &Settle::MoveTo("Done".into())).await.is_err());
        assert!(imap.fetch(&uids(&[1]), 1000).await.is_err());
        assert!(imap.head(Uid(1)).await.is_err());
    }
}

#[tokio::test]
async fn a_listing_is_complete_or_an_error() {
    let two = "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\nTAG OK done\r\n";
    let (mut imap, _server) =
        opened(vec![rule("UID FETCH", two), rule("UID SEARCH", "* SEARCH 2 1\r\nTAG OK done\r\n")]).await;
    assert_lost(imap.list(None).await, "two of three");
    let (mut imap, _server) =
        opened(vec![rule("UID FETCH", two), rule("UID SEARCH", "* SEARCH 8 2 1\r\nTAG OK done\r\n")]).await;
    assert_eq!(imap.list(None).await.unwrap(), uids(&[1, 2, 8]));
    assert_eq!(imap.list(Some(Uid(2))).await.unwrap(), [], "n:* names the last message even below n");
}

#[tokio::test]
async fn a_folder_without_its_state_is_no_folder() {
    for (case, reply) in [
        ("no UIDVALIDITY", "* 3 EXISTS\r\nTAG OK done\r\n"),
        ("UIDVALIDITY 0", "* 3 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\nTAG OK done\r\n"),
        ("no EXISTS", "* OK [UIDVALIDITY 7] x\r\nTAG OK done\r\n"),
        ("busy", "TAG NO [INUSE] later\r\n"),
    ] {
        let server = Scripted::start(vec![rule("SELECT", reply)]).await;
        assert_lost(connect(&server, PATIENT).await.unwrap().open("INBOX").await, case);
    }
}

#[tokio::test]
async fn bodies_are_bounded_whatever_the_server_does() {
    let piece = "x".repeat(1024 * 1024);
    let endless = |from: usize| {
        let reply =
            format!("* 1 FETCH (UID 1 BODY[]<{from}> {{{}}}\r\n{piece})\r\nTAG OK done\r\n", piece.len());
        (reply, Then::GoOn)
    };
    let mut rules: Vec<Rule> = vec![rule(
        "UID FETCH 1 (UID BODY.PEEK[HEADER]",
        "* 1 FETCH (UID 1 BODY[HEADER]<0> {4}\r\nA: b)\r\nTAG OK done\r\n",
    )];
    for (start, from) in [
        ("UID FETCH 1 (UID BODY.PEEK[]<0.", 0),
        ("UID FETCH 1 (UID BODY.PEEK[]<1048576.", 1_048_576),
        ("UID FETCH 1 (UID BODY.PEEK[]<2097152.", 2_097_152),
    ] {
        let (reply, then) = endless(from);
        rules.push((start, reply, then));
    }
    let (mut imap, server) = opened(rules).await;
    let mail = imap.fetch(&uids(&[1]), 2_500_000).await.unwrap().remove(0);
    assert!(mail.truncated);
    assert_eq!(mail.raw, b"A: b");
    assert_eq!(server.heard().iter().filter(|command| command.contains("BODY.PEEK[]")).count(), 3);

    let whole = "* 1 FETCH (UID 1 BODY[] {5}\r\nwhole)\r\nTAG OK done\r\n";
    let (mut imap, _server) = opened(vec![rule("UID FETCH", whole)]).await;
    assert_eq!(imap.fetch(&uids(&[1]), 9).await.unwrap()[0].raw, b"whole", "a server that ignores parts");
}

#[tokio::test]
async fn idle_notices_the_end_of_the_line() {
    for (case, reply, then) in [
        ("goodbye", "+ idling\r\n* BYE shutting down\r\n", Then::Close),
        ("closed", "+ idling\r\n", Then::Close),
        ("closed before", "", Then::Close),
        ("no answer to DONE", "+ idling\r\n", Then::GoOn),
    ] {
        let done = ("DONE", String::new(), Then::Close);
        let (mut imap, _server) = opened(vec![("IDLE", reply.into(), then), done]).await;
        assert_lost(imap.wait(Duration::from_millis(200)).await, case);
    }
}

#[tokio::test]
async fn idle_keeps_its_own_time() {
    let (mut imap, server) =
        opened(vec![("IDLE", "+ idling\r\n".into(), Then::Repeat("* OK Still here\r\n"))]).await;
    assert_eq!(imap.wait(Duration::from_millis(300)).await.unwrap(), Woken::Elapsed);
    assert_eq!(server.heard().last().unwrap(), "NOOP", "a dead server is noticed after IDLE");
    let (mut imap, _server) =
        opened(vec![("IDLE", "+ idling\r\n".into(), Then::Repeat("* 4 EXISTS\r\n"))]).await;
    assert_eq!(imap.wait(Duration::from_secs(600)).await.unwrap(), Woken::Changed);
    let (mut imap, server) = opened(vec![rule("IDLE", "TAG NO not now\r\n")]).await;
    assert_eq!(imap.wait(Duration::from_millis(100)).await.unwrap(), Woken::Elapsed);
    assert_eq!(server.heard().iter().filter(|command| *command == "IDLE").count(), 1);
}

#[tokio::test]
async fn idle_outlasts_the_limit_on_silence() {
    let server = Scripted::start(vec![]).await;
    let mut imap = connect(&server, Timing { progress: Duration::from_millis(100), ..QUICK }).await.unwrap();
    imap.open("INBOX").await.unwrap();
    assert_eq!(imap.wait(Duration::from_millis(500)).await.unwrap(), Woken::Elapsed);
}

#[tokio::test]
async fn moving_copes_with_older_servers() {
    let capability = "* CAPABILITY IMAP4rev1 UIDPLUS\r\nTAG OK done\r\n";
    let list = "* LIST (\\Noselect) \".\" \"\"\r\nTAG OK done\r\n";
    let (mut imap, server) = opened(vec![
        rule("CAPABILITY", capability),
        rule("LIST \"\" \"\"", list),
        rule("LIST", "TAG OK no such folder\r\n"),
        rule("UID COPY 1:2 \"Caseward", "TAG NO no such mailbox\r\n"),
        rule("CREATE \"Caseward", "TAG NO invalid name\r\n"),
    ])
    .await;
    imap.settle(&uids(&[2, 1]), &Settle::MoveTo("Caseward/Erledigt für immer".into())).await.unwrap();
    let heard = server.heard();
    let from = heard.iter().position(|command| command.starts_with("UID COPY")).unwrap();
    assert_eq!(
        heard[from..],
        [
            "UID COPY 1:2 \"Caseward.Erledigt f&APw-r immer\"",
            "CREATE \"Caseward.Erledigt f&APw-r immer\"",
            "LIST \"\" \"Caseward.Erledigt f&APw-r immer\"",
            "UID COPY 1:2 \"INBOX.Caseward.Erledigt f&APw-r immer\"",
            "UID STORE 1:2 +FLAGS.SILENT (\\Deleted)",
            "UID EXPUNGE 1:2",
        ]
    );
}

#[tokio::test]
async fn deleting_without_uidplus_expunges_nothing() {
    let (mut imap, server) =
        opened(vec![rule("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n")]).await;
    imap.settle(&uids(&[1]), &Settle::Delete).await.unwrap();
    assert_eq!(server.heard().last().unwrap(), "UID STORE 1 +FLAGS.SILENT (\\Deleted)");
}

#[tokio::test]
async fn greetings_and_logins_are_told_apart() {
    use MailboxError::{Lost, Misconfigured, Refused};
    type Expected = fn(&MailboxError) -> bool;
    let cases: [(&str, Rule, Expected); 8] = [
        ("BYE", rule("CONNECT", "* BYE busy\r\n"), |error| matches!(error, Lost(_))),
        ("EOF", ("CONNECT", String::new(), Then::Close), |error| matches!(error, Lost(_))),
        ("SMTP", rule("CONNECT", "220 mail ESMTP\r\n"), |error| matches!(error, Misconfigured(_))),
        ("PREAUTH", rule("CONNECT", "* PREAUTH hello\r\n"), |error| matches!(error, Misconfigured(_))),
        ("NO", rule("LOGIN", "TAG NO [AUTHENTICATIONFAILED] anna.private@hr.test\r\n"), |error| {
            matches!(error, Refused(_))
        }),
        ("later", rule("LOGIN", "TAG NO [UNAVAILABLE] later\r\n"), |error| matches!(error, Lost(_))),
        ("BAD", rule("LOGIN", "TAG BAD anna.private@hr.test\r\n"), |error| matches!(error, Misconfigured(_))),
        ("drop", ("LOGIN", String::new(), Then::Close), |error| matches!(error, Lost(_))),
    ];
    for (case, rule, expected) in cases {
        let server = Scripted::start(vec![rule]).await;
        let Err(error) = connect(&server, PATIENT).await else { panic!("{case}: logged in") };
        assert!(expected(&error), "{case}: {error:?}");
        assert!(!error.to_string().contains(PRIVATE), "{case}: {error}");
    }
}

#[tokio::test]
async fn nothing_listens() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let (settings, _password) = settings(port);
    let result = Imap::connect(&settings, None, PATIENT).await;
    assert!(matches!(result, Err(MailboxError::Lost(_))));
}
