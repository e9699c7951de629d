//! The register and what fills it, without servers: mails are handed to the desk as a mailbox's task would, or lie in
//! a Maildir that a mailbox's task works, with faults on demand.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use caseward::case::{CaseId, Channel, MessageKind};
use caseward::commands::directory;
use caseward::daemon::Register;
use caseward::desk::filing::read_raw;
use caseward::desk::receive::{Arrived, Became, Receive};
use caseward::desk::register::IN_HAND;
use caseward::desk::{DeskError, context};
use caseward::intake::numbering::RegisterNumbers;
use caseward::intake::poll::{Connect, Poller, policy_of};
use caseward::intake::prepare::Incoming;
use caseward::intake::probe::Probe;
use caseward::intake::pulse::Pulse;
use caseward::mailbox::backoff::Patience;
use caseward::mailbox::maildir::Maildir;
use caseward::mailbox::{Fetched, FolderState, Listed, Mailbox, MailboxError, Settle, Uid, Woken};
use caseward::settings::{MailboxSettings, Secret, Settings, Since, Team};
use caseward::store::rows::{CaseRow, MessageRow, RegisterRow};
use caseward::store::{StoreError, Tx};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::app::{Database, PEOPLE, clock, fresh_postgres};

/// Runs one test on both databases.
#[macro_export]
macro_rules! on_both {
    ($($name:ident => $test:ident;)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$test($crate::support::app::Database::Sqlite).await;
            }
            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                super::$test($crate::support::app::Database::Postgres).await;
            }
        }
    )*};
}

pub struct Intake {
    pub register: Register,
    pub settings: Settings,
    ahead: Arc<AtomicI64>,
    pub dir: tempfile::TempDir,
}

impl Intake {
    /// A new register with two mailboxes, `hr` and `second`, and the people of [`PEOPLE`].
    pub async fn open(database: Database, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        caseward::vault::MasterKey::create(&dir.path().join("master.key")).expect("a key");
        let mut settings = Settings::default();
        settings.database.url = match database {
            Database::Sqlite => format!("sqlite:{}", dir.path().join("caseward.db").display()),
            Database::Postgres => fresh_postgres(),
        };
        settings.vault.master_key = Secret::File(dir.path().join("master.key"));
        settings.smtp.directory = Some(dir.path().join("sent"));
        settings.smtp.automatic_per_recipient_per_day = 10_000;
        settings.intake.dkim = false;
        for (name, address) in [("hr", "hr@hr.test"), ("second", "second@hr.test")] {
            let path = dir.path().join(name);
            for sub in ["new", "cur", "tmp"] {
                std::fs::create_dir_all(path.join(sub)).expect("a Maildir");
            }
            let mut mailbox = MailboxSettings::maildir(name, address, &path);
            mailbox.trust.authserv_id = Some("mx.hr.test".into());
            mailbox.poll = Duration::from_millis(50);
            // A mail laid down just before the first look must not depend on the second it fell into.
            mailbox.since = Since::All;
            settings.mailboxes.push(mailbox);
        }
        settings.teams = vec![Team {
            name: "hr".into(),
            categories: Vec::new(),
            legal_entity: String::new(),
            calendar: None,
        }];
        change(&mut settings);
        let ahead = Arc::new(AtomicI64::new(0));
        let register = open(&settings, &ahead).await;
        let people = directory::read(PEOPLE.as_bytes()).expect("people");
        directory::import_into(&register, people).await.expect("imported");
        Self { register, settings, ahead, dir }
    }

    /// Another daemon's view of the same register.
    pub async fn beside(&self) -> Register {
        open(&self.settings, &self.ahead).await
    }

    pub fn advance(&self, span: Duration) {
        self.ahead.fetch_add(i64::try_from(span.as_micros()).expect("a short span"), Ordering::Relaxed);
        // Who waits for a time looks at the clock again.
        self.register.shared.committed.notify_one();
    }

    /// A mail arrives in the first mailbox.
    pub async fn arrive(&self, raw: &str) -> Became {
        self.arrive_in(0, raw, true).await
    }

    pub async fn arrive_in(&self, mailbox: usize, raw: &str, acknowledge: bool) -> Became {
        self.take_in(self.prepare(mailbox, raw, acknowledge)).await
    }

    pub async fn take_in(&self, arrived: Arrived) -> Became {
        let receive = Receive { arrived: Arc::new(arrived), lease: None, bare: false };
        self.register.desk.run(receive).await.expect("taken in")
    }

    /// What is understood of a mail before it comes to the desk.
    pub fn prepare(&self, mailbox: usize, raw: &str, acknowledge: bool) -> Arrived {
        let mailbox = &self.settings.mailboxes[mailbox];
        let now = self.register.shared.now();
        let incoming = Incoming {
            place: None,
            mailbox: mailbox.name.clone(),
            received_at: now,
            bytes: raw.len() as u64,
            raw: raw.replace('\n', "\r\n").into_bytes(),
            complete: true,
            acknowledge,
            dated_after: None,
            channel: Channel::Mail,
            quarantine: None,
            opaque: None,
        };
        let lookup = self.register.shared.vault.lookup();
        self.register.preparation.prepare(incoming, &policy_of(mailbox), lookup)
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.register.store.read(read).await.expect("the register answers")
    }

