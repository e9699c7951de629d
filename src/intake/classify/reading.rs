//! A mail as the classifier reads it: sentences with the place where they stood, and the features of the text
//! that has the topic and of all that was said. Knows neither rules nor weights.

use std::collections::HashSet;

use super::Input;
use super::concepts::Concepts;
use super::features::{Buckets, Features};
use super::text::{Sentence, sentences};

/// New text shorter than this has no topic of its own: it takes the thread's.
const TOPIC_WORDS: usize = 14;
/// More names or texts than this are not looked at.
const MOST_ATTACHMENTS: usize = 100;

/// What a subject shouts is no fact.
const LOUD: &[&str] = &[
    "urgent",
    "urgently",
    "urgente",
    "urgentes",
    "urgence",
    "urgencia",
    "dringend",
    "dringende",
    "dringlich",
    "eilig",
    "eilt",
    "asap",
    "emergency",
    "notfall",
    "emergencia",
    "important",
    "importante",
    "wichtig",
];

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
        let calm = sentences(input.subject).iter().map(|sentence| sentence.without(LOUD)).collect();
        let subject = Part { place: Place::Subject, original: input.subject, sentences: calm };
        let new = Part { place: Place::New, original: input.new_text, sentences: sentences(input.new_text) };
        let said: HashSet<&str> = new.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
        let mut whole = Vec::new();
        if input.whole_text.trim() != input.new_text.trim() {
            whole = sentences(input.whole_text);
            whole.retain(|sentence| !said.contains(sentence.text.as_str()));
        }
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

    /// The buckets of each sentence, part by part.
    pub fn buckets(&self, concepts: &Concepts) -> Vec<Vec<Buckets>> {
        let of = |part: &Part<'_>| match part.place {
            Place::Subject => part.sentences.iter().map(|one| Buckets::of_subject(concepts, one)).collect(),
            _ => part.sentences.iter().map(|one| Buckets::of(concepts, one)).collect(),
        };
        self.parts.iter().map(of).collect()
    }

    /// Features of what has the topic, if that is not all that was said; and of all that was said.
    pub fn features(&self, buckets: &[Vec<Buckets>]) -> (Option<Features>, Features) {
        let all = Features::of(buckets.iter().flatten());
        let has_topic = |place| match place {
            Place::Subject | Place::New => true,
            Place::Quoted => self.short,
            Place::Attachment => false,
        };
        let parts = || self.parts.iter().zip(buckets);
        let everything = parts().all(|(part, sentences)| has_topic(part.place) || sentences.is_empty());
        let topic = parts().filter(|(part, _)| has_topic(part.place)).flat_map(|(_, sentences)| sentences);
        ((!everything).then(|| Features::of(topic)), all)
    }

    /// The sentences of everything but the subject, with the part that they stand in.
    pub fn passages(&self) -> Vec<(&Part<'a>, &Sentence)> {
        self.parts.iter().skip(1).flat_map(|part| part.sentences.iter().map(move |one| (part, one))).collect()
    }
}
