//! Starts the parts, watches them, stops them in order: mailboxes first, so that nothing new comes in, then the
//! outbox, the API, and the desk last, when all that was asked of it is committed.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::Digest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api, Health, MailboxHealth};
use crate::calendar::{CalendarError, Calendars, Timers};
use crate::case::Moment;
use crate::delivery::worker::Worker;
use crate::delivery::{Login, SendError, Transport};
use crate::desk::bootstrap::open_vault;
use crate::desk::people::OpenedRoster;
use crate::desk::runner::Threads;
use crate::desk::trace::Trace;
use crate::desk::{Desk, DeskError, Shared};
use crate::erasures;
use crate::indexer::Indexer;
use crate::intake::alarm::{Alarm, Expiring, Watched};
use crate::intake::classify::{Judge, RuleError};
use crate::intake::numbering::RegisterNumbers;
use crate::intake::poll::{Connect, Poller};
use crate::intake::prepare::Preparation;
use crate::intake::probe::Probe;
use crate::intake::prove::Prover;
use crate::intake::pulse::Pulse;
use crate::letters::{Letters, LettersError};
use crate::mail::Limits;
use crate::mailbox::imap::Imap;
use crate::mailbox::maildir::Maildir;
use crate::mailbox::{Mailbox, MailboxError};
use crate::oauth::{KeptInRegister, Tokens};
use crate::sequencer::Sequencer;
use crate::settings::{After, MailboxSettings, OauthSettings, Settings, SettingsError, SmtpSettings, Source};
use crate::store::{Store, StoreError};
use crate::vault::{KeyFileError, MasterKey};

/// Why the daemon does not start: one sentence with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Letters(#[from] LettersError),
    #[error(transparent)]
    Calendars(#[from] CalendarError),
    #[error(transparent)]
    Rules(#[from] RuleError),
    #[error(transparent)]
    Smtp(#[from] SendError),
    /// A command could not do what was rightly asked.
    #[error("{0}")]
    Failed(String),
    /// The asking or the settings are wrong.
    #[error("{0}")]
    Other(String),
}

/// What every command needs that works on the register.
pub struct Register {
    pub store: Store,
    pub desk: Desk,
    pub shared: Arc<Shared>,
    pub preparation: Arc<Preparation>,
    threads: Threads,
}

/// Where the time comes from.
pub type Clock = Box<dyn Fn() -> Moment + Send + Sync>;

impl Register {
    /// Opens the register that the settings name. Blocks.
    ///
    /// # Errors
    /// Whatever keeps it from working, with the remedy.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let master =
            MasterKey::from_text(secrecy::ExposeSecret::expose_secret(&settings.vault.master_key.read()?))?;
        let database = &settings.database;
        let password = database.password.as_ref().map(crate::settings::Secret::read).transpose()?;
        let letters = Letters::load(settings.templates_dir.as_deref())?;
        let calendars = Calendars::load(settings.config_dir.as_deref())?;
        calendars.check(settings)?;
        let classifier = Judge::load(rules_dir(settings).as_deref(), settings.classifier.point)?;
        let store =
            Store::open(&database.url, password.as_ref(), database.ca_file.as_deref(), database.readers)?;
        let vault = open_vault(&store, master, clock())?;
        let shared = Arc::new(Shared {
            vault,
            letters,
            calendars,
            roster: OpenedRoster::default(),
            settings: std::sync::RwLock::new(Arc::new(settings.clone())),
            clock,
            committed: tokio::sync::Notify::new(),
            meter: Default::default(),
        });
        let (desk, threads) = Desk::start(&store, &shared)?;
        let limits = limits_of(&settings.intake);
        let preparation = Arc::new(Preparation { limits, classifier: Box::new(classifier) });
        Ok(Self { store, desk, shared, preparation, threads })
    }

    /// Who keeps the audit log's tree up.
    #[must_use]
    pub fn sequencer(&self, settings: &Settings, holder: &str) -> Sequencer {
        Sequencer {
            store: self.store.clone(),
            desk: self.desk.clone(),
            shared: Arc::clone(&self.shared),
            holder: holder.into(),
            dir: settings.audit_dir(),
        }
    }

    /// Waits until all that was asked is committed.
    pub async fn close(self) {
        let sequencer = self.sequencer(&self.shared.settings(), &holder());
        sequencer.finish().await;
        drop(sequencer);
        let Self { desk, threads, store, .. } = self;
        drop(desk);
        let settled = tokio::task::spawn_blocking(move || {
            threads.join();
            store.settle()
        });
        match settled.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the database's log stays beside its file"),
            Err(_) => tracing::error!("the desk could not be waited for"),
        }
    }
}

