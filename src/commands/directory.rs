//! `caseward directory import`: shows what the list of employees would change, and changes it when told to.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::case::Actor;
use crate::daemon::{Register, StartError};
use crate::desk::people::{self, ImportPeople};
pub use crate::directory::list::read;
use crate::directory::list::{self, Difference, Person};

/// Shows how the CSV file at `path` differs from the directory. It is taken over with `apply`, or when somebody at a
/// terminal says yes; otherwise nothing is changed.
pub fn import(config: Option<&Path>, path: &Path, apply: bool) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let file = std::fs::read(path)
            .map_err(|error| StartError::Other(format!("{}: cannot be read: {error}", path.display())))?;
        let people = read(&file).map_err(|why| StartError::Other(format!("{}: {why}", path.display())))?;
        super::with_register(&settings, async |register| {
            let done = compare_and_import(&register, people, apply).await;
            (register, done)
        })
    });
    super::finish(done)
}

async fn compare_and_import(register: &Register, people: Vec<Person>, apply: bool) -> Result<(), StartError> {
    let shared = std::sync::Arc::clone(&register.shared);
    let known = register.store.read(move |tx| people::people(tx, &shared.vault)).await?;
    let difference = list::difference(&known, &people);
    println!("{difference}");
    if difference.is_empty() {
        return Ok(());
    }
    if !apply && !confirmed() {
        println!("Nothing was changed; with --apply it is.");
        return Ok(());
    }
    import_into(register, people).await?;
    println!("The directory was changed.");
    Ok(())
}

/// Only a person at a terminal can say yes.
fn confirmed() -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return false;
    }
    print!("Change the directory? [y/N] ");
    let mut answer = String::new();
    std::io::stdout().flush().is_ok()
        && std::io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Imports people into an open register.
pub async fn import_into(register: &Register, people: Vec<Person>) -> Result<Difference, StartError> {
    Ok(register.desk.run(ImportPeople { actor: Actor::System, people }).await?)
}
