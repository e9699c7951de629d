//! Promise 10, with the log at its loudest: marked mails of every kind come in over IMAP and go out by SMTP, well and
//! badly, and not one mark is in the log. The marks stand in addresses, names, subjects, texts, file names and
//! server replies.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::let_underscore_must_use,
    reason = "a test fails loudly"
)]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::app::{Database, deliver};
use support::mailstack::mailstack;
use support::site::{Serving, Site};

/// Invented words that stand nowhere else.
const MARKS: [&str; 8] = [
    "zorblatt",    // in addresses
    "quindeltari", // in names
    "morvexine",   // in subjects
    "trasqualem",  // in texts
    "velopranto",  // in file names
    "gribbleflam", // in passwords
    "ostrundula",  // in Message-IDs
    "plomberikka", // in what makes a mail unreadable
];

const USER: &str = "trace@hr.test";

/// As many ways to be broken or special as one mail server delivers.
fn mails() -> Vec<(&'static str, String)> {
    let head = |n: usize, from: &str| {
        format!(
            "Message-ID: <ostrundula-{n}-{}@zorblatt.test>\nFrom: \"Quindeltari {n}\" <{from}>\nTo: {USER}\n\
             Date: Mon, 2 Mar 2026 09:0{n}:00 +0000\n",
            uuid::Uuid::now_v7()
        )
    };
    vec![
        (
            "zorblatt1@candidates.test",
            format!(
                "{}Subject: morvexine payslip\n\nThe trasqualem is wrong.\n",
                head(1, "zorblatt1@candidates.test")
            ),
        ),
        (
            "rcpt-550@fault.test",
            format!("{}Subject: morvexine refused\n\nTrasqualem.\n", head(2, "rcpt-550@fault.test")),
        ),
        (
            "rcpt-450@fault.test",
            format!("{}Subject: morvexine put off\n\nTrasqualem.\n", head(3, "rcpt-450@fault.test")),
        ),
        (
            "drop-data@fault.test",
            format!("{}Subject: morvexine cut off\n\nTrasqualem.\n", head(4, "drop-data@fault.test")),
        ),
        (
            "zorblatt5@candidates.test",
            format!(
                "{}Subject: =?utf-8?q?morvexine=FF=FE_broken?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"plomberikka\"\n\n\
                 --plomberikka\nContent-Type: text/html; charset=plomberikka\n\n<svg><plomberikka onload=trasqualem><table><p>trasqualem</table>\n\
                 --plomberikka\nContent-Type: application/pdf; name=\"velopranto.pdf\"\nContent-Transfer-Encoding: base64\n\n!!!plomberikka!!!\n",
                head(5, "zorblatt5@candidates.test")
            ),
        ),
        (
            "",
            format!(
                "{}Subject: Undelivered morvexine\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
                 Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\n\
                 trasqualem\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; zorblatt.test\n\n\
                 Final-Recipient: rfc822; zorblatt@nowhere.test\nAction: failed\nStatus: 5.1.1\n\
                 Diagnostic-Code: smtp; 550 plomberikka zorblatt\n--b--\n",
                head(6, "MAILER-DAEMON@zorblatt.test")
            ),
        ),
        (
            "zorblatt7@candidates.test",
            "plomberikka without any header: trasqualem\n\x01\x02 morvexine".into(),
        ),
        (
            "zorblatt8@candidates.test",
            format!(
                "DKIM-Signature: v=1; a=rsa-sha256; d=zorblatt.test; s=plomberikka; b=trasqualem\n\
                 Authentication-Results: mx.hr.test; dmarc=plomberikka header.from=zorblatt.test\n{}Subject: morvexine signed\n\nTrasqualem\n",
                head(8, "zorblatt8@candidates.test")
            ),
        ),
    ]
}

fn site(format: &str) -> Site {
    let site = Site::new(Database::Sqlite);
    let stack = mailstack();
    let secret = site.path("password");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let (before, _) =
        site.ordinary().split_once("[smtp]").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    site.write_settings(&format!(
        "{before}[smtp]\nhost = \"localhost\"\nport = {smtp}\ntls = \"none\"\n[log]\nformat = \"{format}\"\nlevel = \"trace\"\n\
         [[mailbox]]\nname = \"hr\"\naddress = \"{USER}\"\nafter = \"keep\"\nsince = \"all\"\npoll = \"5s\"\n\
         acknowledge_within = \"90d\"\ntrust = {{ authserv_id = \"mx.hr.test\" }}\n\
         [mailbox.source]\nkind = \"imap\"\nhost = \"localhost\"\nport = {imap}\nca_file = \"{ca}\"\n\
         username = \"{USER}\"\npassword = {{ file = \"password\" }}\n",
        smtp = stack.port("FAULT_SMTP_PORT"),
        imap = stack.port("IMAPS_PORT"),
        ca = stack.ca_file().display(),
    ));
    site
}

#[track_caller]
fn silent(log: &str) {
    let lower = log.to_lowercase();
    for mark in MARKS.into_iter().chain(["candidates.test", "fault.test"]) {
        let line = lower.lines().find(|line| line.contains(mark));
        assert!(line.is_none(), "{mark} is in the log: {line:?}");
    }
    assert!(!log.contains(USER), "the mailbox's address is in the log");
}

#[test]
fn nothing_of_any_mail_is_in_the_log() {
    for format in ["json", "text"] {
        let site = site(format);
        let mails = mails();
        for (from, mail) in &mails {
            deliver(from, USER, mail);
        }
        let mut command = site.command(&["serve"]);
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        let mut daemon = Serving::of(&mut command);
        daemon.until("every mail is accounted for", |daemon| {
            daemon.log().matches("a mail is accounted for").count() >= mails.len()
        });
        daemon.until("mail was refused", |daemon| daemon.log().contains("a mail was not sent"));
        let log = daemon.log();
        daemon.signal("TERM");
        daemon.ended(std::time::Duration::from_secs(30));
        silent(&log);
        silent(&daemon.log());
        let of_mails: Vec<&str> =
            log.lines().filter(|line| line.contains("a mail is accounted for")).collect();
        for line in &of_mails {
            assert!(line.contains("uid") && line.contains("hr"), "each in the span of its mail: {line}");
        }
        if format == "json" {
            for line in log.lines() {
                assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
            }
        }
    }
}

#[test]
fn a_refused_login_and_a_wrong_command_tell_no_secret() {
    let site = site("json");
    std::fs::write(site.path("password"), "gribbleflam").unwrap();
    let mut daemon = site.serve();
    daemon.until_log("could not be worked");
    daemon.signal("TERM");
    daemon.ended(std::time::Duration::from_secs(30));
    silent(&daemon.log());
    for ran in [site.run(&["check"]), site.run(&["user", "add", "zorblatt@hr.test", "--role", "agent"])] {
        silent(&ran.err);
        silent(&ran.out);
    }
}
