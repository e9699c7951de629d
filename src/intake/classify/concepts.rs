//! What words mean across languages: finds the concepts of `concepts.toml` in folded words, by one walk through a
//! tree of letters for each word. Knows nothing of what a concept counts for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::config::{RuleError, Source};
use super::text::{Sentence, fold_word};

/// `concepts.toml`: concept → language → words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct ConceptFile(BTreeMap<String, BTreeMap<String, String>>);

/// A concept's place in the alphabetical list of all.
pub type Concept = u16;

#[derive(Debug, Default)]
pub struct Concepts {
    names: Vec<String>,
    forwards: Tree,
    backwards: Tree,
    phrases: Vec<(Vec<Pattern>, Concept)>,
}

/// One word of a phrase.
#[derive(Debug)]
struct Pattern {
    begins: String,
    open: bool,
}

/// Words letter by letter. The first node is the root.
#[derive(Debug)]
struct Tree(Vec<Node>);

#[derive(Debug, Default)]
struct Node {
    next: Vec<(u8, u32)>,
    /// What a word means that ends here.
    whole: Vec<Meaning>,
    /// What a word means that begins with the letters so far.
    open: Vec<Meaning>,
}

#[derive(Clone, Copy, Debug)]
enum Meaning {
    Concept(Concept),
    /// The first word of a phrase.
    Phrase(u32),
}

impl Default for Tree {
    fn default() -> Self {
        Self(vec![Node::default()])
    }
}

impl Concepts {
    pub fn new(source: &Source<ConceptFile>) -> Result<Self, RuleError> {
        let mut concepts = Self::default();
        for (at, (name, languages)) in source.file.0.iter().enumerate() {
            let Ok(concept) = Concept::try_from(at) else {
                return Err(source.error(&(0..0), "has too many concepts; keep fewer than 65536"));
            };
            concepts.names.push(name.clone());
            for words in languages.values() {
                let spellings: BTreeSet<String> = words.split_whitespace().flat_map(spellings).collect();
                for word in spellings {
                    if !concepts.add(&word, concept) {
                        return Err(source.error(
                            &(0..0),
                            &format!("concept {name}: '{word}' is no word; write x, x*, *x or a_b"),
                        ));
                    }
                }
            }
        }
        Ok(concepts)
    }

    pub fn name(&self, concept: Concept) -> &str {
        self.names.get(usize::from(concept)).map_or("", String::as_str)
    }

