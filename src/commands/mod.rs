//! The subcommands of the command line, one file each. What they print on standard output is for people or pipes;
//! errors go to standard error as one sentence with the remedy.

pub mod audit;
pub mod backup;
pub mod check;
pub mod classify;
pub mod classify_learn;
pub mod demo;
pub mod directory;
pub mod generate;
pub mod import;
pub mod key;
mod new_file;
pub mod parse;
pub mod probe;
pub mod restore;
pub mod serve;
pub mod user;

use std::path::Path;
use std::process::ExitCode;

use crate::case::Moment;
use crate::daemon::{Register, StartError};
use crate::delivery::SendError;
use crate::desk::DeskError;
use crate::settings::{self, Settings, SettingsError};
use crate::store::StoreError;

/// Reads the settings at `path`, or at `CASEWARD_CONFIG`, or the packaged place.
pub fn settings(path: Option<&Path>) -> Result<Settings, SettingsError> {
    let env = settings::environment();
    let named = env.iter().find(|(name, _)| name == "CASEWARD_CONFIG").map(|(_, value)| value.clone());
    let default = Path::new("/etc/caseward/caseward.toml");
    let path = path
        .map(Path::to_path_buf)
        .or(named.map(Into::into))
        .or_else(|| default.is_file().then(|| default.to_path_buf()));
    settings::load(path.as_deref(), env)
}

/// Runs `work` on a runtime with the register open.
pub fn with_register<T, F>(settings: &Settings, work: impl FnOnce(Register) -> F) -> Result<T, StartError>
where
    F: Future<Output = (Register, Result<T, StartError>)>,
{
    let register = Register::open(settings, Box::new(Moment::now))?;
    runtime()?.block_on(async {
        let (register, result) = work(register).await;
        register.close().await;
        result
    })
}

/// The runtime of a command.
pub fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| StartError::Other(format!("no thread could be started: {error}")))
}

/// Says why, and what the exit code is: 2 for wrong usage or configuration, 1 for what failed.
pub fn failed(error: &StartError) -> ExitCode {
    eprintln!("caseward: {error}");
    match error {
        StartError::Settings(_)
        | StartError::Key(_)
        | StartError::Other(_)
        | StartError::Letters(_)
        | StartError::Rules(_) => ExitCode::from(2),
        StartError::Smtp(SendError::Misconfigured(_)) => ExitCode::from(2),
        StartError::Store(error) | StartError::Desk(DeskError::Store(error)) => match error {
            // Waiting mends these.
            StoreError::Unavailable(_) | StoreError::Query(_) => ExitCode::FAILURE,
            _ => ExitCode::from(2),
        },
        _ => ExitCode::FAILURE,
    }
}

/// The exit code of a finished command.
pub fn finish(result: Result<(), StartError>) -> ExitCode {
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

/// `caseward openapi`: prints the API's document.
pub fn openapi() -> ExitCode {
    match crate::api::openapi().to_pretty_json() {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("caseward: the document cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}
