//! How good the classifier is on the labelled mails, measured: the figures of `docs/classifier.md`. Every fifth
//! mail was held back while the rules were written and is counted apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::rules::tests::BUILT_IN;
use super::{Classifier, Input, RuleClassifier, Verdict};
use crate::case::kinds::{Priority, Sensitivity};

#[derive(Deserialize)]
pub struct Labelled {
    pub id: String,
    subject: String,
    body: String,
    pub lang: String,
    category: String,
    sensitivity: Sensitivity,
    priority: Priority,
}

impl Labelled {
    /// Not looked at while rules were written and words mined.
    fn held_back(&self) -> bool {
        self.id.trim_start_matches('t').parse::<u32>().unwrap().is_multiple_of(5)
    }

    fn texts(&self) -> (String, String) {
        crate::commands::classify::apart(&self.body)
    }
}

pub fn labelled() -> Vec<Labelled> {
    let text = std::fs::read_to_string(Path::new(BUILT_IN).join("examples/train.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn percent(part: usize, whole: usize) -> f32 {
    if whole == 0 { 100.0 } else { 100.0 * part as f32 / whole as f32 }
}

/// What was found among what there was to find, of pairs (there, found).
fn recall(pairs: impl Iterator<Item = (bool, bool)>) -> f32 {
    let there: Vec<bool> = pairs.filter(|(there, _)| *there).map(|(_, found)| found).collect();
    percent(there.iter().filter(|found| **found).count(), there.len())
}

pub struct Figures {
    pub macro_f1: f32,
    pub accuracy: f32,
    pub sensitive: f32,
    pub false_alarms: f32,
    pub restricted_seen: f32,
    pub restricted: f32,
    pub priority: f32,
    pub urgent: f32,
    pub false_urgent: f32,
    pub triage: f32,
}

pub fn figures(pairs: &[(&Labelled, Verdict)]) -> Figures {
    let categories: BTreeSet<&str> = pairs.iter().map(|(mail, _)| mail.category.as_str()).collect();
    let f1 = categories.iter().map(|category| {
        let hit = |(mail, verdict): &&(&Labelled, Verdict)| {
            mail.category == *category && verdict.category.as_str() == *category
        };
        let right = pairs.iter().filter(hit).count();
        let there = pairs.iter().filter(|(mail, _)| mail.category == *category).count();
        let said = pairs.iter().filter(|(_, verdict)| verdict.category.as_str() == *category).count();
        percent(2 * right, there + said)
    });
    let all = pairs.len();
    let share = |test: &dyn Fn(&Labelled, &Verdict) -> bool| {
        percent(pairs.iter().filter(|(m, v)| test(m, v)).count(), all)
    };
    let found = |there: &dyn Fn(&Labelled) -> bool, found: &dyn Fn(&Verdict) -> bool| {
        recall(pairs.iter().map(|(mail, verdict)| (there(mail), found(verdict))))
    };
    let standard = Sensitivity::Standard;
    Figures {
        macro_f1: f1.sum::<f32>() / categories.len() as f32,
        accuracy: share(&|m, v| v.category.as_str() == m.category),
        sensitive: found(&|m| m.sensitivity > standard, &|v| v.sensitivity > standard),
        false_alarms: found(&|m| m.sensitivity == standard, &|v| v.sensitivity > standard),
        restricted_seen: found(&|m| m.sensitivity == Sensitivity::Restricted, &|v| v.sensitivity > standard),
        restricted: found(&|m| m.sensitivity == Sensitivity::Restricted, &|v| {
            v.sensitivity == Sensitivity::Restricted
        }),
        priority: share(&|m, v| v.priority == m.priority),
        urgent: found(&|m| m.priority == Priority::Urgent, &|v| v.priority == Priority::Urgent),
        false_urgent: found(&|m| m.priority != Priority::Urgent, &|v| v.priority == Priority::Urgent),
        triage: share(&|_, v| v.triage),
    }
}

fn line(name: &str, pairs: &[(&Labelled, Verdict)]) -> String {
    let f = figures(pairs);
    format!(
        "{name:9} n {:3}  category F1 {:.1} right {:.1}  sensitive {:.1} at {:.1} false alarms  restricted seen {:.1} as such {:.1}  priority {:.1} urgent {:.1} false {:.1}  triage {:.1}",
        pairs.len(),
        f.macro_f1,
        f.accuracy,
        f.sensitive,
        f.false_alarms,
        f.restricted_seen,
        f.restricted,
        f.priority,
        f.urgent,
        f.false_urgent,
        f.triage
    )
}

/// Prints the figures; with `CLASSIFIER_EVIDENCE` set, also writes what each mail gave the vote, for `mine.py`.
#[test]
#[ignore = "prints figures; run by hand as docs/classifier.md says"]
fn print_figures() {
    let classifier = RuleClassifier::load(Some(Path::new(BUILT_IN))).unwrap();
    let mails = labelled();
    let mut written = String::new();
    let mut pairs: Vec<(&Labelled, Verdict)> = Vec::new();
    for mail in &mails {
        let (new_text, quoted) = mail.texts();
        let input =
            Input { subject: &mail.subject, new_text: &new_text, quoted: &quoted, ..Input::default() };
        let verdict = classifier.classify(&input);
        let (votes, stems) = classifier.evidence(&input);
        writeln!(written, "{}", json!({"id": mail.id, "votes": votes, "stems": stems, "rules": verdict.rules, "lang": mail.lang,
            "category": mail.category, "sensitivity": mail.sensitivity, "priority": mail.priority, "held_back": mail.held_back(),
            "verdict": verdict})).unwrap();
        pairs.push((mail, verdict));
    }
    if let Ok(path) = std::env::var("CLASSIFIER_EVIDENCE") {
        std::fs::write(path, written).unwrap();
    }
    let (held, seen): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(mail, _)| mail.held_back());
    println!("{}\n{}", line("seen", &seen), line("held back", &held));
    let mut languages: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for pair in &held {
        languages.entry(&pair.0.lang).or_default().push(pair.clone());
    }
    for (language, pairs) in languages {
        println!("{}", line(language, &pairs));
    }
}
