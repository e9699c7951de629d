//! People who are meant without being named: `my manager`, `head of HR`, `la PDG`; and whether somebody is only named
//! as the one who said something. Works on the folded words of `directory::names`, so umlauts and their two-letter
//! spelling are written here as they fold: `ü`, `ue` → `u`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::directory::names::{Word, is_title};

/// Whom a phrase means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of whoever writes.
    Manager,
    HeadOfHr,
    TopExecutive,
    /// Somebody of HR, left open who.
    SomebodyOfHr,
}

static PHRASES: LazyLock<Vec<(Role, Regex)>> = LazyLock::new(|| {
    const HR: &str = "(?:hr|human resources|people|personnel)";
    const RH: &str = "(?:rh|rrhh|ressources humaines|recursos humanos|personnel|personal)";
    let head = format!(
        r"\b(?:head of (?:the )?{HR}(?: department)?|{HR} (?:director|head|chief|lead|manager|boss)|director of {HR}|chief (?:people|human resources) officer|chro|vp (?:of )?{HR}|personal(?:leiter(?:in|s)?|leitung|chef(?:in|s)?|direktor(?:in|s)?)|hr (?:leiter(?:in|s)?|leitung|chef(?:in|s)?)|(?:leiter(?:in|s)?|leitung|chef(?:in|s)?) (?:der|des|von) (?:personal\w*|hr\w*)|drh|(?:directeur|directrice|responsable|chef|cheffe|directora?|jef[ea]) (?:(?:de|des|du|de la|del) )?{RH})\b"
    );
    let manager = r"\b(?:my|our|mein(?:e[mnrs]?)?|unser(?:e[mnrs]?)?|mon|ma|notre|mi|nustr[oa]) (?:(?:own|line|direct|immediate|current|new|team|direkte[nrm]?|neu[nrm]?|aktulle[nrm]?|nouveau|nouvelle|propr[ei]o?) ){0,2}(?:managers?|boss(?:es)?|supervisora?s?|superiora?s?|(?:team)? ?lead(?:er)?|chef(?:in|s)?|cheffe|vorgesetzte[rnm]?|fuhrungskraft|(?:team|abteilungs|gruppen|schicht|bereichs)leiter(?:in|s)?|responsable|superieure?|patronn?e?|manageure?|jef[ea]|encargad[oa]|gerente)\b";
    let top = r"\b(?:ceo|chief executive(?: officer)?|managing director|geschaftsfuhrer(?:in|s)?|vorstandsvorsitzende[rn]?|pdg|directeur general|directrice generale|consejer[oa] delegad[oa]|directora? general)\b";
    let somebody = r"\b(?:(?:some|any|every)(?:one|body)|(?:a |your |one of your )(?:colleagues?|members?|people|staff)|(?:member|person) of staff) (?:in|from|of|at|within) (?:the )?(?:hr|human resources|personnel)\b|\b(?:jemand(?:em|en)?|kolleg\w+|mitarbeiter\w*) (?:aus|in|von|bei) (?:der |dem |ihrer )?(?:hr|personal\w*)\b|\bqulquun (?:des|aux|du|de la|chez les) (?:rh|drh|ressources humaines|personnel)\b|\balguien de (?:rrhh|recursos humanos|personal)\b";
    [
        (Role::HeadOfHr, head.as_str()),
        (Role::TopExecutive, top),
        (Role::Manager, manager),
        (Role::SomebodyOfHr, somebody),
    ]
    .into_iter()
    .filter_map(|(role, pattern)| Some((role, Regex::new(pattern).ok()?)))
    .collect()
});

/// Every such phrase: whom it means and which words it is. Where two overlap the first in order of [`Role`]s above
/// counts: `ma responsable RH` is no manager of mine.
#[must_use]
pub fn phrases(words: &[Word]) -> Vec<(Role, Range<usize>)> {
    let mut text = String::new();
    let mut starts = Vec::with_capacity(words.len());
    for word in words {
        // A sentence's end keeps phrases apart.
        text.push_str(if word.breaks { " . " } else { " " });
        starts.push(text.len());
        text.push_str(&word.folded);
    }
    let mut found: Vec<(Role, Range<usize>)> = Vec::new();
    for (role, pattern) in PHRASES.iter() {
        for hit in pattern.find_iter(&text) {
            let first = starts.partition_point(|start| *start < hit.start());
            let range = first..starts.partition_point(|start| *start < hit.end());
            if found.iter().all(|(_, other)| other.end <= range.start || range.end <= other.start) {
                found.push((*role, range));
            }
        }
    }
    found
}