fn limits_of(intake: &crate::settings::Intake) -> Limits {
    Limits {
        max_parts: intake.max_parts,
        max_depth: intake.max_depth,
        max_decoded: intake.max_decoded,
        max_headers: intake.max_headers,
        max_html_nodes: intake.max_html_nodes,
        ..Limits::default()
    }
}

/// How long the mailboxes, and then all the rest, may take to finish what is in hand. What is not finished then is
/// as if the power had gone: nothing that was committed is lost, nothing else was promised.
const GRACE: Duration = Duration::from_secs(4);
/// For the desk to commit what was asked of it.
const CLOSING: Duration = Duration::from_secs(2);

/// The running daemon.
pub struct Daemon {
    pub register: Register,
    /// Where the API listens.
    pub address: SocketAddr,
    pub pulses: Vec<(String, Arc<Pulse>)>,
    intake: JoinSet<()>,
    delivery: JoinSet<()>,
    server: actix_web::dev::ServerHandle,
    /// Kept so that a reload need not let go of the address.
    listener: Option<TcpListener>,
    stop_intake: CancellationToken,
    stop_delivery: CancellationToken,
}

impl Daemon {
    /// Starts everything. Opening the register blocks for a moment.
    ///
    /// # Errors
    /// Whatever keeps a part from starting; nothing runs then.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        Self::start_on(None, None, settings, clock).await
    }

    /// As [`Daemon::start`], listening where `listener` does already, with a program that tries mails over which an
    /// earlier daemon died.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub async fn start_on(
        listener: Option<TcpListener>,
        probe: Option<Probe>,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self, StartError> {
        settings.try_secrets()?;
        let listener = listener.map_or_else(|| listen(settings.api.listen), Ok)?;
        let kept = listener.try_clone().ok();
        let address = listener.local_addr().map_err(|error| StartError::Other(error.to_string()))?;
        let prover = prover(&settings);
        let opened = settings.clone();
        let register =
            tokio::task::spawn_blocking(move || Register::open(&opened, clock)).await.map_err(|_| {
                StartError::Other("opening the register failed inside; the log has the place".into())
            })??;
        let holder = holder();
        let mut secrets = Vec::new();
        let login = login(&settings.smtp, &register, &mut secrets)?;
        let transport = Arc::new(Transport::open(&settings.smtp, login)?);
        let (stop_intake, stop_delivery) = (CancellationToken::new(), CancellationToken::new());
        let mut delivery = JoinSet::new();
        let worker = Worker {
            transport,
            desk: register.desk.clone(),
            store: register.store.clone(),
            shared: Arc::clone(&register.shared),
            holder: holder.clone(),
            parallel: usize::from(settings.smtp.connections.max(1)),
            timeout: settings.smtp.timeout,
            patience: Default::default(),
        };
        delivery.spawn(worker.run(stop_delivery.clone()));
        if let Some(dir) = settings.audit_dir() {
            let again = erasures::replay(&register.desk, &dir).await?;
            if again > 0 {
                tracing::warn!(
                    keys = again,
                    "a restored backup brought back what was erased; it is erased again"
                );
            }
        }
        let sequencer = register.sequencer(&settings, &holder);
        delivery.spawn(sequencer.run(stop_delivery.clone()));
        let indexer = Indexer { store: register.store.clone(), desk: register.desk.clone() };
        delivery.spawn(indexer.run(stop_delivery.clone()));
        register.desk.run(settings_in_force("daemon.started", &settings)).await?;
        let timers = Timers {
            desk: register.desk.clone(),
            store: register.store.clone(),
            shared: Arc::clone(&register.shared),
        };
        delivery.spawn(timers.run(stop_delivery.clone()));
        let mut intake = JoinSet::new();
        let mut pulses = Vec::new();
        for mailbox in &settings.mailboxes {
            let mut poller = poller(&settings, mailbox, &register, &holder, &mut secrets)?;
            poller.prover.clone_from(&prover);
            poller.probe.clone_from(&probe);
            pulses.push((mailbox.name.clone(), Arc::clone(&poller.pulse)));
            intake.spawn(poller.run(stop_intake.clone()));
        }
        let health = health(&settings, &pulses, &secrets, &register.shared);
        let alarm = Alarm::new(watched(&settings, &pulses), secrets);
        intake.spawn(alarm.run(Arc::clone(&register.shared), stop_intake.clone()));
        let api = Api {
            store: register.store.clone(),
            desk: register.desk.clone(),
            shared: Arc::clone(&register.shared),
            preparation: Arc::clone(&register.preparation),
            health,
        };
        let server = api::serve(api, listener, &settings.api)
            .map_err(|error| StartError::Other(format!("the API cannot be served: {error}")))?;
        let handle = server.handle();
        delivery.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the API ended");
            }
        });
        Ok(Self {
            register,
            address,
            pulses,
            intake,
            delivery,
            server: handle,
            listener: kept,
            stop_intake,
            stop_delivery,
        })
    }

    /// The socket of the API, for whoever starts after this one.
    #[must_use]
    pub fn listener(&self) -> Option<TcpListener> {
        self.listener.as_ref()?.try_clone().ok()
    }

    /// Returns when a part ended that should not; what it was. None does while all is well.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            Some(_) = self.intake.join_next() => "a mailbox's task",
            Some(_) = self.delivery.join_next() => "the outbox's worker or the API",
            else => std::future::pending().await,
        }
    }

    /// Stops everything in order; what is in hand is finished, within 10 s.
    pub async fn stop(self) {
        self.stop_unless(CancellationToken::new()).await;
    }

    /// As [`Daemon::stop`], and from `hurry` on nothing more is waited for but the desk's commits.
    pub async fn stop_unless(mut self, hurry: CancellationToken) {
        self.stop_intake.cancel();
        finish(&mut self.intake, &hurry, "a mailbox").await;
        self.stop_delivery.cancel();
        tokio::join!(
            async {
                tokio::select! {
                    () = self.server.stop(true) => {}
                    () = tokio::time::sleep(GRACE) => {}
                    () = hurry.cancelled() => {}
                }
            },
            finish(&mut self.delivery, &hurry, "a mail or a request"),
        );
        if tokio::time::timeout(CLOSING, self.register.close()).await.is_err() {
            tracing::error!("the desk could not be waited for");
        }
    }
}

