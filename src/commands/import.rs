//! `caseward import`: takes existing mail in from a Maildir or an mbox file. Nothing is acknowledged; started again
//! it goes on, because a mail that is there already is recognised before it is read closely.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::case::{Channel, Moment};
use crate::daemon::{Register, StartError};
use crate::desk::DeskError;
use crate::desk::receive::Receive;
use crate::intake::identity::identity;
use crate::intake::import::{Existing, Stock, maildir, mbox};
use crate::intake::poll::policy_of;
use crate::intake::prepare::Incoming;
use crate::settings::{MailboxSettings, Settings};
use crate::store::StoreError;
use crate::store::rows::RegisterState;

/// Mails in hand at once: by number and by size.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 20 << 20;

/// What kind of store the mail lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Maildir,
    Mbox,
}

/// Imports the mail at `path` as if it had come to `mailbox` (the first one when not named).
pub fn run(config: Option<&Path>, format: Format, path: &Path, mailbox: Option<&str>) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let path = path.to_path_buf();
        super::with_register(&settings, async |register| {
            let done = import(&register, &settings, format, path, mailbox).await;
            (register, done)
        })
    });
    super::finish(done.map(|imported| println!("{imported}")))
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub taken_in: u64,
    pub known: u64,
    /// Automatic, or in quarantine.
    pub held: u64,
    /// Files that could not be read.
    unreadable: u64,
}

impl std::fmt::Display for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken_in, known, held, .. } = self;
        write!(f, "{taken_in} mails taken in, {known} were there already, {held} automatic or in quarantine.")
    }
}

/// Takes the mail at `path` in.
///
/// # Errors
/// When the register or the store of mail cannot be worked; what was taken in so far stays.
pub async fn import(
    register: &Register,
    settings: &Settings,
    format: Format,
    path: PathBuf,
    mailbox: Option<&str>,
) -> Result<Imported, StartError> {
    let named = settings.mailboxes.iter().find(|one| mailbox.is_none_or(|name| one.name == name));
    let mailbox = named.ok_or_else(|| {
        StartError::Other(
            "there is no such mailbox in the settings; add it or name another with --mailbox".into(),
        )
    })?;
    let limit = settings.intake.max_message_size;
    let stock = match format {
        Format::Maildir => maildir(&path, limit),
        Format::Mbox => mbox(&path, limit),
    };
    let Stock { total, mut mails } = stock.map_err(|error| unreadable(&path, &error))?;
    let bar = progress(format, total);
    let mut imported = Imported::default();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let batch = next_batch(&mut mails, &mut imported);
        let Some(last) = batch.last() else { break };
        let done = last.done;
        tokio::select! {
            taken = take_in(register, settings, mailbox, batch, &mut imported) => taken?,
            _ = &mut interrupted => {
                bar.abandon();
                return Err(StartError::Other(format!("stopped. {imported} Run it again to go on")));
            }
        }
        bar.set_position(done);
    }
    bar.finish_and_clear();
    match imported.unreadable {
        0 => Ok(imported),
        files => Err(StartError::Other(format!(
            "{imported} {files} files could not be read; give yourself the right to read them and run this again"
        ))),
    }
}

fn progress(format: Format, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = match format {
        Format::Maildir => "{wide_bar} {human_pos}/{human_len} mails, {per_sec}, {eta} left",
        Format::Mbox => "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn next_batch(
    mails: &mut dyn Iterator<Item = std::io::Result<Existing>>,
    imported: &mut Imported,
) -> Vec<Existing> {
    let mut batch: Vec<Existing> = Vec::new();
    let mut bytes = 0;
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        match mails.next() {
            Some(Ok(mail)) => {
                bytes += mail.raw.len();
                batch.push(mail);
            }
            Some(Err(_)) => imported.unreadable += 1,
            None => break,
        }
    }
    batch
}

async fn take_in(
    register: &Register,
    settings: &Settings,
    mailbox: &MailboxSettings,
    batch: Vec<Existing>,
    imported: &mut Imported,
) -> Result<(), StartError> {
    let (new, known) = unknown(register, batch).await?;
    imported.known += known;
    let incoming = new
        .into_iter()
        .map(|mail| Incoming {
            place: None,
            mailbox: mailbox.name.clone(),
            received_at: mail.received_at.min(Moment::now()),
            bytes: mail.raw.len() as u64,
            raw: mail.raw,
            complete: mail.complete,
            acknowledge: false,
            dated_after: None,
            channel: Channel::Import,
            quarantine: None,
            opaque: None,
        })
        .collect();
    let shared = Arc::clone(&register.shared);
    let prepared =
        register.preparation.prepare_all(incoming, policy_of(mailbox), shared, settings.intake.workers);
    let mut waiting = Vec::new();
    for arrived in prepared.await {
        let arrived = Arc::new(arrived);
        let receive = Receive { arrived: Arc::clone(&arrived), lease: None, bare: false };
        waiting.push((arrived, register.desk.submit(receive).await?));
    }
    for (arrived, answer) in waiting {
        let became = match answer.await {
            Ok(Ok(became)) => became,
            // Its own fault or the register's: the second try tells.
            _ => register.desk.run(Receive { arrived, lease: None, bare: true }).await?,
        };
        match became.state {
            RegisterState::Duplicate => imported.known += 1,
            RegisterState::TakenIn | RegisterState::TooLarge => imported.taken_in += 1,
            _ => imported.held += 1,
        }
    }
    Ok(())
}

/// Those of a batch that the register does not have, and how many it has.
async fn unknown(register: &Register, batch: Vec<Existing>) -> Result<(Vec<Existing>, u64), DeskError> {
    let shared = Arc::clone(&register.shared);
    let found: Result<_, StoreError> = register
        .store
        .read(move |tx| {
            let mut new = Vec::new();
            let mut known = 0;
            for mail in batch {
                match tx.message_by_identity(identity(shared.vault.lookup(), &mail.raw))? {
                    Some(_) => known += 1,
                    None => new.push(mail),
                }
            }
            Ok((new, known))
        })
        .await;
    Ok(found?)
}

fn unreadable(path: &Path, error: &std::io::Error) -> StartError {
    StartError::Other(format!("{}: cannot be read: {error}", path.display()))
}
