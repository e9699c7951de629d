//! Text as the rules see it: sentences of folded words, each word knowing where it stood in the original so
//! that a reason can quote it. Hides the tricks of writers (zero-width characters, look-alike letters, case,
//! accents) and bounds what hostile text can cost. Knows no rules.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Of a long text only this much of its beginning and its end is read: a mail of megabytes is a log file.
const HEAD_BYTES: usize = 256 * 1024;
const TAIL_BYTES: usize = 64 * 1024;
/// Writers without full stops exist; a sentence is cut here, and the next begins a little before the cut so
/// that no phrase is lost in it.
const SENTENCE_WORDS: usize = 80;
const OVERLAP_WORDS: usize = 12;
/// Longer words are encoded data.
const WORD_BYTES: usize = 40;
/// So many single letters in a row are a word spelled apart.
const LETTERS_APART: usize = 4;

/// A full stop after these is no end of a sentence.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "hr", "fr", "frau", "herrn", "sr", "sra", "nr", "no", "st", "mme", "d",
    "p",
];
/// What French elides before an apostrophe: `l'équipe` is two words, `don't` is one.
const ELIDED: &[&str] =
    &["l", "d", "j", "n", "s", "c", "m", "t", "qu", "jusqu", "lorsqu", "puisqu", "quelqu"];

/// One sentence: its words folded to lower-case ASCII where they can be, joined by single spaces, with a space
/// before the first and after the last. A question ends in the word `?`.
#[derive(Clone, Debug, Default)]
pub struct Sentence {
    pub text: String,
    /// For each word: where it starts in `text`, and its bytes in the original.
    words: Vec<(usize, Range<usize>)>,
}

impl Sentence {
    /// The words of `text`.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_ascii_whitespace()
    }

    /// Itself without `words`.
    pub fn without(&self, words: &[&str]) -> Self {
        let mut rest = Self::default();
        for ((_, source), word) in
            self.words.iter().zip(self.words()).filter(|(_, word)| !words.contains(word))
        {
            rest.push(word, source.clone());
        }
        rest
    }

    /// How many words it has.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// What `original` says where `found` matched in `text`: on one line, at most 80 characters.
    pub fn quote(&self, original: &str, found: Range<usize>) -> String {
        let first = self.words.partition_point(|(start, _)| *start <= found.start).saturating_sub(1);
        let behind = self.words.partition_point(|(start, _)| *start < found.end);
        let from = self.words.get(first).map_or(0, |(_, source)| source.start);
        let to = self.words.get(behind.saturating_sub(1)).map_or(from, |(_, source)| source.end);
        shorten(original.get(from..to).unwrap_or_default())
    }

    fn push(&mut self, word: &str, source: Range<usize>) {
        if self.text.is_empty() {
            self.text.push(' ');
        }
        self.words.push((self.text.len(), source));
        self.text.push_str(word);
        self.text.push(' ');
    }

    /// Makes one word of the last `count`, which were letters spelled apart.
    fn join_last(&mut self, count: usize) {
        let from = self.words.len().saturating_sub(count);
        let letters = self.words.split_off(from);
        let (Some((start, first)), Some((_, last))) = (letters.first(), letters.last()) else { return };
        let joined: String = self.text.split_off(*start).split_ascii_whitespace().collect();
        let source = first.start..last.end;
        self.push(&joined, source);
    }

    /// The last words again, to begin the sentence after a cut.
    fn tail(&self) -> Self {
        let mut tail = Self::default();
        let kept = self.words.iter().zip(self.words()).skip(self.words.len().saturating_sub(OVERLAP_WORDS));
        for ((_, source), word) in kept {
            tail.push(word, source.clone());
        }
        tail
    }
}

