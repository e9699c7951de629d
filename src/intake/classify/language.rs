//! Which language a sentence may be in, by its commonest words: enough to keep a French rule from reading
//! English. Several languages when it cannot be told.

use super::text::Sentence;

/// Ours, in the order of the bits of [`Languages`].
const KNOWN: [&str; 4] = ["en", "de", "fr", "es"];

/// Words that are frequent in one language and not words of another, folded.
const COMMON: [&[&str]; 4] = [
    &[
        "the", "and", "of", "to", "is", "it", "that", "for", "with", "was", "i", "my", "you", "have", "this",
        "be", "are", "on", "not", "he", "she", "they", "we", "at", "from", "if", "im", "ive", "dont", "what",
        "who", "when", "his", "her", "him", "been", "would", "can", "by", "or", "please", "your", "do",
        "has", "had", "how",
    ],
    &[
        "der", "die", "das", "und", "ist", "nicht", "ich", "mich", "mir", "ein", "eine", "einen", "den",
        "dem", "mit", "zu", "fur", "auf", "von", "im", "sie", "er", "wir", "auch", "noch", "bei", "nur",
        "wie", "aber", "wenn", "dass", "habe", "hat", "bin", "sind", "wird", "bitte", "mein", "meine",
        "meinen", "uns", "seit", "fuer",
    ],
    &[
        "le", "les", "des", "une", "et", "est", "je", "que", "qui", "pas", "pour", "dans", "vous", "nous",
        "il", "elle", "au", "aux", "avec", "mon", "ma", "mes", "sur", "ce", "cette", "du", "plus", "suis",
        "ai", "j", "qu", "ne", "sont", "votre", "puis", "bonjour", "merci",
    ],
    &[
        "el", "los", "las", "una", "y", "es", "que", "con", "por", "para", "mi", "mis", "su", "no", "me",
        "lo", "se", "del", "al", "como", "pero", "ha", "estoy", "esta", "muy", "desde", "cuando", "hola",
        "gracias", "la", "de", "en", "un", "nos", "le",
    ],
];

/// Fewer common words than this tell nothing: `he` and `me` stand in several languages.
const SURE: usize = 3;

/// A set of languages, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Languages(u8);

impl Languages {
    const ALL: Self = Self(0b1111);

    /// What a rule says of itself; one in a language that we cannot tell reads everything.
    pub fn of_rule(lang: &str) -> Self {
        KNOWN.iter().position(|known| *known == lang).map_or(Self::ALL, |at| Self(1 << at))
    }

    /// Those that `sentence` has most common words of, and any with half as many; all when it has hardly any.
    /// A rule that is kept from a sentence can miss something grave, so doubt lets it read.
    pub fn of(sentence: &Sentence) -> Self {
        let mut counts = [0usize; 4];
        for word in sentence.words() {
            for (count, common) in counts.iter_mut().zip(COMMON) {
                *count += usize::from(common.contains(&word));
            }
        }
        let most = counts.iter().copied().max().unwrap_or_default();
        if most < SURE {
            return Self::ALL;
        }
        let bits = counts.iter().enumerate().filter(|(_, count)| **count * 2 >= most);
        Self(bits.fold(0, |set, (at, _)| set | 1 << at))
    }

    /// Whether they have one in common.
    pub fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::sentences;
    use super::*;

    #[test]
    fn a_sentence_is_told_by_its_common_words() {
        let cases = [
            ("He said that it was my fault again", "en"),
            ("Er hat mich und die anderen vor allen angeschrien", "de"),
            ("Je ne suis pas d'accord avec vous", "fr"),
            ("Desde que lo dije nadie me habla en la tienda", "es"),
        ];
        for (text, expected) in cases {
            let found = Languages::of(&sentences(text)[0]);
            assert_eq!(found, Languages::of_rule(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_sentence_is_read_by_every_rule() {
        let unknown = Languages::of(&sentences("URGENT!!!")[0]);
        assert!(KNOWN.iter().all(|lang| unknown.meet(Languages::of_rule(lang))));
        assert_eq!(Languages::of(&sentences("He keeps harassing me")[0]), Languages::ALL);
        assert!(Languages::of(&sentences("the cat")[0]).meet(Languages::of_rule("pl")));
    }
}
