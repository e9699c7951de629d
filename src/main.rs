//! The command line, nothing else.

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Turns an HR mailbox into a case register that a court could read.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print how messages are understood: one JSON object per message.
    Parse {
        /// Files that hold one message each.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Parse { files } => caseward::commands::parse::run(&files),
    }
}
