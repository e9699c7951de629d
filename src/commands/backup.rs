//! `caseward backup`: a sealed copy of the register, taken while the daemon runs and relied on only after it was
//! opened. SQLite is copied here; PostgreSQL has `pg_dump`, between `--begin` and `--verify`. The master key is in
//! neither.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use secrecy::SecretString;

use super::new_file::NewFile;
use crate::case::BackupId;
use crate::daemon::{Register, StartError};
use crate::desk::backup::{Begin, Verified, read_copy};
use crate::desk::{DeskError, Shared};
use crate::settings::{Secret, Settings};
use crate::store::copy::Copy;

/// What is asked for.
pub enum Task<'a> {
    /// Copy SQLite into this file and verify it.
    Copy(&'a Path),
    /// Mark that `pg_dump` is about to run.
    Begin,
    /// Open the restored dump, or any copy, at this URL.
    Verify(&'a str),
}

/// Does `task` for the register of the settings at `config`.
pub fn run(config: Option<&Path>, task: Task<'_>) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        super::with_register(&settings, async |register| {
            let done = match task {
                Task::Copy(file) => copy(&register, &settings, file).await,
                Task::Begin => begin(&register).await,
                Task::Verify(url) => verify(&register, &settings, url).await,
            };
            (register, done)
        })
    });
    super::finish(done.map(|said| println!("{said}")))
}

async fn copy(register: &Register, settings: &Settings, file: &Path) -> Result<String, StartError> {
    if !settings.database.url.starts_with("sqlite:") {
        return Err(StartError::Other(
            "the register lies on PostgreSQL, which pg_dump backs up: run `caseward backup --begin`, then pg_dump, \
             then `caseward backup --verify URL` on the restored dump"
                .into(),
        ));
    }
    let partial = NewFile::beside(file)?;
    register.desk.run(Begin).await?;
    let failed = |error: &dyn std::fmt::Display| {
        StartError::Failed(format!("{}: no backup was made: {error}", file.display()))
    };
    let (store, path) = (register.store.clone(), partial.path().to_path_buf());
    blocking(move || store.copy_to(&path)).await?.map_err(|error| failed(&error))?;
    let (shared, url) = (Arc::clone(&register.shared), format!("sqlite:{}", partial.path().display()));
    let id = blocking(move || mark_in(&url, None, None, &shared)).await?.map_err(|error| failed(&error))?;
    partial.keep()?;
    register.desk.run(Verified { id }).await?;
    Ok(format!(
        "The register is in {}, opened and read. The master key is not: keep it apart.",
        file.display()
    ))
}

async fn begin(register: &Register) -> Result<String, StartError> {
    register.desk.run(Begin).await?;
    Ok("Marked. Run pg_dump now, restore the dump into a new database, and name that to `caseward backup --verify`."
        .into())
}

async fn verify(register: &Register, settings: &Settings, url: &str) -> Result<String, StartError> {
    if url == settings.database.url {
        return Err(StartError::Other(
            "this is the register itself; name the database into which its copy was restored".into(),
        ));
    }
    let database = &settings.database;
    let password = database.password.as_ref().map(Secret::read).transpose()?;
    let (shared, url, ca_file) = (Arc::clone(&register.shared), url.to_owned(), database.ca_file.clone());
    let failed =
        |error: &dyn std::fmt::Display| StartError::Failed(format!("the copy is not verified: {error}"));
    let id = blocking(move || mark_in(&url, password.as_ref(), ca_file.as_deref(), &shared))
        .await?
        .map_err(|error| failed(&error))?;
    let at = register.desk.run(Verified { id }).await.map_err(|error| failed(&unmarked(error)))?;
    Ok(format!("Verified: all that was taken in before {at} is in this copy."))
}

/// Opens the copy at `url` with the register's keys; the mark it holds.
fn mark_in(
    url: &str,
    password: Option<&SecretString>,
    ca_file: Option<&Path>,
    shared: &Shared,
) -> Result<BackupId, StartError> {
    let mut copy =
        Copy::open(url, password, ca_file).map_err(|error| StartError::Failed(error.to_string()))?;
    copy.read(|tx| read_copy(tx, &shared.vault)).map_err(unmarked)
}

/// The database's blocking calls start runtimes of their own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StartError::Failed("this failed inside; the place stands above".into()))
}

fn unmarked(error: DeskError) -> StartError {
    match error {
        DeskError::NotFound => StartError::Failed(
            "it holds no mark of this register; run `caseward backup --begin` before the copy is taken"
                .into(),
        ),
        error => error.into(),
    }
}
