//! By which names a person may be meant: words folded so that case, accents and spelling of umlauts do not matter,
//! and an index that finds every name in a text. Says how sure a mention is; whom it means is for the caller.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A person's name in folded words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// `jean`, `pierre` of Jean-Pierre.
    given: Vec<String>,
    /// All the others but `van`, `de`, `el` and the like.
    family: Vec<String>,
}

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub folded: String,
    /// Where it stands in the text, bytes.
    pub at: Range<usize>,
    /// It begins with a capital letter.
    pub capital: bool,
    /// Nothing but capitals.
    pub shouted: bool,
    /// A sentence or line of thought ended before it; no name goes across.
    pub breaks: bool,
    /// A full stop stands behind it, as in `A.`.
    pub dotted: bool,
}

/// How a person was named, surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `A. T.` or `AT`.
    Initials,
    /// `Anna`, or `Mrs Anna`.
    Given,
    /// `Tarrant`.
    Family,
    /// `Mrs Tarrant`.
    Titled,
    /// `A. Tarrant`, `Anna T.`
    Abbreviated,
    /// `Anna Tarrant`, `Tarrant, Anna`.
    Full,
}

/// One mention: these words, in this form, may mean any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention<K> {
    pub words: Range<usize>,
    pub form: Form,
    pub who: BTreeSet<K>,
}

const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "sir",
    "dr",
    "prof",
    "professor",
    "herr",
    "herrn",
    "frau",
    "hr",
    "fr",
    "m",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "mademoiselle",
    "sr",
    "sra",
    "srta",
    "senor",
    "senora",
    "senorita",
    "don",
    "dona",
    "doktor",
    "docteur",
    "doctor",
    "doctora",
];
const PARTICLES: &[&str] = &[
    "van", "von", "vom", "der", "den", "de", "del", "della", "di", "da", "das", "dos", "do", "du", "des",
    "la", "le", "el", "al", "bin", "ben", "zu", "zum", "zur", "ter", "ten", "te", "y", "e", "und", "und",
    "st",
];
/// Names that are words too: they count only with a capital letter within a sentence.
const ALSO_WORDS: &[&str] = &[
    "will", "may", "mark", "rose", "grace", "faith", "hope", "joy", "bill", "sue", "art", "frank", "drew",
    "chase", "pat", "rich", "rob", "jack", "nick", "guy", "dean", "summer", "april", "june", "august",
    "ernst", "rosa", "wolf", "max", "said", "long", "young", "king", "baker", "cook", "white", "black",
    "brown", "green", "gray", "grey", "short", "small", "gross", "klein", "lang", "kurz", "koch", "bauer",
    "schmied", "richter", "jung", "alt", "neu", "fruh", "stark", "klug", "blanc", "noir", "petit", "grand",
    "roux", "marie", "pierre", "claire", "juste", "clement", "blanco", "rubio", "bueno", "leal", "rico",
    "angel", "luz", "sol", "lead", "agent", "admin", "manager", "auditor", "user", "test", "mar", "pilar",
    "dolores", "paz", "reyes", "in", "an", "so", "my", "he", "see", "do", "no", "yes", "day", "best",
    "price", "law", "wood", "stone", "field", "bush", "park", "lane", "page", "read", "reed", "ward", "case",
    "chance", "penny", "ruby", "amber", "dawn", "eve", "lily", "ivy", "holly", "viola", "herr", "kaiser",
    "graf", "vogt", "sommer", "winter", "herbst", "montag", "freitag", "weiss", "schwarz", "braun", "ton",
    "son", "sien", "mercedes", "consuelo", "rocio",
];
/// Two or three capitals that are no person.
const ABBREVIATIONS: &[&str] = &[
    "hr", "it", "pm", "am", "ok", "tv", "us", "uk", "eu", "pc", "id", "cv", "pr", "qa", "cc", "ps", "md",
    "vp", "ceo", "cfo", "cto", "coo", "cpo", "faq", "fyi", "asap", "pto", "vat", "usa", "gmb", "ag", "kg",
    "se", "rh", "drh", "pdg", "cdi", "cdd", "rtt", "sms", "pin", "url", "pdf", "api", "dns", "vpn", "ai",
    "ki", "br", "bem", "au", "zb", "np", "ni", "no", "an", "in", "is", "on", "at", "to", "so", "my", "we",
    "he", "me", "or", "if", "as", "by", "do", "go", "up", "and", "the", "not", "you", "she", "her", "his",
    "him", "was", "has", "had", "but", "der", "die", "das", "ist", "er", "es", "ich", "du", "wir", "sie",
    "mit", "und", "ein", "le", "la", "les", "un", "une", "il", "et", "de", "en", "du", "el", "los", "las",
    "yo", "tu", "su", "mi", "que", "por", "con", "dr", "mr", "ms", "mrs", "hbr", "nda", "kpi", "hse", "dpo",
    "tbd", "eod", "lol", "btw", "rrhh", "irpf", "sl", "sa", "iii", "ii", "iv",
];

