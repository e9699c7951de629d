//! The learned model: for each bucket of features what it says for each of the outputs, in small numbers. Reads,
//! checks and writes its file and adds up scores; how it learned is none of its business.
//!
//! The file: a line of JSON ([`Header`]), the buckets that are known (one bit each), for each of them one byte of
//! rarity and one byte for each output, a sketch of each example, and the SHA-256 of all that.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::features::{BUCKETS, Buckets, Family, Features};
use crate::case::kinds::Category;

/// Raised when the file's form or the meaning of its numbers changes.
const FORMAT: u32 = 2;
const HASH_BYTES: usize = 32;
const WORDS: usize = BUCKETS as usize / 64;
/// What one step of a byte of rarity means.
pub const RARITY_STEP: f32 = 1.0 / 24.0;

/// The outputs beside the categories, in their order behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// At least confidential.
    Sensitive,
    Restricted,
    Urgent,
    /// At least high.
    High,
    Low,
}

impl Question {
    pub const ALL: [Self; 5] = [Self::Sensitive, Self::Restricted, Self::Urgent, Self::High, Self::Low];
}

/// What a model says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub features: u32,
    /// SHA-256 of the concepts and examples that it was made of, in hexadecimal.
    pub made_of: String,
    /// SHA-256 of the concepts alone: with others it would read other features.
    pub concepts: String,
    pub examples: usize,
    /// How many examples are sketched.
    pub sketches: usize,
    pub categories: Vec<Category>,
    /// For each output what a step of its bytes means, and its bias.
    pub outputs: Vec<Scale>,
    pub calibration: Calibration,
    pub points: Points,
    /// What it reached on the examples that were held back; for `classify train` to compare with.
    pub held_back: Option<super::figures::Figures>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub step: f32,
    pub bias: f32,
}

/// How scores become probabilities, found by cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Scores of categories are multiplied with this before the softmax.
    pub category_slope: f32,
    /// For each question: log-odds = offset + whole * score + peak * the highest score of a passage.
    pub questions: Vec<Line>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub offset: f32,
    pub whole: f32,
    pub peak: f32,
    /// How the log-odds of the gravest category count.
    pub category: f32,
}

/// From which log-odds a question is answered yes, at each operating point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Points {
    pub cautious: Thresholds,
    pub balanced: Thresholds,
    pub quiet: Thresholds,
}

/// In the order of [`Question::ALL`].
pub type Thresholds = [f32; 5];

/// The sums of one text, before calibration: an output's score is linear in them.
#[derive(Clone, Debug, Default)]
pub struct Scores(pub Vec<f32>);

#[derive(Debug)]
pub struct Model {
    pub header: Header,
    known: Vec<u64>,
    /// For each 64 buckets, how many known ones stand before.
    before: Vec<u32>,
    rows: Vec<u8>,
    width: usize,
    sketches: Vec<Sketch>,
}

/// An example by what made it one of its category: the category's place and the buckets that spoke loudest, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    category: u8,
    buckets: [u32; TELLING],
}

/// So many buckets tell an example.
const TELLING: usize = 10;
/// Mails are alike that share so many of them.
const SHARED: usize = 5;
const SKETCH_BYTES: usize = 1 + 4 * TELLING;
/// Fills up the sketch of a short mail.
const NOTHING: u32 = u32::MAX;

impl Sketch {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (category, rest) = bytes.split_first()?;
        let mut buckets = [NOTHING; TELLING];
        for (bucket, bytes) in buckets.iter_mut().zip(rest.chunks_exact(4)) {
            *bucket = u32::from_le_bytes(bytes.try_into().ok()?);
        }
        Some(Self { category: *category, buckets })
    }

    fn write(&self) -> impl Iterator<Item = u8> {
        std::iter::once(self.category).chain(self.buckets.iter().flat_map(|bucket| bucket.to_le_bytes()))
    }

    fn is_like(&self, other: &Self) -> bool {
        let shared =
            self.buckets.iter().filter(|bucket| **bucket != NOTHING && other.buckets.contains(bucket));
        self.category == other.category && shared.count() >= SHARED
    }
}

/// Of one sentence, for each family: the square of its length and the sum for each question.
#[derive(Clone, Debug, Default)]
struct Partial([(f32, [f32; Question::ALL.len()]); Family::ALL.len()]);

