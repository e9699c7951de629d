//! The classifier as a whole, on invented sentences and on hostile text.

use std::path::Path;

use proptest::prelude::*;

use super::{Classifier, Config, Input, Judge, OperatingPoint, Verdict, examples_of};
use crate::case::kinds::{Priority, Sensitivity};

fn classifier() -> Judge {
    Judge::load(None, OperatingPoint::default()).unwrap()
}

fn verdict(subject: &str, new_text: &str) -> Verdict {
    classifier().classify(&Input { subject, new_text, ..Input::default() })
}

#[test]
fn grave_sentences_are_seen_in_four_languages() {
    let cases = [
        ("He put his hand on my thigh in the lift.", Priority::High),
        ("Please, any shift but with her, I will explain another time.", Priority::High),
        ("Since I reported the foreman my shifts have been cut to two a week.", Priority::High),
        ("The invoices are for repairs that were never done.", Priority::High),
        ("I do not want to be here any more.", Priority::Urgent),
        ("Mein Vorarbeiter hat mich vor allen begrapscht.", Priority::High),
        ("Die Rechnungen sind gefälscht und alle wissen es.", Priority::High),
        ("Ich will nicht mehr leben.", Priority::Urgent),
        ("Mon responsable m'a touchée dans la réserve.", Priority::High),
        ("Je n'ai plus envie de vivre.", Priority::Urgent),
        ("El encargado me tocó en el almacén.", Priority::High),
        ("No quiero seguir viviendo.", Priority::Urgent),
    ];
    let classifier = classifier();
    for (text, priority) in cases {
        let verdict = classifier.classify(&Input { new_text: text, ..Input::default() });
        assert_eq!(verdict.sensitivity, Sensitivity::Restricted, "{text}: {verdict:?}");
        assert_eq!(verdict.priority, priority, "{text}: {verdict:?}");
    }
}

#[test]
fn grave_words_in_harmless_sentences_are_not_danger() {
    let cases = [
        "Where do I sign up for the harassment training on the 12th?",
        "You are killing it with the new canteen menu!",
        "I am sick of the coffee on our floor, can we order another one?",
        "The printer is harassing me again.",
        "Wann ist die Schulung gegen Mobbing?",
        "Où est l'affiche de la formation sur le harcèlement ?",
        "¿Cuándo es el curso sobre acoso?",
    ];
    let classifier = classifier();
    for text in cases {
        let verdict = classifier.classify(&Input { new_text: text, ..Input::default() });
        assert!(verdict.sensitivity < Sensitivity::Restricted, "{text}: {verdict:?}");
        assert!(verdict.priority <= Priority::Normal, "{text}: {verdict:?}");
    }
}

#[test]
fn routine_goes_where_it_belongs() {
    let cases = [
        ("My payslip shows the wrong tax code and the overtime was not paid.", "payroll"),
        ("Can I take a half day of annual leave on Friday?", "leave"),
        ("How do I add my son to the dental plan and the life insurance?", "benefits"),
        ("Could I have a copy of my contract and a letter confirming my employment?", "documents"),
        ("In der Gehaltsabrechnung fehlt die Nachtzulage.", "payroll"),
        ("Ich möchte im Mai zwei Wochen Urlaub nehmen.", "leave"),
        ("Ma fiche de paie ne montre pas la prime.", "payroll"),
        ("Quiero pedir vacaciones en agosto, ¿cuántos días libres me quedan?", "leave"),
    ];
    let classifier = classifier();
    for (text, category) in cases {
        let verdict = classifier.classify(&Input { new_text: text, ..Input::default() });
        assert_eq!(verdict.category.as_str(), category, "{text}: {verdict:?}");
    }
}

#[test]
fn urgent_in_the_subject_is_no_fact() {
    let calm = verdict("Parking", "When does my parking permit end?");
    let loud = verdict("URGENT!!! EMERGENCY!!! Parking", "When does my parking permit end?");
    assert_eq!(loud.priority, calm.priority);
}