/// Lower-case ASCII where it can be; `ß` is `ss`, and `ae`, `oe`, `ue` are what `ä`, `ö`, `ü` become.
#[must_use]
pub fn fold(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    for c in word.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => plain.push_str("ss"),
            'æ' => plain.push('a'),
            'œ' => plain.push('o'),
            'þ' => plain.push_str("th"),
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'ı' => plain.push('i'),
            c if c.is_alphanumeric() => plain.push(c),
            _ => {}
        }
    }
    plain.replace("ae", "a").replace("oe", "o").replace("ue", "u")
}

impl Name {
    /// Reads `Anna Tarrant`, `Tarrant, Anna`, `Dr. Joris van Hattem`.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let turned = match name.split_once(',') {
            Some((family, given)) => format!("{given} {family}"),
            None => name.to_owned(),
        };
        let parts: Vec<Vec<String>> = turned
            .split_whitespace()
            .map(|part| words(part).into_iter().map(|word| word.folded).collect::<Vec<_>>())
            .filter(|part| !part.is_empty())
            .collect();
        let titles = parts.iter().take_while(|part| part.iter().all(|word| is_title(word))).count();
        let titles = if titles < parts.len() { titles } else { 0 };
        let mut parts = parts.into_iter().skip(titles);
        let given = parts.next().unwrap_or_default();
        let family = parts.flatten().filter(|word| !PARTICLES.contains(&word.as_str())).collect();
        Self { given, family }
    }

    /// First letters: `wt`, and without middle names.
    fn initials(&self) -> BTreeSet<String> {
        let letter = |word: Option<&String>| word.and_then(|word| word.chars().next());
        let given = letter(self.given.first());
        let all =
            given.into_iter().chain(self.family.iter().filter_map(|word| word.chars().next())).collect();
        let outer = given.into_iter().chain(letter(self.family.last())).collect();
        [all, outer].into_iter().filter(|text: &String| text.chars().count() > 1).collect()
    }
}

/// The words of a text.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut start = None;
    let mut between = 0;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inner = c.is_alphanumeric() || is_combining_mark(c);
        match (inner, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                push(&mut found, text, from..at, between);
                between = at;
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn push(found: &mut Vec<Word>, text: &str, at: Range<usize>, between: usize) {
    let gap = text.get(between..at.start).unwrap_or_default();
    let written = text.get(at.clone()).unwrap_or_default();
    if let Some(before) = found.last_mut() {
        before.dotted = gap.starts_with('.');
        let short = before.folded.chars().count() == 1 || is_title(&before.folded);
        // `Anna's`, `O'Brien`: what stands behind an apostrophe belongs to the word; what French elides does not.
        if matches!(gap, "'" | "’" | "ʼ" | "`") {
            if written.eq_ignore_ascii_case("s") {
                return;
            }
            let elided = ["l", "d", "j", "n", "s", "c", "m", "t", "qu", "lorsqu", "puisqu", "jusqu"];
            if !elided.contains(&before.folded.as_str()) {
                before.folded.push_str(&fold(written));
                before.at.end = at.end;
                return;
            }
            if let Some(elision) = found.pop() {
                let breaks = elision.breaks;
                found.push(word(written, at, breaks));
            }
            return;
        }
        let ends = gap.contains(['!', '?', ';', ':', '(', ')', '"', '«', '»', '“', '”', '„', '|'])
            || gap.matches('\n').count() > 1
            || (gap.contains('.') && !short);
        found.push(word(written, at, ends));
        return;
    }
    found.push(word(written, at, true));
}

fn word(written: &str, at: Range<usize>, breaks: bool) -> Word {
    Word {
        folded: fold(written),
        at,
        capital: written.chars().next().is_some_and(char::is_uppercase),
        shouted: written.chars().all(|c| !c.is_lowercase()),
        breaks,
        dotted: false,
    }
}

pub(crate) fn is_title(word: &str) -> bool {
    TITLES.contains(&word)
}

/// Finds names in texts.
#[derive(Clone, Debug)]
pub struct Index<K> {
    names: HashMap<K, Name>,
    given: HashMap<String, BTreeSet<K>>,
    family: HashMap<String, BTreeSet<K>>,
    initials: HashMap<String, BTreeSet<K>>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            given: HashMap::new(),
            family: HashMap::new(),
            initials: HashMap::new(),
        }
    }
}

