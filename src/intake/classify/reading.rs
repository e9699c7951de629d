//! A mail as the classifier reads it: sentences with the place where they stood, and the features of the text
//! that has the topic and of all that was said. Knows neither rules nor weights.

use std::collections::HashSet;

use super::Input;
use super::concepts::Concepts;
use super::features::Features;
use super::text::{Sentence, sentences};

/// New text shorter than this has no topic of its own: it takes the thread's.
const TOPIC_WORDS: usize = 14;
/// More names or texts than this are not looked at.
const MOST_ATTACHMENTS: usize = 100;
/// More sentences than this are a log file, not a letter; passages of the first and last ones are looked at.
const MOST_PASSAGES: usize = 2_000;

/// Where a sentence stood; decides what it may speak for and how a reason names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Subject,
    New,
    Quoted,
    Attachment,
}

pub struct Part<'a> {
    pub place: Place,
    pub original: &'a str,
    pub sentences: Vec<Sentence>,
}

pub struct Reading<'a> {
    pub parts: Vec<Part<'a>>,
    /// The new text says too little for a topic.
    pub short: bool,
}

impl<'a> Reading<'a> {
    pub fn of(input: &Input<'a>) -> Self {
        let subject = Part { place: Place::Subject, original: input.subject, sentences: sentences(input.subject) };
        let new = Part { place: Place::New, original: input.new_text, sentences: sentences(input.new_text) };
        let mut whole = sentences(input.whole_text);
        let said: HashSet<&str> = new.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
        whole.retain(|sentence| !said.contains(sentence.text.as_str()));
        let short = new.sentences.iter().map(Sentence::len).sum::<usize>() < TOPIC_WORDS;
        let quoted = Part { place: Place::Quoted, original: input.whole_text, sentences: whole };
        let mut parts = vec![subject, new, quoted];
        let attached = input.attachment_names.iter().chain(input.attachment_texts).take(MOST_ATTACHMENTS);
        parts.extend(attached.map(|text| Part {
            place: Place::Attachment,
            original: text,
            sentences: sentences(text),
        }));
        Self { parts, short }
    }

    fn at(&self, places: &[Place]) -> impl Iterator<Item = &Sentence> {
        self.parts.iter().filter(|part| places.contains(&part.place)).flat_map(|part| &part.sentences)
    }

    fn subject(&self) -> &[Sentence] {
        self.parts.first().map_or(&[], |part| part.sentences.as_slice())
    }

    /// Features of what has the topic, and of everything.
    pub fn features(&self, concepts: &Concepts) -> (Features, Features) {
        let all = Features::of(
            concepts,
            self.subject(),
            self.at(&[Place::New, Place::Quoted, Place::Attachment]),
        );
        let more = self.at(&[Place::Quoted]).next().is_some() && !self.short;
        if more || self.at(&[Place::Attachment]).next().is_some() {
            let places: &[Place] = if self.short { &[Place::New, Place::Quoted] } else { &[Place::New] };
            return (Features::of(concepts, self.subject(), self.at(places)), all);
        }
        (all.clone(), all)
    }

    /// The sentences of everything but the subject, with the part and place they stand at; some of very many.
    pub fn passages(&self) -> Vec<(usize, usize, &Sentence)> {
        let mut found: Vec<_> = self
            .parts
            .iter()
            .enumerate()
            .skip(1)
            .flat_map(|(part, of)| of.sentences.iter().enumerate().map(move |(at, one)| (part, at, one)))
            .collect();
        if found.len() > MOST_PASSAGES {
            found.drain(MOST_PASSAGES / 2..found.len() - MOST_PASSAGES / 2);
        }
        found
    }
}
