//! What goes wrong at an operator's: each provoked for real, with the true program. It says one clear sentence and
//! ends with 2, or it runs on, degraded and honest about it; nothing is lost.

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
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::app::Database;
use support::mailstack::mailstack;
use support::site::{Serving, Site, SmallDisk, finished, mail};

#[test]
fn wrong_settings_name_key_line_and_remedy_and_start_nothing() {
    let site = Site::new(Database::Sqlite);
    let file = site.path("caseward.toml").display().to_string();
    for (wrong, parts) in [
        ("[intak]\nworkers = 2", (0, &["`intak`", "did you mean `intake`"][..])),
        ("[intake]\nworkers = \"two\"", (1, &["`intake.workers`"][..])),
        ("[intake]\nworkers = 0", (1, &["`intake.workers`", "between 1 and 64"][..])),
        ("[organisation]\nlanguage = \"tlh\"", (1, &["`organisation.language`", "\"en\""][..])),
        ("[organisation\n", (0, &[][..])),
    ] {
        site.configure(wrong);
        let text = std::fs::read_to_string(site.path("caseward.toml")).unwrap();
        let first = text.lines().position(|line| wrong.starts_with(line) && !line.is_empty()).unwrap() + 1;
        let line = format!("line {}", first + parts.0);
        let parts: Vec<&str> = parts.1.iter().copied().chain([line.as_str(), file.as_str()]).collect();
        for command in [&["serve"][..], &["check"], &["backup", "copy"]] {
            site.run(command).refused(2, &parts);
        }
        assert!(!site.path("caseward.db").exists(), "nothing was started");
    }
    site.run(&["serve", "--config", "nowhere.toml"]).refused(2, &["nowhere.toml", "--config"]);
    site.configure("");
    let wrong = finished(site.command(&["serve"]).env("CASEWARD_API__LISTEN", "everywhere"));
    wrong.refused(2, &["CASEWARD_API__LISTEN", "`api.listen`"]);
}

#[test]
fn a_missing_wrong_or_open_key_starts_nothing() {
    let site = Site::new(Database::Sqlite);
    site.token("agent", "agent");
    let key = site.path("master.key");
    let right = std::fs::read_to_string(&key).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    site.run(&["serve"]).refused(2, &["master.key", "chmod 600"]);
    std::fs::remove_file(&key).unwrap();
    site.run(&["serve"]).refused(2, &["master.key", "cannot be read"]);
    site.run(&["key", "new", "master.key"]).fine();
    site.run(&["serve"]).refused(2, &["master key is not the one", "vault.master_key"]);
    std::fs::write(&key, right.split_at(20).0).unwrap();
    site.run(&["serve"]).refused(2, &["master key is damaged"]);
    std::fs::write(&key, right).unwrap();
    site.serve().stop();
}

#[test]
fn a_unit_without_credentials_says_which() {
    let site = Site::new(Database::Sqlite);
    let settings = site.ordinary();
    site.write_settings(&settings.replace("{ file = \"master.key\" }", "{ credential = \"master.key\" }"));
    site.run(&["serve"]).refused(2, &["`master.key`", "LoadCredential=master.key:"]);
    let imap = imap_mailbox("{ credential = \"hr\" }", "localhost", 993, "");
    site.write_settings(&without_mailbox(&settings, &imap));
    site.run(&["serve"]).refused(2, &["`hr`", "LoadCredential=hr:"]);
    let credentials = site.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let given = finished(site.command(&["serve"]).env("CREDENTIALS_DIRECTORY", &credentials));
    given.refused(2, &["credentials/hr", "cannot be read"]);
}

#[test]
fn a_taken_port_starts_nothing() {
    let site = Site::new(Database::Sqlite);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = finished(site.command(&["serve"]).env("CASEWARD_API__LISTEN", &address));
    ran.refused(2, &["api.listen", &address, "choose another port"]);
    assert!(!site.path("caseward.db").exists(), "nothing was started");
}

