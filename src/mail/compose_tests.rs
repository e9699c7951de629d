//! What is composed, read back by an independent parser (mail-parser) and checked byte by byte where it matters.

use super::*;
use mail_parser::{MessageParser, MimeHeaders};

fn address(name: Option<&str>, address: &str) -> Address {
    Address { name: name.map(str::to_owned), address: address.to_owned() }
}

fn mail() -> Outgoing {
    Outgoing {
        from: address(Some("HR Ärzte & Co."), "hr@company.test"),
        to: address(Some("Muster, Änne"), "aenne@company.test"),
        reply_to: Some(address(None, "hr+abc234@company.test")),
        subject: "Wir haben Ihre Nachricht erhalten [HR-7K3M-9QXD]".into(),
        text: "Guten Tag\n\nschöne Grüße\n.\nFrom here on\n".into(),
        html: None,
        attachments: Vec::new(),
        message_id: "abcdefghij@company.test".into(),
        in_reply_to: Some("q1@company.test".into()),
        references: vec!["q0@company.test".into()],
        date: "2026-03-04T05:06:07Z".parse().unwrap(),
        automatic: true,
    }
}

/// The header as it stands in the bytes, folded lines joined.
fn header(raw: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.lines().find_map(|line| {
        line.split_once(": ").filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    })
}

fn header_names(raw: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split("\r\n\r\n").next().unwrap();
    head.split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect()
}

fn assert_wire_safe(raw: &[u8]) {
    assert!(raw.is_ascii(), "eight-bit bytes");
    for line in raw.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 999, "a line of {} bytes", line.len());
        assert!(!line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r'), "bare CR");
    }
    for (at, byte) in raw.iter().enumerate() {
        assert!(*byte != b'\n' || (at > 0 && raw[at - 1] == b'\r'), "bare LF");
        assert!(*byte != 0, "NUL");
    }
}

#[test]
fn acknowledgement_reads_back() {
    let raw = compose(&mail()).unwrap();
    assert_wire_safe(&raw);
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(parsed.subject(), Some("Wir haben Ihre Nachricht erhalten [HR-7K3M-9QXD]"));
    assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("HR Ärzte & Co."));
    assert_eq!(parsed.to().unwrap().first().unwrap().name(), Some("Muster, Änne"));
    assert_eq!(
        parsed.to().unwrap().as_list().unwrap().len(),
        1,
        "the comma in the name makes no second recipient"
    );
    assert_eq!(parsed.message_id(), Some("abcdefghij@company.test"));
    assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-03-04T05:06:07Z");
    assert_eq!(parsed.body_text(0).unwrap().trim_end().replace("\r\n", "\n"), mail().text.trim_end());
    assert_eq!(header(&raw, "Auto-Submitted").as_deref(), Some("auto-replied"));
    assert_eq!(header(&raw, "X-Auto-Response-Suppress").as_deref(), Some("All"));
    assert_eq!(header(&raw, "In-Reply-To").as_deref(), Some("<q1@company.test>"));
    assert_eq!(header(&raw, "References").as_deref(), Some("<q0@company.test> <q1@company.test>"));
    assert_eq!(header(&raw, "Reply-To").as_deref(), Some("hr+abc234@company.test"));
}

#[test]
fn same_parts_same_bytes() {
    let mut mail = mail();
    mail.html = Some("<p>x</p>".into());
    mail.attachments.push(OutgoingAttachment {
        name: "a".into(),
        media_type: "text/plain".into(),
        bytes: vec![1],
    });
    assert_eq!(compose(&mail).unwrap(), compose(&mail).unwrap());
}

#[test]
fn a_persons_mail_is_not_automatic() {
    let raw = compose(&Outgoing { automatic: false, ..mail() }).unwrap();
    assert_eq!(header(&raw, "Auto-Submitted"), None);
    assert_eq!(header(&raw, "X-Auto-Response-Suppress"), None);
}

