//! Reading and settling a Maildir: what an MTA delivers, what people do to it meanwhile, and what does not belong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use caseward::mailbox::maildir::{InMemoryNumbers, Maildir};
use caseward::mailbox::{Mailbox, MailboxError, Settle, Uid, Woken};

struct Fixture {
    dir: tempfile::TempDir,
    mailbox: Maildir,
}

fn maildir() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir(dir.path().join(part)).unwrap();
    }
    let mailbox = Maildir::open(dir.path(), Arc::new(InMemoryNumbers::default())).unwrap();
    Fixture { dir, mailbox }
}

impl Fixture {
    fn deliver(&self, name: &str, raw: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, raw).unwrap();
        path
    }

    fn files(&self, part: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join(part)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn listed(&mut self) -> Vec<Uid> {
        self.mailbox.open("INBOX").await.unwrap();
        self.mailbox.list(None).await.unwrap()
    }
}

#[tokio::test]
async fn numbers_stay_while_files_wander() {
    let mut maildir = maildir();
    let old = maildir.deliver("cur/2.old:2,S", "old");
    maildir.deliver("new/1.new", "new");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();

    assert_eq!(maildir.listed().await, [Uid(1), Uid(2)], "in the order of arrival");
    let sizes = maildir.mailbox.size(&[Uid(1), Uid(2)]).await.unwrap();
    assert_eq!(sizes[0].received_at.as_second(), 1_700_000_000);
    assert_eq!((sizes[0].size, sizes[1].size), (3, 3));

    // A mail program reads the one and flags the other; a third one arrives.
    std::fs::rename(maildir.dir.path().join("new/1.new"), maildir.dir.path().join("cur/1.new:2,RS")).unwrap();
    std::fs::rename(&old, maildir.dir.path().join("cur/2.old:2,FS")).unwrap();
    maildir.deliver("new/0.third", "third");
    let fetched = maildir.mailbox.fetch(&[Uid(2), Uid(1)], 100).await.unwrap();
    let texts: Vec<_> = fetched.iter().map(|mail| (mail.uid.0, mail.raw.as_slice())).collect();
    assert_eq!(texts, [(2, b"new".as_slice()), (1, b"old")], "in the order asked for");
    assert_eq!(maildir.mailbox.list(Some(Uid(2))).await.unwrap(), [Uid(3)]);
    assert_eq!(maildir.mailbox.fetch(&[Uid(9)], 100).await.unwrap().len(), 0);
}

#[tokio::test]
async fn marks_moves_and_deletes() {
    let mut maildir = maildir();
    for name in ["new/1.a", "cur/2.b:2,F", "new/3.c", "new/4.d"] {
        maildir.deliver(name, name);
    }
    let uids = maildir.listed().await;
    maildir.mailbox.settle(&uids[..2], &Settle::Seen).await.unwrap();
    let target = Settle::MoveTo("Caseward/Processed".into());
    maildir.mailbox.settle(&uids[2..3], &target).await.unwrap();
    maildir.mailbox.settle(&uids[3..], &Settle::Delete).await.unwrap();
    maildir.mailbox.settle(&uids[3..], &Settle::Delete).await.unwrap();
    maildir.mailbox.settle(&uids[2..], &target).await.unwrap();
    let names: std::collections::BTreeSet<_> = maildir.files("cur").into_iter().collect();
    assert_eq!(names, ["1.a:2,S", "2.b:2,FS"].map(String::from).into());
    assert_eq!(maildir.files("new"), [""; 0]);
    assert_eq!(maildir.files(".Caseward.Processed/cur"), ["3.c:2,"]);
    assert!(maildir.dir.path().join(".Caseward.Processed/maildirfolder").exists());
    assert_eq!(maildir.listed().await, uids[..2]);

    maildir.mailbox.open("Caseward/Processed").await.unwrap();
    let moved = maildir.mailbox.list(None).await.unwrap();
    assert_eq!(maildir.mailbox.fetch(&moved, 100).await.unwrap()[0].raw, b"new/3.c");
    // The same base name again: nothing is written over.
    maildir.deliver("new/3.c", "another");
    let uids = maildir.listed().await;
    maildir.mailbox.settle(&uids[2..], &target).await.unwrap();
    assert_eq!(maildir.files(".Caseward.Processed/cur"), ["3.c:2,", "3.c_1:2,"]);
}

#[tokio::test]
async fn what_is_no_plain_file_is_passed_over() {
    let mut maildir = maildir();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "outside").unwrap();
    symlink(outside.path(), maildir.dir.path().join("new/1.link")).unwrap();
    std::fs::create_dir(maildir.dir.path().join("cur/2.directory")).unwrap();
    let fifo = maildir.dir.path().join("new/3.fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    maildir.deliver("new/.hidden", "hidden");
    maildir.deliver("new/4.mail", "mail");
    let uids = maildir.listed().await;
    assert_eq!(uids.len(), 1);
    // Exchanged for a link or a pipe after it was listed: gone.
    for exchange in [true, false] {
        std::fs::remove_file(maildir.dir.path().join("new/4.mail")).unwrap();
        if exchange {
            symlink(outside.path(), maildir.dir.path().join("new/4.mail")).unwrap();
        } else {
            std::fs::rename(&fifo, maildir.dir.path().join("new/4.mail")).unwrap();
        }
        assert_eq!(maildir.mailbox.fetch(&uids, 100).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn large_mail_comes_as_its_head() {
    let mut maildir = maildir();
    maildir.deliver("new/1.large", &format!("A: b\n\n{}", "x".repeat(1000)));
    let uids = maildir.listed().await;
    let whole = maildir.mailbox.fetch(&uids, 1006).await.unwrap();
    assert!(!whole[0].truncated && whole[0].raw.len() == 1006);
    let head = maildir.mailbox.fetch(&uids, 1005).await.unwrap();
    assert!(head[0].truncated);
    assert_eq!(head[0].raw, b"A: b\n\n");
    assert_eq!(maildir.mailbox.head(uids[0]).await.unwrap().unwrap().raw, b"A: b\n\n");
}

#[tokio::test]
async fn what_cannot_work_is_said() {
    let mut maildir = maildir();
    for folder in ["No such", "../..", ""] {
        let error = maildir.mailbox.open(folder).await.unwrap_err();
        assert!(matches!(error, MailboxError::Misconfigured(_)), "{folder}: {error}");
    }
    let nowhere = Maildir::open(&maildir.dir.path().join("nowhere"), Arc::new(InMemoryNumbers::default()));
    assert!(matches!(nowhere.map(|_| ()), Err(MailboxError::Misconfigured(_))));
    // Somebody removes the Maildir: never an empty list.
    maildir.deliver("new/1.a", "a");
    maildir.listed().await;
    std::fs::remove_dir_all(maildir.dir.path()).unwrap();
    assert!(maildir.mailbox.list(None).await.is_err());
}

#[tokio::test]
async fn new_mail_ends_the_wait() {
    let mut maildir = maildir();
    let uids = maildir.listed().await;
    assert_eq!(uids, []);
    assert_eq!(maildir.mailbox.wait(Duration::from_millis(20)).await.unwrap(), Woken::Elapsed);
    let path = maildir.dir.path().join("new/1.a");
    let (woken, ()) = tokio::join!(maildir.mailbox.wait(Duration::from_secs(120)), async {
        std::fs::write(path, "a").unwrap();
    });
    assert_eq!(woken.unwrap(), Woken::Changed);
    assert_eq!(maildir.mailbox.list(None).await.unwrap().len(), 1);
}
