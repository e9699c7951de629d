//! Reading from a real Dovecot: what is normal, what goes wrong, and a connection that ends in mid-answer. Each
//! test works in a folder of its own, filled by writing into the Maildir below it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each test program uses its own part of this")]
#[path = "support/mailstack.rs"]
mod mailstack;

use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use caseward::mailbox::imap::{Imap, Timing};
use caseward::mailbox::{Mailbox, MailboxError, Settle, Uid, Woken};
use caseward::oauth::Tokens;
use caseward::settings::{Grant, MailboxSettings, OauthSettings};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use mailstack::mailstack;

/// Tokens of the helper are for this user; the others log in by password.
const HR: &str = "hr@hr.test";
const BOB: &str = "bob@candidates.test";
/// Belongs to the test that kills its user's server processes.
const JOBS: &str = "jobs@hr.test";
const LIMIT: u64 = 50 << 20;

struct Account {
    settings: MailboxSettings,
    _secrets: tempfile::TempDir,
}

/// The settings of one mailbox; `change` edits the source's TOML table.
fn account(user: &str, password: &str, change: impl Fn(&mut toml::Table)) -> Account {
    let secrets = tempfile::tempdir().unwrap();
    let file = secret(secrets.path(), "password", password);
    let mut source = toml::Table::new();
    source.insert("kind".into(), "imap".into());
    source.insert("host".into(), "localhost".into());
    source.insert("port".into(), i64::from(mailstack().port("IMAPS_PORT")).into());
    source.insert("ca_file".into(), mailstack().get("CA_FILE").into());
    source.insert("username".into(), user.into());
    source.insert("password".into(), toml::Table::from_iter([("file".to_owned(), text(&file))]).into());
    change(&mut source);
    let mut table = toml::Table::new();
    table.insert("name".into(), "hr".into());
    table.insert("address".into(), HR.into());
    table.insert("source".into(), source.into());
    Account { settings: table.try_into().unwrap(), _secrets: secrets }
}

fn text(path: &Path) -> toml::Value {
    path.to_str().unwrap().into()
}

fn secret(directory: &Path, name: &str, value: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, value).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

async fn log_in(account: &Account) -> Result<Imap, MailboxError> {
    Imap::connect(&account.settings, None, Timing::default()).await
}

async fn connected(user: &str) -> Imap {
    log_in(&account(user, "secret", |_| {})).await.unwrap()
}

/// A connection with a new, empty folder open.
async fn in_folder(user: &'static str) -> (Imap, Folder) {
    let folder = Folder::create(user);
    let mut imap = connected(user).await;
    assert!(!imap.open(&folder.name).await.unwrap().read_only);
    (imap, folder)
}

struct Folder {
    user: &'static str,
    name: String,
    path: PathBuf,
}

impl Folder {
    fn create(user: &'static str) -> Self {
        let name = unique();
        mailstack().doveadm(&["mailbox", "create", "-u", user, &name]);
        let path =
            Path::new(mailstack().get("MAILDIR_ROOT")).join(user).join("Maildir").join(format!(".{name}"));
        Self { user, name, path }
    }

    fn deliver(&self, mail: &[u8]) {
        let name = unique();
        let draft = self.path.join("tmp").join(&name);
        std::fs::write(&draft, mail).unwrap();
        // Dovecot may run as another user than the tests.
        let owner = std::fs::metadata(&self.path).unwrap();
        std::os::unix::fs::chown(&draft, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::rename(&draft, self.path.join("new").join(&name)).unwrap();
    }

    /// What Dovecot itself says of the messages.
    fn flags(&self) -> String {
        mailstack().doveadm(&["fetch", "-u", self.user, "flags", "mailbox", &self.name, "all"])
    }
}

fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{}-{next}", Timestamp::now().as_microsecond(), std::process::id())
}

fn mail(number: usize, body: usize) -> Vec<u8> {
    let mut mail = format!(
        "From: Anna <anna@candidates.test>\r\nSubject: mail {number}\r\nMessage-ID: <{number}@a.test>\r\n\r\n"
    );
    while mail.len() < body {
        mail.push_str("A line of fifty octets, with its end counted in.\r\n");
    }
    mail.into_bytes()
}

