//! Backups: taken while the daemon works, opened before they are relied on, restored into an empty place; and what
//! is refused. With the true program, on both databases.

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

use std::path::Path;
use std::process::Command;

use caseward::store::Store;
use support::app::{Database, fresh_postgres};
use support::site::{Site, SmallDisk, mail};

/// The daemon that worked the mailbox when the copy was taken has two minutes to come back; a test has not.
const FREE: &str = "DELETE FROM leases";

/// What the register knows to be in a verified backup.
fn verified(site: &Site) -> Option<caseward::case::Moment> {
    let store = Store::open(&site.url, None, None, 1).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(store.read(|tx| tx.last_verified_backup()))
        .map_err(|error: caseward::store::StoreError| error)
        .unwrap()
}

/// Nothing but `names` lies in `dir`.
#[track_caller]
fn holds_only(dir: &Path, names: &[&str]) {
    let mut found: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn a_backup_is_taken_while_the_daemon_works_and_starts_again_elsewhere() {
    let mut site = Site::new(Database::Sqlite);
    let token = site.token("auditor", "auditor");
    let mut daemon = site.serve();
    for number in 0..30 {
        site.deliver(&format!("{number}"), &mail("anna", &format!("Payslip {number}")));
    }
    daemon.until("the first case", |daemon| daemon.cases(&token) > 0);
    std::fs::create_dir(site.path("backups")).unwrap();
    let before = caseward::case::Moment::now();
    site.run(&["backup", "backups/one"]).fine();
    daemon.until_cases(&token, 30);
    site.run(&["backup", "backups/two"]).fine();
    let at = verified(&site).unwrap();
    assert!(at < caseward::case::Moment::now() && at > before.minus(std::time::Duration::from_secs(3600)));
    holds_only(&site.path("backups"), &["one", "two"]);
    site.run(&["backup", "backups/two"]).refused(2, &["backups/two", "nothing is overwritten"]);
    site.run(&["restore", "backups/two"]).refused(2, &["caseward.db", "nothing is overwritten"]);
    daemon.stop();
    let left = std::fs::metadata(site.path("caseward.db-wal")).map_or(0, |about| about.len());
    assert_eq!(left, 0, "a stopped register is one whole file");
    site.run(&["restore", "backups/two"]).refused(2, &["caseward.db", "nothing is overwritten"]);

    let key = std::fs::read_to_string(site.path("master.key")).unwrap();
    let copy = std::fs::read(site.path("backups/two")).unwrap();
    let holds = |needle: &[u8]| copy.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(key.trim().as_bytes()) && !holds(b"payslip for February") && !holds(b"anna@"), "sealed");

    site.url = format!("sqlite:{}", site.path("restored.db").display());
    site.configure("");
    std::fs::write(site.path("restored.db-wal"), "of another register").unwrap();
    site.run(&["restore", "backups/two"]).refused(2, &["restored.db-wal", "move it away"]);
    std::fs::remove_file(site.path("restored.db-wal")).unwrap();
    site.run(&["restore", "backups/two"]).fine();
    sqlite(&site.path("restored.db"), FREE);
    let mut again = site.serve();
    assert_eq!(again.cases(&token), 30);
    site.deliver("later", &mail("bob", "Later"));
    again.until_cases(&token, 31);
    again.stop();
}

#[test]
fn only_a_whole_backup_of_this_register_is_restored() {
    let mut site = Site::new(Database::Sqlite);
    site.token("auditor", "auditor");
    site.run(&["backup", "good"]).fine();
    let good = std::fs::read(site.path("good")).unwrap();
    let register = site.path("caseward.db");
    let url = format!("sqlite:{}", site.path("new/caseward.db").display());
    std::fs::create_dir(site.path("new")).unwrap();
    site.url = url;
    site.configure("");

    std::fs::write(site.path("letter"), "Dear Sir or Madam, this is no database at all.").unwrap();
    std::fs::write(site.path("empty"), "").unwrap();
    let mut torn = good.clone();
    torn.truncate(good.len() / 2);
    std::fs::write(site.path("torn"), &torn).unwrap();
    let mut scratched = good.clone();
    let middle = scratched.len() / 2;
    scratched[middle..middle + 8192].fill(0xA5);
    std::fs::write(site.path("scratched"), &scratched).unwrap();
    let foreign = site.path("foreign");
    sqlite(&foreign, "CREATE TABLE notes (text TEXT)");
    std::fs::copy(site.path("good"), site.path("newer")).unwrap();
    sqlite(
        &site.path("newer"),
        "INSERT INTO __diesel_schema_migrations VALUES ('9999_future', CURRENT_TIMESTAMP)",
    );
    std::fs::copy(site.path("good"), site.path("in-use")).unwrap();
    std::fs::write(site.path("in-use-wal"), "something").unwrap();
    std::fs::copy(&register, site.path("plain")).unwrap();
    for (name, parts) in [
        ("letter", &["letter", "no register of Caseward"][..]),
        ("empty", &["no register of Caseward"]),
        ("torn", &["torn", "damaged"]),
        ("scratched", &["damaged"]),
        ("foreign", &["no register of Caseward"]),
        ("newer", &["newer caseward"]),
        ("in-use", &["in use"]),
        ("missing", &["missing", "cannot be opened"]),
    ] {
        site.run(&["restore", name]).refused(2, parts);
        holds_only(&site.path("new"), &[]);
    }
    std::fs::rename(site.path("master.key"), site.path("right.key")).unwrap();
    site.run(&["restore", "good"]).refused(2, &["master.key"]);
    site.run(&["key", "new", "master.key"]).fine();
    site.run(&["restore", "good"]).refused(2, &["master key is not the one"]);
    holds_only(&site.path("new"), &[]);
    std::fs::rename(site.path("right.key"), site.path("master.key")).unwrap();
    site.run(&["restore", "good"]).fine();
    holds_only(&site.path("new"), &["caseward.db"]);
}