#[test]
fn one_grave_sentence_decides_wherever_it_stands() {
    let routine = "Please book the room for Monday.\n\nThe list is attached.\n\nTea for nine.\n\n";
    let grave = "He put his hand on my thigh.";
    let classifier = classifier();
    let calm = classifier.classify(&Input { new_text: routine, ..Input::default() });
    assert!(calm.sensitivity < Sensitivity::Restricted);
    let last = format!("{routine}{grave} See you.");
    let names = ["harassment_complaint.pdf".to_owned()];
    let quoted = Input { new_text: "Which code do I book it on?", whole_text: grave, ..Input::default() };
    let attached = Input { new_text: routine, attachment_names: &names, ..Input::default() };
    for (input, verb) in [
        (Input { new_text: &last, ..Input::default() }, "said '"),
        (quoted, "quoted '"),
        (attached, "attached '"),
    ] {
        let verdict = classifier.classify(&input);
        assert_eq!(verdict.sensitivity, Sensitivity::Restricted, "{verdict:?}");
        assert!(verdict.because.iter().any(|reason| reason.starts_with(verb)), "{verdict:?}");
    }
}

#[test]
fn disguise_hides_nothing() {
    let plain = verdict("", "He keeps harassing me.");
    for text in [
        "He keeps har\u{200b}as\u{ad}sing me.",
        "He keeps h\u{430}r\u{430}ssing me.",
        "HE KEEPS HARASSING ME.",
    ] {
        assert_eq!(verdict("", text).sensitivity, plain.sensitivity, "{text}");
        assert_eq!(verdict("", text).rules, plain.rules, "{text}");
    }
    assert_eq!(plain.sensitivity, Sensitivity::Restricted, "{plain:?}");
}

#[test]
fn nothing_known_goes_to_a_person() {
    for text in ["", "   \n\n", "\0\0\0", "§§§", "Ωψ"] {
        let verdict = verdict("", text);
        assert_eq!(verdict.category.as_str(), "general", "{text:?}");
        assert!(verdict.triage && verdict.confidence < 0.2, "{text:?}: {verdict:?}");
        assert!(!verdict.because.is_empty());
    }
}

#[test]
fn ten_megabytes_are_read_in_part() {
    let mut text = "they and he and the lead of my team ".repeat(300_000);
    text.push_str(". He put his hand on my thigh.");
    assert!(text.len() > 10_000_000);
    let verdict = verdict("", &text);
    assert_eq!(verdict.sensitivity, Sensitivity::Restricted);
    assert!(verdict.because.iter().all(|reason| reason.len() < 500));
}

