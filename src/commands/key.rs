//! `caseward key new`: makes a master key.

use std::path::Path;
use std::process::ExitCode;

use crate::vault::MasterKey;

/// Writes a new master key to `path`.
pub fn new(path: &Path) -> ExitCode {
    match MasterKey::create(path) {
        Ok(_) => {
            println!(
                "A new master key lies in {}. Without it nothing in the register can be read: keep a copy offline, \
                 apart from every backup of the database.",
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