/// Waits until the parts have ended; not for ever.
async fn finish(parts: &mut JoinSet<()>, hurry: &CancellationToken, what: &str) {
    let all = async { while parts.join_next().await.is_some() {} };
    tokio::select! {
        () = all => return,
        () = tokio::time::sleep(GRACE) => {}
        () = hurry.cancelled() => {}
    }
    tracing::warn!("{what} was not finished in time; it is done at the next start");
    parts.shutdown().await;
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|error| {
        StartError::Other(format!(
            "api.listen {address}: {error}; stop the program that listens there or choose another port"
        ))
    })
}

/// Looks at all that the settings name and the daemon would read at its start, without touching the register.
///
/// # Errors
/// What is wrong, with the remedy.
pub fn try_settings(settings: &Settings) -> Result<(), StartError> {
    settings.try_secrets()?;
    MasterKey::from_text(secrecy::ExposeSecret::expose_secret(&settings.vault.master_key.read()?))?;
    Letters::load(settings.templates_dir.as_deref())?;
    Calendars::load(settings.config_dir.as_deref())?.check(settings)?;
    Judge::load(rules_dir(settings).as_deref(), settings.classifier.point)?;
    Transport::open(&settings.smtp, Login::None)?;
    api::try_certificate(&settings.api)
        .map_err(|error| StartError::Other(format!("the API cannot be served: {error}")))
}