#[tokio::test]
async fn everything_is_listed_sized_and_fetched() {
    let (mut imap, folder) = in_folder(BOB).await;
    let mails: Vec<Vec<u8>> = (0..300).map(|number| mail(number, number * 20)).collect();
    mails.iter().for_each(|mail| folder.deliver(mail));
    let uids = imap.list(None).await.unwrap();
    assert_eq!(uids, (1..=300).map(Uid).collect::<Vec<_>>());
    assert_eq!(imap.list(Some(Uid(298))).await.unwrap(), [Uid(299), Uid(300)]);
    // `301:*` names message 300 to an IMAP server.
    assert_eq!(imap.list(Some(Uid(300))).await.unwrap(), []);
    assert_eq!(imap.list(Some(Uid(u32::MAX))).await.unwrap(), []);

    let sizes = imap.size(&uids).await.unwrap();
    let hour_ago = Timestamp::now().as_second() - 3600;
    assert!(sizes.iter().all(|listed| listed.received_at.as_second() > hour_ago));
    let mut fetched = Vec::new();
    for batch in uids.chunks(100) {
        fetched.extend(imap.fetch(batch, LIMIT).await.unwrap());
    }
    assert_eq!(fetched.iter().map(|mail| mail.uid).collect::<Vec<_>>(), uids);
    assert!(fetched.iter().zip(&sizes).all(|(mail, listed)| mail.raw.len() as u64 == listed.size));
    let got: HashSet<Vec<u8>> = fetched.into_iter().map(|mail| mail.raw).collect();
    assert_eq!(got, mails.into_iter().collect());
    assert!(!folder.flags().contains("Seen"), "fetching leaves no traces");

    // The order is the caller's, and a head is a head.
    let backwards = imap.fetch(&[Uid(9), Uid(3)], LIMIT).await.unwrap();
    assert_eq!(backwards.iter().map(|mail| mail.uid.0).collect::<Vec<_>>(), [9, 3]);
    let head = imap.head(Uid(200)).await.unwrap().unwrap();
    assert!(head.truncated && head.raw.ends_with(b"\r\n\r\n") && head.raw.len() < 200);
    Box::new(imap).close().await;
}

#[tokio::test]
async fn messages_are_marked_moved_and_deleted() {
    let (mut imap, folder) = in_folder(BOB).await;
    (0..4).for_each(|number| folder.deliver(&mail(number, 0)));
    let uids = imap.list(None).await.unwrap();
    imap.settle(&uids[..1], &Settle::Seen).await.unwrap();
    assert_eq!(folder.flags().matches("\\Seen").count(), 1);

    let target = format!("{}/Erledigt für R&D", unique());
    imap.settle(&uids[..2], &Settle::MoveTo(target.clone())).await.unwrap();
    assert_eq!(imap.list(None).await.unwrap(), uids[2..], "moved away");
    imap.settle(&uids[2..3], &Settle::MoveTo(target.clone())).await.unwrap();
    imap.settle(&uids[3..], &Settle::Delete).await.unwrap();
    assert_eq!(imap.list(None).await.unwrap(), []);
    // What is gone is no error.
    for how in [Settle::Seen, Settle::Delete, Settle::MoveTo(target.clone())] {
        imap.settle(&uids, &how).await.unwrap();
    }
    imap.open(&target).await.unwrap();
    assert_eq!(imap.list(None).await.unwrap().len(), 3);
    let listed = mailstack().doveadm(&["mailbox", "list", "-u", BOB]);
    assert!(listed.lines().any(|name| name == target), "{listed}");
}

#[tokio::test]
async fn what_is_gone_is_absent() {
    let (mut imap, folder) = in_folder(BOB).await;
    (0..3).for_each(|number| folder.deliver(&mail(number, 0)));
    assert_eq!(imap.list(None).await.unwrap().len(), 3);
    mailstack().doveadm(&["expunge", "-u", BOB, "mailbox", &folder.name, "uid", "2"]);
    let asked = [Uid(1), Uid(2), Uid(3), Uid(77)];
    let fetched = imap.fetch(&asked, LIMIT).await.unwrap();
    assert_eq!(fetched.iter().map(|mail| mail.uid.0).collect::<Vec<_>>(), [1, 3]);
    let sized = imap.size(&asked).await.unwrap();
    assert_eq!(sized.iter().map(|listed| listed.uid.0).collect::<Vec<_>>(), [1, 3]);
    assert!(imap.head(Uid(2)).await.unwrap().is_none());
    assert_eq!(imap.list(None).await.unwrap(), [Uid(1), Uid(3)]);
}

#[tokio::test]
async fn a_mailbox_to_keep_is_never_written() {
    let folder = Folder::create(BOB);
    folder.deliver(&mail(1, 0));
    let mut keep = account(BOB, "secret", |_| {});
    keep.settings.after = caseward::settings::After::Keep;
    let mut imap = log_in(&keep).await.unwrap();
    assert!(imap.open(&folder.name).await.unwrap().read_only);
    let refused = imap.settle(&[Uid(1)], &Settle::Delete).await.unwrap_err();
    assert!(matches!(refused, MailboxError::Misconfigured(_)), "{refused}");
    assert_eq!(imap.list(None).await.unwrap(), [Uid(1)]);
}

