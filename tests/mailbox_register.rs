//! A mailbox's task and the register, when mailboxes are at their worst: every mail ends in the register, none is
//! lost, none counts twice, and no bad one keeps the others back.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use caseward::case::{BackupId, Moment};
use caseward::desk::register::{IN_HAND, Lease, NotHad, OpenFolder, TakeLease};
use caseward::desk::{Action, Context, DeskError};
use caseward::settings::{After, Since};
use caseward::store::rows::{BackupRow, Held, RegisterRow, RegisterState};
use support::app::Database;
use support::intake::{Faults, Intake, age, proved};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

on_both! {
    a_mail_that_ends_the_session_delays_no_other => breaks_off;
    of_a_mail_that_ends_the_session_the_head_is_kept => head_only;
    a_mail_that_cannot_be_read_stands_in_the_register => unreadable;
    what_leaves_before_it_was_had_is_marked => vanished;
    a_folder_that_takes_nothing_keeps_nothing_back => full;
    mail_is_deleted_only_when_a_backup_holds_it => deleted;
    a_new_epoch_makes_nothing_twice => epoch;
    mail_that_is_moved_back_is_a_duplicate => moved_back;
    one_daemon_of_two_works_a_mailbox => two_daemons;
    a_daemon_that_was_held_up_changes_nothing => stalled;
    what_fails_at_the_desk_is_kept_as_it_came => fails_at_the_desk;
    an_alarm_is_not_for_who_stands_by => standby;
    a_mail_that_kills_the_daemon_kills_it_once => deadly;
}

fn mail(number: usize, word: &str) -> String {
    proved(&format!(
        "Message-ID: <{number}-{word}@candidates.test>\nFrom: anna@candidates.test\nTo: hr@hr.test\n\
         Subject: {word} {number}\n\nHello, this is about {word}.\n"
    ))
}

fn count(places: &[RegisterRow], state: RegisterState) -> usize {
    places.iter().filter(|row| row.state == state).count()
}

fn only(places: &[RegisterRow], state: RegisterState) -> &RegisterRow {
    let mut found = places.iter().filter(|row| row.state == state);
    let row = found.next().unwrap_or_else(|| panic!("none is {state}: {places:#?}"));
    assert!(found.next().is_none(), "several are {state}");
    row
}

/// Moves time on until the mail was given up.
async fn until_quarantined(intake: &Intake) -> Vec<RegisterRow> {
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let places = intake.places().await;
        if count(&places, RegisterState::Quarantined) == 1 {
            return places;
        }
        intake.advance(20 * MINUTE);
    }
    panic!("never given up: {:#?}", intake.places().await);
}

async fn breaks_off(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let faults = Faults::default();
    faults.plan().breaks_off.insert("poison");
    faults.plan().breaks_off_at_head.insert("poison");
    for number in 0..30 {
        intake.deliver(&mail(number, if number == 11 { "poison" } else { "leave" }));
    }
    let working = intake.work(&faults);
    let places =
        intake.until("all others are taken in", |places| count(places, RegisterState::TakenIn) == 29).await;
    let pending = only(&places, RegisterState::Pending);
    assert!(pending.attempts >= 1 && pending.message_id.is_none());
    let places = until_quarantined(&intake).await;
    let row = only(&places, RegisterState::Quarantined);
    assert!(row.message_id.is_none() && row.attempts == 7, "{row:?}");
    assert!(row.reason.as_deref().is_some_and(|why| why.contains("mail program")), "{row:?}");
    // The mailbox goes on.
    intake.deliver(&mail(99, "leave"));
    intake.until("a later mail is taken in", |places| count(places, RegisterState::TakenIn) == 30).await;
    // The server is mended: a day later it is asked once more.
    faults.plan().breaks_off.clear();
    intake.advance(DAY + MINUTE);
    let places =
        intake.until("it is taken in after all", |places| count(places, RegisterState::TakenIn) == 31).await;
    assert!(places.iter().all(|row| row.message_id.is_some()));
    working.stop().await;
    intake.register.close().await;
}

