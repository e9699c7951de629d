//! Taking archives in: everything once, whatever was taken in before, and nothing acknowledged.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::path::PathBuf;

use caseward::case::Channel;
use caseward::commands::import::{Format, Imported, import};
use support::app::Database;
use support::intake::{Intake, deliver};

on_both! {
    an_archive_is_taken_in_once => once;
    a_large_mail_is_taken_in_by_its_head => large;
}

fn mail(number: usize) -> String {
    format!(
        "Message-ID: <{number}@archive.test>\nFrom: person{number}@archive.test\nTo: hr@hr.test\n\
         Subject: Mail {number}\nDate: Mon, 2 Mar 2020 10:00:00 +0000\n\nMy payslip {number} is missing.\n"
    )
}

fn mbox(intake: &Intake, name: &str, numbers: std::ops::Range<usize>) -> PathBuf {
    let path = intake.dir.path().join(name);
    let text: String = numbers
        .map(|number| format!("From person@archive.test Mon Mar  2 10:00:00 2020\n{}\n", mail(number)))
        .collect();
    std::fs::write(&path, text).unwrap();
    path
}

async fn run(intake: &Intake, format: Format, path: PathBuf) -> (u64, u64, u64) {
    let Imported { taken_in, known, held, .. } =
        import(&intake.register, &intake.settings, format, path, None).await.expect("imported");
    (taken_in, known, held)
}

async fn once(database: Database) {
    let intake = Intake::open(database, |_| {}).await;
    // Stopped halfway, and started again; then the same mails from a Maildir, with some more and a newsletter.
    let half = mbox(&intake, "half.mbox", 0..120);
    assert_eq!(run(&intake, Format::Mbox, half).await, (120, 0, 0));
    let whole = mbox(&intake, "whole.mbox", 0..250);
    assert_eq!(run(&intake, Format::Mbox, whole.clone()).await, (130, 120, 0));
    assert_eq!(run(&intake, Format::Mbox, whole).await, (0, 250, 0));
    let maildir = intake.dir.path().join("archive");
    for sub in ["new", "cur", "tmp", ".Old/new", ".Old/tmp"] {
        std::fs::create_dir_all(maildir.join(sub)).unwrap();
    }
    for number in 240..260 {
        deliver(&maildir, &mail(number));
    }
    deliver(&maildir.join(".Old"), &mail(260));
    deliver(&maildir, &format!("Precedence: bulk\nList-Id: <news.test>\n{}", mail(261)));
    assert_eq!(run(&intake, Format::Maildir, maildir).await, (11, 10, 1));
    assert_eq!(intake.read(|tx| tx.list_outbox(None, None, 10)).await.len(), 0, "nothing is acknowledged");
    let became = intake.arrive(&mail(3)).await;
    let case = intake.case(became.case.expect("it is in a case")).await;
    assert_eq!(case.channel, Channel::Import);
    assert!(!became.opened, "and a copy that arrives by mail changes nothing");
    intake.register.close().await;
}

async fn large(database: Database) {
    let intake = Intake::open(database, |settings| settings.intake.max_message_size = 100_000).await;
    let path = mbox(&intake, "large.mbox", 0..3);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&"a line that makes it too large\n".repeat(10_000));
    std::fs::write(&path, text).unwrap();
    assert_eq!(run(&intake, Format::Mbox, path.clone()).await, (3, 0, 0));
    assert_eq!(run(&intake, Format::Mbox, path).await, (0, 3, 0));
    intake.register.close().await;
}
