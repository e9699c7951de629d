//! The line above a quote that says who wrote it: `On … wrote:`, `Am … schrieb …:`, `Le … a écrit :`,
//! in one line or wrapped over several. Looks at lines only; what becomes of the quote is not decided here.

use std::sync::LazyLock;

use regex::Regex;

use super::{head, words::WROTE};

/// Mail clients wrap an attribution at 72 to 78 columns; names and addresses make it four lines at most.
const MAX_LINES: usize = 5;
const MAX_BYTES: usize = 600;

/// A date, or the word that opens an attribution in its language.
static OPENING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"^[\s\-–—*_>|<]*(?:\d{1,4}[\s./年-]|\*?(?:On|At|In message|Am|Um|Le|El|Il|Il giorno|In data|Em|Op|Den|På|Dne|Dňa|Dnia|W dniu|Vào|Pe|La data de|Στις|Від|В|On behalf|No dia|El dia|Pada|Wiadomość|Dana|Þann|في|بتاريخ|בתאריך|ในวันที่)\s|[在于於]\s?\S|\p{L}{2,12}[.,]{0,2}\s+\d)",
    )
});
static VERB: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(&format!(r"(?i)(?:^|[^\p{{L}}]){WROTE}(?:\([aA]\))?(?:[^\p{{L}}]|$)")));
static VERB_CJK: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"写道|寫道|写了|書きました|のメール|メッセージ|작성"));
/// The end: a colon, or the verb itself followed by dashes.
static CLOSING: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(&format!(r"(?i)(?:[:：]|{WROTE}(?:\([aA]\))?)[\s\-–—.*_>]*$")));
/// `Name <a@b> wrote:`; the address stands directly before the verb.
static NAME_FIRST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(&format!(
        "(?i)^[\\s\\-–—*_]*[^.!?:]{{0,100}}[<(\\[\"]?[^\\s<>()]+@[^\\s<>()]+[>)\\]\"]*,?\\s+{WROTE}(?:\\([aA]\\))?(?:\\s[^:：]{{0,80}}(?:\\d[:.]\\d\\d[^:：]{{0,30}})?)?[:：]?[\\s\\-]*$"
    ))
});
static VIA: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(&format!(r"(?i)^\S.{{0,80}} via .{{1,80}} {WROTE}\s*[:：]?\s*$")));
/// `---- John Smith wrote ----`, as Android clients put it.
static DASHED: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(&format!(r"(?i)^\s*-{{2,}}\s?[^-].{{0,100}}\s{WROTE}[\s:：]*-{{2,}}\s*$")));
static NAME_WROTE: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(&format!(r"(?i)^\S.{{0,60}}\s{WROTE}(?:\([aA]\))?\s*[:：]\s*$")));
/// `2014-10-17 11:28 GMT+03:00 Postmaster <a@b>:`, with no verb at all (Gmail until 2016).
static DATE_ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(r"^[\s\-–—*_]*(?:\d|\p{L}{2,12}[.,]).{4,140}<\s*[^@<>\s]+@[^@<>\s]+\s*>[:：]?\s*$")
});
/// The same with a name and no address.
static DATE_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"^\s*20\d\d-\d\d-\d\d \d\d:\d\d GMT[+-]\d\d:\d\d [\p{L}\d .]{1,60}[:：]?$"));
static POSTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"(?i)^\s*Posted by \S.{0,60} on \d{2}/\d{2}/\d{4}$"));
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"[^\s@<>]@[^\s@<>]"));
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"\d{1,2}\s?[:h.]\s?\d{2}"));
static DATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"\b(?:19|20)\d\d\b|(?:19|20)\d\d年|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"));
static WEEKDAY_DATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"^\W*\p{L}+\s+\p{L}+[.,]{1,2}\s.{0,40}\b(?:19|20)\d\d\b"));
/// Somebody telling what another wrote to them is telling, not quoting.
static TOLD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"(?i)\b(?:wrote|said|sent)\s+(?:to\s+)?(?:me|us)\b|\b(?:mir|uns)\b|\bm['’]a\b|\b(?:me|nos)\s+escribi|\bmi\s+ha\s+scritto",
    )
});
static SAME_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(&format!(
        r"^(.*?\S)[\s\-]*((?:\s|--)(?:On|Am|Le|El)\s+(?:\p{{L}}{{2,10}}[.,]{{1,2}}\s|\p{{L}}{{3,9}}\s+\d|\d{{1,2}}[.\s/-]).{{8,300}}{WROTE}.{{0,120}}[:：]\s*)$"
    ))
});

