//! The classifier's files as they are written: rules, concepts, model, what each category brings with it. Reads
//! and checks; every refusal names file, line and remedy. Knows nothing of how evidence is weighed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::concepts::ConceptFile;
use crate::case::kinds::{Category, Priority, Sensitivity};

/// How careful the classifier is when it is unsure of sensitivity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatingPoint {
    /// Misses least, and takes some routine mail for sensitive.
    #[default]
    Cautious,
    Balanced,
    /// Raises the fewest false alarms.
    Quiet,
}

impl std::str::FromStr for OperatingPoint {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cautious" => Ok(Self::Cautious),
            "balanced" => Ok(Self::Balanced),
            "quiet" => Ok(Self::Quiet),
            _ => Err("is none of cautious, balanced, quiet".to_owned()),
        }
    }
}

/// Why a classifier is refused: one sentence with file, line and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub String);

/// One file of rules, e.g. `en.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Alternatives that several patterns share: `{boss}` in a pattern stands for the set named `boss`.
    #[serde(default)]
    pub sets: BTreeMap<String, String>,
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    pub id: Spanned<String>,
    /// `en`, `de`, `fr`, `es`: reads sentences that may be in it. Anything else reads every sentence.
    pub lang: String,
    pub pattern: String,
    #[serde(default)]
    pub speaks_for: SpeaksFor,
    /// How much it counts for its category; 1 is a hint, 3 nearly decides.
    #[serde(default = "one")]
    pub weight: f32,
    /// Beginnings of rule ids that say nothing in a sentence where this one matches.
    #[serde(default)]
    pub excuses: Vec<String>,
    #[serde(default)]
    pub examples: Vec<String>,
    #[serde(default)]
    pub not: Vec<String>,
}

/// What a rule is evidence of. Sensitivity and priority are floors; `low` is a hint that counts alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeaksFor {
    pub category: Option<Category>,
    pub sensitivity: Option<Sensitivity>,
    pub priority: Option<Priority>,
}

/// `categories.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryFile {
    pub doubt: Doubt,
    #[serde(rename = "category")]
    pub categories: Vec<CategoryEntry>,
}

/// Where doubt begins; a share from 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// A category surer than this needs no person to sort it.
    pub triage_below: f32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryEntry {
    pub name: Category,
    #[serde(default = "standard")]
    pub sensitivity: Sensitivity,
    #[serde(default = "normal")]
    pub priority: Priority,
}

/// All files of a classifier, with the rule files under their names.
#[derive(Clone, Debug)]
pub struct Config {
    pub rules: Vec<Source<RuleFile>>,
    pub categories: CategoryFile,
    pub concepts: Source<ConceptFile>,
    /// The learned model as its file has it, with the name of the file.
    pub model: (String, Vec<u8>),
}

/// A file as read, kept with its text so that an error found later can still name the line.
#[derive(Clone, Debug)]
pub struct Source<T> {
    name: String,
    text: String,
    pub file: T,
}

const BUILT_IN: &[(&str, &str)] = &[
    ("de.toml", include_str!("../../../config/classifier/de.toml")),
    ("en.toml", include_str!("../../../config/classifier/en.toml")),
    ("es.toml", include_str!("../../../config/classifier/es.toml")),
    ("fr.toml", include_str!("../../../config/classifier/fr.toml")),
    (CATEGORIES, include_str!("../../../config/classifier/categories.toml")),
    (CONCEPTS, include_str!("../../../config/classifier/concepts.toml")),
];
const CATEGORIES: &str = "categories.toml";
const CONCEPTS: &str = "concepts.toml";
/// The file of the learned model.
pub const MODEL: &str = "model.bin";
const BUILT_IN_MODEL: &[u8] = include_bytes!("../../../config/classifier/model.bin");

