//! The daemon as a service: it ends in time whatever is in hand, takes new settings or keeps the old, and tells
//! systemd no more than is true. With real processes and real signals.

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

use std::collections::HashSet;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use support::app::Database;
use support::mailstack::mailstack;
use support::site::{Serving, Site, mail};

/// Within this time a service has ended after SIGTERM.
const IN_TIME: Duration = Duration::from_secs(10);

#[test]
fn it_ends_in_time_under_load_and_goes_on_where_it_was() {
    for database in [Database::Sqlite, Database::Postgres] {
        let site = Site::new(database);
        let token = site.token("auditor", "auditor");
        for number in 0..150 {
            site.deliver(
                &format!("{number}"),
                &mail(&format!("person{number}"), &format!("Payslip {number}")),
            );
        }
        let mut daemon = site.serve();
        daemon.until("it is at work", |daemon| daemon.cases(&token) > 0);
        daemon.signal("TERM");
        assert_eq!(daemon.ended(IN_TIME), Some(0), "{}", daemon.log());
        assert!(daemon.log().contains("caseward has stopped"), "{}", daemon.log());
        for number in 150..180 {
            site.deliver(
                &format!("{number}"),
                &mail(&format!("person{number}"), &format!("Payslip {number}")),
            );
        }
        let mut daemon = site.serve();
        daemon.until_cases(&token, 180);
        let sent = || -> Vec<String> {
            let Ok(files) = std::fs::read_dir(site.path("sent")) else { return Vec::new() };
            let names = files.map(|file| file.unwrap().path());
            names
                .filter(|path| path.extension().is_some_and(|end| end == "eml"))
                .map(|path| std::fs::read_to_string(path).unwrap())
                .collect()
        };
        daemon.until("all are acknowledged", |_| sent().len() >= 180);
        daemon.stop();
        let ids: HashSet<String> = sent()
            .iter()
            .map(|mail| {
                let line = mail.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:"));
                line.unwrap().to_owned()
            })
            .collect();
        assert_eq!((sent().len(), ids.len()), (180, 180), "each once");
    }
}

/// A site whose mail server takes 30 s for the last word on each mail.
fn slow_server() -> Site {
    let site = Site::new(Database::Sqlite);
    let port = mailstack().port("FAULT_SMTP_PORT");
    let smtp = format!("host = \"localhost\"\nport = {port}\ntls = \"none\"\n");
    site.write_settings(&site.ordinary().replace("directory = \"sent\"\n", &smtp));
    site.deliver("slow", &mail("slow-dot", "Payslip"));
    site
}

#[test]
fn a_mail_server_that_does_not_answer_delays_no_stop() {
    let site = slow_server();
    let token = site.token("auditor", "auditor");
    let mut daemon = site.serve();
    daemon.until_cases(&token, 1);
    daemon.until("the mail is on its way", |daemon| {
        daemon.get("/metrics", None).1.contains("caseward_outbox_leased_messages 1")
    });
    daemon.signal("TERM");
    assert_eq!(daemon.ended(IN_TIME), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("not finished in time"), "{}", daemon.log());
}

#[test]
fn asked_twice_it_waits_for_nothing() {
    let site = slow_server();
    let token = site.token("auditor", "auditor");
    let mut daemon = site.serve();
    daemon.until_cases(&token, 1);
    daemon.until("the mail is on its way", |daemon| {
        daemon.get("/metrics", None).1.contains("caseward_outbox_leased_messages 1")
    });
    daemon.signal("TERM");
    daemon.signal("INT");
    assert_eq!(daemon.ended(IN_TIME), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("asked again to end"), "{}", daemon.log());
    let daemon = site.serve();
    assert_eq!(daemon.cases(&token), 1, "nothing is lost");
    drop(daemon);
}

#[test]
fn a_signal_during_the_start_ends_it() {
    let site = Site::new(Database::Sqlite);
    let mut daemon = site.start();
    daemon.until_log("settings");
    daemon.signal("TERM");
    assert_eq!(daemon.ended(IN_TIME), Some(0), "{}", daemon.log());
    site.serve().stop();
}