    /// The concepts of a sentence, each with the place of its (first) word, in order and without repeats.
    pub fn find(&self, sentence: &Sentence) -> Vec<(usize, Concept)> {
        let words: Vec<&str> = sentence.words().collect();
        let mut found = Vec::new();
        let mut meanings = Vec::new();
        for (at, word) in words.iter().enumerate() {
            meanings.clear();
            self.forwards.walk(word.bytes(), &mut meanings);
            self.backwards.walk(word.bytes().rev(), &mut meanings);
            for meaning in &meanings {
                match meaning {
                    Meaning::Concept(concept) => found.push((at, *concept)),
                    Meaning::Phrase(number) => {
                        let rest = words.get(at + 1..).unwrap_or_default();
                        if let Some((patterns, concept)) = self.phrases.get(*number as usize)
                            && rest.len() >= patterns.len()
                            && patterns.iter().zip(rest).all(|(pattern, word)| pattern.matches(word))
                        {
                            found.push((at, *concept));
                        }
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether `written` is a word or phrase as the file may have it.
    fn add(&mut self, written: &str, concept: Concept) -> bool {
        if let Some((first, rest)) = written.split_once('_') {
            let patterns: Vec<Pattern> = rest.split('_').map(Pattern::new).collect();
            let number = self.phrases.len() as u32;
            self.phrases.push((patterns, concept));
            return self.forwards.add(first, Meaning::Phrase(number));
        }
        match written.strip_prefix('*') {
            Some(end) if !end.ends_with('*') => {
                let reversed: String = end.chars().rev().chain(['*']).collect();
                self.backwards.add(&reversed, Meaning::Concept(concept))
            }
            Some(_) => false,
            None => self.forwards.add(written, Meaning::Concept(concept)),
        }
    }
}

impl Pattern {
    fn new(written: &str) -> Self {
        let open = written.ends_with('*');
        Self { begins: written.trim_end_matches('*').to_owned(), open }
    }

    fn matches(&self, word: &str) -> bool {
        if self.open { word.starts_with(&self.begins) } else { word == self.begins }
    }
}

impl Tree {
    fn add(&mut self, written: &str, meaning: Meaning) -> bool {
        let letters = written.trim_end_matches('*');
        if letters.is_empty() || letters.contains('*') {
            return false;
        }
        let mut at = 0;
        for byte in letters.bytes() {
            let behind = self.0.len() as u32;
            let Some(node) = self.0.get_mut(at) else { return false };
            let known = node.next.iter().find(|(letter, _)| *letter == byte).map(|(_, next)| *next);
            at = known.unwrap_or(behind) as usize;
            if known.is_none() {
                node.next.push((byte, behind));
                self.0.push(Node::default());
            }
        }
        if let Some(node) = self.0.get_mut(at) {
            if written.ends_with('*') { &mut node.open } else { &mut node.whole }.push(meaning);
        }
        true
    }

    fn walk(&self, letters: impl Iterator<Item = u8>, into: &mut Vec<Meaning>) {
        let Some(mut node) = self.0.first() else { return };
        for letter in letters {
            let next = node.next.iter().find(|(known, _)| *known == letter);
            let Some(next) = next.and_then(|(_, next)| self.0.get(*next as usize)) else { return };
            node = next;
            into.extend_from_slice(&node.open);
        }
        into.extend_from_slice(&node.whole);
    }
}

/// The folded spellings of a word: a German umlaut has two.
fn spellings(written: &str) -> Vec<String> {
    let mut all = vec![written.split('_').map(fold_word).collect::<Vec<_>>().join("_")];
    if written.contains(['ä', 'ö', 'ü']) {
        let long = written.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue");
        all.push(long.split('_').map(fold_word).collect::<Vec<_>>().join("_"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::text::sentences;
    use super::*;

    fn found(file: &str, text: &str) -> Vec<(usize, String)> {
        let source = Source::<ConceptFile>::parse("concepts.toml".into(), file.into()).unwrap();
        let concepts = Concepts::new(&source).unwrap();
        let sentence = sentences(text).remove(0);
        concepts.find(&sentence).into_iter().map(|(at, c)| (at, concepts.name(c).to_owned())).collect()
    }

    #[test]
    fn words_phrases_beginnings_and_ends_are_found() {
        let file = "[fear]\nde = \"angst fürcht*\"\nen = \"scared\"\n[pay]\nde = \"*zuschlag\"\n[ask]\nen = \"could_you send_me* may_*\"\n";
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("Angst", &[(0, "fear")]),
            ("ängstlich", &[]),
            ("Ich fuerchte mich, ich fürchtete mich", &[(1, "fear"), (4, "fear")]),
            ("der Nachtzuschlag", &[(1, "pay")]),
            ("Could you send men?", &[(0, "ask"), (2, "ask")]),
            ("could", &[]),
            ("", &[]),
        ];
        for (text, expected) in cases.iter().filter(|(text, _)| !text.is_empty()) {
            let expected: Vec<_> = expected.iter().map(|(at, name)| (*at, (*name).to_owned())).collect();
            assert_eq!(found(file, text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for word in ["*", "*x*", "a*b"] {
            let source =
                Source::<ConceptFile>::parse("c.toml".into(), format!("[a]\nen = \"{word}\"\n")).unwrap();
            assert!(Concepts::new(&source).unwrap_err().to_string().contains("is no word"), "{word}");
        }
    }
}