impl Config {
    /// Reads the `*.toml` files of `dir` and its model, or what is built in. A directory without concepts or
    /// without a model takes those built in.
    pub fn read(dir: Option<&Path>) -> Result<Self, RuleError> {
        let built_in = |wanted: &str| {
            BUILT_IN.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned())
        };
        let mut texts = match dir {
            Some(dir) => texts_of(dir, "toml")?,
            None => BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        };
        let whose = dir.map_or_else(|| "the built-in classifier".to_owned(), |dir| dir.display().to_string());
        let categories = texts.remove(CATEGORIES).ok_or_else(|| {
            RuleError(format!("{whose}: has no {CATEGORIES}; copy the one that Caseward ships there"))
        })?;
        let concepts = texts.remove(CONCEPTS).or_else(|| built_in(CONCEPTS)).unwrap_or_default();
        Ok(Self {
            categories: Source::<CategoryFile>::parse(CATEGORIES.to_owned(), categories)?.file,
            concepts: Source::parse(CONCEPTS.to_owned(), concepts)?,
            model: model_of(dir)?,
            rules: texts
                .into_iter()
                .map(|(name, text)| Source::parse(name, text))
                .collect::<Result<Vec<_>, _>>()?,
        })
    }

    /// Each category with the sensitivity that its mails have by nature.
    pub fn natures(&self) -> Vec<(Category, Sensitivity)> {
        self.categories.categories.iter().map(|entry| (entry.name.clone(), entry.sensitivity)).collect()
    }

    /// SHA-256 of the concepts, in hexadecimal: a model goes with the concepts it was made with.
    pub fn concepts_hash(&self) -> String {
        hex(Sha256::new().chain_update(&self.concepts.text))
    }

    /// SHA-256 of everything that a model is made of.
    pub fn made_of(&self, examples: &BTreeMap<String, String>) -> String {
        let mut hash = Sha256::new().chain_update(self.concepts_hash());
        for (name, sensitivity) in self.natures() {
            hash.update(format!("{name} {sensitivity}\n"));
        }
        for (name, text) in examples {
            hash.update(format!("{name} {}\n", text.len()));
            hash.update(text);
        }
        hex(hash)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The labelled mails of `dir/examples`, file by file; none when there is no such directory.
pub fn examples_of(dir: &Path) -> Result<BTreeMap<String, String>, RuleError> {
    let examples = dir.join("examples");
    if examples.is_dir() { texts_of(&examples, "jsonl") } else { Ok(BTreeMap::new()) }
}

fn model_of(dir: Option<&Path>) -> Result<(String, Vec<u8>), RuleError> {
    let path = dir.map(|dir| dir.join(MODEL)).filter(|path| path.exists());
    let Some(path) = path else { return Ok(("the built-in model".to_owned(), BUILT_IN_MODEL.to_vec())) };
    let name = path.display().to_string();
    let bytes = std::fs::read(&path)
        .map_err(|error| RuleError(format!("{name}: cannot be read: {error}; check its permissions")))?;
    Ok((name, bytes))
}

impl<T: DeserializeOwned> Source<T> {
    pub fn parse(name: String, text: String) -> Result<Self, RuleError> {
        match toml::from_str(&text) {
            Ok(file) => Ok(Self { name, text, file }),
            Err(error) => {
                let line = line_of(&text, &error.span().unwrap_or_default());
                // The parser quotes the file in its full message; its short one is enough beside the line.
                Err(RuleError(format!("{name}, line {line}: {}; correct the file", error.message())))
            }
        }
    }
}

impl<T> Source<T> {
    /// An error about what stands at `span`.
    pub fn error(&self, span: &Range<usize>, what: &str) -> RuleError {
        RuleError(format!("{}, line {}: {what}", self.name, line_of(&self.text, span)))
    }
}

fn texts_of(dir: &Path, ending: &str) -> Result<BTreeMap<String, String>, RuleError> {
    let unreadable = |path: &Path, error: std::io::Error| {
        RuleError(format!("{}: cannot be read: {error}; check the path and its permissions", path.display()))
    };
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let path = entry.map_err(|error| unreadable(dir, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|found| found == ending) && !name.starts_with('.') {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            texts.insert(name, text);
        }
    }
    Ok(texts)
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

fn one() -> f32 {
    1.0
}

fn standard() -> Sensitivity {
    Sensitivity::Standard
}

fn normal() -> Priority {
    Priority::Normal
}