fn without_mailbox(settings: &str, mailbox: &str) -> String {
    let (before, _) = settings.split_once("[[mailbox]]").unwrap();
    format!("{before}{mailbox}")
}

fn imap_mailbox(password: &str, host: &str, port: u16, more: &str) -> String {
    format!(
        "[[mailbox]]\nname = \"hr\"\naddress = \"hr@hr.test\"\nafter = \"keep\"\npoll = \"5s\"\nalarm_after = \"60s\"\n\
         [mailbox.source]\nkind = \"imap\"\nhost = \"{host}\"\nport = {port}\nusername = \"jobs@hr.test\"\n\
         password = {password}\n{more}\n"
    )
}

/// A mailbox that cannot be worked: the daemon runs, says why once, shows it, and can be stopped.
#[track_caller]
fn degraded(host: &str, port: u16, more: &str, password: &str, code: i32, parts: &[&str]) {
    let site = Site::new(Database::Sqlite);
    let secret = site.path("password");
    std::fs::write(&secret, password).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let mailbox = imap_mailbox("{ file = \"password\" }", host, port, more);
    site.write_settings(&without_mailbox(&site.ordinary(), &mailbox));
    let checked = site.run(&["check"]);
    assert_eq!(checked.code, Some(code), "{checked:?}");
    let start = if code == 2 { "WRONG mailbox hr" } else { "FAILS mailbox hr" };
    let line = checked.out.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing: {checked:?}");
    }
    let mut daemon = site.serve();
    daemon.until_log("this mailbox could not be worked");
    let said = daemon.log();
    let line = said.lines().find(|line| line.contains("this mailbox could not be worked")).unwrap();
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing: {line}");
    }
    let (_, body) = daemon.get("/readyz", None);
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(health["mailboxes"][0]["failing"], true, "{body}");
    daemon.stop();
}

#[test]
fn an_unknown_host_is_named_and_survived() {
    degraded("mail.invalid", 993, "", "secret", 1, &["cannot be reached", "check host and port"]);
}

#[test]
fn a_bad_certificate_is_refused() {
    let port = mailstack().port("IMAPS_PORT");
    degraded("localhost", port, "", "secret", 2, &["certificate is not accepted", "ca_file"]);
}

#[test]
fn a_wrong_password_is_tried_once_and_not_hammered() {
    let stack = mailstack();
    let more = format!("ca_file = \"{}\"", stack.ca_file().display());
    degraded("localhost", stack.port("IMAPS_PORT"), &more, "wrong", 2, &["refused the login", "password"]);
    let site = Site::new(Database::Sqlite);
    let secret = site.path("password");
    std::fs::write(&secret, "wrong").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let mailbox = imap_mailbox("{ file = \"password\" }", "localhost", stack.port("IMAPS_PORT"), &more);
    site.write_settings(&without_mailbox(&site.ordinary(), &mailbox));
    let mut daemon = site.serve();
    daemon.until_log("this mailbox could not be worked");
    // Long enough for the pauses after other failures (1 to 2 s, 2 to 4 s).
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(daemon.log().matches("this mailbox could not be worked").count(), 1, "{}", daemon.log());
    daemon.stop();
}