impl<K: Copy + Ord + Hash> Index<K> {
    pub fn add(&mut self, key: K, name: Name) {
        for word in &name.given {
            self.given.entry(word.clone()).or_default().insert(key);
        }
        for word in &name.family {
            self.family.entry(word.clone()).or_default().insert(key);
        }
        for initials in name.initials() {
            self.initials.entry(initials).or_default().insert(key);
        }
        self.names.insert(key, name);
    }

    /// Whether this word is a given name of `key`.
    #[must_use]
    pub fn is_given(&self, key: K, word: &str) -> bool {
        self.given.get(word).is_some_and(|keys| keys.contains(&key))
    }

    /// Every mention in these words. A name alone, and initials, count for those who are `near` only: of a large
    /// house everybody would be meant otherwise. The surest form at a place hides the others.
    #[must_use]
    pub fn mentions(&self, words: &[Word], near: &dyn Fn(K) -> bool) -> Vec<Mention<K>> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let mention = self.full(words, at).or_else(|| self.abbreviated(words, at));
            let mention = mention
                .or_else(|| self.titled(words, at, near))
                .or_else(|| self.alone(words, at, near))
                .or_else(|| self.initials_alone(words, at, near));
            match mention {
                Some(mention) => {
                    at = mention.words.end.max(at + 1);
                    found.push(mention);
                }
                None => at += 1,
            }
        }
        found
    }

    fn keys(&self, map: &HashMap<String, BTreeSet<K>>, word: &str) -> BTreeSet<K> {
        let exact = map.get(word);
        // `Annas Verhalten`, `Müllers`: the German genitive.
        let genitive = word.strip_suffix('s').filter(|stem| stem.len() > 2).and_then(|stem| map.get(stem));
        exact.or(genitive).cloned().unwrap_or_default()
    }

    /// Two or more words of one name on end, the family name among them.
    fn full(&self, words: &[Word], at: usize) -> Option<Mention<K>> {
        let first = words.get(at)?;
        let mut starts = self.keys(&self.given, &first.folded);
        starts.extend(self.keys(&self.family, &first.folded));
        let mut best: Option<Mention<K>> = None;
        for key in starts {
            let Some(end) = self.names.get(&key).and_then(|name| run(name, words, at)) else { continue };
            match &mut best {
                Some(mention) if mention.words.end == end => {
                    mention.who.insert(key);
                }
                Some(mention) if mention.words.end > end => {}
                _ => best = Some(Mention { words: at..end, form: Form::Full, who: [key].into() }),
            }
        }
        best
    }

    /// `A. Tarrant` and `Anna T.`.
    fn abbreviated(&self, words: &[Word], at: usize) -> Option<Mention<K>> {
        let (one, two) = (words.get(at)?, words.get(at + 1)?);
        if two.breaks {
            return None;
        }
        let letter = |word: &Word| word.folded.chars().next().filter(|_| word.folded.chars().count() == 1);
        let starts = |word: &String, letter: char| word.starts_with(letter);
        let who: BTreeSet<K> = if let Some(letter) = letter(one).filter(|_| one.capital) {
            let same = |key: &K| {
                self.names.get(key).is_some_and(|name| name.given.iter().any(|word| starts(word, letter)))
            };
            self.keys(&self.family, &two.folded).into_iter().filter(same).collect()
        } else {
            let letter = letter(two)
                .filter(|_| two.capital && (two.dotted || !matches!(two.folded.as_str(), "i" | "a")))?;
            let same = |key: &K| {
                self.names.get(key).is_some_and(|name| name.family.iter().any(|word| starts(word, letter)))
            };
            self.keys(&self.given, &one.folded).into_iter().filter(same).collect()
        };
        let mention = Mention { words: at..at + 2, form: Form::Abbreviated, who };
        Some(mention).filter(|mention| !mention.who.is_empty())
    }

    /// `Mrs Tarrant`, `Herrn Dr. Brückl`; `Mrs Anna` is no more than `Anna`.
    fn titled(&self, words: &[Word], at: usize, near: &dyn Fn(K) -> bool) -> Option<Mention<K>> {
        let first = words.get(at).filter(|word| is_title(&word.folded))?;
        // `m`, `don`, `hr` and `fr` are other things in lower case.
        if first.folded.len() <= 3 && !first.capital {
            return None;
        }
        let titles = words.iter().skip(at).take(3).take_while(|word| is_title(&word.folded)).count();
        let particle = |word: &&Word| PARTICLES.contains(&word.folded.as_str());
        let particles = words.iter().skip(at + titles).take(3).take_while(particle).count();
        let last = at + titles + particles;
        if words.get(at + 1..=last)?.iter().any(|word| word.breaks) {
            return None;
        }
        let named = words.get(last)?;
        let mut end = last + 1;
        let mut who = self.keys(&self.family, &named.folded);
        // `Frau Okonjo-Pell`: both words are hers.
        if let Some(next) = words.get(end).filter(|next| !next.breaks) {
            let both: BTreeSet<K> =
                self.keys(&self.family, &next.folded).intersection(&who).copied().collect();
            if !both.is_empty() {
                who = both;
                end += 1;
            }
        }
        if !who.is_empty() {
            return Some(Mention { words: at..end, form: Form::Titled, who });
        }
        let who: BTreeSet<K> =
            self.keys(&self.given, &named.folded).into_iter().filter(|key| near(*key)).collect();
        Some(Mention { words: at..end, form: Form::Given, who }).filter(|mention| !mention.who.is_empty())
    }

    /// One word: a given or a family name.
    fn alone(&self, words: &[Word], at: usize, near: &dyn Fn(K) -> bool) -> Option<Mention<K>> {
        let word = words.get(at)?;
        let also_word = ALSO_WORDS.contains(&word.folded.as_str());
        if also_word && (!word.capital || word.breaks) {
            return None;
        }
        let pick = |map: &HashMap<String, BTreeSet<K>>| -> BTreeSet<K> {
            self.keys(map, &word.folded).into_iter().filter(|key| near(*key)).collect()
        };
        let (given, family) = (pick(&self.given), pick(&self.family));
        if word.folded.chars().count() < 2 {
            return None;
        }
        let form = if family.is_empty() { Form::Given } else { Form::Family };
        let who: BTreeSet<K> = given.union(&family).copied().collect();
        Some(Mention { words: at..at + 1, form, who }).filter(|mention| !mention.who.is_empty())
    }

    /// `W. T.`, `WT`.
    fn initials_alone(&self, words: &[Word], at: usize, near: &dyn Fn(K) -> bool) -> Option<Mention<K>> {
        let word = words.get(at)?;
        let single = |word: &&Word| word.capital && word.dotted && word.folded.chars().count() == 1;
        let singles = words.iter().skip(at).take(4).take_while(single).count();
        let (text, length) = if singles >= 2 {
            (
                words.iter().skip(at).take(singles).map(|word| word.folded.as_str()).collect::<String>(),
                singles,
            )
        } else {
            let shouting = |at: Option<usize>| {
                at.and_then(|at| words.get(at)).is_some_and(|word| word.shouted && word.folded.len() > 1)
            };
            let short = (2..=3).contains(&word.folded.len()) && word.shouted && word.capital;
            if !short || shouting(at.checked_sub(1)) || shouting(Some(at + 1)) {
                return None;
            }
            (word.folded.clone(), 1)
        };
        if ABBREVIATIONS.contains(&text.as_str()) {
            return None;
        }
        let who: BTreeSet<K> = self.initials.get(&text)?.iter().copied().filter(|key| near(*key)).collect();
        Some(Mention { words: at..at + length, form: Form::Initials, who })
            .filter(|mention| !mention.who.is_empty())
    }
}

