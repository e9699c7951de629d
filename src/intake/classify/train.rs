//! Makes a model of labelled mails: counts how rare each feature is, learns a separator for each output, finds by
//! cross-validation how scores become probabilities and where each operating point begins. Deterministic; reads
//! and writes no files.

use std::thread;

use super::concepts::Concepts;
use super::examples::Labelled;
use super::features::{BUCKETS, Buckets, Features};
use super::model::{
    Calibration, Header, Line, Model, Points, Question, RARITY_STEP, Scale, Scores, Thresholds, damped,
    versions,
};
use super::solver::{Matrix, logistic, separate};
use super::{Input, reading::Reading};
use crate::case::kinds::{Category, Priority, Sensitivity};

/// What an error costs; higher fits the examples more closely.
const COST: f32 = 0.3;
const FOLDS: usize = 5;
/// A feature of a single mail says nothing of others.
const LEAST_MAILS: u32 = 2;

/// What is learned from: features with what is true of them. Holds no text.
#[derive(Clone, Debug)]
pub struct Lesson {
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
    /// Of what has the topic, and of all that was said.
    pub topic: Features,
    pub all: Features,
    /// Each sentence by itself; none for a lesson kept without its text.
    pub passages: Vec<Buckets>,
    /// Which part of the cross-validation it belongs to.
    pub fold: usize,
}

impl Lesson {
    pub fn of(mail: &Labelled, concepts: &Concepts) -> Self {
        let (new_text, whole) = super::apart(&mail.subject, &mail.body);
        let input =
            Input { subject: &mail.subject, new_text: &new_text, whole_text: &whole, ..Input::default() };
        let reading = Reading::of(&input);
        let buckets = reading.buckets(concepts);
        let (topic, all) = reading.features(&buckets);
        let topic = topic.unwrap_or_else(|| all.clone());
        let passages = buckets.into_iter().skip(1).flatten().collect();
        let number: usize = mail.id.bytes().fold(7, |sum, byte| (sum * 31 + usize::from(byte)) % 1_000_003);
        Self {
            category: mail.category.clone(),
            sensitivity: mail.sensitivity,
            priority: mail.priority,
            topic,
            all,
            passages,
            fold: number % FOLDS,
        }
    }

    pub fn answer(&self, question: Question) -> bool {
        match question {
            Question::Sensitive => self.sensitivity > Sensitivity::Standard,
            Question::Restricted => self.sensitivity == Sensitivity::Restricted,
            Question::Urgent => self.priority == Priority::Urgent,
            Question::High => self.priority >= Priority::High,
            Question::Low => self.priority == Priority::Low,
        }
    }
}

/// Learns from `lessons`; `categories` with the sensitivity of each by nature. The header says nothing of where
/// they came from.
pub fn train(lessons: &[Lesson], categories: &[(Category, Sensitivity)]) -> Model {
    let names: Vec<Category> = categories.iter().map(|(name, _)| name.clone()).collect();
    let all: Vec<usize> = (0..lessons.len()).collect();
    let mut heard: Vec<Option<Heard>> = vec![None; lessons.len()];
    for fold in 0..FOLDS {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            all.iter().partition(|at| lessons.get(**at).is_some_and(|lesson| lesson.fold != fold));
        let model = learned(lessons, &inside, &names);
        for at in outside {
            if let (Some(lesson), Some(slot)) = (lessons.get(at), heard.get_mut(at)) {
                *slot = Some(Heard::of(&model, Some(&lesson.topic), &lesson.all, &lesson.passages));
            }
        }
    }
    let pairs: Vec<(&Lesson, Heard)> =
        lessons.iter().zip(heard).filter_map(|(lesson, heard)| Some((lesson, heard?))).collect();
    let mut model = learned(lessons, &all, &names);
    let place = |lesson: &Lesson| names.iter().position(|name| *name == lesson.category);
    model.remember(lessons.iter().filter_map(|lesson| Some((place(lesson)?, &lesson.topic))));
    model.header.calibration = calibrated(&pairs, categories);
    model.header.points = points(&pairs, &model.header.calibration, categories);
    model
}

/// What a model says of one text before calibration.
#[derive(Clone, Debug)]
pub struct Heard {
    pub topic: Scores,
    pub all: Scores,
    /// For each question the highest score of a passage, with the passage.
    pub peaks: [(f32, usize); Question::ALL.len()],
}

impl Heard {
    /// `topic`: features of what has the topic, when that is not everything.
    pub fn of(model: &Model, topic: Option<&Features>, all: &Features, passages: &[Buckets]) -> Self {
        let scores = model.scores(all);
        let topic = topic.map_or_else(|| scores.clone(), |topic| model.scores(topic));
        Self { topic, all: scores, peaks: model.peaks(passages) }
    }

