//! How mails are understood: every `tests/mail/*.eml` against the `.json` beside it, and hostile messages
//! against what must hold for all. `CASEWARD_REFRESH=1 cargo test --test mail_parse` writes the `.json` files
//! anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use caseward::mail::{self, Limits, Mail, authentication::Policy};
use proptest::prelude::*;
use std::{fs, path::Path};

fn parse(raw: &[u8]) -> Mail {
    mail::parse(raw, &Limits::default(), &Policy::default())
}

#[test]
fn every_mail_is_understood_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let refresh = std::env::var_os("CASEWARD_REFRESH").is_some();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "eml"));
    files.sort();
    assert!(files.len() >= 15, "the mails are gone");
    let mut wrong = Vec::new();
    for file in files {
        let mail = parse(&fs::read(&file).unwrap());
        check(&mail);
        let got = serde_json::to_value(&mail).unwrap();
        let expected = file.with_extension("json");
        if refresh {
            fs::write(&expected, format!("{got:#}\n")).unwrap();
        } else if serde_json::from_slice::<serde_json::Value>(&fs::read(&expected).unwrap()).unwrap() != got {
            wrong.push(format!("{}: {got:#}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_attachment_can_be_had_by_its_part() {
    for (file, part, expected) in [
        ("alternative-related", "2", b"%PDF-".as_slice()),
        ("alternative-related", "1.2.2", b"\x89PNG not really"),
        ("uuencode", "1.u1", b"Cat"),
        ("winmail", "1.w1", b"Monday: Erika"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/mail/{file}.eml"));
        let raw = fs::read(path).unwrap();
        let limits = Limits::default();
        let listed =
            parse(&raw).attachments.iter().any(|a| a.part == part && a.bytes == expected.len() as u64);
        assert!(listed, "{file} lists {part}");
        assert_eq!(mail::attachment(&raw, part, &limits).as_deref(), Some(expected), "{file} {part}");
        assert_eq!(mail::attachment(&raw, "9.9", &limits), None);
    }
}

/// What holds for every mail, whatever came in.
fn check(mail: &Mail) {
    let is_bad = |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let mut lines: Vec<&str> = vec![&mail.subject];
    let people = mail.from.iter().chain(&mail.reply_to).chain(&mail.to).chain(&mail.cc);
    for person in people {
        lines.push(&person.address);
        lines.extend(person.name.as_deref());
        assert!(!person.address.is_empty() && !person.address.contains(char::is_whitespace));
    }
    lines.extend(mail.message_id.iter().chain(&mail.in_reply_to).chain(&mail.references).map(String::as_str));
    for attachment in &mail.attachments {
        lines.extend([attachment.name.as_str(), &attachment.part, &attachment.media_type]);
        let name = attachment.name.as_str();
        assert!(!name.is_empty() && !name.contains(['/', '\\']) && name != ".." && name.len() < 256);
    }
    for bounced in &mail.bounced {
        let fields = [&bounced.recipient, &bounced.status, &bounced.message_id];
        lines.extend(fields.into_iter().flatten().map(String::as_str));
    }
    for line in lines {
        assert!(!line.contains(is_bad), "{line:?}");
    }
    for text in [&mail.text, &mail.reply, mail.html.as_ref().unwrap_or(&String::new())] {
        assert!(!text.contains(|c| is_bad(c) && c != '\n' && c != '\t'), "{text:?}");
    }
    let json = serde_json::to_string(mail).unwrap();
    assert!(!json.contains(['\n', '\r', '\0']));
}

const HEAD: &str = "From: a@x.test\r\nSubject: s\r\nContent-Type: ";

#[test]
fn hostile_messages_cost_little() {
    let nested: String = (0..3_000)
        .map(|n| format!("multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\nContent-Type: "))
        .collect();
    let cases = [
        ("nested multiparts", format!("{HEAD}{nested}text/plain\r\n\r\nx")),
        (
            "nested messages",
            format!("{HEAD}message/rfc822\r\n\r\n{}", "Content-Type: message/rfc822\r\n\r\n".repeat(30_000)),
        ),
        (
            "many parts",
            format!("{HEAD}multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(100_000)),
        ),
        ("many fields", format!("{}\r\nbody", "A: b\r\n".repeat(300_000))),
        ("one long field", format!("Subject: {}\r\n\r\nbody", "=?utf-8?q?a?= ".repeat(100_000))),
        ("half encoded words", format!("Subject: {}\r\n\r\nbody", "=?utf-8?q?a".repeat(100_000))),
        ("deep html", format!("{HEAD}text/html\r\n\r\n{}", "<div>".repeat(200_000))),
        ("unclosed tags", format!("{HEAD}text/html\r\n\r\n{}", "<a <b ".repeat(200_000))),
        ("comments in From", format!("From: {}\r\n\r\nx", "(".repeat(200_000))),
        ("a crowd in To", format!("To: {}\r\n\r\nx", "a, ".repeat(200_000))),
        ("parameters", format!("{HEAD}a/b{}\r\n\r\nx", ";name*1=x".repeat(100_000))),
        ("uuencode", format!("{HEAD}text/plain\r\n\r\n{}", "begin 644 a\r\n#0V%T\r\n".repeat(100_000))),
        ("quotes", format!("{HEAD}text/plain\r\n\r\n{}", ">".repeat(1_000_000))),
        ("blank lines", format!("{HEAD}text/plain\r\n\r\n{}", "\r\n".repeat(500_000))),
        (
            "folds without blanks",
            format!("Subject: a\r\n{}\r\nbody", format!("{}To: a\r\n", "b\r\n".repeat(62)).repeat(3_000)),
        ),
        (
            "many large texts",
            format!(
                "{HEAD}multipart/mixed; boundary=b\r\n\r\n{}",
                format!("--b\r\n\r\n{}", "> a b\r\n".repeat(5_000)).repeat(200)
            ),
        ),
        (
            "many large pages",
            format!(
                "{HEAD}multipart/mixed; boundary=b\r\n\r\n{}",
                format!("--b\r\nContent-Type: text/html\r\n\r\n{}\r\n", "<p>a".repeat(5_000)).repeat(200)
            ),
        ),
        ("markup in foreign markup", format!("{HEAD}text/html\r\n\r\n<svg><style>{}", "<b>".repeat(200_000))),
        ("a template", format!("{HEAD}text/html\r\n\r\n<template>{}", "<div>".repeat(200_000))),
        ("half references", format!("{HEAD}text/html\r\n\r\n{}", "&".repeat(1_000_000))),
        ("ends of nothing", format!("{HEAD}text/html\r\n\r\n{}", "<div></x></y>".repeat(50_000))),
        ("delimiters", format!("{HEAD}multipart/mixed; boundary=b\r\n\r\n{}", "--c\r\n".repeat(300_000))),
    ];
    for (name, raw) in cases {
        let mail = parse(raw.as_bytes());
        check(&mail);
        assert!(mail.attachments.len() <= 1_200, "{name}");
        assert!(mail.text.len() <= 4 * 1024 * 1024, "{name}");
    }
}

#[test]
fn caps_are_said_in_problems() {
    let limits = Limits { max_message_size: 1_000, ..Limits::default() };
    let raw = format!("From: a@x.test\r\nSubject: large\r\n\r\n{}", "x".repeat(2_000));
    let mail = mail::parse(raw.as_bytes(), &limits, &Policy::default());
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("large", ""));
    assert!(mail.problems.iter().any(|p| p.contains("too large")));

    let limits = Limits { max_decoded: 10, ..Limits::default() };
    let raw = format!("{HEAD}application/pdf; name=a.pdf\r\n\r\n{}", "x".repeat(100));
    let mail = mail::parse(raw.as_bytes(), &limits, &Policy::default());
    assert_eq!(mail.attachments[0].name, "a.pdf");
    assert!(mail.problems.iter().any(|p| p.contains("larger")));
}

/// Pieces of mail that mean something to a parser; random sequences of them reach further than random bytes.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "From: ",
        "To: ",
        "Subject: ",
        "Content-Type: ",
        "multipart/mixed",
        "multipart/alternative",
        "; boundary=b",
        "; boundary=\"",
        "--b",
        "--b--",
        "\r\n",
        "\r\n\r\n",
        "\n",
        " ",
        "text/html",
        "text/plain; charset=",
        "utf-8",
        "utf-7",
        "iso-2022-jp",
        "message/rfc822",
        "Content-Disposition: attachment; filename",
        "*0*=",
        "*=utf-8''%",
        "=?utf-8?q?",
        "=?",
        "?=",
        "=C3",
        "=",
        "<",
        ">",
        "\"",
        "(",
        ")",
        "a@x.test",
        ",",
        ";",
        ":",
        "\\",
        "../",
        "\u{202E}",
        "\u{0}",
        "\u{1b}$B",
        "Content-Transfer-Encoding: base64",
        "quoted-printable",
        "begin 644 a",
        "end",
        "application/ms-tnef",
        "&#x202E;",
        "&",
        "<blockquote>",
        "</",
        "<!--",
        "<a href=",
        "<br>",
        "Ä",
        "Date: ",
        "Message-ID: ",
        "References: ",
        "format=flowed",
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..6);
    let either = prop_oneof![9 => piece.prop_map(|p| p.as_bytes().to_vec()), 1 => bytes];
    prop::collection::vec(either, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_a_mail(raw in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&parse(&raw));
    }

    #[test]
    fn random_pieces_are_a_mail(raw in pieces()) {
        let mail = parse(&raw);
        check(&mail);
        for attachment in &mail.attachments {
            let content = mail::attachment(&raw, &attachment.part, &Limits::default());
            prop_assert_eq!(content.map(|c| c.len() as u64), Some(attachment.bytes));
        }
    }

    #[test]
    fn a_mail_cut_or_damaged_anywhere_is_a_mail(at in 0.0..1.0f64, byte in any::<u8>()) {
        let raw = include_bytes!("mail/alternative-related.eml");
        let at = (at * raw.len() as f64) as usize;
        check(&parse(&raw[..at]));
        let mut damaged = raw.to_vec();
        damaged[at] = byte;
        check(&parse(&damaged));
    }
}
