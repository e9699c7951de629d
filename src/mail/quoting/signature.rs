//! Signatures: what follows `-- `, the footers of mailing lists, and the lines that telephones and programs add.
//! Careful: when in doubt the line stays, for a lost request is worse than a signature too many.

use std::sync::LazyLock;

use regex::Regex;

use super::head;

/// Longer than this is no signature, whatever line stands above it.
const MAX_LINES: usize = 15;

static MOBILE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    /// Names that stand in no sentence by chance.
    const BRAND: &str = r"(?:i ?phone|i ?pad|i ?pod|apple watch|android|samsung|galaxy|huawei|xiaomi|nokia|htc|pixel|sony|xperia|motorola|alcatel|oneplus|blackberry|windows|outlook|yahoo|gmail|airmail|mailbox|mail app|gmx|web\.de|proton\w*|thunderbird|k-9|k9|spark|polymail|acompli|zoho|fairemail|typeapp|blue ?mail|mailbird|aol|ti-\d+)";
    const DEVICE: &str = r"(?:smart ?phone|phone|mobil\w*|cell|handy\w*|tablet|device|telefon\w*|téléphone|teléfono|móvil|celular|cellulare|telemóvel|gerät|telefoon|toestel|puhelime\w*|telefón\w*|telefono)";
    let any = format!("(?:{BRAND}|{DEVICE})");
    [
        format!(r"(?i)^[\s(<*_]*sent (?:from|via|with|by|on|using) [^.,;:!?]{{0,50}}\b{BRAND}\b.{{0,80}}$"),
        format!(r"(?i)^[\s(<*_]*sent (?:from|on|via|using|with) (?:my|a|an|the|your)\b[^.,;:!?]{{0,40}}\b{DEVICE}\b.{{0,40}}$"),
        r"(?i)^[\s(<*_]*sent from my (?:\w+\s*){1,3}[)>*_.]*$".to_owned(),
        r"^[\s(<*_]*(?i:sent from my) \p{Lu}[\w/-]*(?: [\w/-]+){0,5}[)>*_.]*$".to_owned(),
        r"(?i)^\s*(?:get|download|try) \[?outlook for .{1,80}$".to_owned(),
        r"(?i)^\s*(?:\w+ )?from (?:my )?(?:mobile|i ?phone\b.{0,10}|i ?pad|blackberry)\s*$".to_owned(),
        format!(r"(?i)^[\s(<*_]*(?:von|mit|über) (?:meinem|meiner|mein) .{{0,40}}{any}.{{0,40}} (?:gesendet|geschickt|verschickt)[.)>*_]*$"),
        r"(?i)^\s*(?:diese nachricht|diese e-mail) wurde (?:von|mit) .{1,80} gesendet\.?$".to_owned(),
        format!(r"(?i)^[\s(<*_]*gesendet (?:von|mit|über|aus) .{{0,40}}{any}.{{0,60}}$"),
        r"(?i)^\s*(?:(?:hol(?:e|en) (?:dir|sie sich) )?outlook für|(?:obtenez |obtenir |télécharge[rz] )?outlook pour|(?:obtener|obtén|obtenga|descargar?|obter|obtenha o|obter o|transferir o|baixar o|baixe o) outlook para|(?:ottieni|scarica) outlook per|(?:download )?outlook voor|(?:hent|hämta) outlook (?:til|för)|pobierz (?:program |aplikację )?outlook|získat aplikaci outlook|скачать outlook|получите outlook|i?os için outlook).{0,80}$".to_owned(),
        format!(r"(?i)^[\s(<*_]*envoyé (?:de|depuis|à partir de|avec|via) .{{0,40}}{any}.{{0,60}}$"),
        format!(r"(?i)^[\s(<*_]*envoyé par .{{0,40}}{BRAND}.{{0,60}}$"),
        format!(r"(?i)^[\s(<*_]*(?:enviad[oa]|enviat) (?:desde|de|do|da|con|a partir do|via|pelo|des de) .{{0,40}}{any}.{{0,60}}$"),
        format!(r"(?i)^[\s(<*_]*inviato (?:da|dal|con|tramite) .{{0,40}}{any}.{{0,60}}$"),
        format!(r"(?i)^[\s(<*_]*(?:verzonden|verstuurd) (?:met|vanaf|vanuit|via|op) .{{0,40}}{any}.{{0,60}}$"),
        format!(r"(?i)^[\s(<*_]*(?:skickat från|skickades från|sendt fra|sendt med|sent úr|lähetetty|odesláno z|odoslané z|wysłane z|wysłano z|отправлено с|отправлено из|надіслано з|изпратено от|poslano s|poslato sa|trimis (?:de pe|din)|στάλθηκε από|dikirim dari|được gửi từ|đã gửi từ|išsiųsta iš|saadetud minu|ส่งจาก) ?.{{0,40}}{any}.{{0,60}}$"),
        format!(r"(?i)^[\s(<*_]*(?:az )?{any}\S{{0,12}} (?:küldve|küldtem|gönderildi).{{0,10}}$"),
        format!(r"(?i)^[\s(<*_]*elküldve .{{0,40}}{any}.{{0,40}}$"),
        format!(r"(?i)^[\s(<*_]*{BRAND}['’][\p{{L}}]{{1,8}} gönderildi.{{0,10}}$"),
        r"(?i)^[\s(<*_]*(?:iphone|ipad|android|galaxy)(?:から送信|에서 보냄|에서 보낸 메일).{0,10}$".to_owned(),
        r"(?i)^[\s(<*_]*나의 (?:iphone|ipad)에서 보냄.{0,4}$".to_owned(),
        r"(?i)^[\s(<*_]*(?:從我的|从我的|发自我的|發自我的|我的) ?.{1,20}(?:傳送|发送|傳送)?\s*$".to_owned(),
        r"(?i)^[\s(<*_]*от мо(?:его|ей) (?:iphone|ipad).{0,10}$".to_owned(),
        r"(?i)^\W*(?:نُ?شر|أُ?رسلت?) من .{0,20}(?:iphone|ipad|samsung|galaxy|android|outlook).{0,20}$".to_owned(),
        r"(?i)^\W*נשלח (?:מה|מ).{0,10}(?:iphone|ipad|samsung|galaxy|android|outlook).{0,20}$".to_owned(),
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});
static FOOTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)@|https?://|www\.|\+?\d[\d /().-]{6,}\d|mailing list|unsubscribe|confidential|vertraulich|confidencial|gmbh|\bltd\b|\binc\b").ok()
});
static DASH_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^-\s?\p{Lu}[\p{L}.'’]*(?: \p{Lu}[\p{L}.'’]*){0,2}$").ok());