async fn head_only(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let faults = Faults::default();
    faults.plan().breaks_off.insert("poison");
    intake.deliver(&mail(1, "poison"));
    let working = intake.work(&faults);
    let places = until_quarantined(&intake).await;
    let row = only(&places, RegisterState::Quarantined).clone();
    let message = row.message_id.expect("the head is kept");
    let held = intake.read(move |tx| tx.message(message)).await.expect("the message");
    assert_eq!(held.held, Some(Held::Quarantined));
    assert!(!held.raw_complete && held.raw_bytes > 50);
    assert!(held.reason.is_some_and(|why| why.contains("only its head")));
    assert_eq!(intake.read(|tx| tx.count_held(Held::Quarantined)).await, 1, "it can be seen");
    working.stop().await;
    intake.register.close().await;
}

async fn unreadable(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let faults = Faults::default();
    faults.plan().unreadable.insert("locked");
    for number in 0..5 {
        intake.deliver(&mail(number, if number == 2 { "locked" } else { "leave" }));
    }
    let working = intake.work(&faults);
    let places = intake.until("the others are taken in", |places| places.len() == 5).await;
    let places = match count(&places, RegisterState::TakenIn) {
        4 => places,
        _ => {
            intake.until("the others are taken in", |places| count(places, RegisterState::TakenIn) == 4).await
        }
    };
    let row = only(&places, RegisterState::Quarantined);
    assert_eq!(row.reason.as_deref(), Some("the file cannot be read; check its rights"));
    // Somebody gives the daemon the right to read it.
    faults.plan().unreadable.clear();
    intake.advance(30 * MINUTE);
    intake.until("it is read again", |places| count(places, RegisterState::TakenIn) == 5).await;
    assert_eq!(intake.places().await.len(), 5);
    working.stop().await;
    intake.register.close().await;
}

async fn vanished(database: Database) {
    let intake = Intake::open(database, |settings| settings.mailboxes[0].after = After::Delete).await;
    let faults = Faults::default();
    faults.plan().unreadable.insert("locked");
    let locked = intake.deliver(&mail(1, "locked"));
    let taken = intake.deliver(&mail(2, "leave"));
    let working = intake.work(&faults);
    intake
        .until("both are in the register", |places| {
            places.len() == 2 && count(places, RegisterState::TakenIn) == 1
        })
        .await;
    working.stop().await;
    std::fs::remove_file(locked).unwrap();
    std::fs::remove_file(taken).unwrap();
    let working = intake.work(&faults);
    let places =
        intake.until("the sets were compared", |places| count(places, RegisterState::Vanished) == 1).await;
    let taken = only(&places, RegisterState::TakenIn);
    assert!(taken.message_id.is_some(), "what was taken in stays so");
    intake
        .until("what had left is settled", |places| {
            let taken = only(places, RegisterState::TakenIn);
            taken.settled && taken.reason.as_deref() == Some("it had left the folder before it was settled")
        })
        .await;
    working.stop().await;
    intake.register.close().await;
}

async fn full(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let faults = Faults::default();
    faults.plan().full = true;
    intake.deliver(&mail(1, "leave"));
    let working = intake.work(&faults);
    intake.until("it is taken in", |places| count(places, RegisterState::TakenIn) == 1).await;
    intake.deliver(&mail(2, "leave"));
    let places = intake.until("the next one too", |places| count(places, RegisterState::TakenIn) == 2).await;
    assert!(places.iter().all(|row| !row.settled));
    assert!(working.pulse.unsettled.load(Ordering::Relaxed));
    working.stop().await;
    faults.plan().full = false;
    let working = intake.work(&faults);
    intake.until("both are settled", |places| places.iter().all(|row| row.settled)).await;
    working.stop().await;
    intake.register.close().await;
}

/// Enters a backup as `caseward backup` does.
struct Backup {
    at: Moment,
    verified: bool,
}

impl Action for Backup {
    type Output = ();
    fn actor(&self) -> &caseward::case::Actor {
        &caseward::case::Actor::System
    }
    fn name(&self) -> &'static str {
        "test.backup"
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let id = BackupId::new();
        cx.tx.insert_backup(&BackupRow { id, at: self.at, verified_at: None })?;
        if self.verified {
            cx.tx.set_backup_verified(id, cx.now)?;
        }
        Ok(())
    }
}

fn lies(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let cur = path.parent().unwrap().parent().unwrap().join("cur");
    path.exists()
        || std::fs::read_dir(cur)
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_str().unwrap().starts_with(name))
}