/// The directory of the classifier's own rules, if the settings have one.
pub fn rules_dir(settings: &Settings) -> Option<std::path::PathBuf> {
    settings.config_dir.as_ref().map(|dir| dir.join("classifier")).filter(|dir| dir.is_dir())
}

/// The entry that says which settings hold from now on, by their digest: a change between two of them shows.
#[must_use]
fn settings_in_force(action: &'static str, settings: &Settings) -> Trace {
    let digest = sha2::Sha256::digest(format!("{settings:?}{}", settings.database.url).as_bytes());
    let details = serde_json::json!({
        "settings": data_encoding::HEXLOWER.encode(&digest), "program": env!("CARGO_PKG_VERSION"),
    });
    Trace::system(action, details)
}

/// Looks up senders' keys, unless the settings say no. Without name servers nobody is proved so, and all else works.
fn prover(settings: &Settings) -> Option<Arc<Prover>> {
    if !settings.intake.dkim {
        return None;
    }
    match Prover::new(&settings.intake.resolvers) {
        Ok(prover) => Some(Arc::new(prover)),
        Err(why) => {
            tracing::warn!(why, "DKIM signatures are not checked");
            None
        }
    }
}

fn watched(settings: &Settings, pulses: &[(String, Arc<Pulse>)]) -> Vec<Watched> {
    let both = pulses.iter().zip(&settings.mailboxes);
    both.map(|((name, pulse), mailbox)| Watched {
        mailbox: name.clone(),
        pulse: Arc::clone(pulse),
        alarm_after: mailbox.alarm_after,
    })
    .collect()
}

/// How the mailboxes are, asked anew each time.
fn health(
    settings: &Settings,
    pulses: &[(String, Arc<Pulse>)],
    secrets: &[Expiring],
    shared: &Arc<Shared>,
) -> Arc<dyn Fn() -> Health + Send + Sync> {
    let shared = Arc::clone(shared);
    let watched: Vec<_> = pulses
        .iter()
        .zip(&settings.mailboxes)
        .map(|((name, pulse), mailbox)| (name.clone(), Arc::clone(pulse), mailbox.alarm_after))
        .collect();
    let secrets = secrets.to_vec();
    Arc::new(move || Health {
        mailboxes: watched
            .iter()
            .map(|(name, pulse, alarm_after)| MailboxHealth::of(name, pulse, *alarm_after, shared.now()))
            .collect(),
        secrets: secrets.iter().filter_map(|one| one.days_left(shared.now())).collect(),
    })
}

/// Distinguishes this process among those that share a database.
fn holder() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn poller(
    settings: &Settings,
    mailbox: &MailboxSettings,
    register: &Register,
    holder: &str,
    secrets: &mut Vec<Expiring>,
) -> Result<Poller, StartError> {
    let connect: Box<dyn Connect> = match &mailbox.source {
        Source::Maildir { path } => Box::new(ConnectMaildir {
            path: path.clone(),
            numbers: Arc::new(RegisterNumbers {
                mailbox: mailbox.name.clone(),
                desk: register.desk.clone(),
                store: register.store.clone(),
            }),
        }),
        Source::Imap { oauth, username, .. } => {
            let tokens = match oauth {
                Some(oauth) => {
                    Some(tokens(oauth, username, &format!("mailbox/{}", mailbox.name), register, secrets)?)
                }
                None => None,
            };
            Box::new(ConnectImap { settings: mailbox.clone(), tokens })
        }
    };
    Ok(Poller {
        settings: mailbox.clone(),
        max_message_size: settings.intake.max_message_size,
        workers: settings.intake.workers,
        patience: Default::default(),
        connect,
        desk: register.desk.clone(),
        store: register.store.clone(),
        shared: Arc::clone(&register.shared),
        preparation: Arc::clone(&register.preparation),
        prover: None,
        probe: None,
        holder: holder.into(),
        pulse: Arc::new(Pulse::default()),
    })
}