/// The program without root's right to pass over modes, so that these hold for it too.
fn bound(site: &Site, arguments: &[&str]) -> Command {
    let plain = site.command(arguments);
    if !Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n") {
        return plain;
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search"]).arg(plain.get_program());
    command.args(plain.get_args()).current_dir(site.dir.path()).stdin(std::process::Stdio::null());
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    command
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_database_starts_nothing() {
    let site = Site::new(Database::Sqlite);
    let token = site.token("auditor", "auditor");
    let database = site.path("caseward.db");
    chmod(&database, 0o400);
    finished(&mut bound(&site, &["serve"])).refused(2, &["database", "read-only"]);
    chmod(&database, 0o600);
    chmod(site.dir.path(), 0o500);
    let ran = finished(&mut bound(&site, &["serve"]));
    chmod(site.dir.path(), 0o700);
    ran.refused(2, &["database", "writ"]);
    let daemon = site.serve();
    assert_eq!(daemon.cases(&token), 0);
    daemon.stop();
}

#[test]
fn an_unreadable_maildir_file_delays_no_other_and_is_not_forgotten() {
    let site = Site::new(Database::Sqlite);
    let token = site.token("auditor", "auditor");
    site.deliver("secret", &mail("anna", "Unreadable"));
    chmod(&site.path("mailbox/new/secret"), 0);
    site.deliver("plain", &mail("bob", "Readable"));
    let mut daemon = Serving::of(&mut bound(&site, &["serve"]));
    daemon.until_ready();
    daemon.until_cases(&token, 1);
    assert!(site.path("mailbox/new/secret").exists(), "it stays where it is");
    assert!(daemon.log().contains("this message cannot be read"), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn a_damaged_register_is_not_worked_on() {
    let site = Site::new(Database::Sqlite);
    let token = site.token("auditor", "auditor");
    let mut daemon = site.serve();
    for number in 0..20 {
        site.deliver(&format!("{number}"), &mail("anna", &format!("Payslip {number}")));
    }
    daemon.until_cases(&token, 20);
    daemon.stop();
    let database = site.path("caseward.db");
    let good = std::fs::read(&database).unwrap();
    let damage = |from: usize, to: usize| {
        let mut bytes = good.clone();
        bytes[from..to].fill(0xA5);
        std::fs::write(&database, bytes).unwrap();
    };
    damage(0, 4096);
    site.run(&["serve"]).refused(2, &["damaged", "caseward restore"]);
    damage(good.len() / 2, good.len() / 2 + 3 * 4096);
    site.run(&["serve"]).refused(2, &["damaged", "caseward restore"]);
    site.run(&["backup", "copy"]).refused(2, &["damaged", "caseward restore"]);
    std::fs::write(&database, "Dear Sir or Madam").unwrap();
    site.run(&["serve"]).refused(2, &["damaged"]);
    std::fs::write(&database, good).unwrap();
    let daemon = site.serve();
    assert_eq!(daemon.cases(&token), 20);
    daemon.stop();
}

#[test]
fn a_full_disk_loses_nothing_and_is_not_hidden() {
    let mut site = Site::new(Database::Sqlite);
    let Some(disk) = SmallDisk::mount(&site.path("small"), "3m") else { return };
    site.url = format!("sqlite:{}", disk.0.join("caseward.db").display());
    site.configure("");
    let token = site.token("auditor", "auditor");
    let mut daemon = site.serve();
    let attachment = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n".repeat(2_500);
    for number in 0..40 {
        let text = mail("anna", &format!("Payslip {number}"));
        site.deliver(&format!("{number}"), &format!("{text}\n{attachment}"));
    }
    daemon.until("the full disk shows", |daemon| {
        let (status, body) = daemon.get("/readyz", None);
        status == 503 && body.contains("\"database\":false")
    });
    assert!(daemon.log().contains("make room"), "{}", daemon.log());
    let (_, figures) = daemon.get("/metrics", None);
    assert!(figures.contains("caseward_database_writable 0"), "{figures}");
    assert!(daemon.cases(&token) < 40, "reading goes on");
    let left = std::fs::read_dir(site.path("mailbox/new")).unwrap().count();
    assert!(left >= 40 - daemon.cases(&token), "what is not committed stays in the mailbox");

    let grown = Command::new("mount").args(["-o", "remount,size=60m"]).arg(&disk.0).status();
    assert!(grown.unwrap().success());
    daemon.until_cases(&token, 40);
    daemon.until("the health is good again", |daemon| daemon.get("/readyz", None).0 == 200);
    daemon.stop();
}
