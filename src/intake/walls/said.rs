//! Which part of a mail's text speaks of people: not the greeting, not what stands under the sign-off, not the
//! signature, and never a quote of our own mail, which names whoever wrote it. Careful the other way too: a
//! postscript under the sign-off counts. Lines in, lines out; knows no names.

use std::sync::LazyLock;

use regex::Regex;

/// Of a longer text only this much is read: what accuses stands before it.
const LONGEST: usize = 256 * 1024;
/// What follows a sign-off is a signature while its lines are this short, in words.
const SIGNATURE_WORDS: usize = 6;

static GREETING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\s*(?:dear|hello|hi|hiya|hey|greetings|good (?:morning|afternoon|evening|day)|to whom|liebe[rs]?|sehr geehrte[rs]?|hallo|guten (?:tag|morgen|abend)|moin|servus|gr(?:ü|ue)(?:ß|ss) (?:dich|gott|sie)|werte[rs]?|cher|chère|chers|chères|bonjour|bonsoir|salut|madame|monsieur|mesdames|messieurs|coucou|hola|buen[oa]s?(?: d[ií]as?| tardes| noches)?|estimad[oa]s?|querid[oa]s?|apreciad[oa]s?|muy señor[ae]?s?)\b",
    )
    .ok()
});
static SIGN_OFF: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\s*(?:(?:(?:with |my )?(?:kind(?:est)?|best|warm(?:est)?|many|friendly) )?(?:regards|wishes|greetings)|yours?(?: sincerely| faithfully| truly)?|sincerely|thanks|thank you|many thanks|thx|cheers|best|all the best|respectfully|(?:mit )?(?:freundliche[nrm]?|viele[n]?|liebe[n]?|beste[n]?|herzliche[nrm]?|schöne[n]?)? ?gr(?:ü|ue)(?:ß|ss)e?n?|gruß|gruss|mfg|lg|vg|hochachtungsvoll|danke|vielen dank|besten dank|cordialement|bien (?:à vous|cordialement)|sincèrement|(?:meilleures |sincères )?salutations|respectueusement|merci|amicalement|(?:un )?(?:cordial )?saludos?|atentamente|cordialmente|gracias|muchas gracias|un abrazo)\b",
    )
    .ok()
});
static POSTSCRIPT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^\s*(?:p\.? ?s\.?|n\.? ?b\.?)[\s:.,-]").ok());
static QUOTED_FROM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^[\s>*]*(?:from|von|de|gesendet von|expéditeur|remitente)\s*:\s*\S").ok()
});
static COPIED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^[\s>*]*(?:to|cc|bcc|an|kopie|à|copie|para|copia)\s*:\s").ok());
static ATTRIBUTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(?:wrote|schrieb|a écrit|escribió|écrit)\b.{0,80}:\s*$").ok());

/// Words that begin what a writer has to say behind a greeting without a comma.
const GOES_ON: &[&str] = &[
    "i",
    "i'm",
    "i’m",
    "i've",
    "i’ve",
    "i'd",
    "i’d",
    "we",
    "my",
    "our",
    "it",
    "this",
    "there",
    "please",
    "can",
    "could",
    "may",
    "today",
    "yesterday",
    "hope",
    "hoping",
    "thanks",
    "thank",
    "ich",
    "wir",
    "es",
    "bitte",
    "mein",
    "meine",
    "unser",
    "unsere",
    "heute",
    "gestern",
    "danke",
    "je",
    "j'ai",
    "j’ai",
    "nous",
    "on",
    "mon",
    "ma",
    "notre",
    "merci",
    "yo",
    "me",
    "mi",
    "nos",
    "estoy",
    "quiero",
    "quisiera",
    "necesito",
    "hoy",
    "ayer",
    "gracias",
];

fn fits(pattern: &LazyLock<Option<Regex>>, line: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(line))
}

