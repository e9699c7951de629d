//! `caseward restore`: puts a backup in the place of a SQLite register that is not there. It overwrites nothing, and
//! takes only a whole file that the master key opens.

use std::path::Path;
use std::process::ExitCode;

use super::new_file::NewFile;
use crate::daemon::StartError;
use crate::desk::DeskError;
use crate::desk::backup::{read_copy, vault_of_copy};
use crate::settings::Settings;
use crate::store::copy::Copy;
use crate::vault::MasterKey;

/// Restores `file` to the database of the settings at `config`.
pub fn run(config: Option<&Path>, file: &Path) -> ExitCode {
    let done =
        super::settings(config).map_err(StartError::from).and_then(|settings| restore(&settings, file));
    super::finish(done.map(|said| println!("{said}")))
}

fn restore(settings: &Settings, file: &Path) -> Result<String, StartError> {
    let Some(target) = settings.database.url.strip_prefix("sqlite:") else {
        return Err(StartError::Other(
            "the register lies on PostgreSQL: restore the dump by pg_restore into a new database and name that in \
             database.url"
                .into(),
        ));
    };
    let target = Path::new(target);
    let fresh = NewFile::beside(target)?;
    // What an earlier register left beside its file would be laid over the new one.
    for end in ["-wal", "-shm", "-journal"] {
        let mut beside = target.as_os_str().to_owned();
        beside.push(end);
        let beside = Path::new(&beside);
        if beside.exists() {
            return Err(StartError::Other(format!(
                "{}: this belongs to a register that was here; move it away to where that register is",
                beside.display()
            )));
        }
    }
    examine(settings, file, file)?;
    fresh.fill_from(file)?;
    examine(settings, fresh.path(), file)?;
    fresh.keep()?;
    Ok(format!("The register of {} is in {} now; start the daemon.", file.display(), target.display()))
}

/// Opens the copy at `path`; errors speak of `file`.
fn examine(settings: &Settings, path: &Path, file: &Path) -> Result<(), StartError> {
    let failed = |error: &dyn std::fmt::Display| {
        StartError::Other(format!("{}: nothing was restored: {error}", file.display()))
    };
    let secret = settings.vault.master_key.read()?;
    let master = MasterKey::from_text(secrecy::ExposeSecret::expose_secret(&secret))?;
    Copy::open(&format!("sqlite:{}", path.display()), None, None)
        .map_err(|error| failed(&error))?
        .read(|tx| {
            let vault = vault_of_copy(tx, master)?;
            read_copy(tx, &vault)
        })
        .map_err(|error| match error {
            DeskError::NotFound => {
                failed(&"it is not a finished backup: name a file that `caseward backup` made")
            }
            error => failed(&error),
        })?;
    Ok(())
}
