//! `caseward import`: takes existing mail in from a Maildir or an mbox file. Nothing is acknowledged; started again
//! it goes on, because a mail that is there already is recognised.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::case::{Channel, Moment};
use crate::daemon::{Register, StartError};
use crate::desk::receive::Receive;
use crate::intake::import::{Existing, maildir, mbox};
use crate::intake::poll::policy_of;
use crate::intake::prepare::Incoming;
use crate::settings::Settings;
use crate::store::rows::RegisterState;

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
    super::finish(done)
}

async fn import(
    register: &Register,
    settings: &Settings,
    format: Format,
    path: PathBuf,
    mailbox: Option<&str>,
) -> Result<(), StartError> {
    let named = settings.mailboxes.iter().find(|one| mailbox.is_none_or(|name| one.name == name));
    let mailbox = named.ok_or_else(|| {
        StartError::Other(
            "there is no such mailbox in the settings; add it or name another with --mailbox".into(),
        )
    })?;
    let mails: Box<dyn Iterator<Item = std::io::Result<Existing>>> = match format {
        Format::Maildir => Box::new(maildir(&path).map_err(|error| unreadable(&path, &error))?),
        Format::Mbox => Box::new(mbox(&path).map_err(|error| unreadable(&path, &error))?),
    };
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} mails, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    let policy = policy_of(mailbox);
    let (mut taken, mut known, mut held, mut unreadable_files) = (0, 0, 0, 0);
    for mail in mails {
        bar.inc(1);
        let Ok(mail) = mail else {
            unreadable_files += 1;
            continue;
        };
        let incoming = Incoming {
            place: None,
            mailbox: mailbox.name.clone(),
            received_at: mail.received_at.min(Moment::now()),
            bytes: mail.raw.len() as u64,
            raw: mail.raw,
            complete: true,
            acknowledge: false,
            channel: Channel::Import,
        };
        let arrived = register.preparation.prepare(incoming, &policy, register.shared.vault.lookup());
        let became = register.desk.run(Receive { arrived: Arc::new(arrived) }).await?;
        match became.state {
            RegisterState::Duplicate => known += 1,
            RegisterState::TakenIn | RegisterState::TooLarge => taken += 1,
            _ => held += 1,
        }
    }
    bar.finish_and_clear();
    println!("{taken} mails taken in, {known} were there already, {held} automatic or in quarantine.");
    if unreadable_files > 0 {
        return Err(StartError::Other(format!(
            "{unreadable_files} files could not be read; give yourself the right to read them and run this again"
        )));
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> StartError {
    StartError::Other(format!("{}: cannot be read: {error}", path.display()))
}