impl Partial {
    /// The sums of both sentences as one text.
    fn with(&self, other: &Self) -> [f32; Question::ALL.len()] {
        let mut scores = [0f32; Question::ALL.len()];
        for ((family, one), two) in Family::ALL.into_iter().zip(&self.0).zip(&other.0) {
            let square = one.0 + two.0;
            if square > 0.0 {
                let scale = family.weight() / square.sqrt();
                for (score, (a, b)) in scores.iter_mut().zip(one.1.iter().zip(two.1)) {
                    *score += (a + b) * scale;
                }
            }
        }
        scores
    }
}

/// Why a model is refused: what is wrong, for a sentence that names the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Damaged,
    OtherVersion,
    OtherConcepts,
}

impl Refused {
    pub const fn what(self) -> &'static str {
        match self {
            Self::Damaged => "is damaged",
            Self::OtherVersion => "was made by another version of Caseward",
            Self::OtherConcepts => "was trained with other concepts than those in concepts.toml",
        }
    }
}

impl Model {
    /// `rows`: for each known bucket in rising order its rarity and a weight for each output.
    pub fn new(header: Header, rows: &[(u32, Vec<u8>)]) -> Self {
        let mut known = vec![0u64; WORDS];
        for (bucket, _) in rows {
            if let Some(word) = known.get_mut(*bucket as usize / 64) {
                *word |= 1 << (bucket % 64);
            }
        }
        let width = header.outputs.len() + 1;
        let rows = rows.iter().flat_map(|(_, row)| row.iter().copied()).collect();
        Self { header, before: ranks(&known), known, rows, width, sketches: Vec::new() }
    }