#[tokio::test]
async fn large_mail_comes_in_pieces_and_too_large_mail_as_its_head() {
    let (mut imap, folder) = in_folder(BOB).await;
    let exact = {
        let mut mail = mail(2, 1 << 20);
        mail.truncate(1 << 20);
        mail
    };
    let mails = [mail(1, 5 << 20), exact, mail(3, 100)];
    for mail in &mails {
        folder.deliver(mail);
        // One after the other, so that the UIDs are in order.
        imap.list(None).await.unwrap();
    }
    let uids = imap.list(None).await.unwrap();
    let whole = imap.fetch(&uids, LIMIT).await.unwrap();
    assert!(whole.iter().zip(&mails).all(|(got, mail)| got.raw == *mail && !got.truncated));
    assert_eq!(whole.len(), 3);

    for limit in [1 << 20, mails[0].len() as u64 - 1] {
        let limited = imap.fetch(&uids, limit).await.unwrap();
        assert_eq!(limited.iter().map(|mail| mail.truncated).collect::<Vec<_>>(), [true, false, false]);
        assert!(limited[0].raw.ends_with(b"\r\n\r\n") && limited[0].raw.len() < 200);
        assert_eq!(limited[2].raw, mails[2]);
    }
    let just = imap.fetch(&uids[..1], mails[0].len() as u64).await.unwrap();
    assert!(!just[0].truncated);
}

#[tokio::test]
async fn a_login_that_cannot_work_says_why() {
    let imap_port = i64::from(mailstack().port("IMAP_PORT"));
    let nothing_there =
        i64::from(std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let other_port = |source: &mut toml::Table, port: i64| {
        source.insert("port".into(), port.into());
    };
    type Change<'a> = Box<dyn Fn(&mut toml::Table) + 'a>;
    let cases: Vec<(&str, &str, Change, &str, &str)> = vec![
        (BOB, "wrong", Box::new(|_| {}), "Refused", "check username and password"),
        (BOB, "wröng", Box::new(|_| {}), "Refused", "check username and password"),
        (
            BOB,
            "secret",
            Box::new(|s| drop(s.remove("ca_file"))),
            "Misconfigured",
            "name its PEM file in ca_file",
        ),
        (BOB, "secret", Box::new(|s| other_port(s, imap_port)), "Misconfigured", "set tls = \"starttls\""),
        (BOB, "secret", Box::new(|s| other_port(s, nothing_there)), "Lost", "check host and port"),
    ];
    for (user, password, change, kind, remedy) in cases {
        let Err(error) = log_in(&account(user, password, change)).await else { panic!("{kind} expected") };
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        assert!(error.to_string().contains(remedy), "{error}");
        assert!(!error.to_string().contains(user) && !error.to_string().contains(password), "{error}");
    }
    let mut imap = connected(BOB).await;
    let error = imap.open("No such folder").await.unwrap_err();
    assert!(matches!(error, MailboxError::Misconfigured(_)), "{error}");
    imap.open("INBOX").await.expect("the session goes on");
}

#[tokio::test]
async fn starttls_and_loopback_without_tls() {
    for tls in ["starttls", "none"] {
        let account = account(BOB, "secret", |source| {
            source.insert("tls".into(), tls.into());
            source.insert("port".into(), i64::from(mailstack().port("IMAP_PORT")).into());
        });
        log_in(&account).await.unwrap().open("INBOX").await.unwrap();
    }
}

fn tokens(secrets: &tempfile::TempDir) -> Tokens {
    let grant = Grant::ClientCredentials {
        token_url: mailstack().get("OAUTH_TOKEN_URL").into(),
        client_id: "caseward".into(),
        client_secret: caseward::settings::Secret::File(secret(secrets.path(), "client", "secret")),
        scope: "mail".into(),
        secret_expires: None,
    };
    Tokens::new(&OauthSettings { ca_file: None, grant }, HR, None).unwrap()
}

#[tokio::test]
async fn tokens_open_the_mailbox_and_are_renewed() {
    let secrets = tempfile::tempdir().unwrap();
    let tokens = tokens(&secrets);
    let account = account(HR, "unused", |_| {});
    let connect = || Imap::connect(&account.settings, Some(&tokens), Timing::default());
    let token =
        async |now| secrecy::ExposeSecret::expose_secret(&tokens.access_token(now).await.unwrap()).to_owned();
    let now = Timestamp::now();
    connect().await.unwrap().open("INBOX").await.unwrap();
    let first = token(now).await;
    assert_eq!(token(now).await, first, "kept while it is good");

    // The server refuses it before its time.
    mailstack().revoke(&first);
    connect().await.unwrap().open("INBOX").await.unwrap();
    let second = token(now).await;
    assert_ne!(second, first);

    // It lasts an hour, and is renewed a little earlier.
    assert_eq!(token(now + Duration::from_secs(50 * 60)).await, second);
    assert_ne!(token(now + Duration::from_secs(59 * 60)).await, second);
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused() {
    let secrets = tempfile::tempdir().unwrap();
    let tokens = tokens(&secrets);
    let bob = account(BOB, "unused", |_| {});
    let Err(error) = Imap::connect(&bob.settings, Some(&tokens), Timing::default()).await else { panic!() };
    assert!(matches!(error, MailboxError::Refused(_)), "{error}");
}

#[tokio::test]
async fn idle_wakes_on_new_mail() {
    let (mut imap, folder) = in_folder(BOB).await;
    imap.list(None).await.unwrap();
    assert_eq!(imap.wait(Duration::from_millis(200)).await.unwrap(), Woken::Elapsed);
    let (woken, ()) = tokio::join!(imap.wait(Duration::from_secs(120)), async {
        // Most likely IDLE has begun by then; if not, it begins with the news.
        tokio::time::sleep(Duration::from_millis(300)).await;
        folder.deliver(&mail(1, 0));
    });
    assert_eq!(woken.unwrap(), Woken::Changed);
    assert_eq!(imap.list(None).await.unwrap(), [Uid(1)]);
    // What came between two waits is not slept through.
    folder.deliver(&mail(2, 0));
    imap.fetch(&[Uid(1)], LIMIT).await.unwrap();
    assert_eq!(imap.wait(Duration::from_secs(120)).await.unwrap(), Woken::Changed);
}

/// Passes everything on until `held` octets have come from the server, then stops reading until `go_on`.
async fn proxy(
    held: usize,
    reached: tokio::sync::oneshot::Sender<()>,
    go_on: tokio::sync::oneshot::Receiver<()>,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", mailstack().port("IMAP_PORT"))).await.unwrap();
        let (mut client_read, mut client_write) = client.into_split();
        let (mut server_read, mut server_write) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut client_read, &mut server_write).await });
        let mut first = vec![0; held];
        let mut passed = 0;
        while passed < held {
            let read = server_read.read(&mut first[passed..]).await.unwrap();
            client_write.write_all(&first[passed..passed + read]).await.unwrap();
            passed += read;
        }
        reached.send(()).unwrap();
        go_on.await.unwrap();
        // Whether the end comes as EOF or as a reset, the client sees the end.
        tokio::io::copy(&mut server_read, &mut client_write).await.ok();
    });
    port
}