/// Where a run of `name`'s own words that starts at `at` ends, if it names this person in full: a given name and
/// another, or two family names. One strange word may stand between, as a middle name does.
fn run(name: &Name, words: &[Word], at: usize) -> Option<usize> {
    let own = |word: &Word, names: &[String]| {
        let genitive = word.folded.strip_suffix('s').filter(|stem| stem.len() > 2);
        names.iter().any(|name| *name == word.folded || Some(name.as_str()) == genitive)
    };
    let (mut given, mut family, mut end, mut strange) = (0, 0, at, 0);
    for (index, word) in words.iter().enumerate().skip(at).take(10) {
        if index > at && word.breaks {
            break;
        }
        if own(word, &name.family) {
            family += 1;
            end = index + 1;
        } else if own(word, &name.given) {
            given += 1;
            end = index + 1;
        } else if PARTICLES.contains(&word.folded.as_str()) && word.folded != "und" && word.folded != "y" {
            continue;
        } else if word.capital && strange == 0 && given > 0 && family == 0 {
            strange += 1;
        } else {
            break;
        }
    }
    let enough = family > 0 && given + family > 1;
    enough.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    #[test]
    fn spelling_does_not_matter() {
        for (one, other) in [
            ("Müller", "MUELLER"),
            ("Weiß", "weiss"),
            ("Inès", "Ines"),
            ("Íñigo", "INIGO"),
            ("Østergård", "Ostergard"),
            ("Łukasz", "Lukasz"),
            ("O'Brien", "OBrien"),
        ] {
            assert_eq!(folded(one), folded(other), "{one}");
        }
        assert_eq!(folded("Anna's d’Anna l'équipe"), ["anna", "anna", "equipe"]);
    }

    #[test]
    fn names_are_read() {
        let name = Name::read("Dr. Joris van Hattem");
        assert_eq!(name, Name { given: vec!["joris".into()], family: vec!["hattem".into()] });
        assert_eq!(Name::read("Tarrant, Anna Lena"), Name::read("Anna Lena Tarrant"));
        assert_eq!(Name::read("Jean-Pierre Blanc").given, ["jean", "pierre"]);
    }

    #[test]
    fn every_form_is_found() {
        let mut index = Index::default();
        for (key, name) in [
            (1, "Wilhelmina Tarrant"),
            (2, "Amara Okonjo-Pell"),
            (3, "Jonas Brückl"),
            (4, "Joris van Hattem"),
            (5, "Jonas Weiß"),
            (6, "Will May"),
        ] {
            index.add(key, Name::read(name));
        }
        let seen = |text: &str| {
            let mut seen: Vec<(Form, Vec<i32>)> = Vec::new();
            for mention in index.mentions(&words(text), &|_| true) {
                seen.push((mention.form, mention.who.into_iter().collect()));
            }
            seen
        };
        for (text, form, who) in [
            ("about Wilhelmina Tarrant", Form::Full, vec![1]),
            ("about TARRANT, Wilhelmina", Form::Full, vec![1]),
            ("about wilhelmina j. tarrant", Form::Given, vec![1]),
            ("about Wilhelmina Jane Tarrant", Form::Full, vec![1]),
            ("about W. Tarrant", Form::Abbreviated, vec![1]),
            ("about Wilhelmina T.", Form::Abbreviated, vec![1]),
            ("about Mrs Tarrant's tone", Form::Titled, vec![1]),
            ("über Herrn Dr. Brueckl", Form::Titled, vec![3]),
            ("über Jonas", Form::Given, vec![3, 5]),
            ("über Jonas Weiss", Form::Full, vec![5]),
            ("über Herrn van Hattem", Form::Titled, vec![4]),
            ("Joris van Hattem said", Form::Full, vec![4]),
            ("über Frau Okonjo-Pell", Form::Titled, vec![2]),
            ("Okonjo-Pell again", Form::Full, vec![2]),
            ("WT again", Form::Initials, vec![1]),
            ("W.T. again", Form::Initials, vec![1]),
            ("Brückls Ton", Form::Family, vec![3]),
        ] {
            assert_eq!(seen(text).first(), Some(&(form, who)), "{text}");
        }
        for text in ["May I ask", "it will", "WE ARE WT ALL", "told Jon. Tarrants"] {
            assert!(seen(text).iter().all(|(_, who)| who == &[1]), "{text}: {:?}", seen(text));
        }
        assert_eq!(seen("told Will about it"), [(Form::Given, vec![6])]);
    }

    #[test]
    fn nobody_far_is_meant_by_one_word() {
        let mut index = Index::default();
        index.add(1, Name::read("Anna Weber"));
        assert_eq!(index.mentions(&words("Anna and Weber"), &|_| false), []);
        assert_eq!(index.mentions(&words("Anna Weber"), &|_| false).len(), 1);
    }
}
