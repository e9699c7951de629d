//! Labelled mails, as files of JSON lines: what the model learns from and is measured on. Reads and checks; every
//! refusal names file and line.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::RuleError;
use crate::case::kinds::{Category, Priority, Sensitivity};

/// One labelled mail.
#[derive(Clone, Debug, Deserialize)]
pub struct Labelled {
    /// Letters and a number, unique over all files: the number says whether it is held back.
    pub id: String,
    pub subject: String,
    pub body: String,
    pub lang: String,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
}

impl Labelled {
    /// Never learned from while a model is judged: every mail whose number divides by five.
    pub fn held_back(&self) -> bool {
        let digits: String = self.id.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().is_ok_and(|number| number.is_multiple_of(5))
    }
}

/// The mails of all `files` (name, text), in order.
pub fn read(files: &BTreeMap<String, String>) -> Result<Vec<Labelled>, RuleError> {
    let mut mails: Vec<Labelled> = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (name, text) in files {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!("{name}, line {}", at + 1);
            let mail: Labelled = serde_json::from_str(line).map_err(|error| {
                RuleError(format!(
                    "{place}: is no labelled mail: {}; correct the line",
                    without_place(&error)
                ))
            })?;
            if let Some(other) = seen.insert(mail.id.clone(), place.clone()) {
                return Err(RuleError(format!("{place}: has the id of {other}; give each mail its own")));
            }
            mails.push(mail);
        }
    }
    Ok(mails)
}

/// What is wrong, without the library's own line and column: ours is in front.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