/// The lines of one stretch of new text without signatures. `reply`: be a little bolder than in a first message.
pub fn without_signature<'a>(lines: &[&'a str], reply: bool) -> Vec<&'a str> {
    let cut = delimiter(lines, reply).unwrap_or(lines.len());
    let cut = if reply { telephone(lines).map_or(cut, |at| cut.min(at)) } else { cut };
    let mut kept: Vec<&str> = lines.iter().take(cut).copied().filter(|line| !mobile(line)).collect();
    trim_end(&mut kept);
    while kept.last().is_some_and(|line| rule(line)) {
        kept.pop();
        trim_end(&mut kept);
    }
    if reply {
        dash_name(&mut kept);
    }
    kept
}

fn trim_end(lines: &mut Vec<&str>) {
    while lines.last().is_some_and(|line| blank(line)) {
        lines.pop();
    }
}

/// Gmail's Streak and Yesware leave one of these in an otherwise empty line.
fn blank(line: &str) -> bool {
    line.chars().all(|c| c.is_whitespace() || matches!(c, 'ᐧ' | '\u{200b}' | '\u{feff}'))
}

fn mobile(line: &str) -> bool {
    let line = head(line, 400);
    if line.len() > 200 || line.trim().is_empty() {
        return false;
    }
    // Markdown links come from HTML: `Get [Outlook for Android](https://…)`.
    let plain = line.replace(['[', ']'], "");
    MOBILE.iter().any(|pattern| pattern.is_match(&plain))
}

