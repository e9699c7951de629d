//! The language of a text, when it can be told: ISO 639-1, or nothing for a text too short or too mixed.

use super::clean;
use std::sync::LazyLock;
use whatlang::{Detector, Lang};

/// Fewer letters than this prove nothing.
const MIN_LETTERS: usize = 20;

/// Languages that nobody's HR is written to in only make the likely ones look doubtful.
static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    use Lang::*;
    Detector::with_denylist(vec![Afr, Aka, Epo, Jav, Lat, Sna, Tuk, Uzb, Zul, Yid])
});

/// The language of `text`, from its first few thousand characters.
pub fn of(text: &str) -> Option<String> {
    let start = clean::prefix(text, 8 * 1024);
    if start.chars().filter(|c| c.is_alphabetic()).count() < MIN_LETTERS {
        return None;
    }
    let info = DETECTOR.detect(start).filter(whatlang::Info::is_reliable)?;
    code(info.lang()).map(str::to_owned)
}

/// The two-letter code of the languages that have one.
fn code(lang: Lang) -> Option<&'static str> {
    let pairs = "afr af aka ak amh am ara ar aze az bel be ben bn bul bg cat ca ces cs cmn zh cym cy dan da deu de ell el \
        eng en epo eo est et fin fi fra fr guj gu heb he hin hi hrv hr hun hu hye hy ind id ita it jav jv jpn ja kan kn \
        kat ka khm km kor ko lat la lav lv lit lt mal ml mar mr mkd mk mya my nep ne nld nl nob no ori or pan pa pes fa \
        pol pl por pt ron ro rus ru sin si slk sk slv sl sna sn spa es srp sr swe sv tam ta tel te tgl tl tha th tuk tk \
        tur tr ukr uk urd ur uzb uz vie vi yid yi zul zu";
    let mut words = pairs.split_whitespace();
    words.find(|&word| word == lang.code())?;
    words.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        for (text, expected) in [
            (
                "I would like to know when my parental leave can start, and whom I should tell about it. Thank you for your help.",
                Some("en"),
            ),
            ("Guten Tag, meine Gehaltsabrechnung für den letzten Monat fehlt leider noch.", Some("de")),
            ("Bonjour, je voudrais savoir comment poser mes congés pour le mois prochain.", Some("fr")),
            ("Hola, quisiera saber cuántos días de vacaciones me quedan este año, gracias.", Some("es")),
            ("ok", None),
            ("", None),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }
}