async fn deleted(database: Database) {
    let intake = Intake::open(database, |settings| {
        settings.mailboxes[0].after = After::Delete;
        settings.intake.max_message_size = 10_000;
    })
    .await;
    let faults = Faults::default();
    let small = intake.deliver(&mail(1, "leave"));
    let large = intake.deliver(&format!("{}{}", mail(2, "large"), "more and more\n".repeat(2_000)));
    let working = intake.work(&faults);
    intake.until("both are taken in", |places| places.len() == 2).await;
    let now = || intake.register.shared.now();
    intake.register.desk.run(Backup { at: now().plus(DAY), verified: false }).await.unwrap();
    // Of the same minute: it may lack what was being committed.
    intake.register.desk.run(Backup { at: now().plus(MINUTE), verified: true }).await.unwrap();
    let polled = working.pulse.last_polled();
    while working.pulse.last_polled() <= polled {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lies(&small) && lies(&large), "no verified backup is surely later");
    intake.advance(20 * MINUTE);
    intake.register.desk.run(Backup { at: now(), verified: true }).await.unwrap();
    let places = intake.until("one is settled", |places| places.iter().any(|row| row.settled)).await;
    assert!(!lies(&small), "it is in a verified backup");
    assert_eq!(count(&places, RegisterState::TooLarge), 1);
    let late = intake.deliver(&mail(3, "leave"));
    intake.until("a later mail is taken in", |places| places.len() == 3).await;
    let polled = working.pulse.last_polled();
    while working.pulse.last_polled() <= polled {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lies(&late), "it is in no backup");
    assert!(lies(&large), "what is here only in part stays");
    working.stop().await;
    intake.register.close().await;
}

async fn epoch(database: Database) {
    let intake = Intake::open(database, |settings| {
        settings.mailboxes[0].after = After::Keep;
        settings.mailboxes[0].since = Since::Now;
    })
    .await;
    let faults = Faults::default();
    let old = intake.deliver(&mail(1, "old"));
    age(&old, 400 * DAY);
    let working = intake.work(&faults);
    intake.until("the old one is accounted for", |places| places.len() == 1).await;
    for number in 2..5 {
        intake.deliver(&mail(number, "new"));
    }
    let places = intake.until("all are in the register", |places| places.len() == 4).await;
    assert_eq!(count(&places, RegisterState::BeforeStart), 1);
    assert_eq!(count(&places, RegisterState::TakenIn), 3);
    working.stop().await;
    let acknowledged = intake.read(|tx| tx.list_outbox(None, None, 100)).await.len();
    assert_eq!(acknowledged, 3);

    faults.plan().epoch = 1;
    let working = intake.work(&faults);
    let places = intake.until("the new epoch is accounted for", |places| places.len() == 8).await;
    assert_eq!(count(&places, RegisterState::BeforeStart), 2, "it stays before the start");
    assert_eq!(count(&places, RegisterState::Duplicate), 3);
    working.stop().await;

    // The mailbox is moved to another server, which loses the times of receipt.
    faults.plan().epoch = 2;
    let new_server = intake.dir.path().join("hr");
    for entry in std::fs::read_dir(new_server.join("cur"))
        .unwrap()
        .chain(std::fs::read_dir(new_server.join("new")).unwrap())
    {
        age(&entry.unwrap().path(), Duration::ZERO);
    }
    let dated = proved(
        "Message-ID: <ancient@candidates.test>\nFrom: bob@candidates.test\nTo: hr@hr.test\nSubject: x\n\
         Date: Mon, 2 Mar 2020 10:00:00 +0000\n\nFrom years ago.\n",
    );
    intake.deliver(&dated);
    let working = intake.work(&faults);
    let places = intake.until("the third epoch is accounted for", |places| places.len() == 13).await;
    assert_eq!(count(&places, RegisterState::Duplicate), 6, "{places:#?}");
    let outbox = intake.read(|tx| tx.list_outbox(None, None, 100)).await.len();
    assert_eq!(outbox, acknowledged, "years of mail are never acknowledged");
    working.stop().await;
    intake.register.close().await;
}

