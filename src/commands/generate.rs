//! `caseward generate`: manual pages and completions, from the definition of the command line itself. For packages.

use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;

use crate::daemon::StartError;

/// Writes the pages of `command` to `DIR/man` and its completions to `DIR/completions`.
pub fn run(command: clap::Command, dir: &Path) -> ExitCode {
    let written = write(command, dir);
    super::finish(written.map_err(|error| {
        StartError::Failed(format!("{}: cannot be written: {}", dir.display(), error.kind()))
    }))
}

fn write(mut command: clap::Command, dir: &Path) -> std::io::Result<()> {
    let (man, completions) = (dir.join("man"), dir.join("completions"));
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "caseward", &completions)?;
    }
    clap_mangen::generate_to(command, &man)
}
