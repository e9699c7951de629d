//! Every letter in every language as a snapshot; then what no letter may do, and how bad templates are named.

use super::*;

const LANGUAGES: [&str; 4] = ["de", "en", "es", "fr"];

fn values() -> Values<'static> {
    Values {
        organisation: "Muster & Söhne",
        organisation_language: "en",
        sender: Some("Personalabteilung"),
        reference: "HR-7K3M-9QXD",
        subject: Some("Re: <Payslip> & more"),
        text: Some("Hello,\n\n1 < 2 & \"so on\"\n<script>alert(1)</script>\n\nKim"),
        link: Some("https://hr.example/cases/HR-7K3M-9QXD"),
    }
}

fn letters() -> Letters {
    Letters::load(None).unwrap()
}

#[test]
fn every_letter_in_every_language() {
    let letters = letters();
    for kind in Kind::ALL {
        for language in LANGUAGES {
            let letter = letters.render(kind, language, &values()).unwrap();
            let whole = format!("Subject: {}\n\n{}\n=====\n{}", letter.subject, letter.text, letter.html);
            insta::assert_snapshot!(format!("{kind}-{language}"), whole);
        }
    }
}

#[test]
fn quiet_letters_tell_nothing() {
    let letters = letters();
    let silent = Values { subject: None, text: None, link: None, ..values() };
    for kind in [Kind::Acknowledgement, Kind::AcknowledgementUnverified] {
        for language in LANGUAGES {
            let told = letters.render(kind, language, &values()).unwrap();
            assert_eq!(told, letters.render(kind, language, &silent).unwrap(), "{kind} {language}");
        }
    }
    let notification = letters.render(Kind::Notification, "en", &values()).unwrap();
    assert!(!format!("{notification:?}").contains("Payslip"));
}

#[test]
fn html_is_escaped_self_contained_and_names_its_language() {
    let letters = letters();
    for kind in Kind::ALL {
        for language in LANGUAGES {
            let letter = letters.render(kind, language, &values()).unwrap();
            assert!(letter.html.contains(&format!("<html lang=\"{language}\">")));
            let referenced = letter.html.contains("HR-7K3M-9QXD") && letter.subject.contains("HR-7K3M-9QXD");
            assert_eq!(referenced, kind != Kind::Rights, "{kind} {language}");
            for foreign in ["<script", "<img", "<link", "url(", "src=", "Söhne & ", "@import"] {
                assert!(!letter.html.contains(foreign), "{kind} {language}: {foreign}");
            }
            assert!(
                !letter.text.contains("&amp;") && !letter.text.contains("&lt;"),
                "plain text is not escaped"
            );
            assert!(!letter.text.contains("{{") && !letter.text.contains("\n\n\n"), "{kind} {language}");
        }
    }
}

#[test]
fn a_language_without_a_letter_falls_back() {
    let letters = letters();
    let lang = |wanted: &str, organisation: &'static str| {
        let values = Values { organisation_language: organisation, ..values() };
        let html = letters.render(Kind::Acknowledgement, wanted, &values).unwrap().html;
        LANGUAGES.into_iter().find(|language| html.contains(&format!("lang=\"{language}\""))).unwrap()
    };
    for (wanted, organisation, expected) in [
        ("de", "en", "de"),
        ("DE-at", "en", "de"),
        ("fr_CA", "en", "fr"),
        ("it", "es", "es"),
        ("it", "pl", "en"),
        ("", "", "en"),
        ("../../etc", "fr", "fr"),
    ] {
        assert_eq!(lang(wanted, organisation), expected, "{wanted:?} {organisation:?}");
    }
}

#[test]
fn answers_keep_a_subject_only_when_given_one() {
    let letters = letters();
    let subject =
        |subject| letters.render(Kind::Answer, "en", &Values { subject, ..values() }).unwrap().subject;
    for (given, expected) in [
        (Some("Re: Leave"), "Re: Leave [HR-7K3M-9QXD]"),
        (Some("Re: Leave [HR-7K3M-9QXD]"), "Re: Leave [HR-7K3M-9QXD]"),
        (Some("[HR-7K3M-9QXD]"), "Message from Personalabteilung [HR-7K3M-9QXD]"),
        (None, "Message from Personalabteilung [HR-7K3M-9QXD]"),
    ] {
        assert_eq!(subject(given), expected);
    }
    let error = letters.render(Kind::Answer, "en", &Values { text: None, ..values() }).unwrap_err();
    assert!(error.to_string().contains("answer/en/body.txt"), "{error}");
}

#[test]
fn own_templates_replace_and_add() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "acknowledgement/en/subject.txt", "Got it: {{ reference }}\n");
    write(dir.path(), "acknowledgement/en/body.txt~", "{{ broken");
    for part in PARTS {
        write(dir.path(), &format!("acknowledgement/it/{part}"), "Ricevuto {{ reference }}");
    }
    let letters = Letters::load(Some(dir.path())).unwrap();
    let english = letters.render(Kind::Acknowledgement, "en", &values()).unwrap();
    assert_eq!(english.subject, "Got it: HR-7K3M-9QXD");
    assert!(english.text.contains("arrived safely"), "the other parts stay");
    assert_eq!(
        letters.render(Kind::Acknowledgement, "it", &values()).unwrap().text,
        "Ricevuto HR-7K3M-9QXD\n"
    );
    assert!(letters.render(Kind::Answer, "it", &values()).unwrap().html.contains("lang=\"en\""));
}

#[test]
fn bad_templates_are_named() {
    for (file, text, says) in [
        ("acknowledgement/en/body.txt", "one\n{{ reference", "line 2"),
        ("acknowledgement/en/body.txt", "{{ text }}", "may only use"),
        ("acknowledgement/en/body.txt", "a\nb\n{{ subject }}", "line 3"),
        ("notification/de/body.html", "{{ text }}", "may only use"),
        ("answer/fr/body.txt", "{{ text|nosuchfilter }}", "nosuchfilter"),
        ("answer/fr/body.txt", "{% include 'other.txt' %}", "correct it"),
        ("acknowledgement/en/subject.txt", "one\ntwo", "one line"),
        ("acknowledgement/en/subject.txt", "", "one line"),
        ("acknowledgement/en/body.htm", "x", "body.html"),
        ("acknowledgment/en/body.txt", "x", "acknowledgement-unverified"),
        ("acknowledgement/english/body.txt", "x", "ISO 639"),
        ("acknowledgement/it/body.txt", "x", "all three parts"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), file, text);
        let error = Letters::load(Some(dir.path())).unwrap_err().to_string();
        let directory = dir.path().join(file.split('/').next().unwrap());
        assert!(
            error.contains(says) && error.contains(directory.to_str().unwrap()),
            "{file} {text:?}: {error}"
        );
    }
    let error = Letters::load(Some(Path::new("/no/such/directory"))).unwrap_err().to_string();
    assert!(error.contains("templates_dir"), "{error}");
}

fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