    pub async fn case(&self, id: CaseId) -> CaseRow {
        self.read(move |tx| Ok(tx.case(id)?.expect("the case"))).await
    }

    pub async fn messages(&self, case: CaseId) -> Vec<MessageRow> {
        self.read(move |tx| tx.messages_of(case, None, 1_000)).await
    }

    /// What we sent in a case, as it left.
    pub async fn sent(&self, case: CaseId) -> Vec<String> {
        let shared = Arc::clone(&self.register.shared);
        let sent: Result<Vec<String>, DeskError> = self
            .register
            .store
            .read(move |tx| {
                let rows = tx.messages_of(case, None, 1_000)?;
                let ours = |row: &&MessageRow| {
                    matches!(row.kind, MessageKind::Acknowledgement | MessageKind::MailOut)
                };
                let mut sent = Vec::new();
                for row in rows.iter().filter(ours) {
                    let scope = context::scope(tx, &shared.vault, case.as_bytes())?;
                    sent.push(String::from_utf8_lossy(&read_raw(tx, &scope, row)?).into_owned());
                }
                Ok(sent)
            })
            .await;
        sent.expect("the mails open")
    }

    /// Every place of a mailbox's folders, oldest first.
    pub async fn places(&self) -> Vec<RegisterRow> {
        let rows = self.read(|tx| tx.list_register(None, None, 1_000)).await;
        let mut rows: Vec<RegisterRow> = rows.into_iter().map(|(row, _)| row).collect();
        rows.sort_by_key(|row| (row.received_at, row.uid));
        rows
    }

    /// Waits until the register's places are as wanted.
    pub async fn until(&self, what: &str, holds: impl Fn(&[RegisterRow]) -> bool) -> Vec<RegisterRow> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let places = self.places().await;
            if holds(&places) && settled_down(&places) {
                return places;
            }
            assert!(Instant::now() < deadline, "waited in vain until {what}: {places:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lays a mail into the first mailbox's Maildir.
    pub fn deliver(&self, raw: &str) -> PathBuf {
        deliver(&self.dir.path().join("hr"), raw)
    }

    /// Works the first mailbox until it is stopped.
    pub fn work(&self, faults: &Faults) -> Working {
        self.work_as(&self.register, faults, "one")
    }

    /// The same as another daemon.
    pub fn work_as(&self, register: &Register, faults: &Faults, holder: &str) -> Working {
        let settings = self.settings.mailboxes[0].clone();
        let pulse = Arc::new(Pulse::default());
        let numbers = RegisterNumbers {
            mailbox: settings.name.clone(),
            desk: register.desk.clone(),
            store: register.store.clone(),
        };
        let poller = Poller {
            max_message_size: self.settings.intake.max_message_size,
            workers: 2,
            patience: Patience {
                first: Duration::from_millis(20),
                refused: Duration::from_millis(20),
                login_every: Duration::ZERO,
            },
            connect: Box::new(Opens {
                root: self.dir.path().join("hr"),
                numbers: Arc::new(numbers),
                faults: faults.clone(),
            }),
            desk: register.desk.clone(),
            store: register.store.clone(),
            shared: Arc::clone(&register.shared),
            preparation: Arc::clone(&register.preparation),
            prover: None,
            probe: faults.plan().probe.clone().map(|program| Probe { program }),
            holder: holder.into(),
            pulse: Arc::clone(&pulse),
            settings,
        };
        let stop = CancellationToken::new();
        Working { pulse, task: tokio::spawn(poller.run(stop.clone())), stop }
    }
}

/// Whether no batch is in hand just now.
pub fn settled_down(places: &[RegisterRow]) -> bool {
    places.iter().all(|row| row.reason.as_deref() != Some(IN_HAND))
}

async fn open(settings: &Settings, ahead: &Arc<AtomicI64>) -> Register {
    let (settings, clock) = (settings.clone(), clock(ahead));
    tokio::task::spawn_blocking(move || Register::open(&settings, clock))
        .await
        .expect("no panic")
        .expect("the register opens")
}

pub fn deliver(maildir: &Path, raw: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{:06}.{}", NEXT.fetch_add(1, Ordering::Relaxed), std::process::id());
    let (draft, path) = (maildir.join("tmp").join(&name), maildir.join("new").join(&name));
    std::fs::write(&draft, raw.replace('\n', "\r\n")).expect("written");
    std::fs::rename(&draft, &path).expect("delivered");
    path
}

/// Makes a mail seem to have lain there for `span`.
pub fn age(path: &Path, span: Duration) {
    let file = std::fs::File::options().append(true).open(path).expect("the mail");
    file.set_modified(SystemTime::now() - span).expect("aged");
}

/// A mailbox's task at work.
pub struct Working {
    pub pulse: Arc<Pulse>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Working {
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it ends");
    }

