//! From evidence to verdict: the model speaks for category, sensitivity and priority; rules add to the category and
//! set floors for the rest. Where it is unsure it takes the more careful side. Writes the reasons.

use std::collections::BTreeSet;

use super::concepts::Concepts;
use super::config::{CategoryFile, OperatingPoint};
use super::features::{Buckets, Family, Features, bucket};
use super::model::{Model, Question, Thresholds};
use super::reading::{Part, Place, Reading};
use super::rules::Rules;
use super::text::Sentence;
use super::train::{Heard, log_odds};
use super::{Input, Verdict};
use crate::case::kinds::{Category, Priority, Sensitivity};

/// A person reads this many reasons.
const REASONS: usize = 6;
/// So many words are a letter, and may say anything.
const LETTER_WORDS: usize = 5;
/// A second guess less likely than this is none.
const GUESS: f32 = 0.05;

/// What a verdict is made with.
pub struct Means {
    pub rules: Rules,
    pub concepts: Concepts,
    pub model: Model,
    pub categories: CategoryFile,
    pub natures: Vec<(Category, Sensitivity)>,
    pub thresholds: Thresholds,
}

impl Means {
    pub fn thresholds_of(model: &Model, point: OperatingPoint) -> Thresholds {
        let points = &model.header.points;
        match point {
            OperatingPoint::Cautious => points.cautious,
            OperatingPoint::Balanced => points.balanced,
            OperatingPoint::Quiet => points.quiet,
        }
    }

    /// The log-odds that a mail is sensitive, before any threshold.
    pub fn sensitive_odds(&self, input: &Input<'_>) -> f32 {
        let reading = Reading::of(input);
        let (heard, _) = self.hear(&reading);
        log_odds(&heard, Question::Sensitive, &self.model.header.calibration, &self.natures)
    }

    /// What the model says, and the features of what has the topic.
    fn hear(&self, reading: &Reading<'_>) -> (Heard, Features) {
        let buckets = reading.buckets(&self.concepts);
        let (topic, all) = reading.features(&buckets);
        let passages: Vec<Buckets> = buckets.into_iter().skip(1).flatten().collect();
        (Heard::of(&self.model, topic.as_ref(), &all, &passages), topic.unwrap_or(all))
    }

    pub fn verdict(&self, input: &Input<'_>) -> Verdict {
        let reading = Reading::of(input);
        let (heard, topic) = self.hear(&reading);
        let silent = reading.parts.iter().all(|part| part.sentences.is_empty());
        let passages = reading.passages();
        let floors = Floors::of(&self.rules, &reading);
        let shares = self.shares(&heard, &floors, silent);
        let (category, confidence) = shares.first().cloned().unwrap_or_else(|| (Category::general(), 0.0));
        let runner_up =
            shares.get(1).filter(|(_, share)| *share >= GUESS).map(|(category, _)| category.clone());
        let odds = Question::ALL
            .map(|question| log_odds(&heard, question, &self.model.header.calibration, &self.natures));
        let strange = self.strange(&reading);
        let answers = self.answers(&odds, silent);
        let nature = self.categories.categories.iter().find(|entry| entry.name == category);
        let always = nature.filter(|entry| entry.sensitivity == Sensitivity::Restricted && !silent);
        let learned = if answers.is(Question::Restricted) {
            Sensitivity::Restricted
        } else if answers.is(Question::Sensitive) {
            Sensitivity::Confidential
        } else {
            Sensitivity::Standard
        };
        let by_category = always.map_or(Sensitivity::Standard, |entry| entry.sensitivity);
        let unread =
            if strange == Strange::Letter { Sensitivity::Confidential } else { Sensitivity::Standard };
        let sensitivity = floors.sensitivity.max(learned).max(by_category).max(unread);
        let priority = self.priority(&answers, &floors, always.map(|entry| entry.priority), sensitivity);

        let mut because = floors.reasons();
        if learned > floors.sensitivity {
            let question =
                if learned == Sensitivity::Restricted { Question::Restricted } else { Question::Sensitive };
            because.extend(self.grave_passage(question, &heard, &passages, learned));
        } else if by_category > floors.sensitivity.max(learned) {
            because.push(format!("a case of {category} is always {by_category}"));
        }
        if answers.is(Question::Urgent) && floors.priority < Priority::Urgent {
            because.extend(self.danger(&heard, &passages));
        }
        because.extend(self.examples_alike(&category, &topic));
        because.extend(self.telling_words(&category, &reading));
        if sensitivity == unread && strange == Strange::Letter {
            because.push("hardly a word of it is known, so a person must read it".to_owned());
        }
        if because.is_empty() {
            because.push("nothing in it is known to rules or examples".to_owned());
        }
        because.truncate(REASONS);
        let confidence = if strange == Strange::No { confidence } else { confidence.min(0.1) };
        let triage = silent || strange != Strange::No || confidence < self.categories.doubt.triage_below;
        let sureness = |yes: f32| {
            let p = 1.0 / (1.0 + (-yes.abs()).exp());
            (p * 1000.0).round() / 1000.0
        };
        let [sensitive, restricted, urgent, high, low] = odds;
        Verdict {
            category,
            runner_up,
            sensitivity,
            priority,
            confidence,
            sensitivity_confidence: sureness(if sensitivity == Sensitivity::Restricted {
                restricted
            } else {
                sensitive
            }),
            priority_confidence: sureness(match priority {
                Priority::Urgent => urgent,
                Priority::High | Priority::Normal => high,
                Priority::Low => low,
            }),
            because,
            rules: floors.rules.into_iter().collect(),
            triage,
        }
    }