async fn moved_back(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let faults = Faults::default();
    intake.deliver(&mail(1, "leave"));
    let working = intake.work(&faults);
    intake.until("it is moved", |places| places.iter().any(|row| row.settled)).await;
    let root = intake.dir.path().join("hr");
    let processed =
        std::fs::read_dir(root.join(".Caseward.Processed/cur")).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(processed, root.join("new/moved-back")).unwrap();
    let places = intake.until("it is seen again", |places| places.len() == 2).await;
    let again = only(&places, RegisterState::Duplicate);
    assert_eq!(again.message_id, only(&places, RegisterState::TakenIn).message_id);
    intake.until("it is moved again", |places| places.iter().all(|row| row.settled)).await;
    assert_eq!(intake.read(|tx| tx.list_outbox(None, None, 100)).await.len(), 1, "acknowledged once");
    working.stop().await;
    intake.register.close().await;
}

async fn two_daemons(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let other = intake.beside().await;
    let faults = Faults::default();
    let first = intake.work(&faults);
    intake.deliver(&mail(1, "leave"));
    intake.until("the first works", |places| places.len() == 1).await;
    let second = intake.work_as(&other, &faults, "two");
    intake.deliver(&mail(2, "leave"));
    intake.until("the mail is taken in", |places| places.len() == 2).await;
    assert!(second.pulse.last_polled().is_none(), "the other one holds the lease");
    first.kill();
    // Between two turns of the second: whoever may work it now takes over when the lease has run out.
    intake.advance(3 * MINUTE);
    for number in 3..20 {
        intake.deliver(&mail(number, "leave"));
    }
    let places = intake.until("the second takes over", |places| places.len() == 19).await;
    assert_eq!(count(&places, RegisterState::TakenIn), 19, "nothing twice");
    assert_eq!(intake.read(|tx| tx.list_outbox(None, None, 100)).await.len(), 19);
    second.stop().await;
    other.close().await;
    intake.register.close().await;
}

async fn wait_for(holds: impl Fn() -> bool) {
    tokio::time::timeout(MINUTE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("waited in vain");
}

async fn stalled(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let desk = &intake.register.desk;
    let take = |holder: &str| TakeLease { name: "mailbox/hr".into(), holder: holder.into(), span: MINUTE };
    let stalled: Lease = desk.run(take("one")).await.unwrap().expect("free");
    assert_eq!(desk.run(take("two")).await.unwrap(), None, "held");
    intake.advance(2 * MINUTE);
    assert_eq!(desk.run(take("one")).await.unwrap().as_ref(), Some(&stalled), "nobody else had it meanwhile");
    intake.advance(2 * MINUTE);
    let now: Lease = desk.run(take("two")).await.unwrap().expect("run out");
    let open = |lease: &Lease| OpenFolder {
        lease: lease.clone(),
        mailbox: "hr".into(),
        folder: "INBOX".into(),
        validity: 1,
        since: Since::All,
    };
    assert!(matches!(desk.run(open(&stalled)).await, Err(DeskError::Refused(_))));
    desk.run(open(&now)).await.expect("who holds it may");

    // One that is held up over a mail finds that it may not take it in any more.
    let faults = Faults::default();
    let gate = Arc::new(tokio::sync::Notify::new());
    faults.plan().gate = Some(Arc::clone(&gate));
    intake.advance(2 * MINUTE);
    intake.deliver(&mail(1, "leave"));
    let working = intake.work_as(&intake.register, &faults, "three");
    wait_for(|| !faults.plan().asked.is_empty()).await;
    intake.advance(3 * MINUTE);
    let _taken: Lease = desk.run(take("four")).await.unwrap().expect("run out");
    gate.notify_one();
    wait_for(|| working.pulse.failing.load(Ordering::Relaxed) == 1).await;
    assert_eq!(intake.places().await.len(), 0, "refused");
    assert_eq!(intake.read(|tx| tx.list_outbox(None, None, 100)).await.len(), 0);
    working.kill();
    intake.register.close().await;
}

async fn fails_at_the_desk(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    break_german_cases(&intake).await;
    let faults = Faults::default();
    let bad = proved(
        "Message-ID: <bad@candidates.test>\nFrom: bob@candidates.test\nTo: hr@hr.test\nSubject: Hallo\n\n\
         Bitte schicken Sie mir eine Bescheinigung, ich brauche sie.\n",
    );
    intake.deliver(&mail(1, "leave"));
    intake.deliver(&bad);
    intake.deliver(&mail(3, "leave"));
    let working = intake.work(&faults);
    let places = intake.until("all three are accounted for", |places| places.len() == 3).await;
    assert_eq!(count(&places, RegisterState::TakenIn), 2);
    let row = only(&places, RegisterState::Quarantined);
    let message = row.message_id.expect("its bytes are kept");
    let held = intake.read(move |tx| tx.message(message)).await.expect("the message");
    assert!(held.raw_complete && usize::try_from(held.raw_bytes).unwrap() > bad.len());
    working.stop().await;
    intake.register.close().await;
}

/// Makes the database refuse every case in German: a fault that only some mails meet.
async fn break_german_cases(intake: &Intake) {
    let url = intake.settings.database.url.clone();
    if let Some(path) = url.strip_prefix("sqlite:") {
        use diesel::connection::SimpleConnection;
        use diesel::prelude::*;
        let mut conn = SqliteConnection::establish(path).unwrap();
        conn.batch_execute(
            "CREATE TRIGGER broken BEFORE INSERT ON cases WHEN new.language = 'de'
             BEGIN SELECT RAISE(ABORT, 'injected'); END",
        )
        .unwrap();
        return;
    }
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF new.language = 'de' THEN RAISE EXCEPTION 'injected'; END IF; RETURN new; END $$;
             CREATE TRIGGER broken BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION broken();",
        )
        .await
        .unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}