#[tokio::test]
async fn a_server_process_that_dies_amid_an_answer_loses_the_connection() {
    let folder = Folder::create(JOBS);
    // More than all the buffers on the way hold.
    (0..40).for_each(|number| folder.deliver(&mail(number, 1 << 20)));
    let (reached, is_reached) = tokio::sync::oneshot::channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    let port = proxy(3 << 20, reached, may_go_on).await;
    let account = account(JOBS, "secret", |source| {
        source.insert("tls".into(), "none".into());
        source.insert("port".into(), i64::from(port).into());
    });
    let mut imap = log_in(&account).await.unwrap();
    imap.open(&folder.name).await.unwrap();
    let uids = imap.list(None).await.unwrap();
    assert_eq!(uids.len(), 40);
    let (outcome, ()) = tokio::join!(imap.fetch(&uids, LIMIT), async {
        is_reached.await.unwrap();
        kill_sessions(JOBS);
        go_on.send(()).unwrap();
    });
    let error = outcome.unwrap_err();
    assert!(matches!(error, MailboxError::Lost(_)), "{error}");
    let after = imap.list(None).await.unwrap_err();
    assert!(matches!(after, MailboxError::Lost(_)), "a dead session stays dead: {after}");
}

fn kill_sessions(user: &str) {
    let who = mailstack().doveadm(&["-f", "tab", "who", "-1", user]);
    let header: Vec<&str> = who.lines().next().unwrap().split('\t').collect();
    let column = header.iter().position(|name| *name == "pid").expect("a column of process ids");
    let pids: Vec<&str> = who.lines().skip(1).map(|line| line.split('\t').nth(column).unwrap()).collect();
    assert!(!pids.is_empty(), "no session: {who}");
    for pid in pids {
        assert!(std::process::Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
    }
}

#[tokio::test]
async fn an_abandoned_command_ends_the_session() {
    let (mut imap, folder) = in_folder(BOB).await;
    (0..20).for_each(|number| folder.deliver(&mail(number, 100_000)));
    let uids = imap.list(None).await.unwrap();
    // Polled once: the command is on its way, its answer is not read.
    tokio::select! {
        biased;
        _ = imap.fetch(&uids, LIMIT) => panic!("nothing is answered at once"),
        () = std::future::ready(()) => {}
    }
    let error = imap.list(None).await.unwrap_err();
    assert!(matches!(error, MailboxError::Lost(_)), "{error}");
}
