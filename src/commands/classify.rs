//! `caseward classify FILE… | --jsonl FILE`: prints the verdict on each message as one JSON object a line.
//! Reads files and prints; what a verdict is, is the classifier's business.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::case::kinds::{Category, Priority, Sensitivity};
use crate::intake::classify::{Classifier, Input, Judge, OperatingPoint, Verdict, apart};
use crate::intake::prepare;
use crate::mail::{self, Limits, authentication::Policy};

/// A longer line is no message; reading it whole could take all memory.
const LINE_BYTES: u64 = 64 << 20;

/// What `--jsonl` reads, one a line; other fields are ignored.
#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    body: String,
}

#[derive(Serialize)]
struct Printed<'a> {
    id: &'a str,
    category: &'a Category,
    sensitivity: Sensitivity,
    priority: Priority,
    confidence: f32,
    because: &'a [String],
}

/// Classifies mail files, and the lines of `jsonl`, with the classifier in `dir` or the one built in. Goes on after
/// a message that cannot be read. Exit code 0: all printed; 1: some could not be read or printed; 2: no classifier.
pub fn run(files: &[PathBuf], jsonl: Option<&Path>, dir: Option<&Path>, point: OperatingPoint) -> ExitCode {
    let classifier = match Judge::load(dir, point) {
        Ok(classifier) => classifier,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = all(&classifier, files, jsonl, &mut out).and_then(|good| out.flush().map(|()| good));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads us has read enough, as in `… | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the verdicts cannot be written: {error}; check where the output goes");
            ExitCode::FAILURE
        }
    }
}

/// Whether every message could be read.
fn all(
    classifier: &dyn Classifier,
    files: &[PathBuf],
    jsonl: Option<&Path>,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut good = true;
    for file in files {
        match std::fs::read(file) {
            Ok(raw) => {
                let limits = Limits::default();
                let mail = mail::parse(&raw, &limits, &Policy::default());
                let verdict = prepare::classify(classifier, &raw, &mail, &limits);
                print(&file.to_string_lossy(), &verdict, out)?;
            }
            Err(error) => {
                eprintln!("{}: cannot be read: {error}; check the path", file.display());
                good = false;
            }
        }
    }
    if let Some(path) = jsonl {
        match File::open(path) {
            Ok(file) => good &= lines(classifier, path, BufReader::new(file), out)?,
            Err(error) => {
                eprintln!("{}: cannot be read: {error}; check the path", path.display());
                good = false;
            }
        }
    }
    Ok(good)
}

fn lines(
    classifier: &dyn Classifier,
    path: &Path,
    mut reader: impl BufRead,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut good = true;
    let mut bytes = Vec::new();
    for number in 1u64.. {
        bytes.clear();
        match io::Read::take(&mut reader, LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                eprintln!("{}, line {number}: cannot be read: {error}; check the file", path.display());
                return Ok(false);
            }
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(line) => {
                let (new_text, whole) = apart(&line.subject, &line.body);
                let input = Input {
                    subject: &line.subject,
                    new_text: &new_text,
                    whole_text: &whole,
                    ..Input::default()
                };
                print(&line.id, &classifier.classify(&input), out)?;
            }
            Err(_) => {
                eprintln!(
                    "{}, line {number}: is no JSON object with the texts id, subject, body and from_name; skipped, correct the line",
                    path.display()
                );
                good = false;
            }
        }
    }
    Ok(good)
}

fn print(id: &str, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let printed = Printed {
        id,
        category: &verdict.category,
        sensitivity: verdict.sensitivity,
        priority: verdict.priority,
        confidence: verdict.confidence,
        because: &verdict.because,
    };
    serde_json::to_writer(&mut *out, &printed)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(jsonl: &str) -> (bool, Vec<serde_json::Value>) {
        let classifier = Judge::load(None, OperatingPoint::default()).unwrap();
        let mut out = Vec::new();
        let good = lines(&classifier, Path::new("mails.jsonl"), jsonl.as_bytes(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        (good, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    #[test]
    fn each_line_gets_its_verdict() {
        let (good, verdicts) = printed(
            "{\"id\":\"a\",\"subject\":\"Payslip\",\"body\":\"My payslip is wrong.\",\"from_name\":\"Ada Sample\",\"more\":1}\n\n{\"id\":\"b\",\"subject\":\"\",\"body\":\"\",\"from_name\":null}\n",
        );
        assert!(good);
        assert_eq!(verdicts.len(), 2);
        assert_eq!(verdicts[0]["id"], "a");
        assert_eq!(verdicts[0]["category"], "payroll");
        assert_eq!(verdicts[1]["category"], "general");
        let fields: Vec<_> = verdicts[0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["because", "category", "confidence", "id", "priority", "sensitivity"]);
    }

    #[test]
    fn a_bad_line_stops_nothing() {
        let (good, verdicts) = printed("{\"id\":1}\nnot json\n{\"id\":\"c\",\"subject\":\"hello\"}\n");
        assert!(!good);
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0]["id"], "c");
    }

    #[test]
    fn a_mail_file_is_read_with_quotes_and_attached_text() {
        let classifier = Judge::load(None, OperatingPoint::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.eml");
        std::fs::write(&file, b"Subject: Room\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nPlease book the room for Monday, tea for nine people, thank you.\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nHe put his hand on my thigh.\r\n--b--\r\n").unwrap();
        let mut out = Vec::new();
        assert!(all(&classifier, &[file], None, &mut out).unwrap());
        let verdict: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(verdict["sensitivity"], "restricted", "{verdict}");
        assert!(
            verdict["because"][0].as_str().unwrap().starts_with("attached 'hand on my thigh"),
            "{verdict}"
        );
    }

    #[test]
    fn a_missing_file_is_named_and_the_rest_goes_on() {
        let classifier = Judge::load(None, OperatingPoint::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there.eml");
        std::fs::write(&there, b"Subject: Payslip\r\n\r\nMy payslip is wrong.\r\n").unwrap();
        let mut out = Vec::new();
        let good = all(&classifier, &[dir.path().join("gone.eml"), there.clone()], None, &mut out).unwrap();
        assert!(!good);
        let verdict: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(verdict["id"], there.to_str().unwrap());
    }
}