/// What of `text`, the new text of a mail, speaks of people. `ours` tells our own addresses.
#[must_use]
pub fn said(text: &str, ours: &dyn Fn(&str) -> bool) -> String {
    let text = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    without_our_mail(&lines, ours)
        .into_iter()
        .map(|piece| {
            let piece = without_signature(piece);
            without_greeting(&piece)
        })
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// The pieces of a text, cut where a quoted mail begins; those that quote mail of ours are left out.
fn without_our_mail<'a>(lines: &[&'a str], ours: &dyn Fn(&str) -> bool) -> Vec<Vec<&'a str>> {
    let mut pieces = vec![Vec::new()];
    // Inside mail of ours: until the marked lines end, or until another mail's head.
    let mut skipped = None;
    for (number, line) in lines.iter().enumerate() {
        let marked = line.trim_start().starts_with('>');
        let next = lines.get(number + 1).copied().unwrap_or_default();
        // Attributions are folded over two lines.
        let attribution = fits(&ATTRIBUTION, line) || (line.contains('@') && fits(&ATTRIBUTION, next));
        let folded =
            number.checked_sub(1).and_then(|before| lines.get(before)).is_some_and(|line| line.contains('@'));
        if folded && fits(&ATTRIBUTION, line) && !line.contains('@') {
            continue;
        }
        if attribution || fits(&QUOTED_FROM, line) {
            let from_us = addresses(line).chain(addresses(next).filter(|_| attribution)).any(ours);
            let by_marks =
                lines.iter().skip(number + 1).take(3).any(|line| line.trim_start().starts_with('>'));
            skipped = from_us.then_some(by_marks);
            // Whoever wrote what is quoted is named by it.
            pieces.extend((!from_us).then(|| vec![*line]));
            pieces.push(Vec::new());
            continue;
        }
        match skipped {
            Some(true) if marked || line.trim().is_empty() || fits(&ATTRIBUTION, line) => continue,
            Some(true) => skipped = None,
            Some(false) => continue,
            None => {}
        }
        if fits(&COPIED, line) {
            continue;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(line.trim_start_matches(['>', ' ', '\t']));
        }
    }
    pieces
}

fn addresses(line: &str) -> impl Iterator<Item = &str> {
    let free = |c: char| c.is_whitespace() || "<>()[],;:\"'".contains(c);
    line.split(free).filter(|word| word.contains('@'))
}

/// Cuts the sign-off and the short lines under it; a postscript and whole sentences stay.
fn without_signature(lines: Vec<&str>) -> Vec<&str> {
    let delimiter = lines.iter().position(|line| matches!(line.trim_end(), "--" | "—"));
    let lines: Vec<&str> = lines.into_iter().take(delimiter.unwrap_or(usize::MAX)).collect();
    let words = |line: &str| line.split_whitespace().count();
    let signs_off = |line: &&str| fits(&SIGN_OFF, line) && words(line) <= SIGNATURE_WORDS;
    let Some(at) = lines.iter().rposition(signs_off) else { return lines };
    let mut under = false;
    let mut kept: Vec<&str> = lines.iter().take(at).copied().collect();
    for line in lines.iter().skip(at + 1) {
        let sentence = words(line) > SIGNATURE_WORDS && !line.contains(['@', '|']) && !line.contains("://");
        under |= fits(&POSTSCRIPT, line) || sentence;
        if under {
            kept.push(line);
        }
    }
    kept
}

/// Cuts the greeting: the words of salutation and the names that follow them.
fn without_greeting(lines: &[&str]) -> String {
    let mut kept = String::new();
    let mut greeting = true;
    for line in lines {
        let mut rest = *line;
        if greeting && !rest.trim().is_empty() {
            match greeted(rest) {
                Some(after) => rest = after,
                None => greeting = false,
            }
            greeting &= rest.trim().is_empty();
        }
        kept.push_str(rest);
        kept.push('\n');
    }
    kept
}

