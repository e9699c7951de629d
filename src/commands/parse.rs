//! `caseward parse FILE…`: one JSON object per message, one per line, that says how the mail is understood.

use crate::mail::{self, Limits, Mail, authentication::Policy};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// A line of output: the file as it was named, and the mail in it.
#[derive(Serialize)]
struct Line<'f> {
    file: &'f str,
    #[serde(flatten)]
    mail: Mail,
}

/// Prints every file; those that cannot be read are told on standard error and make the exit code 1.
pub fn run(files: &[PathBuf]) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match print(file, &mut out) {
            Ok(()) => {}
            // Whoever reads the output has seen enough (`caseward parse … | head`).
            Err(Failure::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => return code,
            Err(failure) => {
                eprintln!("{failure}");
                code = ExitCode::FAILURE;
            }
        }
    }
    if let Err(e) = out.flush().or_else(ignore_closed_pipe) {
        eprintln!("{}", Failure::Write(e));
        code = ExitCode::FAILURE;
    }
    code
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("Cannot read {0}: {1}. Give the path of a file that holds one message.")]
    Read(String, io::Error),
    #[error("Cannot write the result: {0}. Check where the output goes.")]
    Write(#[from] io::Error),
}

fn print(file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let name = file.to_string_lossy();
    let raw = std::fs::read(file).map_err(|e| Failure::Read(name.to_string(), e))?;
    let mail = mail::parse(&raw, &Limits::default(), &Policy::default());
    let line = serde_json::to_string(&Line { file: &name, mail }).map_err(io::Error::from)?;
    writeln!(out, "{line}")?;
    Ok(())
}

fn ignore_closed_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}