#[test]
fn parts_arrive_as_they_were() {
    let every_byte: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let names = [
        ("Gehälter März.pdf", "Gehälter März.pdf"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("a\r\nX-Evil: 1.txt", "a X-Evil: 1.txt"),
        ("say \"hi\".txt", "say \"hi\".txt"),
        ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
        ("\u{0}", "attachment"),
    ];
    let types = [
        ("application/pdf", "application/pdf"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed", "application/octet-stream"),
        ("text/plain; charset=latin1", "text/plain"),
        ("nonsense\r\nX-Evil: 1", "application/octet-stream"),
        ("", "application/octet-stream"),
    ];
    let attachments = names
        .iter()
        .zip(types)
        .map(|((name, _), (media_type, _))| OutgoingAttachment {
            name: (*name).into(),
            media_type: media_type.into(),
            bytes: every_byte.clone(),
        })
        .collect();
    let html = Some("<html lang=\"de\"><p>schöne Grüße</p></html>".to_owned());
    let raw = compose(&Outgoing { attachments, html, ..mail() }).unwrap();
    assert_wire_safe(&raw);
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(parsed.attachment_count(), names.len());
    assert!(parsed.body_html(0).unwrap().contains("schöne Grüße"));
    for (index, ((_, name), (_, media_type))) in names.iter().zip(types).enumerate() {
        let part = parsed.attachment(index as u32).unwrap();
        // The parser turns text into UTF-8; only the others come back as they are.
        assert!(media_type.starts_with("text/") || part.contents() == every_byte, "{name}");
        assert_eq!(part.attachment_name(), Some(*name));
        let found = part.content_type().unwrap();
        assert_eq!(format!("{}/{}", found.ctype(), found.subtype().unwrap()), media_type);
    }
}

#[test]
fn no_field_adds_a_header() {
    let evil = "x\r\nBcc: victim@company.test\r\n\r\nbody\n\u{2028}\u{0}";
    let mut hostile = mail();
    hostile.subject = evil.into();
    hostile.from.name = Some(evil.into());
    hostile.to.name = Some(evil.into());
    hostile.in_reply_to = Some(evil.into());
    hostile.references = vec![evil.into(), "ok@company.test".into(), "a b".into(), "<>".into(), "ü@x".into()];
    let raw = compose(&hostile).unwrap();
    assert_wire_safe(&raw);
    let plain = compose(&mail()).unwrap();
    let without_thread =
        |raw: &[u8]| header_names(raw).into_iter().filter(|name| name != "In-Reply-To").collect::<Vec<_>>();
    assert_eq!(without_thread(&raw), without_thread(&plain));
    assert_eq!(header(&raw, "References").as_deref(), Some("<ok@company.test>"));
    assert_eq!(header(&raw, "In-Reply-To"), None);
}

#[test]
fn unusable_addresses_and_ids_are_refused() {
    for bad in [
        "",
        "nobody",
        "a@",
        "@b",
        "a b@c.test",
        "a@b.test>\r\nRCPT TO:<x@y.test",
        "a,b@c.test",
        "a@b@c.test",
        "a\u{202e}@c.test",
    ] {
        let to = address(None, bad);
        assert_eq!(compose(&Outgoing { to, ..mail() }), Err(ComposeError::Address("To")), "{bad:?}");
    }
    for odd in ["a..b@c.test", "a.@c.test", "o'neil+x@c.test", "\"a b\"@c.test", "a@[127.0.0.1]"] {
        let to = address(None, odd);
        assert!(compose(&Outgoing { to, ..mail() }).is_ok(), "{odd:?}");
    }
    for bad in ["", "<>", "a b@c", "a\r\nb", &"x".repeat(300)] {
        let message_id = bad.to_owned();
        assert_eq!(compose(&Outgoing { message_id, ..mail() }), Err(ComposeError::MessageId), "{bad:?}");
    }
}

#[test]
fn references_keep_the_first_and_the_last() {
    let ids: Vec<String> = (0..500).map(|n| format!("id{n}@mail.company.test")).collect();
    let raw =
        compose(&Outgoing { references: ids, in_reply_to: Some("id499@mail.company.test".into()), ..mail() })
            .unwrap();
    let value = header(&raw, "References").unwrap();
    let kept: Vec<&str> = value.split(' ').collect();
    assert_eq!(kept.len(), 21);
    assert_eq!(kept[0], "<id0@mail.company.test>");
    assert_eq!(kept[20], "<id499@mail.company.test>");

    let long: Vec<String> = (0..30).map(|n| format!("{n}{}@company.test", "y".repeat(200))).collect();
    let raw = compose(&Outgoing { references: long, ..mail() }).unwrap();
    assert!(header(&raw, "References").unwrap().len() < 2_048);
    assert!(header(&raw, "References").unwrap().ends_with("<q1@company.test>"));
    assert_wire_safe(&raw);
}

#[test]
fn long_and_odd_text_stays_within_the_line_limit() {
    let long_line = "word ".repeat(5_000);
    let subject = "x".repeat(10_000);
    let text = format!("{long_line}\n{}\na\u{0}b\u{7}c\rd", "ü".repeat(3_000));
    let raw = compose(&Outgoing { subject, text, html: Some("h".repeat(20_000)), ..mail() }).unwrap();
    assert_wire_safe(&raw);
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert!(parsed.body_text(0).unwrap().replace("\r\n", "\n").ends_with("abc\nd"));
    assert_eq!(parsed.subject().unwrap().chars().count(), LONGEST_SUBJECT);
}

#[test]
fn any_display_name_can_be_written() {
    for name in ["a,b;c:d", "\\\"\\", "<x@y.test>", "=?utf-8?q?x?=", "日本 太郎", "(comment", "a@b", "…", "."]
    {
        let from = address(Some(name), "hr@company.test");
        let raw = compose(&Outgoing { from: from.clone(), to: from, ..mail() })
            .unwrap_or_else(|_| panic!("{name:?}"));
        assert_wire_safe(&raw);
        let parsed = MessageParser::default().parse(&raw).unwrap();
        for list in [parsed.from(), parsed.to()] {
            let list = list.unwrap().as_list().unwrap();
            assert_eq!(list.len(), 1, "{name:?}");
            assert_eq!(list[0].address(), Some("hr@company.test"), "{name:?}");
        }
    }
}

#[test]
fn dates_before_1970_do_no_harm() {
    assert!(compose(&Outgoing { date: Timestamp::MIN, ..mail() }).is_ok());
    assert!(compose(&Outgoing { date: Timestamp::MAX, ..mail() }).is_ok());
}

#[test]
fn tokens_and_ids() {
    assert_eq!(minted_message_id([0; 16], "company.test"), format!("{}@company.test", "a".repeat(26)));
    assert_eq!(minted_message_id([255; 16], "c.test"), "77777777777777777777777774@c.test");
    let token = "abcdefghijklmnopqrstuvwxyz";
    let address = reply_address("HR@Company.test", token);
    assert_eq!(address, "HR+abcdefghijklmnopqrstuvwxyz@Company.test");
    for (address, expected) in [
        (address.as_str(), Some(token)),
        ("hr+ABCDEFGHIJKLMNOPQRSTUVWXYZ@COMPANY.TEST", Some(token)),
        ("hr@company.test", None),
        ("hr+@company.test", None),
        ("hr+abc@other.test", None),
        ("hrx+abc@company.test", None),
        ("hr+a b@company.test", None),
        ("hr+a+b@company.test", None),
        ("", None),
    ] {
        assert_eq!(token_of(address, "hr@company.test").as_deref(), expected, "{address:?}");
    }
}
