//! What a mail is about, how sensitive it is and how soon somebody must look: an [`Input`] goes in, a
//! [`Verdict`] with its reasons comes out. Pure: no I/O after loading, no clock, no cases. A verdict routes;
//! it never decides anything about a person and can always be overridden.
//!
//! [`Classifier`] is the seam: today [`RuleClassifier`] stands behind it, later one that has learned.

mod config;
#[cfg(test)]
mod figures;
mod language;
mod lexicon;
mod rules;
#[cfg(test)]
mod tests;
mod text;
mod vote;

pub use config::RuleError;
pub use rules::RuleClassifier;

use serde::Serialize;

use crate::case::kinds::{Category, Priority, Sensitivity};

/// What is looked at. Nothing here need be clean: any text of any size is bounded inside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    pub subject: &'a str,
    /// What the sender wrote now.
    pub new_text: &'a str,
    /// The rest of the text: quotes, forwarded mail, signatures. Counts for sensitivity and priority.
    pub quoted: &'a str,
    pub attachment_names: &'a [String],
    /// Never evidence: names say nothing of what a mail is about. Here so that reasons can leave it out.
    pub from_name: Option<&'a str>,
}

/// What a classifier says of a mail. The same input gives the same verdict on every machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub category: Category,
    /// The second guess, when there is any evidence for one.
    pub runner_up: Option<Category>,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
    /// Of the category: 0.0 to 1.0.
    pub confidence: f32,
    /// Sentences for a person. They hold words of the mail: never for a log.
    pub because: Vec<String>,
    /// Identifiers of the rules that spoke, in order; free of content.
    pub rules: Vec<String>,
    /// A person should sort this: the category is little more than a guess.
    pub triage: bool,
}

/// Anything that can give a verdict. Implementations are pure functions of the input and of what they loaded.
pub trait Classifier: Send + Sync {
    fn classify(&self, input: &Input<'_>) -> Verdict;
}