    /// The numbers from which a question is answered: score of the whole, of the gravest passage, and log-odds
    /// of the categories that matter to it.
    pub fn numbers(
        &self,
        question: Question,
        calibration: &Calibration,
        categories: &[(Category, Sensitivity)],
    ) -> [f64; 3] {
        let whole = self.all.0.get(categories.len() + question as usize).copied().unwrap_or_default();
        let peak = self.peaks.get(question as usize).map_or(whole, |(score, _)| *score);
        let floor =
            if question == Question::Sensitive { Sensitivity::Confidential } else { Sensitivity::Restricted };
        let top = self.topic.0.iter().take(categories.len()).copied().fold(f32::MIN, f32::max);
        let (mut grave, mut others) = (1e-4f64, 1e-4f64);
        for (score, (_, sensitivity)) in self.topic.0.iter().zip(categories) {
            let part = f64::from((score - top) * calibration.category_slope).exp();
            if *sensitivity >= floor { grave += part } else { others += part }
        }
        [f64::from(whole), f64::from(peak), (grave / others).ln()]
    }
}

fn learned(lessons: &[Lesson], among: &[usize], names: &[Category]) -> Model {
    let mut mails = vec![0u32; BUCKETS as usize];
    for lesson in among.iter().filter_map(|at| lessons.get(*at)) {
        for (_, counts) in lesson.all.families() {
            for (bucket, _) in counts {
                if let Some(count) = mails.get_mut(*bucket as usize) {
                    *count += 1;
                }
            }
        }
    }
    let mut columns = vec![u32::MAX; BUCKETS as usize];
    let mut known: Vec<(u32, u8)> = Vec::new();
    for (bucket, (count, column)) in mails.iter().zip(&mut columns).enumerate() {
        if *count >= LEAST_MAILS {
            *column = known.len() as u32;
            let rarity = ((1.0 + among.len() as f64) / (1.0 + f64::from(*count))).ln() + 1.0;
            known.push((bucket as u32, (rarity / f64::from(RARITY_STEP)).round().clamp(1.0, 255.0) as u8));
        }
    }
    let matrix = |of: fn(&Lesson) -> &Features| Matrix {
        rows: lessons.iter().map(|lesson| row(of(lesson), &columns, &known)).collect(),
        columns: known.len(),
    };
    let (topic, all) = (matrix(|lesson| &lesson.topic), matrix(|lesson| &lesson.all));
    let lesson = |at: usize| lessons.get(at);
    let work = |output: usize| match output.checked_sub(names.len()).and_then(|at| Question::ALL.get(at)) {
        Some(question) => {
            let is = |at: usize| lesson(at).is_some_and(|lesson| lesson.answer(*question));
            let there = among.iter().filter(|at| is(**at)).count().max(1) as f32;
            let (whole, half) = (among.len() as f32, 0.5);
            // Both sides weigh the same, however rare one is.
            let (yes, no) = (COST * half * whole / there, COST * half * whole / (whole - there).max(1.0));
            separate(&all, among, is, |at| if is(at) { yes.min(COST * 8.0) } else { no })
        }
        None => {
            let name = names.get(output);
            separate(&topic, among, |at| lesson(at).map(|lesson| &lesson.category) == name, |_| COST)
        }
    };
    let outputs = names.len() + Question::ALL.len();
    let work = &work;
    let separators: Vec<_> = thread::scope(|scope| {
        let halves: Vec<_> = [0, 1]
            .map(|half| {
                scope.spawn(move || (half..outputs).step_by(2).map(|at| (at, work(at))).collect::<Vec<_>>())
            })
            .into();
        let mut all: Vec<_> = halves.into_iter().filter_map(|half| half.join().ok()).flatten().collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, separator)| separator).collect()
    });
    let scales: Vec<Scale> = separators
        .iter()
        .map(|one| {
            let most = one.weights.iter().fold(0f32, |most, weight| most.max(weight.abs()));
            Scale { step: (most / 127.0).max(f32::MIN_POSITIVE), bias: one.bias }
        })
        .collect();
    let rows: Vec<(u32, Vec<u8>)> = known
        .iter()
        .enumerate()
        .map(|(column, (bucket, rarity))| {
            let weights = separators.iter().zip(&scales).map(|(one, scale)| {
                let weight = one.weights.get(column).copied().unwrap_or_default() / scale.step;
                weight.round().clamp(-127.0, 127.0) as i8 as u8
            });
            (*bucket, std::iter::once(*rarity).chain(weights).collect())
        })
        .collect();
    let (format, features) = versions();
    let header = Header {
        format,
        features,
        made_of: String::new(),
        concepts: String::new(),
        examples: among.len(),
        sketches: 0,
        categories: names.to_vec(),
        outputs: scales,
        calibration: Calibration {
            category_slope: 4.0,
            questions: vec![Line::default(); Question::ALL.len()],
        },
        points: Points { cautious: [0.0; 5], balanced: [0.0; 5], quiet: [0.0; 5] },
        held_back: None,
    };
    Model::new(header, &rows)
}