async fn standby(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    let faults = Faults::default();
    let desk = &intake.register.desk;
    let take = TakeLease { name: "mailbox/hr".into(), holder: "other".into(), span: 100 * DAY };
    desk.run(take).await.unwrap().expect("free");
    let working = intake.work(&faults);
    intake.advance(DAY);
    let now = || intake.register.shared.now();
    let pulse = Arc::clone(&working.pulse);
    tokio::time::timeout(Duration::from_secs(20), async {
        while pulse.is_overdue(15 * MINUTE, now()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("another daemon works it, so this one raises no alarm");
    working.kill();
    intake.register.close().await;
}

/// A crash over a batch, as it looks afterwards: the mails stand in the register as in hand.
async fn deadly(database: Database) {
    use std::os::unix::fs::PermissionsExt;
    let intake = Intake::open(database, |_| {}).await;
    let program = intake.dir.path().join("probe");
    std::fs::write(&program, "#!/bin/sh\ngrep -q deadly && kill -9 $$\nexit 0\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    for number in 1..=15 {
        intake.deliver(&mail(number, if number == 7 { "deadly" } else { "leave" }));
    }
    let faults = Faults::default();
    faults.plan().breaks_off.insert("Message-ID");
    let working = intake.work(&faults);
    intake.until("all were asked for", |places| places.len() == 15).await;
    working.kill();
    let desk = &intake.register.desk;
    intake.advance(3 * MINUTE);
    let take = TakeLease { name: "mailbox/hr".into(), holder: "crashed".into(), span: MINUTE };
    let lease: Lease = desk.run(take).await.unwrap().expect("run out");
    let places = intake.places().await;
    let not_had = NotHad {
        lease,
        folder: places[0].folder_id,
        uids: places.iter().map(|row| row.uid).collect(),
        state: RegisterState::Pending,
        reason: Some(IN_HAND.into()),
    };
    desk.run(not_had).await.unwrap();
    intake.advance(DAY);
    faults.plan().breaks_off.clear();
    faults.plan().probe = Some(program);
    let working = intake.work(&faults);
    let places =
        intake.until("all others are taken in", |places| count(places, RegisterState::TakenIn) == 14).await;
    let row = only(&places, RegisterState::Quarantined);
    assert!(row.reason.as_deref().is_some_and(|why| why.contains("died over this mail")), "{row:?}");
    let message = row.message_id.expect("its bytes are kept");
    assert!(intake.read(move |tx| tx.message(message)).await.expect("the message").raw_complete);
    working.stop().await;
    intake.register.close().await;
}

#[test]
fn the_program_tries_a_mail_and_lives() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    for (raw, fine) in [(mail(1, "leave").into_bytes(), true), (vec![0; 3 << 20], true), (Vec::new(), true)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_caseward"))
            .arg("probe")
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().unwrap().write_all(&raw).expect("it listens");
        assert_eq!(child.wait().unwrap().success(), fine);
    }
}