/// In an answer, where a telephone signed: beneath stand a name or the mail it answers, which some programs mark
/// with nothing at all. A postscript is new all the same.
fn telephone(lines: &[&str]) -> Option<usize> {
    let said = lines.iter().position(|line| !mobile(line) && line.chars().any(char::is_alphanumeric))?;
    let at = said + lines.iter().skip(said).position(|line| mobile(line))?;
    let beneath = lines.iter().skip(at + 1).find(|line| !blank(line));
    let is_postscript = beneath.is_some_and(|line| {
        let start = line.trim_start().split([' ', ':', '-']).next().unwrap_or_default();
        let start = head(start, 8).to_lowercase().replace('.', "");
        ["ps", "pps", "nb", "pd"].contains(&start.as_str())
    });
    (!is_postscript).then_some(at)
}

/// The index of the line that opens the signature.
fn delimiter(lines: &[&str], reply: bool) -> Option<usize> {
    let mut words = 0;
    // A list whose points are marked so is no signature.
    let listed = lines.iter().filter(|line| line.starts_with("-- ") && line.trim().len() > 2).count() > 1;
    // From the end: how many lines that are not blank lie below each.
    let mut below: Vec<usize> = lines
        .iter()
        .rev()
        .scan(0, |count, line| {
            let before = *count;
            *count += usize::from(!blank(line));
            Some(before)
        })
        .collect();
    below.reverse();
    for (index, line) in lines.iter().enumerate() {
        let under = below.get(index).copied().unwrap_or(0);
        let line = head(line, 200).trim();
        let enough_above = if reply { words > 0 || index == 0 } else { words >= 3 };
        if enough_above && under <= MAX_LINES {
            let exact = matches!(line, "--" | "—" | "–" | "__" | "--­");
            let named = !listed
                && line.starts_with("-- ")
                && line.len() < 60
                && under <= 6
                && !line.contains(['?', ':', '|']);
            let footer = rule(line) && lines.iter().skip(index + 1).any(|line| is_footer(line));
            if exact || named || footer {
                return Some(index);
            }
        } else if enough_above
            && reply
            && line == "--"
            && lines.get(index).is_some_and(|line| line.ends_with("-- "))
        {
            // The delimiter as written down in RFC 3676: disclaimers may make it long.
            return Some(index);
        }
        words += line.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    }
    None
}

fn is_footer(line: &str) -> bool {
    FOOTER.as_ref().is_some_and(|footer| footer.is_match(head(line, 300)))
}

/// A line drawn with one kind of character, which may stand apart.
fn rule(line: &str) -> bool {
    let spaced: String = line.split_whitespace().collect();
    if spaced.len() >= 5 && spaced.trim_matches('*').chars().all(|c| c == '.') && spaced.contains("....") {
        return true;
    }
    let line = line.trim();
    line.len() >= 2
        && (line.chars().all(|c| matches!(c, '-' | '_' | '—' | '–'))
            || (line.len() >= 3
                && line.chars().all(|c| matches!(c, '=' | '*' | '#' | '~' | '+' | '-' | '_'))))
}