/// A text as a row: the same numbers that [`Model::scores`] multiplies.
fn row(features: &Features, columns: &[u32], known: &[(u32, u8)]) -> Vec<(u32, f32)> {
    let mut row = Vec::new();
    for (family, counts) in features.families() {
        let start = row.len();
        let mut square = 0f32;
        for (bucket, count) in counts {
            let column = columns.get(*bucket as usize).copied().unwrap_or(u32::MAX);
            if let Some((_, rarity)) = known.get(column as usize) {
                let value = damped(*count) * f32::from(*rarity) * RARITY_STEP;
                square += value * value;
                row.push((column, value));
            }
        }
        let scale = if square > 0.0 { family.weight() / square.sqrt() } else { 0.0 };
        row.iter_mut().skip(start).for_each(|(_, value)| *value *= scale);
    }
    // A column may stand twice, once for each family; the sums do not mind.
    row
}

fn calibrated(pairs: &[(&Lesson, Heard)], categories: &[(Category, Sensitivity)]) -> Calibration {
    let loss = |slope: f32| -> f64 {
        pairs
            .iter()
            .map(|(lesson, heard)| {
                let scores =
                    || heard.topic.0.iter().take(categories.len()).map(|score| f64::from(score * slope));
                let right = scores().zip(categories).find(|(_, (name, _))| *name == lesson.category);
                scores().map(f64::exp).sum::<f64>().ln() - right.map_or(0.0, |(score, _)| score)
            })
            .sum()
    };
    let category_slope =
        (4..48).map(|step| step as f32 * 0.25).min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(4.0);
    let mut calibration = Calibration { category_slope, questions: Vec::new() };
    for question in Question::ALL {
        let rows: Vec<([f64; 3], bool)> = pairs
            .iter()
            .filter(|(lesson, _)| !lesson.passages.is_empty())
            .map(|(lesson, heard)| {
                (heard.numbers(question, &calibration, categories), lesson.answer(question))
            })
            .collect();
        let beta = logistic(&rows, |_| 1.0);
        let at = |n: usize| beta.get(n).copied().unwrap_or_default() as f32;
        calibration.questions.push(Line { offset: at(0), whole: at(1), peak: at(2), category: at(3) });
    }
    calibration
}

/// What each point allows: of the mails that are not, how many may be taken for sensitive, for restricted, for
/// urgent, for high and for low.
const CAUTIOUS: Thresholds = [0.20, 0.12, 0.016, 0.08, 0.04];
const BALANCED: Thresholds = [0.12, 0.08, 0.010, 0.06, 0.04];
const QUIET: Thresholds = [0.06, 0.04, 0.006, 0.04, 0.03];

fn points(
    pairs: &[(&Lesson, Heard)],
    calibration: &Calibration,
    categories: &[(Category, Sensitivity)],
) -> Points {
    let scored = Question::ALL.map(|question| {
        let mut not: Vec<f32> = pairs
            .iter()
            .filter(|(lesson, _)| !lesson.passages.is_empty() && !lesson.answer(question))
            .map(|(_, heard)| log_odds(heard, question, calibration, categories))
            .collect();
        not.sort_by(|a, b| b.total_cmp(a));
        not
    });
    let at = |allowed: Thresholds| {
        let mut thresholds = Thresholds::default();
        for ((threshold, allowed), not) in thresholds.iter_mut().zip(allowed).zip(&scored) {
            *threshold = not.get((allowed * not.len() as f32) as usize).copied().unwrap_or_default();
        }
        thresholds
    };
    Points { cautious: at(CAUTIOUS), balanced: at(BALANCED), quiet: at(QUIET) }
}

/// How sure the answer to a question is yes.
pub fn log_odds(
    heard: &Heard,
    question: Question,
    calibration: &Calibration,
    categories: &[(Category, Sensitivity)],
) -> f32 {
    let [whole, peak, category] =
        heard.numbers(question, calibration, categories).map(|number| number as f32);
    let line = calibration.questions.get(question as usize).copied().unwrap_or_default();
    line.offset + line.whole * whole + line.peak * peak + line.category * category
}
