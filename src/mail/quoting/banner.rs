//! The warning that mail gateways write above mail from outside ("CAUTION: external sender"). It is not the
//! sender's, and would be the first thing read, searched and classified.

use std::sync::LazyLock;

use regex::Regex;

use super::head;

static OPENING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\W*(?:caution|warning|attention|notice|external|achtung|warnung|vorsicht|hinweis|extern|avertissement|mise en garde|cuidado|precauci[oó]n|advertencia|aviso|attenzione|let op|waarschuwing|varning|advarsel)\b",
    )
    .ok()
});
static OUTSIDE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:external(?:ly)?|outside|extern\w*|außerhalb|ext[ée]rieur\w*|fuera|esterno|esterna|buiten)\b.{0,80}(?:sender|e-?mails?|messages?|organi[sz]ation|company|source|address|absender|nachricht|unternehmen|organisation|expéditeur|courriel|remitente|correo|organización|mittente|afzender|avsändare|afsender)|(?:sender|e-?mail|message|absender|nachricht|expéditeur|courriel|remitente|correo|mensaje)\b.{0,80}\b(?:external|outside|extern\w*|außerhalb|ext[ée]rieur\w*|fuera|esterno)\b",
    )
    .ok()
});
static WARNS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:click|open|links?|attachments?|klicken|öffnen|anhänge|anhang|cliquez|ouvrez|liens|pièces|clic|enlaces|adjuntos|cliccare|allegati|klik|bijlagen)\b",
    )
    .ok()
});

/// Longer than this is no banner.
const MAX_BYTES: usize = 600;

/// `lines` from behind the banner on; all of them if they open with none, or hold nothing else.
pub fn without_banner<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let Some(start) = lines.iter().position(|line| !line.trim().is_empty()) else { return lines };
    let length = lines.iter().skip(start).take(8).take_while(|line| !line.trim().is_empty()).count();
    let block: Vec<&str> = lines.iter().skip(start).take(length).map(|line| head(line, MAX_BYTES)).collect();
    let block = block.join(" ");
    let hit = |pattern: &LazyLock<Option<Regex>>| pattern.as_ref().is_some_and(|p| p.is_match(&block));
    let is_banner =
        block.len() < MAX_BYTES && hit(&OPENING) && hit(&OUTSIDE) && (hit(&WARNS) || block.len() < 80);
    let rest = lines.get(start + length..).unwrap_or_default();
    let says_something = rest.iter().any(|line| line.chars().any(char::is_alphanumeric));
    if is_banner && says_something { rest } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(text: &str) -> String {
        without_banner(&text.lines().collect::<Vec<_>>()).join("\n").trim().to_owned()
    }

    #[test]
    fn every_pattern_compiles() {
        assert!(OPENING.is_some() && OUTSIDE.is_some() && WARNS.is_some());
    }

    #[test]
    fn banners_go() {
        for banner in [
            "CAUTION: This email originated from outside of the organization.\nDo not click links or open attachments unless you know the sender.",
            "[EXTERNAL EMAIL]",
            "*** EXTERNAL SENDER ***",
            "ACHTUNG: Diese E-Mail kommt von einem externen Absender. Bitte keine Links oder Anhänge öffnen.",
            "Attention : ce courriel provient de l'extérieur. Ne cliquez pas sur les liens.",
            "Precaución: este correo viene de fuera de la organización. No abra enlaces ni adjuntos.",
        ] {
            assert_eq!(
                rest(&format!("{banner}\n\nMay I have Friday off?")),
                "May I have Friday off?",
                "{banner}"
            );
            assert_eq!(rest(banner), banner.trim());
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in [
            "Warning: my external hard drive is broken.\n\nWhat now?",
            "Achtung, der externe Prüfer kommt morgen in die Abteilung und möchte mit allen sprechen, die je mit der Lohnbuchhaltung zu tun hatten.\n\nWer ist da?",
            "Attention: two colleagues shout at me outside.\n\nPlease help.",
        ] {
            assert_eq!(rest(text), text);
        }
    }
}