struct ConnectMaildir {
    path: std::path::PathBuf,
    numbers: Arc<RegisterNumbers>,
}

#[async_trait]
impl Connect for ConnectMaildir {
    async fn connect(&self) -> Result<Box<dyn Mailbox>, MailboxError> {
        Ok(Box::new(Maildir::open(&self.path, Arc::clone(&self.numbers) as _)?))
    }
}

struct ConnectImap {
    settings: MailboxSettings,
    tokens: Option<Arc<Tokens>>,
}

#[async_trait]
impl Connect for ConnectImap {
    async fn connect(&self) -> Result<Box<dyn Mailbox>, MailboxError> {
        Ok(Box::new(Imap::connect(&self.settings, self.tokens.as_deref(), Default::default()).await?))
    }
}

fn tokens(
    settings: &OauthSettings,
    user: &str,
    name: &str,
    register: &Register,
    secrets: &mut Vec<Expiring>,
) -> Result<Arc<Tokens>, StartError> {
    let keeper = KeptInRegister {
        name: name.into(),
        desk: register.desk.clone(),
        store: register.store.clone(),
        shared: Arc::clone(&register.shared),
    };
    let tokens = Tokens::new(settings, user, Some(Box::new(keeper)))
        .map_err(|error| StartError::Other(format!("{name}: {error}")))?;
    let tokens = Arc::new(tokens);
    secrets.push(Expiring { name: name.into(), tokens: Arc::clone(&tokens) });
    Ok(tokens)
}

fn login(
    settings: &SmtpSettings,
    register: &Register,
    secrets: &mut Vec<Expiring>,
) -> Result<Login, StartError> {
    let Some(username) = settings.username.clone() else { return Ok(Login::None) };
    Ok(match (&settings.password, &settings.oauth) {
        (Some(password), _) => Login::Password { username, password: password.read()? },
        (None, Some(oauth)) => {
            let token = tokens(oauth, &username, "smtp", register, secrets)?;
            Login::Xoauth2 { username, token }
        }
        (None, None) => Login::None,
    })
}

/// The way out; `register` is where tokens are kept.
///
/// # Errors
/// What is wrong with the settings.
pub fn open_transport(settings: &Settings, register: &Register) -> Result<Transport, StartError> {
    Ok(Transport::open(&settings.smtp, login(&settings.smtp, register, &mut Vec::new())?)?)
}

/// Logs in to a mailbox, opens each of its folders and looks whether mail can be moved; for `caseward check`.
/// Changes nothing there.
///
/// # Errors
/// What keeps the mailbox from being worked.
pub async fn look_at(
    settings: &Settings,
    mailbox: &MailboxSettings,
    register: &Register,
) -> Result<String, MailboxError> {
    let poller = poller(settings, mailbox, register, &holder(), &mut Vec::new())
        .map_err(|error| MailboxError::Misconfigured(error.to_string()))?;
    let mut session = poller.connect.connect().await?;
    let writable = |folder: &str, read_only: bool| match read_only && mailbox.after != After::Keep {
        true => Err(MailboxError::Misconfigured(format!(
            "folder \"{folder}\" can only be read; set after = \"keep\" or give the account the right to change it"
        ))),
        false => Ok(()),
    };
    for folder in &mailbox.folders {
        writable(folder, session.open(folder).await?.read_only)?;
    }
    let mut said = format!("login works, {} folders open", mailbox.folders.len());
    let targets = [&mailbox.processed_folder, &mailbox.quarantine_folder];
    for target in targets.into_iter().filter(|_| mailbox.after == After::Move) {
        match session.open(target).await {
            Ok(state) => writable(target, state.read_only)?,
            Err(MailboxError::Misconfigured(_)) => {
                said.push_str(&format!(", \"{target}\" is made when it is first needed"));
                session = poller.connect.connect().await?;
            }
            Err(error) => return Err(error),
        }
    }
    session.close().await;
    Ok(said)
}
