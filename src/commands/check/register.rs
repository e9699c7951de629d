//! The register as `caseward check` finds it: schema, key, clock, directory, users, backups.

use std::time::Duration;

use super::report::Report;
use crate::case::Moment;
use crate::daemon::StartError;
use crate::desk::DeskError;
use crate::desk::bootstrap::keys_of_copy;
use crate::settings::{Secret, Settings};
use crate::store::StoreError;
use crate::store::found::Found;
use crate::vault::MasterKey;

/// Clocks that differ by more than this confuse leases and deadlines.
const APART: Duration = Duration::from_secs(60);

/// Looks at the register; returns it when it can be used.
pub fn look(settings: &Settings, report: &mut Report) -> Option<Found> {
    let database = &settings.database;
    let found =
        database.password.as_ref().map(Secret::read).transpose().map_err(StartError::from).and_then(
            |password| Ok(Found::look(&database.url, password.as_ref(), database.ca_file.as_deref())?),
        );
    let mut found = match found {
        Ok(found) => found,
        Err(StartError::Store(error @ StoreError::Unavailable(_))) => {
            report.fails("database", &error.to_string());
            return None;
        }
        Err(error) => {
            report.wrong("database", &error.to_string());
            return None;
        }
    };
    match (found.exists(), found.pending) {
        (false, _) => {
            report.note("database", "can be reached; there is no register yet, the first start makes it")
        }
        (true, 0) => report.fine("database", "can be reached and written; its schema is this program's"),
        (true, pending) => report.note(
            "database",
            &format!("can be reached; the next start runs {pending} migrations: make a backup first"),
        ),
    }
    clock(&mut found, report);
    let key = key(settings, &mut found, report);
    // Tables may still be missing.
    if found.exists() && found.pending == 0 && key {
        content(&mut found, report);
    }
    Some(found)
}

fn key(settings: &Settings, found: &mut Found, report: &mut Report) -> bool {
    let Ok(secret) = settings.vault.master_key.read() else { return false };
    let master = match MasterKey::from_text(secrecy::ExposeSecret::expose_secret(&secret)) {
        Ok(master) => master,
        Err(error) => {
            report.wrong("master key", &error.to_string());
            return false;
        }
    };
    match found.read(|tx| keys_of_copy(tx, &master)) {
        Ok(Some(Some(_))) => report.fine("master key", "it opens the register"),
        Ok(_) => report.fine("master key", "it can be read; there is nothing yet for it to open"),
        Err(error) => {
            report.wrong("master key", &error.to_string());
            return false;
        }
    }
    true
}

/// Whether this machine's time agrees with the database server's, and with what was written before.
fn clock(found: &mut Found, report: &mut Report) {
    let now = Moment::now();
    if let Some(server) = found.server_time {
        compare("the database server", server, now, report);
    }
    let newest = found.read(|tx| Ok::<_, StoreError>(tx.entries(None, 1)?.first().map(|entry| entry.at)));
    if let Ok(Some(Some(newest))) = newest
        && newest > now.plus(APART)
    {
        report.wrong(
            "clock",
            &format!("the register's newest entry is of {newest}, which is yet to come; set the clock and keep it by NTP"),
        );
    }
}

/// Says whether `their` time is ours.
pub fn compare(whose: &str, their: Moment, now: Moment, report: &mut Report) {
    let apart = Duration::from_micros(their.micros().abs_diff(now.micros()));
    if apart > APART {
        let seconds = apart.as_secs();
        report.fails(
            "clock",
            &format!("{seconds} s apart from {whose}; keep both by NTP (systemd-timesyncd, chrony)"),
        );
    } else {
        report.fine("clock", &format!("agrees with {whose}"));
    }
}

fn content(found: &mut Found, report: &mut Report) {
    let counted = found.read(|tx| {
        let people = tx.people()?.iter().filter(|person| person.active).count();
        let users = tx.users(None, i64::MAX)?.iter().filter(|user| user.disabled_at.is_none()).count();
        let copied = tx.master_keys()?.iter().any(|row| row.copy_verified_at.is_some());
        Ok::<_, DeskError>((people, users, tx.last_verified_backup()?, copied))
    });
    let (people, users, backup, copied) = match counted {
        Ok(Some(counted)) => counted,
        Ok(None) => return,
        Err(error) => return report.wrong("register", &error.to_string()),
    };
    match people {
        0 => report.note(
            "directory",
            "empty, so nobody counts as an employee; run `caseward directory import people.csv`",
        ),
        people => report.fine("directory", &format!("{people} people")),
    }
    match users {
        0 => report.note(
            "users",
            "none, so nobody can use the API; run `caseward user add NAME --role ROLE --token`",
        ),
        users => report.fine("users", &format!("{users}")),
    }
    if copied {
        report.fine("master key", "an offline copy was verified");
    } else {
        report.note(
            "master key",
            "no offline copy was verified yet, and without the key nothing can be read again; keep one and run \
             `caseward key verify-copy FILE`",
        );
    }
    match backup {
        None => {
            report.note("backup", "none is known; run `caseward backup` daily (docs/operations/backup.md)")
        }
        Some(at) => report.fine("backup", &format!("all from before {at} is in a verified one")),
    }
}