/// The sentences of `original`, or of its beginning and end when it is very long.
pub fn sentences(original: &str) -> Vec<Sentence> {
    let mut reader = Reader::default();
    if original.len() <= HEAD_BYTES + TAIL_BYTES {
        reader.read(original, 0);
    } else {
        let head = original.floor_char_boundary(HEAD_BYTES);
        let tail = original.ceil_char_boundary(original.len() - TAIL_BYTES);
        reader.read(original.get(..head).unwrap_or_default(), 0);
        reader.read(original.get(tail..).unwrap_or_default(), tail);
    }
    reader.done
}

/// Folds what a rule's author wrote the same way as text is folded, leaving the signs of regular expressions
/// alone. A German umlaut also matches its two-letter spelling.
pub fn fold_pattern(pattern: &str) -> String {
    let mut folded = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            'ä' => folded.push_str("(?:a|ae)"),
            'ö' => folded.push_str("(?:o|oe)"),
            'ü' => folded.push_str("(?:u|ue)"),
            '\'' | '’' => {}
            c if c.is_ascii() => folded.push(c),
            c => fold(c, &mut folded),
        }
    }
    folded
}

/// One word, folded as in a sentence.
pub fn fold_word(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    word.chars().filter(|c| !is_invisible(*c) && !is_combining_mark(*c)).for_each(|c| fold(c, &mut folded));
    folded
}

fn shorten(quoted: &str) -> String {
    let mut line = String::new();
    for (at, word) in quoted.split_whitespace().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !is_invisible(*c)));
        if line.chars().count() > 80 {
            return line.chars().take(79).chain(['…']).collect();
        }
    }
    line
}

#[derive(Default)]
struct Reader {
    done: Vec<Sentence>,
    sentence: Sentence,
    word: String,
    source: Range<usize>,
    /// How many words at the end of the sentence are single letters, each one character behind the other.
    apart: usize,
}

impl Reader {
    fn read(&mut self, text: &str, offset: usize) {
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let at = offset + at;
            let next = chars.peek().map(|(_, next)| *next);
            match c {
                c if is_invisible(c) || is_combining_mark(c) => {}
                '\'' | '’' | 'ʼ' | '‘' | '´' | '`' => {
                    if ELIDED.contains(&self.word.as_str()) {
                        self.end_word();
                    }
                }
                '.' if next.is_some_and(|c| !c.is_whitespace())
                    || ABBREVIATIONS.contains(&self.word.as_str()) =>
                {
                    self.end_word();
                }
                '?' => {
                    self.end_word();
                    self.end_letters();
                    self.sentence.push("?", at..at + 1);
                    self.end_sentence();
                }
                '.' | '!' | '…' => self.end_sentence(),
                '\n' if next == Some('\n') || next == Some('\r') => self.end_sentence(),
                '£' | '€' | '$' => {
                    self.end_word();
                    self.end_letters();
                    self.sentence.push("money", at..at + c.len_utf8());
                }
                c if c.is_alphanumeric() => {
                    if self.word.is_empty() {
                        self.source.start = at;
                    }
                    self.source.end = at + c.len_utf8();
                    if self.word.len() < WORD_BYTES {
                        fold(c, &mut self.word);
                    }
                }
                _ => self.end_word(),
            }
        }
        self.end_sentence();
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            let before = self.sentence.words.last().map_or(0, |(_, source)| source.end);
            if self.word.len() > 1 || self.source.start > before + 1 {
                self.end_letters();
            }
            self.apart += usize::from(self.word.len() == 1);
            self.sentence.push(&self.word, self.source.clone());
            self.word.clear();
            if self.sentence.len() >= SENTENCE_WORDS {
                let tail = self.sentence.tail();
                self.done.push(std::mem::replace(&mut self.sentence, tail));
            }
        }
    }

    /// `t h r e a t` is a word for a reader.
    fn end_letters(&mut self) {
        let apart = std::mem::take(&mut self.apart);
        if apart >= LETTERS_APART {
            self.sentence.join_last(apart);
        }
    }

    fn end_sentence(&mut self) {
        self.end_word();
        self.end_letters();
        if self.sentence.len() > 0 {
            self.done.push(std::mem::take(&mut self.sentence));
        }
    }
}