fn sqlite(file: &Path, statement: &str) {
    use diesel::Connection;
    use diesel::connection::SimpleConnection;
    diesel::SqliteConnection::establish(&file.display().to_string())
        .unwrap()
        .batch_execute(statement)
        .unwrap();
}

#[test]
fn a_disk_that_fills_during_a_backup_leaves_no_half_file() {
    let mut site = Site::new(Database::Sqlite);
    let token = site.token("auditor", "auditor");
    let Some(disk) = SmallDisk::mount(&site.path("small"), "128k") else { return };
    let mut daemon = site.serve();
    site.deliver("one", &mail("anna", "Payslip"));
    daemon.until_cases(&token, 1);
    site.run(&["backup", "small/backup"]).refused(1, &["small/backup", "full"]);
    holds_only(&disk.0, &[]);
    assert_eq!(verified(&site), None, "what was not written is not relied on");
    site.deliver("two", &mail("anna", "Leave"));
    daemon.until_cases(&token, 2);
    daemon.stop();
    let good = site.path("good");
    let register = site.path("caseward.db");
    site.url = format!("sqlite:{}", disk.0.join("caseward.db").display());
    site.configure("");
    sqlite(&register, &format!("VACUUM INTO '{}'", good.display()));
    site.run(&["restore", "good"]).refused(1, &["caseward.db", "nothing was written"]);
    holds_only(&disk.0, &[]);
}

#[test]
fn a_dump_of_postgres_is_marked_restored_and_verified() {
    let mut site = Site::new(Database::Postgres);
    let token = site.token("auditor", "auditor");
    site.run(&["backup", "file"]).refused(2, &["pg_dump", "--begin", "--verify"]);
    site.run(&["restore", "file"]).refused(2, &["pg_restore", "new database"]);
    let mut daemon = site.serve();
    site.deliver("one", &mail("anna", "Payslip"));
    daemon.until_cases(&token, 1);

    let dump = |file: &str| postgres("pg_dump", &["--format=custom", "--file", file, &site.url], &site);
    let restore = |file: &str| {
        let url = fresh_postgres();
        postgres("pg_restore", &["--exit-on-error", "--no-owner", "--dbname", &url, file], &site);
        url
    };
    dump("unmarked.dump");
    let unmarked = restore("unmarked.dump");
    site.run(&["backup", "--verify", &unmarked]).refused(1, &["not verified", "--begin"]);
    site.run(&["backup", "--verify", &site.url]).refused(2, &["the register itself"]);
    site.run(&["backup", "--verify", &fresh_postgres()]).refused(1, &["no register of Caseward"]);
    site.run(&["backup", "--begin"]).fine();
    dump("good.dump");
    let copy = restore("good.dump");
    assert_eq!(verified(&site), None);
    let said = site.run(&["backup", "--verify", &copy]).fine().out;
    assert!(said.contains(&verified(&site).unwrap().to_string()), "{said}");
    let other = Site::new(Database::Postgres);
    other.token("auditor", "auditor");
    other.run(&["backup", "--verify", &copy]).refused(1, &["not verified", "could not be opened"]);
    daemon.stop();

    postgres("psql", &["--command", FREE, &copy], &site);
    site.url = copy;
    site.configure("");
    let mut again = site.serve();
    assert_eq!(again.cases(&token), 1);
    site.deliver("two", &mail("bob", "Later"));
    again.until_cases(&token, 2);
    again.stop();
}

/// Runs one of PostgreSQL's own programs.
fn postgres(program: &str, arguments: &[&str], site: &Site) {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries.filter_map(|entry| Some(entry.ok()?.path().join("bin").join(program))).collect()
        })
        .unwrap_or_default();
    found.retain(|path| path.is_file());
    found.sort();
    let path = found.pop().unwrap_or_else(|| program.into());
    let output = Command::new(path).args(arguments).current_dir(site.dir.path()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