/// What stands behind the greeting of a line, if it greets.
fn greeted(line: &str) -> Option<&str> {
    let stop = |at: usize| {
        line.get(at..).map(|rest| rest.trim_start_matches([',', '!', ':', '.', ';', '-', '–', '—', ' ']))
    };
    let end = line.char_indices().find(|(at, c)| {
        matches!(c, ',' | '!' | ':' | ';' | '–' | '—')
            || (*c == '-' && line.get(..*at).is_some_and(|before| before.ends_with(' ')))
    });
    let words = |text: &str| text.split_whitespace().count();
    if fits(&GREETING, line) {
        // `Hi Anna, my manager …`: up to the comma, if that is soon.
        if let Some((at, _)) = end
            && words(line.get(..at).unwrap_or_default()) <= 8
        {
            // `Hola, Lucía:` goes on.
            let more = |rest: &str| words(rest) <= 3 && rest.trim_end().ends_with([',', ':']);
            return stop(at).map(|rest| if more(rest) { "" } else { rest });
        }
        // No comma: the salutation, and the names behind it.
        let salutation =
            GREETING.as_ref().and_then(|pattern| pattern.find(line)).map_or(0, |found| found.end());
        let behind = line.get(salutation..).unwrap_or_default().trim_start();
        let mut rest = behind;
        while let Some(word) = rest.split_whitespace().next() {
            let capital = word.chars().next().is_some_and(char::is_uppercase) && word.chars().count() > 1;
            if !capital && !matches!(word, "and" | "und" | "et" | "y" | "van" | "von" | "de" | "der") {
                break;
            }
            rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        }
        // `Hi Anna I was hit` greets Anna, `Hi Anna hit me` does not.
        let goes_on = rest.split_whitespace().next().unwrap_or_default().to_lowercase();
        let own = rest.is_empty() || GOES_ON.contains(&goes_on.as_str());
        return Some(if own { rest } else { behind });
    }
    // `Anna,` alone on the first line.
    let (at, _) = end?;
    let alone = words(line) <= 3 && line.get(at..).is_some_and(|tail| tail.trim().chars().count() == 1);
    alone.then_some("")
}

#[cfg(test)]
mod tests {
    use super::said;

    fn kept(text: &str) -> String {
        let ours = |address: &str| address.starts_with("hr@") || address.starts_with("hr+");
        said(text, &ours).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn greetings_and_signatures_go() {
        for (text, left) in [
            ("Dear Anna,\n\nIt hurts.\n\nKind regards\nMaeve Carrigan\nAssembly", "It hurts."),
            ("Hi Anna and Bob!\nIt hurts.\nThanks, Maeve", "It hurts."),
            ("Hello Anna it hurts", "it hurts"),
            ("Hello Anna Example I hurt", "I hurt"),
            ("Anna,\n\nit hurts", "it hurts"),
            ("Dear Anna,\nDear Bob,\nit hurts", "it hurts"),
            (
                "Sehr geehrte Frau Vögtlin,\nes schmerzt.\nMit freundlichen Grüßen\nJonas Brückl",
                "es schmerzt.",
            ),
            ("Hallo Anna,\nes schmerzt.\nLG Jonas", "es schmerzt."),
            ("Bonjour Madame Dussaux,\nj'ai mal.\nCordialement,\nInès Vautrelle", "j'ai mal."),
            ("Hola, Lucía:\nme duele.\nUn saludo,\nÍñigo", "me duele."),
            ("Estimada Lucía:\nme duele.\nAtentamente,\nÍñigo", "me duele."),
            ("It hurts.\n-- \nAnna\nPayroll", "It hurts."),
        ] {
            assert_eq!(kept(text), left, "{text}");
        }
    }

    #[test]
    fn what_accuses_stays() {
        for text in [
            "It hurts.\nThanks\nMaeve\nPS: Anna hit me too.",
            "It hurts.\nRegards\nMaeve\nI forgot to say that Anna hit me too.",
            "Thank you for nothing: Anna hit me and nobody cares.",
            "On Monday\nAnna hit me.",
            "Hi Anna hit me.",
            "Hi, Anna hit me!",
        ] {
            assert!(kept(text).contains("Anna hit me"), "{text}: {}", kept(text));
        }
    }

    #[test]
    fn quotes_of_our_own_mail_go_and_others_stay() {
        let ours = "See below.\n\nOn Monday, HR <hr@company.example> wrote:\n> Dear Bob,\n> Anna will help.\n\nStill hurts.";
        assert_eq!(kept(ours), "See below. Still hurts.");
        let folded = "See below.\n\nOn Monday, HR <hr+abc@company.example>\nwrote:\n> Anna will help.\n";
        assert!(!kept(folded).contains("Anna"), "{}", kept(folded));
        let header = "See below.\n\nFrom: HR <hr@company.example>\nSent: Monday\nTo: Bob\n\nAnna will help.";
        assert_eq!(kept(header), "See below.");
        let theirs = "Look at this.\n\nOn Monday, Anna <anna@company.example> wrote:\n> You are useless.";
        assert!(kept(theirs).contains("You are useless"));
        let chain = "From: HR <hr@company.example>\nAnna will help.\nFrom: Carl <carl@company.example>\nYou are useless.";
        assert_eq!(kept(chain), "From: Carl <carl@company.example> You are useless.");
    }
}