/// Writes `c` without case, accents and disguise; letters of other scripts stay.
fn fold(c: char, into: &mut String) {
    if c.is_ascii() {
        into.push(c.to_ascii_lowercase());
        return;
    }
    for part in std::iter::once(c).nfkd().flat_map(char::to_lowercase).filter(|c| !is_combining_mark(*c)) {
        match part {
            'ß' => into.push_str("ss"),
            'æ' => into.push_str("ae"),
            'œ' => into.push_str("oe"),
            _ => into.push(unmask(part)),
        }
    }
}

/// The Latin letter that another letter is drawn like. We read no language written in Cyrillic or Greek, so a
/// look-alike is taken for what a person sees.
fn unmask(c: char) -> char {
    match c {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'є' | 'ε' => 'e',
        'ɡ' => 'g',
        'һ' | 'н' => 'h',
        'і' | 'ı' | 'ι' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' | 'ł' => 'l',
        'м' => 'm',
        'п' | 'η' => 'n',
        'о' | 'ο' | 'ø' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        c => c,
    }
}

/// Characters that a reader does not see but that break words apart for a machine.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}' | '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        sentences(text).into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn words_are_folded_and_sentences_split() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \n\t ", &[]),
            ("Hello. Is it\nyou?", &[" hello ", " is it you ? "]),
            ("Don't ask Mr. Hale, 1.5 days!", &[" dont ask mr hale 1 5 days "]),
            ("L'équipe qu'il aime", &[" l equipe qu il aime "]),
            ("Überstunden & Straße", &[" uberstunden strasse "]),
            ("first\n\nsecond", &[" first ", " second "]),
            ("£40", &[" money 40 "]),
            ("th\u{200b}re\u{ad}at", &[" threat "]),
            ("thr\u{435}\u{430}t", &[" threat "]),
            ("\u{ff54}\u{ff48}reat and 𝐭𝐡𝐫𝐞𝐚𝐭", &[" threat and threat "]),
            ("He will h u r t me", &[" he will hurt me "]),
            ("his t-h-r-e-a-t", &[" his threat "]),
            ("Plan B or C, a b c", &[" plan b or c a b c "]),
            ("a\0b", &[" ab "]),
            ("e\u{301}t\u{e9}", &[" ete "]),
        ];
        for (text, expected) in cases {
            assert_eq!(folded(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn a_quote_is_what_was_written() {
        let text = "I am not in the\nsame  R\u{200b}oom, with him.";
        let sentence = sentences(text).remove(0);
        let at = sentence.text.find("same room with").unwrap();
        assert_eq!(sentence.quote(text, at..at + "same room with".len()), "same Room, with");
        assert_eq!(sentence.quote(text, 0..sentence.text.len()), "I am not in the same Room, with him");
    }

    #[test]
    fn a_long_quote_is_cut() {
        let text = "word ".repeat(60);
        let sentence = sentences(&text).remove(0);
        assert_eq!(sentence.quote(&text, 0..sentence.text.len()).chars().count(), 80);
    }

    #[test]
    fn a_sentence_without_end_is_cut_with_overlap() {
        let text: String = (0..100).map(|n| format!("w{n} ")).collect();
        let cut = sentences(&text);
        assert_eq!(cut.len(), 2);
        assert!(cut[1].text.starts_with(" w68 "), "{}", cut[1].text);
    }

    #[test]
    fn of_a_huge_text_both_ends_are_read() {
        let text = format!("first. {}last", "x ".repeat(5_000_000));
        let read = sentences(&text);
        assert_eq!(read[0].text, " first ");
        assert!(read.last().unwrap().text.ends_with(" last "));
        assert!(read.iter().map(|sentence| sentence.text.len()).sum::<usize>() < 500_000);
    }

    #[test]
    fn patterns_fold_like_text() {
        assert_eq!(fold_pattern(r"don't|belästig\w*|été"), r"dont|bel(?:a|ae)stig\w*|ete");
    }
}
