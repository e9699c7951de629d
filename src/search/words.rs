//! Words as they are indexed: folded (case, accents, compatibility forms), two letters or more, reduced to their stem
//! where the language is known. One row a word: a text in a known language is indexed by stems, another by the words
//! themselves, and a question asks for all of them.

use std::collections::BTreeSet;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer ones are no words.
const LONGEST: usize = 60;
/// Lengths of indexed beginnings; a longer one that is asked for is cut and looked at after opening.
pub const PREFIXES: std::ops::RangeInclusive<usize> = 3..=6;

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Anywhere: subject, text, names, attachments' names.
    Any,
    /// In the name or address of who wrote.
    From,
}

/// What is hashed into the index: a word, a stem or a beginning, in a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    kind: &'static str,
    text: String,
}

impl Term {
    /// What distinguishes it from every other term.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 2] {
        [self.kind.as_bytes(), self.text.as_bytes()]
    }
}

/// The words of a text, folded, in order.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_alphanumeric() || is_combining_mark(c))).filter_map(|raw| {
        let folded: String = raw.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(fold).collect();
        (2..=LONGEST).contains(&folded.chars().count()).then_some(folded)
    })
}

/// Lower case, and what decomposition leaves alone.
fn fold(c: char) -> Vec<char> {
    match c {
        'ß' | 'ẞ' => vec!['s', 's'],
        'æ' | 'Æ' => vec!['a', 'e'],
        'œ' | 'Œ' => vec!['o', 'e'],
        'ø' | 'Ø' => vec!['o'],
        'ł' | 'Ł' => vec!['l'],
        'đ' | 'Đ' => vec!['d'],
        'ı' => vec!['i'],
        other => other.to_lowercase().filter(|c| !is_combining_mark(*c)).collect(),
    }
}

/// The languages with stems, by ISO 639-1.
const LANGUAGES: [(&str, &str, Algorithm); 4] = [
    ("en", "stem en", Algorithm::English),
    ("de", "stem de", Algorithm::German),
    ("fr", "stem fr", Algorithm::French),
    ("es", "stem es", Algorithm::Spanish),
];

/// Adds the terms by which `text` is found to `found`; with `beginnings`, also by how its words begin.
pub fn terms(text: &str, language: &str, field: Field, beginnings: bool, found: &mut BTreeSet<Term>) {
    let indexer = Indexer::of(language);
    for word in words(text) {
        if beginnings && field == Field::Any {
            found.extend(PREFIXES.filter_map(|length| beginning(&word, length)));
        }
        found.insert(indexer.term(&word, field));
    }
}

/// How words of one language are indexed.
pub struct Indexer(Option<(&'static str, Stemmer)>);

impl Indexer {
    /// `language` is an ISO 639-1 tag; words of others than the known ones stay as they are.
    #[must_use]
    pub fn of(language: &str) -> Self {
        let known = LANGUAGES.iter().find(|(tag, ..)| language.starts_with(tag));
        Self(known.map(|(_, kind, algorithm)| (*kind, Stemmer::create(*algorithm))))
    }

    /// The one term of a folded word.
    #[must_use]
    pub fn term(&self, word: &str, field: Field) -> Term {
        match (&self.0, field) {
            (_, Field::From) => Term { kind: "from", text: word.into() },
            (Some((kind, stemmer)), Field::Any) => Term { kind, text: stemmer.stem(word).into_owned() },
            (None, Field::Any) => Term { kind: "word", text: word.into() },
        }
    }
}

fn beginning(word: &str, length: usize) -> Option<Term> {
    let end = word.char_indices().nth(length).map_or(word.len(), |(at, _)| at);
    let text = word.get(..end)?;
    (text.chars().count() == length).then(|| Term { kind: "prefix", text: text.into() })
}

/// The terms any of which finds a word that is asked for. Empty for a beginning that is too short.
#[must_use]
pub fn asked(word: &str, field: Field, beginning_only: bool) -> Vec<Term> {
    if beginning_only {
        let length = word.chars().count().min(*PREFIXES.end());
        return if PREFIXES.contains(&length) {
            beginning(word, length).into_iter().collect()
        } else {
            Vec::new()
        };
    }
    // In whichever language it was written.
    let tags = LANGUAGES.iter().map(|(tag, ..)| *tag).chain([""]);
    let mut terms: Vec<_> = tags.map(|tag| Indexer::of(tag).term(word, field)).collect();
    terms.dedup();
    terms
}

/// Whether `text` has these words together, in this order; the last may go on when `beginning_only`.
#[must_use]
pub fn holds_phrase(text: &str, phrase: &[String], beginning_only: bool) -> bool {
    let found: Vec<_> = words(text).collect();
    let Some((last, first)) = phrase.split_last() else { return true };
    found.windows(phrase.len()).any(|window| {
        let Some((end, start)) = window.split_last() else { return false };
        start == first && (end == last || (beginning_only && end.starts_with(last.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, language: &str, question: &str) -> bool {
        let mut index = BTreeSet::new();
        terms(text, language, Field::Any, true, &mut index);
        words(question).all(|word| asked(&word, Field::Any, false).iter().any(|term| index.contains(term)))
    }

    #[test]
    fn words_meet_whatever_their_form() {
        for (text, language, question) in [
            ("My payslips are missing", "en", "payslip"),
            ("Die Gehälter der Kolleginnen", "de", "gehalt kolleginnen"),
            ("STRASSE und Straße", "de", "strasse"),
            ("Les congés payés", "fr", "CONGES"),
            ("Vacaciones pagadas", "es", "vacacion"),
            ("Ücret bordrosu", "tr", "ucret"),
            ("ﬁnance ＡＢＣ", "", "finance abc"),
            ("anna@company.test", "en", "anna company"),
        ] {
            assert!(found(text, language, question), "{question} in {text}");
        }
        assert!(!found("My payslips", "en", "holiday"));
        assert_eq!(words("a I x1 ab").collect::<Vec<_>>(), ["x1", "ab"]);
    }

    #[test]
    fn beginnings_are_found_from_three_letters() {
        let mut index = BTreeSet::new();
        terms("overtime", "en", Field::Any, true, &mut index);
        for (word, hit) in
            [("ov", false), ("ove", true), ("overti", true), ("overtimes", true), ("overx", false)]
        {
            let terms = asked(word, Field::Any, true);
            assert_eq!(!terms.is_empty() && terms.iter().any(|term| index.contains(term)), hit, "{word}");
        }
        let mut guarded = BTreeSet::new();
        terms("overtime", "en", Field::Any, false, &mut guarded);
        assert_eq!(guarded.len(), 1);
    }

    #[test]
    fn phrases_are_words_together() {
        let phrase = |text: &str| words(text).collect::<Vec<_>>();
        assert!(holds_phrase("the Overtime, of May!", &phrase("overtime of may"), false));
        assert!(!holds_phrase("the overtime of all May", &phrase("overtime of may"), false));
        assert!(holds_phrase("the overtime of May", &phrase("overt"), true));
    }

    proptest! {
        #[test]
        fn every_word_of_a_text_finds_it(text in "\\PC{0,80}", language in "en|de|fr|es|pl|") {
            prop_assert!(found(&text, &language, &text));
        }
    }
}
