//! `caseward classify train` and `caseward classify evaluate`: reads labelled mails, makes a model of them, and says how
//! good it is. Reads and writes files and prints; learning and measuring are the classifier's business.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::intake::classify::evaluate::{self, Trial};
use crate::intake::classify::{Config, MODEL, OperatingPoint, RuleError, examples, examples_of};

/// Learns from the examples in `dir`, and writes the model there unless it is worse than the one in use.
/// Exit code 0: adopted, or nothing to learn; 1: refused or not written; 2: files are wrong.
pub fn train(dir: &Path) -> ExitCode {
    match trained(dir) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn trained(dir: &Path) -> Result<ExitCode, RuleError> {
    let config = Config::read(Some(dir))?;
    let files = examples_of(dir)?;
    let mails = examples::read(&files)?;
    if mails.is_empty() {
        return Err(RuleError(format!(
            "{}: has no labelled mails in examples/*.jsonl; put some there",
            dir.display()
        )));
    }
    // A model that cannot be read has no say in whether the next one is good enough.
    let before = evaluate::in_use(&config).unwrap_or_else(|error| {
        eprintln!("{error}");
        (String::new(), None)
    });
    if before.0 == config.made_of(&files) {
        println!("The model in use was made of exactly these {} mails; nothing to learn.", mails.len());
        return Ok(ExitCode::SUCCESS);
    }
    let learned = evaluate::learn(&config, &mails, &files)?;
    if let Some(figures) = &before.1 {
        println!("before  {figures}");
    }
    println!("now     {}", learned.figures);
    if before.1.is_some_and(|before| !learned.figures.no_worse_than(&before)) {
        eprintln!(
            "The new model is worse on the held-back mails and was not adopted; look at what was added."
        );
        return Ok(ExitCode::FAILURE);
    }
    match write(&dir.join(MODEL), &learned.file) {
        Ok(()) => {
            println!("Adopted: learned from {} mails, {} bytes.", mails.len(), learned.file.len());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{}: cannot be written: {error}; check the directory", dir.join(MODEL).display());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// All or nothing.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

/// Prints how good the classifier in `dir` is on the mails held back from it, and draws its curve into `svg`.
pub fn evaluate(dir: &Path, point: OperatingPoint, svg: Option<&Path>) -> ExitCode {
    let trial = Config::read(Some(dir)).and_then(|config| {
        let mails = examples::read(&examples_of(dir)?)?;
        let (held, seen): (Vec<_>, Vec<_>) = mails.iter().partition(|mail| mail.held_back());
        let trial = Trial::of(&config, &seen, &held, point)?;
        Ok((trial.report(), trial.curve()))
    });
    let (report, curve) = match trial {
        Ok(trial) => trial,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("{report}");
    match svg.map(|path| (path, std::fs::write(path, curve))) {
        Some((path, Err(error))) => {
            eprintln!("{}: cannot be written: {error}; check the path", path.display());
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
