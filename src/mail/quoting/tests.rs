//! Cases from the dialects of many mail programs; the texts are invented.

use proptest::prelude::*;

use super::*;

fn reply(text: &str) -> String {
    new_text(text, Context { is_reply: true })
}

fn first(text: &str) -> String {
    new_text(text, Context { is_reply: false })
}

/// What stands beneath the new text, in the words of many clients and languages.
const BENEATH: &[&str] = &[
    "On Tue, 3 Mar 2026 at 10:12, HR <hr@firm.test> wrote:\n> Dear Ann,\n> please sign.\n",
    "On Tue, Mar 3, 2026 at 10:12 AM Human Resources Department <\nhr-department@firm.test> wrote:\n\n> Dear Ann,\n>\n> please sign.",
    "On 3 Mar 2026, at 10:12, HR <hr@firm.test> wrote:\n\nDear Ann,\nplease sign.",
    "On Tuesday, March 3, 2026, 10:12:13 AM GMT+1, HR <hr@firm.test> wrote:\n\n Dear Ann, please sign.",
    "Am Di., 3. März 2026 um 10:12 Uhr schrieb HR\n<hr@firma.test>:\n\n> Liebe Ann,\n> bitte unterschreiben.",
    "Am 03.03.26 um 10:12 schrieb HR:\n> Liebe Ann",
    "Am 03.03.2026 um 10:12 schrieb HR <hr@firma.test>:\n\nLiebe Ann, bitte unterschreiben.",
    "Le mar. 3 mars 2026 à 10:12, RH <rh@firme.test> a écrit :\n\n> Chère Anne",
    "Le 3 mars 2026 à 10:12, RH <rh@firme.test> a\nécrit :\n\nChère Anne, merci de signer.",
    "El mar, 3 mar 2026 a las 10:12, RRHH (<rrhh@firma.test>) escribió:\n\n> Estimada Ana",
    "El 3 mar 2026, a las 10:12, RRHH <rrhh@firma.test> escribió:\n\nEstimada Ana",
    "From: HR <hr@firm.test>\nSent: Tuesday, March 3, 2026 10:12 AM\nTo: Ann <ann@firm.test>\nSubject: RE: Contract\n\nDear Ann",
    "________________________________\nFrom: HR <hr@firm.test>\nSent: Tuesday, March 3, 2026 10:12 AM\nTo: Ann\nSubject: Contract\n\nDear Ann",
    "-----Original Message-----\nFrom: HR\nSent: 03 March 2026 10:12\nTo: Ann\nSubject: Contract\n\nDear Ann",
    "-----Ursprüngliche Nachricht-----\nVon: HR\nGesendet: Dienstag, 3. März 2026 10:12\nAn: Ann\nBetreff: Vertrag\n\nLiebe Ann",
    "Von: HR <hr@firma.test>\nGesendet: Dienstag, 3. März 2026 10:12\nAn: Ann <ann@firma.test>\nCc: Bob\nBetreff: AW: Vertrag\n\nLiebe Ann",
    "*Von:* HR <hr@firma.test>\n*Gesendet:* Dienstag, 3. März 2026 10:12\n*An:* Ann\n*Betreff:* Vertrag\n\nLiebe Ann",
    "-------- Ursprüngliche Nachricht --------\nVon: HR <hr@firma.test>\nDatum: 03.03.26 10:12 (GMT+01:00)\nAn: Ann\nBetreff: Vertrag\n\nLiebe Ann",
    "De : RH <rh@firme.test>\nEnvoyé : mardi 3 mars 2026 10:12\nÀ : Anne\nObjet : RE: Contrat\n\nChère Anne",
    "-----Message d'origine-----\nDe : RH\nEnvoyé : mardi 3 mars 2026 10:12\nÀ : Anne\nObjet : Contrat\n\nChère Anne",
    "De: RRHH <rrhh@firma.test>\nEnviado: martes, 3 de marzo de 2026 10:12\nPara: Ana\nAsunto: RE: Contrato\n\nEstimada Ana",
    "-----Mensaje original-----\nDe: RRHH\nEnviado el: martes, 3 de marzo de 2026 10:12\nPara: Ana\nAsunto: Contrato\n\nEstimada Ana",
    "Van: HR <hr@firma.test>\nVerzonden: dinsdag 3 maart 2026 10:12\nAan: An\nOnderwerp: Contract\n\nBeste An",
    "Da: HR <hr@ditta.test>\nInviato: martedì 3 marzo 2026 10:12\nA: Anna\nOggetto: Contratto\n\nCara Anna",
    "Sent from my iPhone\n\nOn 3 Mar 2026, at 10:12, HR <hr@firm.test> wrote:\n\n> Dear Ann",
    "Von meinem iPhone gesendet\n\n> Am 03.03.2026 um 10:12 schrieb HR <hr@firma.test>:\n> \n> Liebe Ann",
    "Envoyé de mon iPhone\n\n> Le 3 mars 2026 à 10:12, RH <rh@firme.test> a écrit :\n> \n> Chère Anne",
    "Enviado desde mi iPhone\n\n> El 3 mar 2026, a las 10:12, RRHH <rrhh@firma.test> escribió:\n> \n> Estimada Ana",
    "-- \nAnn Muster\nSales\n\nOn Tue, 3 Mar 2026 at 10:12, HR <hr@firm.test> wrote:\n> Dear Ann",
    "> Dear Ann,\n> please sign.",
    "## Please reply above this line ##\n\nYour case was opened.",
    "---------- Forwarded message ---------\nFrom: HR <hr@firm.test>\nDate: Tue, 3 Mar 2026 at 10:12\nSubject: Contract\nTo: Ann\n\nDear Ann",
];

