//! Words and pairs of words with what they speak for, mined from labelled examples: the small voices beside
//! the rules. Sums weights; decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::config::LexiconFile;
use super::text::Sentence;
use crate::case::kinds::{Category, Sensitivity};

/// Words are alike when they begin alike: enough of a stemmer for four languages.
const STEM_BYTES: usize = 6;

#[derive(Debug, Default)]
pub struct Lexicon {
    categories: Vec<Category>,
    /// Weight for each category in order, then confidential, then restricted.
    weights: HashMap<String, Vec<f32>>,
    bias: Vec<f32>,
}

/// What the words of a text say. Scores are log-odds.
#[derive(Debug, Default)]
pub struct Words {
    pub categories: BTreeMap<Category, f32>,
    pub confidential: f32,
    pub restricted: f32,
    /// For each category, the stems that spoke loudest for it.
    pub loudest: BTreeMap<Category, Vec<String>>,
}

impl Lexicon {
    pub fn new(file: &LexiconFile) -> Self {
        let categories: Vec<Category> = file.category.keys().cloned().collect();
        let targets = categories.len() + 2;
        let mut lexicon = Self { categories, weights: HashMap::new(), bias: vec![0.0; targets] };
        let behind = targets - 2;
        let sensitivities = file.sensitivity.iter().filter_map(|(sensitivity, words)| match sensitivity {
            Sensitivity::Standard => None,
            Sensitivity::Confidential => Some((behind, words)),
            Sensitivity::Restricted => Some((behind + 1, words)),
        });
        for (target, words) in file.category.values().enumerate().chain(sensitivities) {
            for (stem, weight) in words {
                let weights = if stem == "*" {
                    &mut lexicon.bias
                } else {
                    lexicon.weights.entry(stem.clone()).or_insert_with(|| vec![0.0; targets])
                };
                if let Some(slot) = weights.get_mut(target) {
                    *slot = *weight;
                }
            }
        }
        lexicon
    }

    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Adds up what `sentences` say, each stem once, so that a long mail does not shout.
    pub fn weigh(&self, sentences: &[Sentence]) -> Words {
        if self.is_empty() {
            return Words::default();
        }
        let stems = stems(sentences);
        let scale = 1.0 / (stems.len().max(1) as f32).sqrt();
        let mut sums = self.bias.clone();
        let mut loudest = vec![Vec::new(); self.categories.len()];
        for (stem, weights) in stems.iter().filter_map(|stem| self.weights.get_key_value(stem)) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += weight * scale;
            }
            for (loud, weight) in loudest.iter_mut().zip(weights) {
                if *weight > 0.0 && !stem.contains(' ') && stem.len() > 2 {
                    loud.push((*weight, stem.clone()));
                }
            }
        }
        let behind = self.categories.len();
        Words {
            categories: self.categories.iter().cloned().zip(sums.iter().copied()).collect(),
            confidential: sums.get(behind).copied().unwrap_or_default(),
            restricted: sums.get(behind + 1).copied().unwrap_or_default(),
            loudest: self.categories.iter().cloned().zip(loudest.into_iter().map(first_three)).collect(),
        }
    }
}

fn first_three(mut loud: Vec<(f32, String)>) -> Vec<String> {
    loud.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    loud.into_iter().take(3).map(|(_, stem)| stem).collect()
}

/// The stems and pairs of stems of a text, in order and each once; `config/classifier/mine.py` learns from these.
pub fn stems(sentences: &[Sentence]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for sentence in sentences {
        let mut before: Option<&str> = None;
        for word in sentence.words() {
            let stem = stem_of(word);
            if let Some(before) = before {
                found.insert(format!("{before} {stem}"));
            }
            found.insert(stem.to_owned());
            before = Some(stem);
        }
    }
    found
}

fn stem_of(word: &str) -> &str {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return "0";
    }
    word.get(..word.floor_char_boundary(STEM_BYTES)).unwrap_or(word)
}
