//! The vote: category by weight of evidence in the new text, sensitivity and priority by the gravest sentence
//! anywhere. Where it is unsure it takes the more careful side.

use std::collections::{BTreeMap, BTreeSet};

use super::config::CategoryFile;
use super::lexicon::{Lexicon, Words};
use super::rules::{Rule, Rules};
use super::text::{Sentence, sentences};
use super::{Input, Verdict};
use crate::case::kinds::{Category, Priority, Sensitivity};

/// A person reads this many reasons.
const REASONS: usize = 6;
/// New text shorter than this has no topic of its own: it takes the thread's.
const TOPIC_WORDS: usize = 14;

/// Where a sentence stood; decides what it may speak for and how a reason names it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    New,
    Quoted,
    Attachment,
}

struct Part<'a> {
    place: Place,
    original: &'a str,
    sentences: Vec<Sentence>,
}

pub type Votes = BTreeMap<Category, f32>;

pub fn verdict(rules: &Rules, lexicon: &Lexicon, categories: &CategoryFile, input: &Input<'_>) -> Verdict {
    let parts = parts(input);
    let short = has_no_topic(&parts);
    let evidence = hear(rules, &parts, short);
    let own = of(&parts, Place::New);
    let quoted = of(&parts, Place::Quoted);
    let words = lexicon.weigh(&own);
    let quoted_words = (!quoted.is_empty()).then(|| lexicon.weigh(&quoted));
    let shares = shares(categories, &evidence, &words, quoted_words.as_ref().filter(|_| short));
    evidence.decide(categories, &shares, [Some(&words), quoted_words.as_ref()], &own)
}

/// What [`verdict`] weighs, for those who mine the lexicon.
#[cfg(test)]
pub fn evidence(rules: &Rules, input: &Input<'_>) -> (Votes, BTreeSet<String>) {
    let parts = parts(input);
    let heard = hear(rules, &parts, has_no_topic(&parts));
    (heard.votes, super::lexicon::stems(&of(&parts, Place::New)))
}

fn hear(rules: &Rules, parts: &[Part<'_>], short: bool) -> Evidence {
    let mut evidence = Evidence::new();
    for part in parts {
        let has_topic = part.place == Place::New || (short && part.place == Place::Quoted);
        for sentence in &part.sentences {
            for rule in rules.speaking(sentence) {
                evidence.hear(rule, part, sentence, has_topic);
            }
        }
    }
    evidence
}

/// Whether the new text below the subject is too short to have a topic of its own.
fn has_no_topic(parts: &[Part<'_>]) -> bool {
    let below = parts.iter().skip(1).filter(|part| part.place == Place::New);
    below.flat_map(|part| &part.sentences).map(Sentence::len).sum::<usize>() < TOPIC_WORDS
}

fn parts<'a>(input: &Input<'a>) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for (place, original) in
        [(Place::New, input.subject), (Place::New, input.new_text), (Place::Quoted, input.quoted)]
    {
        parts.push(Part { place, original, sentences: sentences(original) });
    }
    for name in input.attachment_names.iter().take(100) {
        parts.push(Part { place: Place::Attachment, original: name, sentences: sentences(name) });
    }
    parts
}