    /// Every category with its share, most likely first; ties go by name.
    fn shares(&self, heard: &Heard, floors: &Floors, silent: bool) -> Vec<(Category, f32)> {
        if silent {
            return vec![(Category::general(), 0.0)];
        }
        let slope = self.model.header.calibration.category_slope;
        let names = &self.model.header.categories;
        let scores: Vec<f32> = names
            .iter()
            .zip(&heard.topic.0)
            .map(|(name, score)| {
                score * slope + floors.votes.iter().filter(|(of, _)| of == name).map(|(_, w)| w).sum::<f32>()
            })
            .collect();
        let top = scores.iter().copied().fold(f32::MIN, f32::max);
        let total: f32 = scores.iter().map(|score| (score - top).exp()).sum();
        // Rounded, because the last bits of an exponential differ between machines.
        let share = |score: &f32| ((score - top).exp() / total * 1000.0).round() / 1000.0;
        let mut order: Vec<(&Category, &f32)> = names.iter().zip(&scores).collect();
        order.sort_by(|a, b| b.1.total_cmp(a.1).then_with(|| a.0.cmp(b.0)));
        order.into_iter().map(|(name, score)| (name.clone(), share(score))).collect()
    }

    fn answers(&self, odds: &[f32; 5], silent: bool) -> Answers {
        let mut answers = Answers::default();
        for ((answer, odds), threshold) in answers.0.iter_mut().zip(odds).zip(self.thresholds) {
            *answer = !silent && *odds > threshold;
        }
        answers
    }

    /// Whether it is in no language that the examples are in.
    fn strange(&self, reading: &Reading<'_>) -> Strange {
        let own = reading.parts.iter().filter(|part| matches!(part.place, Place::Subject | Place::New));
        let (mut known, mut words) = (0usize, 0usize);
        for word in own.flat_map(|part| &part.sentences).flat_map(Sentence::words) {
            words += 1;
            // Folded words of our languages are ASCII; those of other scripts are not.
            let is_ours = word.is_ascii() && self.model.knows(bucket(Family::Word, word.as_bytes()));
            known += usize::from(is_ours);
        }
        match words {
            _ if known * 3 >= words => Strange::No,
            0..LETTER_WORDS => Strange::Scrap,
            _ => Strange::Letter,
        }
    }

    fn priority(
        &self,
        answers: &Answers,
        floors: &Floors,
        by_category: Option<Priority>,
        sensitivity: Sensitivity,
    ) -> Priority {
        let learned = if answers.is(Question::Urgent) {
            Priority::Urgent
        } else if answers.is(Question::High) {
            Priority::High
        } else {
            Priority::Normal
        };
        let found = floors.priority.max(learned).max(by_category.unwrap_or(Priority::Normal));
        let low = (answers.is(Question::Low) || floors.low) && sensitivity == Sensitivity::Standard;
        if found == Priority::Normal && low { Priority::Low } else { found }
    }