    /// Ends it without a word, as a crash would.
    pub fn kill(self) {
        self.task.abort();
    }
}

/// What goes wrong, for mails that contain a word.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
pub struct Plan {
    /// The session ends when such a mail is fetched, or even its head.
    pub breaks_off: HashSet<&'static str>,
    pub breaks_off_at_head: HashSet<&'static str>,
    /// Such a mail cannot be read, while others can.
    pub unreadable: HashSet<&'static str>,
    /// Nothing can be moved.
    pub full: bool,
    /// A new epoch: another UIDVALIDITY, other UIDs.
    pub epoch: u32,
    /// How often which mail was asked for.
    pub asked: Vec<Vec<u32>>,
    /// Tries suspects.
    pub probe: Option<PathBuf>,
    /// Fetching waits for this.
    pub gate: Option<Arc<tokio::sync::Notify>>,
}

impl Faults {
    pub fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().expect("no panic")
    }
}

struct Opens {
    root: PathBuf,
    numbers: Arc<RegisterNumbers>,
    faults: Faults,
}

#[async_trait]
impl Connect for Opens {
    async fn connect(&self) -> Result<Box<dyn Mailbox>, MailboxError> {
        let inner = Maildir::open(&self.root, Arc::clone(&self.numbers) as _)?;
        Ok(Box::new(Faulty { inner, faults: self.faults.clone() }))
    }
}

/// A Maildir on which things go wrong.
struct Faulty {
    inner: Maildir,
    faults: Faults,
}

const EPOCH: u32 = 10_000;

impl Faulty {
    fn outer(&self, uid: Uid) -> Uid {
        Uid(uid.0 + EPOCH * self.faults.plan().epoch)
    }
    fn inner(&self, uid: Uid) -> Uid {
        Uid(uid.0.saturating_sub(EPOCH * self.faults.plan().epoch))
    }
    fn inners(&self, uids: &[Uid]) -> Vec<Uid> {
        uids.iter().map(|uid| self.inner(*uid)).collect()
    }
}

fn holds(raw: &[u8], words: &HashSet<&'static str>) -> bool {
    let text = String::from_utf8_lossy(raw);
    words.iter().any(|word| text.contains(word))
}

#[async_trait]
impl Mailbox for Faulty {
    async fn open(&mut self, folder: &str) -> Result<FolderState, MailboxError> {
        let state = self.inner.open(folder).await?;
        Ok(FolderState { validity: state.validity + self.faults.plan().epoch, ..state })
    }

    async fn list(&mut self, above: Option<Uid>) -> Result<Vec<Uid>, MailboxError> {
        let above = above.map(|uid| self.inner(uid));
        Ok(self.inner.list(above).await?.into_iter().map(|uid| self.outer(uid)).collect())
    }

    async fn size(&mut self, uids: &[Uid]) -> Result<Vec<Listed>, MailboxError> {
        let uids = self.inners(uids);
        let listed = self.inner.size(&uids).await?;
        Ok(listed.into_iter().map(|one| Listed { uid: self.outer(one.uid), ..one }).collect())
    }

    async fn fetch(&mut self, uids: &[Uid], limit: u64) -> Result<Vec<Fetched>, MailboxError> {
        self.faults.plan().asked.push(uids.iter().map(|uid| uid.0).collect());
        let gate = self.faults.plan().gate.clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let inner = self.inners(uids);
        let fetched = self.inner.fetch(&inner, limit).await?;
        for one in &fetched {
            if holds(&one.raw, &self.faults.plan().breaks_off) {
                return Err(MailboxError::Lost("injected".into()));
            }
            if holds(&one.raw, &self.faults.plan().unreadable) {
                return Err(MailboxError::Message {
                    uid: self.outer(one.uid),
                    reason: "the file cannot be read; check its rights".into(),
                });
            }
        }
        Ok(fetched.into_iter().map(|one| Fetched { uid: self.outer(one.uid), ..one }).collect())
    }

    async fn head(&mut self, uid: Uid) -> Result<Option<Fetched>, MailboxError> {
        let inner = self.inner(uid);
        match self.inner.head(inner).await? {
            Some(one) if holds(&one.raw, &self.faults.plan().breaks_off_at_head) => {
                Err(MailboxError::Lost("injected".into()))
            }
            head => Ok(head.map(|one| Fetched { uid, ..one })),
        }
    }

    async fn settle(&mut self, uids: &[Uid], how: &Settle) -> Result<(), MailboxError> {
        if self.faults.plan().full {
            return Err(MailboxError::Misconfigured("injected: over quota".into()));
        }
        let uids = self.inners(uids);
        self.inner.settle(&uids, how).await
    }

    async fn wait(&mut self, at_most: Duration) -> Result<Woken, MailboxError> {
        self.inner.wait(at_most).await
    }

    async fn close(self: Box<Self>) {}
}

/// Puts our MX's word on top.
pub fn proved(mail: &str) -> String {
    let from = mail.split_once("From: ").expect("a sender").1.lines().next().expect("a line");
    let domain = from.rsplit_once('@').expect("an address").1.trim_end_matches('>');
    super::app::authenticated(domain, mail)
}