fn of(parts: &[Part<'_>], place: Place) -> Vec<Sentence> {
    parts.iter().filter(|part| part.place == place).flat_map(|part| part.sentences.iter().cloned()).collect()
}

struct Evidence {
    votes: Votes,
    sensitivity: Sensitivity,
    /// The greatest floor; `Normal` when none asked.
    priority: Priority,
    says_low: bool,
    rules: BTreeSet<String>,
    /// With how grave each is, so that the gravest come first.
    reasons: Vec<(Sensitivity, Priority, String)>,
}

impl Evidence {
    fn new() -> Self {
        Self {
            votes: BTreeMap::new(),
            sensitivity: Sensitivity::Standard,
            priority: Priority::Normal,
            says_low: false,
            rules: BTreeSet::new(),
            reasons: Vec::new(),
        }
    }

    fn hear(&mut self, rule: &Rule, part: &Part<'_>, sentence: &Sentence, has_topic: bool) {
        let floors = &rule.speaks_for;
        // Each rule counts once for the category, however often it matches; floors are idempotent.
        let first = self.rules.insert(rule.id.clone());
        if first
            && has_topic
            && let Some(category) = &floors.category
        {
            *self.votes.entry(category.clone()).or_default() += rule.weight;
        }
        self.sensitivity = self.sensitivity.max(floors.sensitivity.unwrap_or(Sensitivity::Standard));
        match floors.priority {
            Some(Priority::Low) => self.says_low |= part.place == Place::New,
            Some(priority) => self.priority = self.priority.max(priority),
            None => {}
        }
        if first && let Some(quote) = rule.quote(sentence, part.original) {
            let verb = match part.place {
                Place::New => "said",
                Place::Quoted => "quoted",
                Place::Attachment => "attached",
            };
            let priority = floors.priority.unwrap_or(Priority::Normal);
            self.reasons.push((
                floors.sensitivity.unwrap_or(Sensitivity::Standard),
                priority,
                format!("{verb} '{quote}'"),
            ));
        }
    }

    fn decide(
        mut self,
        config: &CategoryFile,
        shares: &[(Category, f32)],
        words: [Option<&Words>; 2],
        own: &[Sentence],
    ) -> Verdict {
        let doubt = &config.doubt;
        let (category, share) = shares.first().cloned().unwrap_or_else(|| (Category::general(), 0.0));
        let runner_up =
            shares.get(1).filter(|(_, share)| *share >= 0.05).map(|(category, _)| category.clone());
        let mut asked = Sensitivity::Standard;
        for (possible, share) in shares {
            let entry = config.categories.iter().find(|entry| entry.name == *possible);
            let Some(entry) = entry.filter(|_| *possible == category || *share >= doubt.another_at) else {
                continue;
            };
            asked = asked.max(entry.sensitivity);
            if *possible == category {
                self.priority = self.priority.max(entry.priority);
            }
        }
        // Without a lexicon there are no log-odds, and zero of them would mean even chances.
        let heard = words.into_iter().flatten().filter(|words| !words.categories.is_empty());
        let (confidential, restricted) = heard.fold((0.0f32, 0.0f32), |(c, r), words| {
            (c.max(logistic(words.confidential)), r.max(logistic(words.restricted)))
        });
        let by_words = if restricted >= doubt.restricted_at {
            Sensitivity::Restricted
        } else if confidential >= doubt.confidential_at {
            Sensitivity::Confidential
        } else {
            Sensitivity::Standard
        };
        let sensitivity = self.sensitivity.max(asked).max(by_words);
        let mut because = self.sentences();
        if let Some(said) = loud_words(words, &category, own) {
            because.push(format!("words as in our examples of {category}: {said}"));
        }
        if sensitivity > self.sensitivity.max(asked) {
            because.push(format!("taken together, its words are like {sensitivity} mail"));
        } else if asked > self.sensitivity {
            because.push(format!("a case of {category}, or what may be another kind, starts as {asked}"));
        }
        if because.is_empty() {
            because.push("nothing in it is known to the rules".to_owned());
        }
        let priority =
            if self.priority == Priority::Normal && self.says_low && sensitivity == Sensitivity::Standard {
                Priority::Low
            } else {
                self.priority
            };
        let known =
            !self.votes.is_empty() || words.into_iter().flatten().any(|words| !words.loudest.is_empty());
        // Rounded, because the last bits of an exponential differ between machines.
        let confidence = if known { (share * 1000.0).round() / 1000.0 } else { 0.0 };
        let triage = !known || confidence < doubt.triage_below;
        let rules = self.rules.into_iter().collect();
        Verdict { category, runner_up, sensitivity, priority, confidence, because, rules, triage }
    }

    /// The reasons, gravest first.
    fn sentences(&mut self) -> Vec<String> {
        self.reasons.sort_by_key(|(sensitivity, priority, _)| std::cmp::Reverse((*sensitivity, *priority)));
        let mut seen = BTreeSet::new();
        let reasons = self.reasons.iter().map(|(_, _, reason)| reason);
        reasons.filter(|reason| seen.insert((*reason).clone())).take(REASONS).cloned().collect()
    }
}

/// Every category with its share of the evidence, most likely first; ties go by name. When nothing spoke, all
/// are alike but `general`.
fn shares(
    config: &CategoryFile,
    evidence: &Evidence,
    words: &Words,
    quoted: Option<&Words>,
) -> Vec<(Category, f32)> {
    let score = |category: &Category| {
        let votes = evidence.votes.get(category).copied().unwrap_or_default();
        let said = words.categories.get(category).copied().unwrap_or_default();
        let quoted = quoted.and_then(|words| words.categories.get(category)).copied().unwrap_or_default();
        let fallback = if *category == Category::general() { 0.1 } else { 0.0 };
        votes + said + quoted + fallback
    };
    let scores: Vec<(Category, f32)> =
        config.categories.iter().map(|entry| (entry.name.clone(), score(&entry.name))).collect();
    let top = scores.iter().map(|(_, score)| *score).fold(f32::MIN, f32::max);
    let total: f32 = scores.iter().map(|(_, score)| (score - top).exp()).sum();
    let mut shares: Vec<(Category, f32)> =
        scores.into_iter().map(|(category, score)| (category, (score - top).exp() / total)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shares
}

/// The words that spoke loudest for `category`, as the writer wrote them.
fn loud_words(words: [Option<&Words>; 2], category: &Category, own: &[Sentence]) -> Option<String> {
    let stems = words.first().copied().flatten()?.loudest.get(category)?;
    let spelled = stems
        .iter()
        .filter_map(|stem| own.iter().flat_map(Sentence::words).find(|word| word.starts_with(stem.as_str())));
    let list: Vec<String> = spelled.map(|word| format!("'{word}'")).collect();
    (!list.is_empty()).then(|| list.join(", "))
}

fn logistic(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}