#[test]
fn a_reload_takes_good_settings_and_refuses_bad_ones() {
    let site = Site::new(Database::Sqlite);
    let token = site.token("auditor", "auditor");
    let mut daemon = site.serve();
    let address = daemon.address.clone();
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(site.path("second").join(part)).unwrap();
    }
    std::fs::write(site.path("second/new/one"), mail("bob", "Leave").replace('\n', "\r\n")).unwrap();
    let refusals = |daemon: &Serving| daemon.log().matches("the new settings are refused").count();

    for (round, bad) in [
        ("[intake]\nworkers = 0", "`intake.workers`"),
        ("[[team]]\nname = \"Payroll\"\ncategories = [\"pay\"]", "`pay`"),
    ]
    .into_iter()
    .enumerate()
    {
        site.configure(bad.0);
        daemon.signal("HUP");
        daemon.until("the refusal", |daemon| refusals(daemon) > round);
        assert!(daemon.log().contains(bad.1), "{}", daemon.log());
    }
    site.write_settings(&site.ordinary().replace("master.key", "lost.key"));
    daemon.signal("HUP");
    daemon.until("the refusal", |daemon| refusals(daemon) > 2);
    assert!(daemon.log().contains("lost.key"), "{}", daemon.log());
    site.deliver("meanwhile", &mail("anna", "Payslip"));
    daemon.until_cases(&token, 1);

    site.configure(
        "[[mailbox]]\nname = \"second\"\naddress = \"jobs@hr.test\"\nsince = \"all\"\n\
         source = { kind = \"maildir\", path = \"second\" }\ntrust = { all_internal = true }",
    );
    daemon.signal("HUP");
    daemon.until_log("settings were read again");
    daemon.until_ready_again(2);
    assert_eq!(daemon.address, address, "who knew the address still does");
    daemon.until_cases(&token, 2);
    let (_, health) = daemon.get("/readyz", None);
    assert!(health.contains("\"second\""), "{health}");
    daemon.stop();
}

#[test]
fn systemd_hears_when_it_is_ready_and_that_it_lives_only_while_the_register_answers() {
    let site = Site::new(Database::Sqlite);
    site.token("auditor", "auditor");
    let socket = UnixDatagram::bind(site.path("notify")).unwrap();
    let mut command = site.command(&["serve"]);
    command.env("NOTIFY_SOCKET", site.path("notify")).env("WATCHDOG_USEC", "400000");
    let mut daemon = Serving::of(&mut command);
    let hears = |text: &str, within: Duration| {
        socket.set_read_timeout(Some(within)).unwrap();
        let mut bytes = [0; 4096];
        while let Ok(count) = socket.recv(&mut bytes) {
            if String::from_utf8_lossy(&bytes[..count]).lines().any(|line| line == text) {
                return true;
            }
        }
        false
    };
    let patience = Duration::from_secs(30);
    assert!(hears("READY=1", patience));
    daemon.until_ready();
    assert!(hears("WATCHDOG=1", patience) && hears("WATCHDOG=1", patience));
    {
        use diesel::Connection;
        use diesel::connection::SimpleConnection;
        let file = site.path("caseward.db").display().to_string();
        let mut other = diesel::SqliteConnection::establish(&file).unwrap();
        other.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
        // What was on its way; from then on the writer hangs, and so must the reports: five are due in 2 s.
        while hears("WATCHDOG=1", Duration::from_millis(300)) {}
        assert!(!hears("WATCHDOG=1", Duration::from_secs(2)), "a register that hangs is not alive");
        other.batch_execute("ROLLBACK").unwrap();
    }
    assert!(hears("WATCHDOG=1", patience), "and it lives again");
    daemon.signal("HUP");
    assert!(hears("RELOADING=1", patience) && hears("READY=1", patience) && hears("WATCHDOG=1", patience));
    daemon.signal("TERM");
    assert!(hears("STOPPING=1", patience));
    assert_eq!(daemon.ended(IN_TIME), Some(0), "{}", daemon.log());
}

#[test]
fn the_unit_is_well_sandboxed() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/caseward.service");
    let asked = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=15", unit])
        .output();
    let Ok(output) = asked else {
        eprintln!("SKIPPED: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Overall exposure level"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "more exposed than 1.5: {said}");
}