/// A pattern of ours that does not compile would be caught by the tests of this file; it then matches nothing.
fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

fn hit(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// How many lines from the first of `lines` on are an attribution. `quote_after(n)` says whether a marked quote
/// follows when it takes `n` lines: with one, less is asked of the attribution itself.
pub fn attribution(lines: &[&str], quote_after: impl Fn(usize) -> bool) -> Option<usize> {
    let first = head(lines.first()?, MAX_BYTES);
    if first.trim().is_empty() {
        return None;
    }
    if single(first, quote_after(1)) {
        return Some(1);
    }
    let opens = hit(&OPENING, first);
    let addressed = first.contains('<') || first.contains('@') || hit(&DATE, first);
    if !opens && !addressed {
        return None;
    }
    let mut joined = String::new();
    let mut blanks = 0;
    for (index, line) in lines.iter().enumerate().take(MAX_LINES + 2) {
        let line = head(line, MAX_BYTES).trim();
        if line.is_empty() {
            blanks += 1;
            // Polymail puts the address in a paragraph of its own.
            if blanks > 2 || !hit(&TIME, &joined) || !hit(&DATE, &joined) || joined.contains('>') {
                return None;
            }
            continue;
        }
        if joined.len() + line.len() > MAX_BYTES
            || (index > 0 && line.starts_with('>') && !line.contains(':'))
        {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
        let taken = index + 1;
        let quoted = quote_after(taken);
        let whole = (opens && dated(&joined, quoted && blanks == 0))
            || (blanks == 0 && index > 0 && (hit(&NAME_FIRST, &joined) || date_address(&joined)));
        if whole {
            return if later_start(lines, index, quoted) { None } else { Some(taken) };
        }
    }
    None
}

/// New text and an attribution that share a line: how many bytes of the line are the new text.
pub fn shared_line(line: &str) -> Option<usize> {
    if line.len() > 4 * MAX_BYTES || !line.trim_end().ends_with([':', '：']) {
        return None;
    }
    let found = SAME_LINE.as_ref()?.captures(line)?;
    let attribution = found.get(2)?.as_str();
    (hit(&ADDRESS, attribution) || (hit(&TIME, attribution) && hit(&DATE, attribution)))
        .then(|| found.get(1).filter(|new| new.as_str().contains(char::is_alphanumeric)).map(|new| new.end()))
        .flatten()
}

fn single(line: &str, quoted: bool) -> bool {
    hit(&DASHED, line)
        || hit(&VIA, line)
        || hit(&NAME_FIRST, line)
        || date_address(line)
        || hit(&DATE_NAME, line)
        || hit(&POSTED, line)
        || (quoted && hit(&NAME_WROTE, line))
}

fn date_address(line: &str) -> bool {
    hit(&DATE_ADDRESS, line) && hit(&DATE, line)
}

/// Verb, end, and evidence enough of a date or an address.
fn dated(joined: &str, quoted: bool) -> bool {
    if !hit(&CLOSING, joined) || !(hit(&VERB, joined) || hit(&VERB_CJK, joined)) {
        return false;
    }
    if quoted && (hit(&ADDRESS, joined) || joined.chars().any(|c| c.is_ascii_digit())) {
        return true;
    }
    let strong = hit(&ADDRESS, joined)
        || (hit(&TIME, joined) && hit(&DATE, joined))
        || (hit(&WEEKDAY_DATE, joined) && joined.len() < 160);
    strong && !hit(&TOLD, joined)
}

/// Prose that happens to begin like an attribution, with the true one beneath it: the later start wins.
fn later_start(lines: &[&str], last: usize, quoted: bool) -> bool {
    (1..=last).any(|start| {
        let rest: Vec<&str> = lines
            .iter()
            .skip(start)
            .take(last + 1 - start)
            .map(|line| head(line, MAX_BYTES).trim())
            .collect();
        let joined = rest.join(" ");
        rest.first().is_some_and(|line| hit(&OPENING, line) || hit(&NAME_FIRST, line))
            && (dated(&joined, quoted) || hit(&NAME_FIRST, &joined))
            && hit(&DATE, &joined)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [
            &OPENING,
            &VERB,
            &VERB_CJK,
            &CLOSING,
            &NAME_FIRST,
            &VIA,
            &DASHED,
            &NAME_WROTE,
            &DATE_ADDRESS,
            &DATE_NAME,
            &POSTED,
            &ADDRESS,
            &TIME,
            &DATE,
            &WEEKDAY_DATE,
            &TOLD,
            &SAME_LINE,
        ] {
            assert!(pattern.is_some());
        }
    }

    #[test]
    fn knows_the_attributions_of_many_clients() {
        for (text, taken) in [
            ("On Tue, 3 Mar 2026 at 10:12, HR <hr@firm.test> wrote:", 1),
            ("On Tue, 3 Mar 2026 at 10:12, Human Resources\n<hr@firm.test>\nwrote:", 3),
            ("On 3/3/26 10:12 AM, HR wrote:", 1),
            ("Am 03.03.2026 um 10:12 schrieb HR <hr@firma.test>:", 1),
            ("Am Di., 3. März 2026 um 10:12 Uhr schrieb HR\n<hr@firma.test>:", 2),
            ("HR <hr@firma.test> schrieb am Di., 3. März 2026, 10:12:", 1),
            ("Le mar. 3 mars 2026 à 10:12, RH <rh@firme.test> a écrit :", 1),
            ("Le 03/03/2026 à 10:12, RH a écrit :", 1),
            ("El mar, 3 mar 2026 a las 10:12, RRHH (<rrhh@firma.test>) escribió:", 1),
            ("Il giorno mar 3 mar 2026 alle ore 10:12 HR <hr@ditta.test> ha\nscritto:", 2),
            ("Em ter., 3 de mar. de 2026 às 10:12, RH <rh@firma.test> escreveu:", 1),
            ("Op di 3 mrt 2026 om 10:12 schreef HR <hr@firma.test>:", 1),
            ("Den tis 3 mars 2026 kl 10:12 skrev HR <hr@firma.test>:", 1),
            ("W dniu 3.03.2026 o 10:12, HR pisze:", 1),
            ("ti 3. maalisk. 2026 klo 10.12 HR (hr@firma.test) kirjoitti:", 1),
            ("11:00 AM, March 3, 2026, \"HR\" <hr@firm.test>:", 1),
            ("2026-03-03 15:36 GMT+02:00 HR <\nhr@firm.test>:", 2),
            ("вт, 3 мар. 2026 г. в 10:12, HR <hr@firma.test>:", 1),
            ("在 2026年3月3日，下午8:45，HR <hr@firma.test> 写道：", 1),
            ("2026年3月3日(火) 10:12 HR <hr@firma.test>:", 1),
        ] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(attribution(&lines, |_| false), Some(taken), "{text}");
        }
    }

    #[test]
    fn prose_is_no_attribution() {
        for text in [
            "On your remote host you can run:",
            "On Monday I talked to my manager and she said:",
            "Am 3. März hat mir Frau Muster geschrieben:",
            "Le 3 mars 2026 à 10:12 mon chef m'a écrit :",
            "Can you mail it to bob@firm.test? As Peter wrote:",
            "On the other hand this was never said",
        ] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(attribution(&lines, |_| false), None, "{text}");
        }
    }

    #[test]
    fn a_later_start_wins() {
        let lines = ["On the other hand I agree.", "On Tue, 3 Mar 2026 at 10:12, HR <hr@firm.test> wrote:"];
        assert_eq!(attribution(&lines, |_| true), None);
    }

    #[test]
    fn new_text_may_share_the_line() {
        let line = "Yes On Wed, Mar 4, 2026 at 3:59 PM, hr@firm.test wrote:";
        assert_eq!(shared_line(line).and_then(|end| line.get(..end)), Some("Yes"));
        assert_eq!(shared_line("I was On Call and wrote:"), None);
    }
}
