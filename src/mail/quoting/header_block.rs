//! What stands above an unmarked quote: Outlook's block of `From: Sent: To: Subject:` lines in many languages,
//! the lines `-----Original Message-----` and `Begin forwarded message:`, and our kind's "reply above this line".

use std::sync::LazyLock;

use regex::Regex;

use super::{
    head, is_invisible,
    words::{self, FORWARD, ORIGINAL},
};

/// Long lists of recipients fold over several lines.
const MAX_BLOCK: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// The mail being answered follows.
    Original,
    /// A mail handed on follows.
    Forward,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    From,
    Date,
    To,
    Subject,
}

static ABOVE_THIS_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^[^\p{L}]{0,12}(?:please\s+)?(?:(?:reply|respond|write|type|antworte|bitte|répond|veuillez|responda|escriba|por favor)\b.{0,60}(?:above this line|oberhalb dieser (?:zeile|linie)|über dieser (?:zeile|linie)|au-dessus de cette ligne|(?:encima|arriba) de esta línea)|reply above)",
    )
    .ok()
});
static ONE_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\s*[*_]*(?:From|Von|De|Da|Van)[*_]*\s?:.{1,200}\b(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|Inviato|Verzonden)(?:\s(?:el|le|am))?[*_]*\s?:.{1,200}\b(?:To|An|À|Para|Aan|A)[*_]*\s?:.{1,300}\b(?:Subject|Betreff|Objet|Asunto|Oggetto|Assunto|Onderwerp)[*_]*\s?:",
    )
    .ok()
});

/// The kind of marker this line is, if it is one.
pub fn marker(line: &str) -> Option<Marker> {
    let line = head(line, 200).trim();
    let bare = line.trim_matches(|c: char| c.is_whitespace() || "-–—_*=>#:：".contains(c));
    // HTML to text glues the first field to it: `---- Original Message ----From: …`.
    let bare = if line.starts_with("---") { bare.split("---").next().unwrap_or(bare) } else { bare };
    if bare.is_empty() || bare.len() > 60 {
        return None;
    }
    let words = bare.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let dashed = line.trim_start_matches([' ', '>', '*', '_']).starts_with(['-', '–', '—', '_', '=']);
    let closed = line.ends_with([':', '：']);
    if FORWARD.contains(&words.as_str()) && (dashed || closed) {
        return Some(Marker::Forward);
    }
    let original = ORIGINAL.contains(&words.as_str()) && (words != "message" || line.starts_with("----"));
    if dashed && (original || words.starts_with("original message")) {
        return Some(Marker::Original);
    }
    ABOVE_THIS_LINE.as_ref()?.is_match(line).then_some(Marker::Original)
}

/// How many lines from the first of `lines` on are a block of header lines: author, and date or subject, three
/// kinds in all (two, when author or date come with a recipient and nothing else stands above the body).
pub fn header_block(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    if ONE_LINE.as_ref().is_some_and(|one| one.is_match(head(first, 1200))) {
        return Some(1);
    }
    let mut seen: Vec<Key> = vec![key(first)?];
    let (mut end, mut strange, mut blank) = (1, 0, false);
    for (index, line) in lines.iter().enumerate().take(MAX_BLOCK).skip(1) {
        if line.trim().is_empty() {
            blank = true;
            // HTML to text puts every line into a paragraph of its own.
            continue;
        }
        match key(line) {
            Some(key) => {
                if !seen.contains(&key) {
                    seen.push(key);
                }
                (end, strange) = (index + 1, 0);
            }
            None if blank || strange >= 4 => break,
            None => strange += 1,
        }
        if key(line).is_some() {
            blank = false;
        }
    }
    let has = |key| seen.contains(&key);
    let whole = seen.len() >= 3 && has(Key::From) && (has(Key::Date) || has(Key::Subject));
    let dated = has(Key::Date) && seen.len() >= 2 && lines.iter().take(end).any(|line| stamped(line));
    (whole || dated).then_some(end)
}

/// A header line with a full date and time: no form that a person fills in looks like that.
fn stamped(line: &str) -> bool {
    static STAMP: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:19|20)\d\d.*\d{1,2}[:.]\d{2}|\d{1,2}[:.]\d{2}.*(?:19|20)\d\d").ok());
    key(line) == Some(Key::Date) && STAMP.as_ref().is_some_and(|stamp| stamp.is_match(head(line, 300)))
}

fn key(line: &str) -> Option<Key> {
    let is_frame = |c: char| c.is_whitespace() || "*_|".contains(c) || is_invisible(c);
    let line = head(line, 300).trim_start_matches(is_frame);
    let (name, value) = line.split_once([':', '：'])?;
    if name.len() > 60 {
        return None;
    }
    let name = name.trim_matches(is_frame).to_lowercase();
    let empty = value.trim_matches(is_frame).is_empty();
    let is_in = |names: &[&str]| names.contains(&name.as_str());
    let key = if is_in(words::FROM) {
        Key::From
    } else if is_in(words::DATE) {
        Key::Date
    } else if is_in(words::TO) {
        Key::To
    } else if is_in(words::SUBJECT) {
        Key::Subject
    } else {
        return None;
    };
    // An empty author or subject is a form to fill in; an empty recipient is undisclosed.
    (!empty || matches!(key, Key::To | Key::Subject | Key::Date)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(ABOVE_THIS_LINE.is_some() && ONE_LINE.is_some());
    }

    #[test]
    fn markers_in_many_languages() {
        for (line, expected) in [
            ("-----Original Message-----", Some(Marker::Original)),
            ("-----Ursprüngliche Nachricht-----", Some(Marker::Original)),
            ("-------- Message d'origine --------", Some(Marker::Original)),
            ("-----Mensaje original-----", Some(Marker::Original)),
            ("---------- Forwarded message ---------", Some(Marker::Forward)),
            ("Begin forwarded message:", Some(Marker::Forward)),
            ("Anfang der weitergeleiteten Nachricht:", Some(Marker::Forward)),
            ("Début du message transféré :", Some(Marker::Forward)),
            ("## Reply above this line ##", Some(Marker::Original)),
            ("--- Bitte antworten Sie oberhalb dieser Zeile ---", Some(Marker::Original)),
            ("The original message was lost", None),
            ("original message", None),
            ("--", None),
        ] {
            assert_eq!(marker(line), expected, "{line}");
        }
    }

    #[test]
    fn blocks_in_many_languages() {
        for (text, taken) in [
            ("From: HR\nSent: Tuesday, March 3, 2026 10:12 AM\nTo: Ann\nSubject: Leave", Some(4)),
            ("*From:* HR\n*Date:* 3 March 2026\n*Subject:* Leave", Some(3)),
            ("Von: HR\nGesendet: Dienstag, 3. März 2026 10:12\nAn: Ann\nBetreff: Urlaub", Some(4)),
            ("De : RH\nEnvoyé : mardi 3 mars 2026 10:12\nÀ : Anne\nObjet : Congés", Some(4)),
            (
                "De: RRHH\nEnviado el: martes, 3 de marzo de 2026 10:12\nPara: Ana\nAsunto: Vacaciones",
                Some(4),
            ),
            ("Date: Tue, 3 Mar 2026 10:12:00 +0100\nTo: ann@firm.test", Some(2)),
            ("From: HR Sent: 3 March 2026 To: Ann Subject: Leave", Some(1)),
            ("From: Monday\nTo: Friday", None),
            ("To: all of you", None),
            ("Subject: my leave\nI would like to go.", None),
        ] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(header_block(&lines), taken, "{text}");
        }
    }
}