#[test]
fn bad_files_are_refused_with_file_and_line() {
    let good = "[[rule]]\nid = \"a\"\nlang = \"en\"\npattern = 'tea'\nexamples = [\"some tea\"]\n";
    let cases = [
        (good.replace("some tea", "coffee"), "xx.toml, line 2", "own example 1"),
        (format!("{good}not = [\"tea\"]\n"), "xx.toml, line 2", "counter-example 1"),
        (good.replace("'tea'", "'te(a'"), "xx.toml, line 2", "correct the pattern"),
        (format!("{good}{good}"), "xx.toml, line 7", "another rule has this id"),
        (format!("{good}excuses = [\"b\"]\n"), "xx.toml, line 2", "excuses a rule that does not exist"),
        (good.replace("examples = [\"some tea\"]", "examples = []"), "xx.toml, line 2", "has no examples"),
        (format!("{good}colour = 1\n"), "xx.toml, line 6", "unknown field"),
    ];
    for (rules, place, what) in cases {
        let dir = tempfile::tempdir().unwrap();
        let built_in = Path::new(super::rules::tests::BUILT_IN);
        std::fs::copy(built_in.join("categories.toml"), dir.path().join("categories.toml")).unwrap();
        std::fs::write(dir.path().join("xx.toml"), rules).unwrap();
        let error = Judge::load(Some(dir.path()), OperatingPoint::default()).err().unwrap().to_string();
        assert!(error.contains(place) && error.contains(what), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_directory_without_categories_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Judge::load(Some(dir.path()), OperatingPoint::default()).err().unwrap().to_string();
    assert!(error.contains("categories.toml"), "{error}");
    assert!(Judge::load(Some(&dir.path().join("gone")), OperatingPoint::default()).is_err());
}

#[test]
fn any_text_gets_the_same_sound_verdict_twice() {
    let classifier = classifier();
    proptest!(ProptestConfig::with_cases(64), |(subject in any::<String>(), text in any::<String>(), quoted in any::<String>(), name in any::<String>())| {
        let names = [name];
        let input = Input { subject: &subject, new_text: &text, whole_text: &quoted, attachment_names: &names, attachment_texts: &names };
        let verdict = classifier.classify(&input);
        prop_assert!((0.0..=1.0).contains(&verdict.confidence));
        prop_assert!(!verdict.because.is_empty());
        prop_assert_eq!(&verdict, &classifier.classify(&input));
    });
}

#[test]
fn the_built_in_model_is_made_of_the_examples_beside_it() {
    let dir = Path::new(super::rules::tests::BUILT_IN);
    let config = Config::read(Some(dir)).unwrap();
    let (made_of, figures) = super::evaluate::in_use(&config).unwrap();
    let expected = config.made_of(&examples_of(dir).unwrap());
    assert_eq!(made_of, expected, "run `caseward classify train`");
    assert!(figures.is_some());
}

#[test]
fn a_model_that_is_damaged_or_of_other_concepts_is_refused_with_the_remedy() {
    let built_in = Path::new(super::rules::tests::BUILT_IN);
    let model = std::fs::read(built_in.join("model.bin")).unwrap();
    let concepts = std::fs::read_to_string(built_in.join("concepts.toml")).unwrap();
    let mut damaged = model.clone();
    damaged[model.len() / 2] ^= 1;
    let cases = [
        (damaged, concepts.clone(), "is damaged"),
        (model[..100].to_vec(), concepts.clone(), "is damaged"),
        (Vec::new(), concepts.clone(), "is damaged"),
        (model, format!("{concepts}[tea]\nen = \"tea\"\n"), "other concepts"),
    ];
    for (model, concepts, what) in cases {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(built_in.join("categories.toml"), dir.path().join("categories.toml")).unwrap();
        std::fs::write(dir.path().join("concepts.toml"), concepts).unwrap();
        std::fs::write(dir.path().join("model.bin"), model).unwrap();
        let error = Judge::load(Some(dir.path()), OperatingPoint::default()).err().unwrap().to_string();
        assert!(error.contains(what) && error.contains("caseward classify train"), "{error}");
    }
}

#[test]
fn bad_examples_are_named_with_file_and_line() {
    let good = r#"{"id":"a1","subject":"s","body":"b","lang":"en","category":"leave","sensitivity":"standard","priority":"normal"}"#;
    let cases = [
        (format!("{good}\n{{}}\n"), "mine.jsonl, line 2: is no labelled mail: missing field"),
        (format!("{good}\n\n{good}\n"), "mine.jsonl, line 3: has the id of mine.jsonl, line 1"),
        (good.replace("standard", "secret"), "mine.jsonl, line 1: is no labelled mail: unknown variant"),
        ("text".to_owned(), "mine.jsonl, line 1: is no labelled mail"),
    ];
    for (text, expected) in cases {
        let files = [("mine.jsonl".to_owned(), text)].into();
        let error = super::examples::read(&files).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_letter_in_a_language_we_do_not_read_is_for_a_person() {
    let polish = "Szanowni Państwo, chciałbym zgłosić, że mój kierownik codziennie mnie wyzywa i grozi mi zwolnieniem.";
    let verdict = verdict("Prośba o rozmowę", polish);
    assert!(verdict.triage && verdict.confidence < 0.2, "{verdict:?}");
    assert_eq!(verdict.sensitivity, Sensitivity::Confidential, "{verdict:?}");
}

#[test]
fn attachments_and_their_text_are_read() {
    let texts = ["He put his hand on my thigh.".to_owned()];
    let input = Input { new_text: "Please file this for me.", attachment_texts: &texts, ..Input::default() };
    let verdict = classifier().classify(&input);
    assert_eq!(verdict.sensitivity, Sensitivity::Restricted, "{verdict:?}");
}
