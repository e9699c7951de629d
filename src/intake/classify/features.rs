//! What the model looks at: words, pairs of words, letters within words, concepts and pairs of concepts of a text,
//! each hashed to a bucket and counted. Hashing keeps no words, so features may be kept where text may not.

use super::concepts::Concepts;
use super::text::Sentence;

/// Buckets of the hash.
pub const BUCKETS: u32 = 1 << 18;
/// Raised when the same text gives other features than before: an older model is then of no use.
pub const VERSION: u32 = 1;

/// Kinds of features; each is weighed as a whole, so that many letters do not drown few concepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Word,
    WordPair,
    Letters,
    Concept,
    ConceptPair,
    Subject,
}

impl Family {
    pub const ALL: [Self; 6] =
        [Self::Word, Self::WordPair, Self::Letters, Self::Concept, Self::ConceptPair, Self::Subject];

    /// How loud the family is.
    pub const fn weight(self) -> f32 {
        match self {
            Self::Word | Self::Letters | Self::Concept => 1.0,
            Self::WordPair | Self::ConceptPair => 0.5,
            Self::Subject => 0.4,
        }
    }
}

/// Counts of one text: for each family, buckets in rising order with how often each was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features([Vec<(u32, u32)>; 6]);

/// The buckets of one sentence, for each family, as they come.
#[derive(Clone, Debug, Default)]
pub struct Buckets([Vec<u32>; 6]);

impl Buckets {
    pub fn of(concepts: &Concepts, sentence: &Sentence) -> Self {
        let mut raw = Self::default();
        collect(concepts, sentence, &mut raw.0);
        raw
    }

    pub fn of_subject(concepts: &Concepts, sentence: &Sentence) -> Self {
        let mut raw = Self::of(concepts, sentence);
        let [.., subject] = &mut raw.0;
        subject.extend(sentence.words().map(|word| bucket(Family::Subject, word.as_bytes())));
        raw
    }

    pub fn families(&self) -> impl Iterator<Item = (Family, &[u32])> {
        Family::ALL.into_iter().zip(self.0.iter().map(Vec::as_slice))
    }
}

impl Features {
    /// Of the sentences of a text.
    pub fn of<'a>(sentences: impl Iterator<Item = &'a Buckets>) -> Self {
        let mut all: [Vec<u32>; 6] = Default::default();
        for sentence in sentences {
            for (all, one) in all.iter_mut().zip(&sentence.0) {
                all.extend_from_slice(one);
            }
        }
        Self(all.map(counted))
    }

    pub fn families(&self) -> impl Iterator<Item = (Family, &[(u32, u32)])> {
        Family::ALL.into_iter().zip(self.0.iter().map(Vec::as_slice))
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// As numbers that can be stored: for each family its length, then bucket and count by turns.
    pub fn to_numbers(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for family in &self.0 {
            numbers.push(family.len() as u32);
            numbers.extend(family.iter().flat_map(|(bucket, count)| [*bucket, *count]));
        }
        numbers
    }

    /// What [`Features::to_numbers`] gave; `None` for anything else.
    pub fn from_numbers(numbers: &[u32]) -> Option<Self> {
        let mut rest = numbers.iter().copied();
        let mut features = Self::default();
        for family in &mut features.0 {
            for _ in 0..rest.next()? {
                family.push((rest.next().filter(|bucket| *bucket < BUCKETS)?, rest.next()?));
            }
            if !family.is_sorted_by(|a, b| a.0 < b.0) {
                return None;
            }
        }
        rest.next().is_none().then_some(features)
    }
}

fn collect(concepts: &Concepts, sentence: &Sentence, into: &mut [Vec<u32>; 6]) {
    let [words, pairs, letters, concept, concept_pairs, _] = into;
    let mut before: Option<&str> = None;
    let mut spelled = Vec::with_capacity(48);
    for word in sentence.words() {
        words.push(bucket(Family::Word, word.as_bytes()));
        if let Some(before) = before {
            spelled.clear();
            spelled.extend_from_slice(before.as_bytes());
            spelled.push(b' ');
            spelled.extend_from_slice(word.as_bytes());
            pairs.push(bucket(Family::WordPair, &spelled));
        }
        before = Some(word);
        spelled.clear();
        spelled.push(b' ');
        spelled.extend(word.bytes().take(LETTERS_READ));
        spelled.push(b' ');
        for length in GRAMS {
            letters.extend(spelled.windows(length).map(letters_bucket));
        }
    }
    let mut found: Vec<u16> = concepts.find(sentence).into_iter().map(|(_, concept)| concept).collect();
    concept.extend(found.iter().map(|one| bucket(Family::Concept, concepts.name(*one).as_bytes())));
    found.sort_unstable();
    found.dedup();
    for (at, one) in found.iter().enumerate() {
        for other in found.iter().skip(at + 1) {
            spelled.clear();
            spelled.extend_from_slice(concepts.name(*one).as_bytes());
            spelled.push(b'+');
            spelled.extend_from_slice(concepts.name(*other).as_bytes());
            concept_pairs.push(bucket(Family::ConceptPair, &spelled));
        }
    }
}

/// Of a longer word only the beginning is spelled out.
const LETTERS_READ: usize = 20;
const GRAMS: [usize; 2] = [3, 4];

fn counted(mut raw: Vec<u32>) -> Vec<(u32, u32)> {
    sort(&mut raw);
    let mut counts: Vec<(u32, u32)> = Vec::with_capacity(raw.len());
    for bucket in raw {
        match counts.last_mut() {
            Some((last, count)) if *last == bucket => *count += 1,
            _ => counts.push((bucket, 1)),
        }
    }
    counts
}

/// Sorts buckets in two passes over nine bits each: a mail has thousands, and this is most of the work on it.
fn sort(raw: &mut Vec<u32>) {
    const HALF: u32 = 9;
    if raw.len() < 200 {
        raw.sort_unstable();
        return;
    }
    for shift in [0, HALF] {
        let digit = |bucket: u32| (bucket >> shift) as usize & ((1 << HALF) - 1);
        let mut places = [0usize; 1 << HALF];
        for bucket in raw.iter() {
            if let Some(place) = places.get_mut(digit(*bucket)) {
                *place += 1;
            }
        }
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        let mut sorted = vec![0u32; raw.len()];
        for bucket in raw.iter() {
            if let Some(place) = places.get_mut(digit(*bucket)) {
                if let Some(slot) = sorted.get_mut(*place) {
                    *slot = *bucket;
                }
                *place += 1;
            }
        }
        *raw = sorted;
    }
}

/// The same as [`bucket`] for up to seven letters at once: one multiplication.
fn letters_bucket(gram: &[u8]) -> u32 {
    let packed = gram.iter().fold(1u64, |packed, byte| packed << 8 | u64::from(*byte));
    (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 46) as u32
}

/// The bucket of a word of `family` (`FNV-1a`, folded).
pub fn bucket(family: Family, bytes: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ (family as u64 + 1);
    hash = hash.wrapping_mul(0x100_0000_01b3);
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    }
    (hash ^ (hash >> 18) ^ (hash >> 36)) as u32 & (BUCKETS - 1)
}
