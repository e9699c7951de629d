//! What a mail is about, how sensitive it is and how soon somebody must look: an [`Input`] goes in, a
//! [`Verdict`] with its reasons comes out. Pure: no I/O after loading, no clock, no cases. A verdict routes;
//! it never decides anything about a person and can always be overridden.
//!
//! [`Classifier`] is the seam; [`Judge`] stands behind it: rules, and a model learned from labelled mail.

mod concepts;
mod config;
pub mod evaluate;
pub mod examples;
mod features;
mod figures;
mod language;
mod model;
mod reading;
mod rules;
mod solver;
#[cfg(test)]
mod tests;
mod text;
pub mod train;
mod verdict;

pub use config::{Config, MODEL, OperatingPoint, RuleError, examples_of};
pub use figures::Figures;

use std::path::Path;

use serde::Serialize;

use crate::case::kinds::{Category, Priority, Sensitivity};
use crate::mail::quoting;
use concepts::Concepts;
use model::Model;
use rules::Rules;
use verdict::Means;

/// What is looked at. Nothing here need be clean: any text of any size is bounded inside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    pub subject: &'a str,
    /// What the sender wrote now: it has the topic.
    pub new_text: &'a str,
    /// All text with quotes, forwarded mail and signatures; what stands here and not in the new text counts for
    /// sensitivity and priority.
    pub whole_text: &'a str,
    pub attachment_names: &'a [String],
    /// What stands in attachments of plain text.
    pub attachment_texts: &'a [String],
}

/// What a classifier says of a mail. The same input gives the same verdict on every machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub category: Category,
    /// The second guess, when there is one.
    pub runner_up: Option<Category>,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
    /// Of the category: 0.0 to 1.0; so are the other two.
    pub confidence: f32,
    pub sensitivity_confidence: f32,
    pub priority_confidence: f32,
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

/// Rules and a model, loaded once and then immutable.
pub struct Judge(Means);

impl Judge {
    /// Reads what lies in `dir` (or is built in) and checks it: rules against their own examples, the model
    /// against its checksum and the concepts it was made with.
    pub fn load(dir: Option<&Path>, point: OperatingPoint) -> Result<Self, RuleError> {
        let config = Config::read(dir)?;
        Self::with_model(&config, model_in(&config)?, point)
    }

    fn with_model(config: &Config, model: Model, point: OperatingPoint) -> Result<Self, RuleError> {
        Ok(Self(Means {
            rules: Rules::compile(&config.rules)?,
            concepts: Concepts::new(&config.concepts)?,
            categories: config.categories.clone(),
            natures: config.natures(),
            thresholds: Means::thresholds_of(&model, point),
            model,
        }))
    }
}

fn model_in(config: &Config) -> Result<Model, RuleError> {
    let (name, bytes) = &config.model;
    Model::read(bytes, &config.concepts_hash()).map_err(|refused| {
        RuleError(format!(
            "{name} {}; make it anew with `caseward classify train`, or remove it to use the built-in one",
            refused.what()
        ))
    })
}

impl Classifier for Judge {
    fn classify(&self, input: &Input<'_>) -> Verdict {
        self.0.verdict(input)
    }
}

/// New text and whole text of a body without headers.
pub fn apart(subject: &str, body: &str) -> (String, String) {
    let quotes = body.lines().any(|line| line.starts_with('>'));
    let answers = subject.trim_start().get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("re:"));
    (quoting::new_text(body, quoting::Context { is_reply: quotes || answers }), body.to_owned())
}