    fn grave_passage(
        &self,
        question: Question,
        heard: &Heard,
        passages: &[(&Part<'_>, &Sentence)],
        learned: Sensitivity,
    ) -> Option<String> {
        let quoted = self.quoted(question, heard, passages)?;
        Some(format!("{quoted}, which is like our {learned} examples"))
    }

    fn danger(&self, heard: &Heard, passages: &[(&Part<'_>, &Sentence)]) -> Option<String> {
        let quoted = self.quoted(Question::Urgent, heard, passages)?;
        Some(format!("{quoted}, which is like our examples of danger"))
    }

    /// The passage that spoke loudest, as it was written.
    fn quoted(
        &self,
        question: Question,
        heard: &Heard,
        passages: &[(&Part<'_>, &Sentence)],
    ) -> Option<String> {
        let (_, at) = heard.peaks.get(question as usize)?;
        let output = self.model.output(question);
        let pair = passages.iter().skip(*at).take(2);
        let (part, sentence) = pair.max_by(|a, b| {
            let voice = |sentence: &Sentence| self.voice(sentence, output);
            voice(a.1).total_cmp(&voice(b.1))
        })?;
        let quote = sentence.quote(part.original, 0..sentence.text.len());
        Some(format!("{} '{quote}'", verb(part.place)))
    }

    fn voice(&self, sentence: &Sentence, output: usize) -> f32 {
        sentence
            .words()
            .map(|word| self.model.says(Family::Word, bucket(Family::Word, word.as_bytes()), output))
            .sum::<f32>()
            + self
                .concepts
                .find(sentence)
                .into_iter()
                .map(|(_, one)| {
                    let name = self.concepts.name(one).as_bytes();
                    self.model.says(Family::Concept, bucket(Family::Concept, name), output)
                })
                .sum::<f32>()
    }

    fn examples_alike(&self, category: &Category, topic: &Features) -> Option<String> {
        let place = self.model.header.categories.iter().position(|name| name == category)?;
        match self.model.alike(place, topic) {
            0 => None,
            1 => Some(format!("like one of our examples of {category}")),
            more => Some(format!("like {more} of our examples of {category}")),
        }
    }

    /// The words that spoke loudest for the category.
    fn telling_words(&self, category: &Category, reading: &Reading<'_>) -> Option<String> {
        let output = self.model.header.categories.iter().position(|name| name == category)?;
        let mut loud: Vec<(f32, &str)> = Vec::new();
        let own = reading.parts.iter().filter(|part| matches!(part.place, Place::Subject | Place::New));
        for sentence in own.flat_map(|part| &part.sentences) {
            let words: Vec<&str> = sentence.words().collect();
            let mut said: Vec<f32> = words
                .iter()
                .map(|word| self.model.says(Family::Word, bucket(Family::Word, word.as_bytes()), output))
                .collect();
            for (at, one) in self.concepts.find(sentence) {
                if let Some(said) = said.get_mut(at) {
                    *said += self.model.says(
                        Family::Concept,
                        bucket(Family::Concept, self.concepts.name(one).as_bytes()),
                        output,
                    );
                }
            }
            loud.extend(said.into_iter().zip(words).filter(|(said, word)| *said > 0.0 && word.len() > 2));
        }
        loud.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let mut seen = BTreeSet::new();
        loud.retain(|(_, word)| seen.insert(*word));
        let list: Vec<String> = loud.iter().take(3).map(|(_, word)| format!("'{word}'")).collect();
        (!list.is_empty()).then(|| format!("words as in our examples of {category}: {}", list.join(", ")))
    }
}

/// How far a mail's words are unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strange {
    No,
    Scrap,
    Letter,
}

#[derive(Default)]
struct Answers([bool; 5]);

impl Answers {
    fn is(&self, question: Question) -> bool {
        self.0.get(question as usize).copied().unwrap_or_default()
    }
}

fn verb(place: Place) -> &'static str {
    match place {
        Place::Subject | Place::New => "said",
        Place::Quoted => "quoted",
        Place::Attachment => "attached",
    }
}

/// What the rules heard.
struct Floors {
    votes: Vec<(Category, f32)>,
    sensitivity: Sensitivity,
    /// The greatest; `Normal` when none asked.
    priority: Priority,
    low: bool,
    rules: BTreeSet<String>,
    /// With how grave each is, so that the gravest come first.
    said: Vec<(Sensitivity, Priority, String)>,
}

impl Floors {
    fn of(rules: &Rules, reading: &Reading<'_>) -> Self {
        let mut floors = Self {
            votes: Vec::new(),
            sensitivity: Sensitivity::Standard,
            priority: Priority::Normal,
            low: false,
            rules: BTreeSet::new(),
            said: Vec::new(),
        };
        for part in &reading.parts {
            let has_topic = matches!(part.place, Place::Subject | Place::New)
                || (reading.short && part.place == Place::Quoted);
            for sentence in &part.sentences {
                for rule in rules.speaking(sentence) {
                    let speaks = &rule.speaks_for;
                    // Each rule counts once for the category, however often it matches; floors are idempotent.
                    let first = floors.rules.insert(rule.id.clone());
                    if first
                        && has_topic
                        && let Some(category) = &speaks.category
                    {
                        floors.votes.push((category.clone(), rule.weight));
                    }
                    floors.sensitivity =
                        floors.sensitivity.max(speaks.sensitivity.unwrap_or(Sensitivity::Standard));
                    match speaks.priority {
                        Some(Priority::Low) => floors.low |= part.place == Place::New,
                        Some(priority) => floors.priority = floors.priority.max(priority),
                        None => {}
                    }
                    if first && let Some(quote) = rule.quote(sentence, part.original) {
                        floors.said.push((
                            speaks.sensitivity.unwrap_or(Sensitivity::Standard),
                            speaks.priority.unwrap_or(Priority::Low),
                            format!("{} '{quote}'", verb(part.place)),
                        ));
                    }
                }
            }
        }
        floors
    }

    /// Gravest first.
    fn reasons(&self) -> Vec<String> {
        let mut said: Vec<_> = self.said.iter().collect();
        said.sort_by_key(|(sensitivity, priority, _)| std::cmp::Reverse((*sensitivity, *priority)));
        let mut seen = BTreeSet::new();
        said.into_iter()
            .map(|(_, _, reason)| reason.clone())
            .filter(|reason| seen.insert(reason.clone()))
            .take(4)
            .collect()
    }
}