/// `according to Anna`: alone enough.
const ACCORDING: &[&str] = &["laut", "gemass", "selon", "apres", "segun"];
/// `as Anna told me`: with a verb of saying.
const AS: &[&str] = &["as", "wie", "comme", "como"];
const SAYING: &[&str] = &[
    "told",
    "said",
    "says",
    "explained",
    "mentioned",
    "advised",
    "confirmed",
    "wrote",
    "informed",
    "suggested",
    "noted",
    "sagte",
    "gesagt",
    "sagt",
    "mitteilte",
    "mitgeteilt",
    "erklarte",
    "erklart",
    "schrieb",
    "geschrieben",
    "bestatigte",
    "bestatigt",
    "erwahnte",
    "erwahnt",
    "empfahl",
    "empfohlen",
    "dit",
    "explique",
    "expliqu",
    "indique",
    "indiqu",
    "ecrit",
    "confirme",
    "conseille",
    "precise",
    "dijo",
    "explico",
    "indico",
    "comento",
    "conto",
    "escribio",
    "confirmo",
    "aconsejo",
    "dicho",
    "explicado",
    "indicado",
];

/// Whether these words only name the source of something said: `as Anna in payroll told me`, `laut Frau Vögtlin`.
#[must_use]
pub fn is_source(words: &[Word], named: &Range<usize>) -> bool {
    let sentence_start = words
        .iter()
        .enumerate()
        .take(named.start + 1)
        .rev()
        .find(|(_, word)| word.breaks)
        .map_or(0, |(at, _)| at);
    let before: Vec<&str> = words
        .get(sentence_start..named.start)
        .unwrap_or_default()
        .iter()
        .rev()
        .map(|word| word.folded.as_str())
        .filter(|word| !is_title(word))
        .collect();
    let after: Vec<&str> = words
        .iter()
        .skip(named.end)
        .take_while(|word| !word.breaks)
        .take(7)
        .map(|word| word.folded.as_str())
        .collect();
    if before.first().is_some_and(|word| ACCORDING.contains(word))
        || matches!(
            before.as_slice(),
            ["to", "according", ..] | ["von", "auskunft" | "aussage" | "angaben", ..]
        )
        || after.first() == Some(&"zufolge")
    {
        return true;
    }
    let Some(opener) = before.iter().take(6).position(|word| AS.contains(word)) else { return false };
    let says = |word: &&str| SAYING.contains(word);
    let between = before.get(..opener).unwrap_or_default();
    if opener <= 1 && after.iter().any(says) {
        return true;
    }
    // `wie mir von Anna mitgeteilt wurde`, `comme me l'a dit Anna`, `como me dijo Anna`.
    between.iter().any(says) || (opener <= 3 && after.first().is_some_and(says))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::names::words;

    #[test]
    fn roles_are_understood() {
        for (text, role) in [
            ("my manager shouted", Role::Manager),
            ("My line manager's tone", Role::Manager),
            ("I fear my boss.", Role::Manager),
            ("mein Chef brüllt", Role::Manager),
            ("von meiner Vorgesetzten", Role::Manager),
            ("meine Führungskraft, meine Fuehrungskraft", Role::Manager),
            ("ma responsable crie", Role::Manager),
            ("mon chef crie", Role::Manager),
            ("mi jefe grita", Role::Manager),
            ("nuestra jefa grita", Role::Manager),
            ("the head of HR knew", Role::HeadOfHr),
            ("our HR director", Role::HeadOfHr),
            ("die Personalleiterin", Role::HeadOfHr),
            ("der Leiter der Personalabteilung", Role::HeadOfHr),
            ("la DRH", Role::HeadOfHr),
            ("ma responsable RH", Role::HeadOfHr),
            ("la directora de recursos humanos", Role::HeadOfHr),
            ("the CEO", Role::TopExecutive),
            ("der Geschäftsführer", Role::TopExecutive),
            ("somebody in HR leaked it", Role::SomebodyOfHr),
            ("jemand aus der Personalabteilung", Role::SomebodyOfHr),
            ("quelqu'un des RH", Role::SomebodyOfHr),
            ("alguien de RRHH", Role::SomebodyOfHr),
        ] {
            let found = phrases(&words(text));
            assert_eq!(found.first().map(|(role, _)| *role), Some(role), "{text}");
        }
        for text in ["the manager of the shop", "my. Boss", "HR never answers", "head of sales"] {
            assert_eq!(phrases(&words(text)), [], "{text}");
        }
    }

    #[test]
    fn a_source_accuses_nobody() {
        for text in [
            "as Anna in payroll told me",
            "As Ms Anna said",
            "according to Anna",
            "wie mir Anna sagte",
            "wie Anna aus der Lohnbuchhaltung mir gesagt hat",
            "laut Frau Anna",
            "nach Auskunft von Anna",
            "comme Anna me l'a dit",
            "comme me l'a dit Anna",
            "selon Anna",
            "d'après Anna",
            "como me dijo Anna",
            "según Anna",
        ] {
            let words = words(text);
            let at = words.iter().position(|word| word.folded == "anna").unwrap();
            assert!(is_source(&words, &(at..at + 1)), "{text}");
        }
        for text in [
            "Anna told me I am useless",
            "as always. Anna told me so",
            "Anna is as rude as Bob",
            "he told Anna",
        ] {
            let words = words(text);
            let at = words.iter().position(|word| word.folded == "anna").unwrap();
            assert!(!is_source(&words, &(at..at + 1)), "{text}");
        }
    }
}
