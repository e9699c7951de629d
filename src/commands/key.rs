//! `caseward key …`: make a master key, change to a new one while the daemon runs, see how the keys stand, verify an
//! offline copy, index all cases anew.

use std::path::Path;
use std::process::ExitCode;

use secrecy::ExposeSecret;

use crate::daemon::{Register, StartError};
use crate::desk::DeskError;
use crate::desk::keys::{BeginRotation, FinishRotation, KeyStatus, Reindex, Rewrap, VerifyCopy, status};
use crate::settings::Secret;
use crate::vault::MasterKey;

/// Writes a new master key to `path`.
pub fn new(path: &Path) -> ExitCode {
    match MasterKey::create(path) {
        Ok(_) => {
            println!(
                "A new master key lies in {}. Without it nothing in the register can be read: keep a copy offline, \
                 apart from every backup of the database, and verify it by `caseward key verify-copy`.",
                path.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("caseward: {error}");
            ExitCode::from(2)
        }
    }
}

/// Changes to the master key in `path`, which is made if it is not there; goes on where it was interrupted.
pub fn rotate(config: Option<&Path>, path: &Path) -> ExitCode {
    let key = if path.exists() { read(path) } else { MasterKey::create(path).map_err(StartError::from) };
    let done = key.and_then(|key| with(config, async |register| rotate_to(register, key).await));
    super::finish(done.map(|count| {
        println!(
            "{count} keys were rewrapped. Now keep an offline copy of {0}, put {0} at vault.master_key, restart every \
             daemon, and run `caseward key rotate --finish`. Until then both keys open the register.",
            path.display()
        );
    }))
}

/// Rewraps everything for `key`; how many keys were.
pub async fn rotate_to(register: &Register, key: MasterKey) -> Result<usize, StartError> {
    register.desk.run(BeginRotation { new: key }).await?;
    rewrap(register).await
}

async fn rewrap(register: &Register) -> Result<usize, StartError> {
    let mut count = 0;
    loop {
        match register.desk.run(Rewrap).await? {
            0 => return Ok(count),
            more => count += more,
        }
    }
}

/// Ends a change of the master key: the old one opens nothing from now on.
pub fn finish(config: Option<&Path>) -> ExitCode {
    let done = with(config, async |register| finish_in(register).await);
    super::finish(done.map(|()| println!("The old master key opens nothing any more; destroy its copies.")))
}

/// Ends a change in an open register.
pub async fn finish_in(register: &Register) -> Result<(), StartError> {
    rewrap(register).await?;
    Ok(register.desk.run(FinishRotation).await?)
}

/// Prints how the keys stand.
pub fn show(config: Option<&Path>) -> ExitCode {
    let done = with(config, async |register| status_of(register).await);
    super::finish(done.map(|status| {
        println!("master key: generation {}", status.generation);
        for (generation, count) in &status.wrapped {
            println!("keys wrapped by generation {generation}: {count}");
        }
        if status.changing {
            println!("the master key is being changed; `caseward key rotate --finish` ends it");
        }
        match status.copy_verified_at {
            Some(at) => println!("an offline copy was verified at {at}"),
            None => println!("no offline copy was verified yet; `caseward key verify-copy FILE` does"),
        }
        println!("cases that wait to be indexed: {}", status.to_index);
    }))
}

/// How the keys of an open register stand.
pub async fn status_of(register: &Register) -> Result<KeyStatus, StartError> {
    let generation = register.shared.vault.generation();
    Ok(register.store.read(move |tx| Ok::<_, DeskError>(status(tx, generation)?)).await?)
}

/// Verifies that `path` is a good copy of the master key in use.
pub fn verify_copy(config: Option<&Path>, path: &Path) -> ExitCode {
    let done = read(path)
        .and_then(|copy| with(config, async |register| Ok(register.desk.run(VerifyCopy { copy }).await?)));
    super::finish(done.map(|()| println!("{} is a good copy of the master key in use.", path.display())))
}

/// Has all cases indexed anew.
pub fn reindex(config: Option<&Path>) -> ExitCode {
    let done = with(config, async |register| Ok(register.desk.run(Reindex).await?));
    super::finish(done.map(|count| println!("{count} cases wait to be indexed; the daemon does it.")))
}

fn read(path: &Path) -> Result<MasterKey, StartError> {
    let secret = Secret::File(path.into()).read()?;
    Ok(MasterKey::from_text(secret.expose_secret())?)
}

fn with<T>(
    config: Option<&Path>,
    work: impl AsyncFnOnce(&Register) -> Result<T, StartError>,
) -> Result<T, StartError> {
    let settings = super::settings(config)?;
    super::with_register(&settings, async |register| {
        let done = work(&register).await;
        (register, done)
    })
}
