//! Measures a classifier honestly: learns from some labelled mails and judges others. Pure; what is printed is made
//! here, who prints it is not.

use std::collections::BTreeMap;

use super::config::{Config, OperatingPoint, RuleError};
use super::concepts::Concepts;
use super::examples::Labelled;
use super::train::{Lesson, train};
use super::{Classifier, Input, Judge, Verdict, apart};

/// Verdicts on `judged` by a classifier that learned from `seen` alone.
pub fn verdicts(
    config: &Config,
    seen: &[&Labelled],
    judged: &[&Labelled],
    point: OperatingPoint,
) -> Result<Vec<Verdict>, RuleError> {
    let concepts = Concepts::new(&config.concepts)?;
    let lessons: Vec<Lesson> = seen.iter().map(|mail| Lesson::of(mail, &concepts)).collect();
    let model = train(&lessons, &config.natures(), (String::new(), config.concepts_hash()));
    let judge = Judge::with_model(config, model, point)?;
    Ok(judged.iter().map(|mail| judged_by(&judge, mail)).collect())
}

/// The file of a model that learned from all `mails`, read from `files`.
pub fn learn(config: &Config, mails: &[Labelled], files: &BTreeMap<String, String>) -> Result<Vec<u8>, RuleError> {
    let concepts = Concepts::new(&config.concepts)?;
    let lessons: Vec<Lesson> = mails.iter().map(|mail| Lesson::of(mail, &concepts)).collect();
    let hashes = (config.made_of(files), config.concepts_hash());
    Ok(train(&lessons, &config.natures(), hashes).write())
}

pub fn judged_by(judge: &dyn Classifier, mail: &Labelled) -> Verdict {
    let (new_text, whole) = apart(&mail.subject, &mail.body);
    judge.classify(&Input { subject: &mail.subject, new_text: &new_text, whole_text: &whole, ..Input::default() })
}

/// The same by language.
pub fn by_language<'a>(
    pairs: &[(&'a Labelled, &'a Verdict)],
) -> BTreeMap<&'a str, Vec<(&'a Labelled, &'a Verdict)>> {
    let mut languages: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (mail, verdict) in pairs {
        languages.entry(&mail.lang).or_default().push((*mail, *verdict));
    }
    languages
}