/// `-Ann Muster` alone beneath a finished sentence.
fn dash_name(lines: &mut Vec<&str>) {
    let named = lines.last().is_some_and(|last| {
        DASH_NAME.as_ref().is_some_and(|pattern| last.len() < 60 && pattern.is_match(last.trim_end()))
    });
    let mut above = lines.iter().rev().skip(1);
    if named
        && above.next().is_some_and(|line| blank(line))
        && above.find(|line| !blank(line)).is_some_and(|line| line.trim_end().ends_with(['.', '!', '?']))
    {
        lines.pop();
        trim_end(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, reply: bool) -> String {
        without_signature(&text.lines().collect::<Vec<_>>(), reply).join("\n")
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(MOBILE.len(), 25);
        assert!(FOOTER.is_some() && DASH_NAME.is_some());
    }

    #[test]
    fn programs_sign_in_many_languages() {
        for line in [
            "Sent from my iPhone",
            "Sent from my Verizon Wireless BlackBerry",
            "Sent from Yahoo Mail on Android",
            "(sent from a phone)",
            "Get Outlook for iOS<https://aka.test/x>",
            "Von meinem iPhone gesendet",
            "Gesendet von meinem Samsung Galaxy Smartphone.",
            "Gesendet mit der GMX Mail App",
            "Envoyé de mon iPhone",
            "Envoyé depuis mon téléphone Orange",
            "Enviado desde mi iPhone",
            "Enviado do meu iPhone",
            "Inviato da iPhone",
            "Verstuurd vanaf mijn iPhone",
            "Skickat från min iPhone",
            "Sendt fra min iPhone",
            "iPhoneから送信",
            "Отправлено с iPhone",
            "Wysłane z iPhone'a",
            "Lähetetty iPhonesta",
            "发自我的 iPhone",
            "Obter o Outlook para Android",
            "Holen Sie sich Outlook für iOS<https://aka.test/x>",
            "Ottieni Outlook per Android",
            "Trimis de pe iPhone-ul meu",
            "Az iPhone-omról küldve",
            "iPhone'umdan gönderildi",
            "Στάλθηκε από το iPhone μου",
            "나의 iPhone에서 보냄",
            "أُرسلت من الـ iPhone",
            "נשלח מה-iPhone שלי",
            "Sent using the mobile mail app",
        ] {
            assert_eq!(
                cut(&format!("May I have Friday off?\n\n{line}"), false),
                "May I have Friday off?",
                "{line}"
            );
        }
    }

    #[test]
    fn sentences_stay() {
        for text in [
            "Sent from my desk, which is much easier than my mobile phone.",
            "Sent by post last week: my documents. Did they arrive?",
            "My days:\n-----\nMonday 8\nTuesday 7\n-----\nThanks",
            "I need\n-Payslip\n-Contract",
            "Enviado por correo el contrato firmado",
            "Sent by mail last week, all of it. Did it arrive?",
            "Envoyé par mail hier, avec le contrat.",
            "-- the first point\n-- the second point\nDo you agree?",
        ] {
            assert_eq!(cut(text, true), text);
        }
    }

    #[test]
    fn beneath_a_telephones_line_nothing_is_new_but_a_postscript() {
        for (text, expected) in [
            ("Yes.\n\nSent from my iPhone\n\nDear Ann,\nwill you come?", "Yes."),
            ("Yes.\nSent from my iPhone\nP.S. I bring Bob.", "Yes.\nP.S. I bring Bob."),
            ("Sent from my iPhone\n\nYes, I come.", "\nYes, I come."),
        ] {
            assert_eq!(cut(text, true), expected);
        }
        let first = "Sent from my iPhone\n\nMay I have Friday off?";
        assert_eq!(cut(first, false), "\nMay I have Friday off?");
    }

    #[test]
    fn delimiters_open_a_signature() {
        assert_eq!(cut("I am ill today.\n-- \nAnn\nSales", true), "I am ill today.");
        assert_eq!(cut("I am ill today.\n--\nAnn", false), "I am ill today.");
        assert_eq!(cut("Hi\n--\nI am ill today.", false), "Hi\n--\nI am ill today.");
        assert_eq!(cut("Yes.\n____________\nstaff mailing list\nstaff@lists.firm.test", true), "Yes.");
    }
}