#[test]
fn a_reply_above_anything_is_the_new_text() {
    for new in [
        "I signed it this morning.\n\nBest\nAnn",
        "Ich habe heute unterschrieben. Wann bekomme ich\nmeine Kopie?",
        "J'ai signé ce matin : où dois-je l'envoyer ?",
        "Lo firmé esta mañana: ¿adónde lo envío?",
        "Three points remain:\n\n 1. leave\n 2. pay > 5 %\n 3. On Monday I am away:",
    ] {
        for beneath in BENEATH {
            for gap in ["\n\n", "\n\n\n\n"] {
                let text = format!("{new}{gap}{beneath}");
                assert_eq!(reply(&text), new, "{text}");
                assert_eq!(reply(&text.replace('\n', "\r\n")), new, "{text}");
            }
        }
    }
}

#[test]
fn a_first_message_keeps_what_it_quotes() {
    for beneath in BENEATH {
        let text = format!("Is this right?\n\n{beneath}");
        assert_eq!(first(&text).trim(), text.trim(), "{text}");
    }
    assert_eq!(first("I need my payslip.\n\n-- \nAnn\nSales"), "I need my payslip.");
    assert_eq!(first("I need my payslip.\n\nSent from my iPhone"), "I need my payslip.");
    assert_eq!(first("Sent from my iPhone"), "Sent from my iPhone");
}

#[test]
fn a_forward_with_hardly_a_word_above_is_the_message() {
    let text = "FYI\n\n---------- Forwarded message ---------\nFrom: Bob\nDate: Tue, 3 Mar 2026\nSubject: Sick\n\nI am ill.";
    assert_eq!(reply(text), text);
    assert_eq!(first(text), text);
}

#[test]
fn inline_answers_stay_in_order_with_what_they_answer() {
    let text = "Hello,\n\nAm 03.03.26 um 10:12 schrieb HR:\n> Wann beginnt es?\n\nAm Montag.\n\n> Und wo?\n\nIn Bern.\n\n> Danke\n> HR";
    assert_eq!(reply(text), "Hello,\n\n> Wann beginnt es?\n\nAm Montag.\n\n> Und wo?\n\nIn Bern.");
    let wrapped = "On 3 Mar 2026, at 10:12, HR wrote:\n> a long line of some seventy characters that a server has broken\noff here\n> more\n\nYes.";
    assert_eq!(reply(wrapped), "Yes.");
}

#[test]
fn answers_beneath_the_quote_are_found() {
    assert_eq!(reply("On 3 Mar 2026, at 10:12, HR wrote:\n> Come?\n\nYes."), "Yes.");
    assert_eq!(reply("Hi\n\nOn 3 Mar 2026, at 10:12, HR wrote:\n> Come?\n\nBye, Ann"), "Hi\n\nBye, Ann");
    assert_eq!(reply("> Come?\n\nYes."), "> Come?\n\nYes.");
    let outlook_express =
        "-----Original Message-----\nFrom: HR\nSent: 3 March 2026 10:12\nTo: Ann\n\n> Come?\n\nYes.";
    assert_eq!(reply(outlook_express), "Yes.");
}

#[test]
fn nothing_new_means_everything() {
    for text in [
        "> only\n> quoted",
        "On Tue, 3 Mar 2026 at 10:12, HR <hr@firm.test> wrote:\n> Dear Ann",
        "From: HR\nSent: Tuesday, March 3, 2026 10:12 AM\nTo: Ann\nSubject: Contract\n\nDear Ann",
        "Sent from my iPhone\n\n> quoted",
        "--\nAnn",
    ] {
        assert_eq!(reply(text), text);
    }
    assert_eq!(reply(" \n\t\n"), "");
    assert_eq!(reply("👍\n\nOn 3 Mar 2026, at 10:12, HR wrote:\n> Come?"), "👍");
}

#[test]
fn hostile_texts_come_to_an_end() {
    for unit in [
        ">",
        ">\n",
        "On ",
        "On 1\n",
        "On 1 Jan 2026 at 10:00\n",
        "From: a\n",
        "--\n",
        "Sent from my ",
        "> a\nb\n",
        "-----Original Message-----\n",
        "\n",
    ] {
        let text = unit.repeat(300_000 / unit.len());
        let new = reply(&text);
        assert_eq!(new.is_empty(), text.trim().is_empty());
    }
}

proptest! {
    #[test]
    fn never_panics_and_never_loses_everything(text in "\\PC{0,200}", is_reply: bool) {
        let new = new_text(&text, Context { is_reply });
        prop_assert_eq!(new.is_empty(), text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty());
    }

    #[test]
    fn lines_of_mail_never_panic(lines in proptest::collection::vec(prop_oneof![
        "\\PC{0,40}", Just("> q".to_owned()), Just("--".to_owned()), Just(String::new()),
        Just("On 3 Mar 2026 at 10:12, HR <hr@firm.test> wrote:".to_owned()), Just("From: HR".to_owned()),
        Just("Subject: x".to_owned()), Just("Date: 3 Mar 2026 10:12".to_owned()), Just("Begin forwarded message:".to_owned()),
        Just("Sent from my iPhone".to_owned()),
    ], 0..30), is_reply: bool) {
        let text = lines.join("\n");
        let new = new_text(&text, Context { is_reply });
        prop_assert_eq!(new.is_empty(), text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty());
    }

    #[test]
    fn plain_text_is_kept_and_the_result_is_stable(text in "[a-zäöüé ,.?\n]{0,200}", is_reply: bool) {
        let new = new_text(&text, Context { is_reply });
        prop_assert_eq!(&new, text.trim());
        prop_assert_eq!(new_text(&new, Context { is_reply }), new);
    }
}