    pub fn read(bytes: &[u8], concepts: &str) -> Result<Self, Refused> {
        let body = bytes.len().checked_sub(HASH_BYTES).and_then(|end| bytes.split_at_checked(end));
        let (body, hash) = body.ok_or(Refused::Damaged)?;
        if Sha256::digest(body).as_slice() != hash {
            return Err(Refused::Damaged);
        }
        let end = body.iter().position(|byte| *byte == b'\n').ok_or(Refused::Damaged)?;
        let (first, rest) = body.split_at_checked(end).ok_or(Refused::Damaged)?;
        let version: Version = serde_json::from_slice(first).map_err(|_| Refused::Damaged)?;
        if (version.format, version.features) != (FORMAT, super::features::VERSION) {
            return Err(Refused::OtherVersion);
        }
        let header: Header = serde_json::from_slice(first).map_err(|_| Refused::OtherVersion)?;
        if header.concepts != concepts {
            return Err(Refused::OtherConcepts);
        }
        let (bits, rows) =
            rest.get(1..).and_then(|rest| rest.split_at_checked(WORDS * 8)).ok_or(Refused::Damaged)?;
        let known: Vec<u64> =
            bits.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok().map(u64::from_le_bytes)).collect();
        let width = header.outputs.len() + 1;
        let count: u32 = known.iter().map(|word| word.count_ones()).sum();
        let (rows, sketches) = rows.split_at_checked(count as usize * width).ok_or(Refused::Damaged)?;
        if header.outputs.len() != header.categories.len() + Question::ALL.len()
            || header.calibration.questions.len() != Question::ALL.len()
            || sketches.len() != header.sketches * SKETCH_BYTES
        {
            return Err(Refused::Damaged);
        }
        let sketches = sketches.chunks_exact(SKETCH_BYTES).filter_map(Sketch::read).collect();
        Ok(Self { header, before: ranks(&known), known, rows: rows.to_vec(), width, sketches })
    }

    pub fn write(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(&self.header).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend(self.known.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend_from_slice(&self.rows);
        bytes.extend(self.sketches.iter().flat_map(Sketch::write));
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }

    /// The score of each output for a text.
    pub fn scores(&self, features: &Features) -> Scores {
        let outputs = self.width - 1;
        let mut scores = vec![0f32; outputs];
        let mut sums = vec![0f32; outputs];
        for (family, counts) in features.families() {
            sums.fill(0.0);
            let mut square = 0f32;
            for (bucket, count) in counts {
                let Some((rarity, weights)) = self.row(*bucket) else { continue };
                let value = damped(*count) * rarity;
                square += value * value;
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * f32::from(*weight as i8);
                }
            }
            if square > 0.0 {
                let scale = family.weight() / square.sqrt();
                for (score, sum) in scores.iter_mut().zip(&sums) {
                    *score += sum * scale;
                }
            }
        }
        for (score, scale) in scores.iter_mut().zip(&self.header.outputs) {
            *score = *score * scale.step + scale.bias;
        }
        Scores(scores)
    }

    /// For each question the highest score of a passage of two sentences, and the first of the two.
    pub fn peaks(&self, sentences: &[Buckets]) -> [(f32, usize); Question::ALL.len()] {
        let mut peaks = [(f32::MIN, 0); Question::ALL.len()];
        let parts: Vec<Partial> = sentences.iter().map(|sentence| self.partial(sentence)).collect();
        let empty = Partial::default();
        let last = parts.len().saturating_sub(1).max(1);
        for at in 0..last {
            let (one, two) = (parts.get(at).unwrap_or(&empty), parts.get(at + 1).unwrap_or(&empty));
            let scores = one.with(two);
            for ((peak, score), scale) in peaks.iter_mut().zip(scores).zip(self.question_scales()) {
                let score = score * scale.step + scale.bias;
                if score > peak.0 {
                    *peak = (score, at);
                }
            }
        }
        peaks
    }

    fn question_scales(&self) -> impl Iterator<Item = &Scale> {
        self.header.outputs.iter().skip(self.header.categories.len())
    }

    fn partial(&self, sentence: &Buckets) -> Partial {
        let behind = self.header.categories.len();
        let mut partial = Partial::default();
        for ((_, buckets), (square, sums)) in sentence.families().zip(&mut partial.0) {
            for bucket in buckets {
                let Some((value, weights)) = self.row(*bucket) else { continue };
                *square += value * value;
                for (sum, weight) in sums.iter_mut().zip(weights.iter().skip(behind)) {
                    *sum += value * f32::from(*weight as i8);
                }
            }
        }
        partial
    }

    /// Remembers the examples that it learned from: the place of each one's category, and its features.
    pub fn remember<'a>(&mut self, examples: impl Iterator<Item = (usize, &'a Features)>) {
        self.sketches = examples.map(|(category, features)| self.sketch(category, features)).collect();
        self.header.sketches = self.sketches.len();
    }

    /// How many examples of a category are like a text.
    pub fn alike(&self, category: usize, features: &Features) -> usize {
        let sketch = self.sketch(category, features);
        self.sketches.iter().filter(|example| example.is_like(&sketch)).count()
    }

    fn sketch(&self, category: usize, features: &Features) -> Sketch {
        let words =
            features.families().filter(|(family, _)| matches!(family, Family::Word | Family::Concept));
        let mut loud: Vec<(f32, u32)> = words
            .flat_map(|(family, counts)| counts.iter().map(move |(bucket, _)| (family, *bucket)))
            .map(|(family, bucket)| (self.says(family, bucket, category), bucket))
            .filter(|(says, _)| *says > 0.0)
            .collect();
        loud.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut buckets = [NOTHING; TELLING];
        for (bucket, (_, found)) in buckets.iter_mut().zip(loud) {
            *bucket = found;
        }
        Sketch { category: category as u8, buckets }
    }

    /// Whether a feature was seen in more than one example.
    pub fn knows(&self, bucket: u32) -> bool {
        self.row(bucket).is_some()
    }

    /// What one bucket says for an output, in the output's own unit; 0 for an unknown one.
    pub fn says(&self, family: Family, bucket: u32, output: usize) -> f32 {
        let Some((rarity, weights)) = self.row(bucket) else { return 0.0 };
        let weight = weights.get(output).map_or(0.0, |weight| f32::from(*weight as i8));
        weight * rarity * family.weight()
    }

    /// The place of a question's output.
    pub fn output(&self, question: Question) -> usize {
        self.header.categories.len() + question as usize
    }

    fn row(&self, bucket: u32) -> Option<(f32, &[u8])> {
        let at = bucket as usize / 64;
        let bit = 1u64 << (bucket % 64);
        let word = self.known.get(at)?;
        if word & bit == 0 {
            return None;
        }
        let rank = self.before.get(at)? + (word & (bit - 1)).count_ones();
        let start = rank as usize * self.width;
        let (rarity, weights) = self.rows.get(start..start + self.width)?.split_first()?;
        Some((f32::from(*rarity) * RARITY_STEP, weights))
    }
}

/// The second mention of a word counts less than the first. A table, because logarithms differ between machines.
pub fn damped(count: u32) -> f32 {
    const TABLE: [f32; 9] = [0.0, 1.0, 1.7, 2.1, 2.4, 2.6, 2.8, 2.9, 3.0];
    TABLE.get(count as usize).copied().unwrap_or(3.2)
}

pub const fn versions() -> (u32, u32) {
    (FORMAT, super::features::VERSION)
}

/// The part of the header that every version has.
#[derive(Deserialize)]
struct Version {
    format: u32,
    features: u32,
}

fn ranks(known: &[u64]) -> Vec<u32> {
    known
        .iter()
        .scan(0u32, |sum, word| {
            let before = *sum;
            *sum += word.count_ones();
            Some(before)
        })
        .collect()
}
