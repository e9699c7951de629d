//! `caseward classify FILE… | --jsonl FILE`: prints the verdict on each message as one JSON object a line.
//! Reads files and prints; what a verdict is, is the classifier's business.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::case::kinds::{Category, Priority, Sensitivity};
use crate::intake::classify::{Classifier, Input, RuleClassifier, Verdict};

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
    #[serde(default)]
    from_name: Option<String>,
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

/// A mail as far as the classifier looks at it.
#[derive(Default)]
struct Texts {
    subject: String,
    new_text: String,
    quoted: String,
    attachment_names: Vec<String>,
}

/// Classifies mail files, and the lines of `jsonl`, with the rules in `rules` or those built in. Goes on after
/// a message that cannot be read. Exit code 0: all printed; 1: some could not be read or printed; 2: no rules.
pub fn run(files: &[PathBuf], jsonl: Option<&Path>, rules: Option<&Path>) -> ExitCode {
    let classifier = match RuleClassifier::load(rules) {
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
            Ok(raw) => print(classifier, &file.to_string_lossy(), &text_of(&raw), None, out)?,
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
                let (new_text, quoted) = apart(&line.body);
                let texts = Texts { subject: line.subject, new_text, quoted, attachment_names: Vec::new() };
                print(classifier, &line.id, &texts, line.from_name.as_deref(), out)?;
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

fn print(
    classifier: &dyn Classifier,
    id: &str,
    texts: &Texts,
    from_name: Option<&str>,
    out: &mut impl Write,
) -> io::Result<()> {
    let verdict: Verdict = classifier.classify(&Input {
        subject: &texts.subject,
        new_text: &texts.new_text,
        quoted: &texts.quoted,
        attachment_names: &texts.attachment_names,
        from_name,
    });
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

/// Stands in for `crate::mail::parse::parse` until that is merged.
fn text_of(raw: &[u8]) -> Texts {
    let Some(mail) = mail_parser::MessageParser::default().parse(raw) else {
        return Texts { new_text: String::from_utf8_lossy(raw).into_owned(), ..Texts::default() };
    };
    let body: Vec<_> = (0..mail.text_body_count().min(100)).filter_map(|part| mail.body_text(part)).collect();
    let (new_text, quoted) = apart(&body.join("\n"));
    let names = mail.attachments().filter_map(|part| {
        use mail_parser::MimeHeaders;
        part.attachment_name().map(str::to_owned)
    });
    Texts {
        subject: mail.subject().unwrap_or_default().to_owned(),
        new_text,
        quoted,
        attachment_names: names.take(100).collect(),
    }
}

/// New text and the rest, by the plainest marks alone; stands in for the parser's own quoting until the merge.
pub(crate) fn apart(body: &str) -> (String, String) {
    const OPENERS: [&str; 7] = ["from:", "von:", "de :", "de:", "-----", "sent:", "begin forwarded"];
    let (mut new_text, mut quoted) = (String::new(), String::new());
    let mut forwarded = false;
    for line in body.lines() {
        let start = line.trim_start();
        forwarded |= OPENERS
            .iter()
            .any(|opener| start.get(..opener.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(opener)));
        let into = if forwarded || start.starts_with('>') { &mut quoted } else { &mut new_text };
        into.push_str(start.trim_start_matches(['>', ' ']));
        into.push('\n');
    }
    (new_text, quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(jsonl: &str) -> (bool, Vec<serde_json::Value>) {
        let classifier = RuleClassifier::load(None).unwrap();
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
    fn a_mail_file_is_read_as_texts() {
        let raw = b"Subject: Hours\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nNew words.\r\n> Old words.\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=warning.pdf\r\n\r\nx\r\n--b--\r\n";
        let texts = text_of(raw);
        assert_eq!(texts.subject, "Hours");
        assert_eq!(texts.new_text.trim(), "New words.");
        assert_eq!(texts.quoted.trim(), "Old words.");
        assert_eq!(texts.attachment_names, ["warning.pdf"]);
    }

    #[test]
    fn a_forward_is_not_new_text() {
        let (new_text, quoted) = apart("See below.\nFrom: Ada\nSent: Monday\nWords.\n");
        assert_eq!(new_text, "See below.\n");
        assert!(quoted.contains("Words."));
    }

    #[test]
    fn a_missing_file_is_named_and_the_rest_goes_on() {
        let classifier = RuleClassifier::load(None).unwrap();
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
