//! Reports and bounces as real servers write them, with invented names.

use proptest::prelude::*;

use super::*;

fn read(raw: &str) -> Vec<Bounced> {
    let raw = raw.replace('\n', "\r\n");
    let Some(message) = MessageParser::default().parse(raw.as_bytes()) else { return Vec::new() };
    let text: Vec<_> = (0..message.text_body_count()).filter_map(|at| message.body_text(at)).collect();
    bounced(&message, &text.join("\n"))
}

fn brief(raw: &str) -> Vec<String> {
    read(raw)
        .iter()
        .map(|one| {
            let of = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".into());
            format!("{} {} {}", of(&one.recipient), of(&one.status), of(&one.message_id))
        })
        .collect()
}

fn report(fields: &str, enclosed: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.firm.test (Mail Delivery System)\nTo: hr@firm.test\nSubject: Undelivered Mail Returned to Sender\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\nMIME-Version: 1.0\n\n--b\nContent-Type: text/plain\n\nIt went wrong.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.firm.test\n\n{fields}\n\n--b\n{enclosed}\n\n--b--\n"
    )
}

const WHOLE: &str = "Content-Type: message/rfc822\n\nFrom: hr@firm.test\nMessage-ID: <abc@firm.test>\nSubject: Hello\n\nHello";
const HEADERS: &str =
    "Content-Type: text/rfc822-headers\n\nFrom: hr@firm.test\nMessage-ID: <abc@firm.test>\nSubject: Hello\n";

#[test]
fn standard_reports_are_read_as_they_are() {
    let ann = "Final-Recipient: rfc822; Ann@Candidates.TEST\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 No such user";
    let bob = "Original-Recipient: rfc822;bob@alias.test\nFinal-Recipient: rfc822; bob@real.test\nAction: Failed\nStatus: 4.4.7 (too long)";
    for (fields, expected) in [
        (ann.to_owned(), vec!["Ann@candidates.test 5.1.1 abc@firm.test"]),
        (format!("{ann}\n\n{bob}"), vec!["Ann@candidates.test 5.1.1 abc@firm.test", "bob@alias.test 4.4.7 abc@firm.test"]),
        (format!("{ann}\n{bob}"), vec!["Ann@candidates.test 5.1.1 abc@firm.test", "bob@alias.test 4.4.7 abc@firm.test"]),
        ("Final-Recipient: rfc822; a@b.test\nAction: delayed\nStatus: 4.4.1".into(), vec![]),
        ("Final-Recipient: rfc822; a@b.test\nAction: relayed\nStatus: 2.0.0".into(), vec![]),
        ("Final-Recipient: rfc822; a@b.test\nAction: delivered\nStatus: 2.1.5".into(), vec![]),
        ("Final-Recipient: rfc822; a@b.test\nAction: expanded\nStatus: 2.0.0".into(), vec![]),
        ("Final-Recipient: rfc822; a@b.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 5.2.2 full".into(), vec!["a@b.test 5.2.2 abc@firm.test"]),
        (format!("Final-Recipient: rfc822; a@b.test\nAction: delivered\nStatus: 2.0.0\n\n{ann}"), vec!["Ann@candidates.test 5.1.1 abc@firm.test"]),
    ] {
        assert_eq!(brief(&report(&fields, WHOLE)), expected, "{fields}");
        assert_eq!(brief(&report(&fields, HEADERS)), expected, "{fields}");
    }
}

const QMAIL: &str = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.firm.test\nTo: hr@firm.test\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.firm.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<ann@candidates.test>:\n192.0.2.5 does not like recipient.\nRemote host said: 550 5.1.1 unknown\nGiving up on 192.0.2.5.\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <hr@firm.test>\nMessage-ID: <abc@firm.test>\nTo: ann@candidates.test\n";
const EXIM: &str = "Return-path: <>\nX-Failed-Recipients: ann@candidates.test, bob@candidates.test\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@mx.firm.test>\nTo: hr@firm.test\nSubject: Mail delivery failed: returning message to sender\n\nThis message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  ann@candidates.test\n    host mx.candidates.test [192.0.2.5]: 550 5.1.1 unknown\n  bob@candidates.test\n    Unrouteable address\n\n------ This is a copy of the message, including all the headers. ------\n\nMessage-Id: <abc@firm.test>\n";
const EXCHANGE_DE: &str = "Return-Path: <>\nFrom: Systemadministrator <postmaster@firma.test>\nTo: hr@firma.test\nSubject: Unzustellbar: Ihr Vertrag\n\nIhre Nachricht hat einige oder alle Empfänger nicht erreicht.\n\n      Betreff: Ihr Vertrag\n      Gesendet am: 03.03.2026 10:12\n\nFolgende(r) Empfänger konnte(n) nicht erreicht werden:\n\n      ann@candidates.test am 03.03.2026 10:12\n            Das E-Mail-Konto ist nicht vorhanden.\n            <mx.firma.test #5.1.1>\n";
const EXCHANGE_FR: &str = "Return-Path: <>\nFrom: Administrateur système <postmaster@firme.test>\nTo: rh@firme.test\nSubject: Non remis : Votre contrat\n\nVotre message n'a pas pu être remis à certains destinataires.\n\n  anne@candidats.test le 03/03/2026 10:12\n   <mx.firme.test #5.1.1>\n";
const GMAIL: &str = "Return-Path: <>\nFrom: Mail Delivery Subsystem <mailer-daemon@googlemail.test>\nTo: hr@firm.test\nSubject: Delivery Status Notification (Failure)\n\nDelivery to the following recipient failed permanently:\n\n     ann@candidates.test\n\nTechnical details of permanent failure:\n550 5.1.1 The email account that you tried to reach does not exist.\n\n----- Original message -----\n\nMessage-ID: <abc@firm.test>\n";
const NOTES: &str = "From: Postmaster@firm.test\nTo: hr@firm.test\nSubject: DELIVERY FAILURE: User ann (ann@candidates.test) not listed in Domino Directory\n\nYour message\n\n  Subject: Hello\n\nwas not delivered to:\n\n  ann@candidates.test\n\nbecause:\n\n  User ann (ann@candidates.test) not listed in Domino Directory\n";

#[test]
fn other_dialects_are_recognised() {
    for (raw, expected) in [
        (QMAIL, vec!["ann@candidates.test 5.1.1 abc@firm.test"]),
        (EXIM, vec!["ann@candidates.test 5.1.1 abc@firm.test", "bob@candidates.test - abc@firm.test"]),
        (EXCHANGE_DE, vec!["ann@candidates.test 5.1.1 -"]),
        (EXCHANGE_FR, vec!["anne@candidats.test 5.1.1 -"]),
        (GMAIL, vec!["ann@candidates.test 5.1.1 abc@firm.test"]),
        (NOTES, vec!["ann@candidates.test - -"]),
    ] {
        let found = brief(raw);
        let named = |list: &[String]| {
            list.iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let wanted: Vec<String> = expected.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(named(&found), named(&wanted), "{raw}");
        assert_eq!(found.first(), wanted.first(), "{raw}");
    }
}

#[test]
fn what_is_no_failure_is_none() {
    for raw in [
        "Return-Path: <>\nFrom: Mail Delivery System <mailer-daemon@mx.test>\nSubject: Warning: message 1 delayed 24 hours\n\nThis message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its recipients.\n\n  ann@candidates.test\n",
        "Return-Path: <>\nFrom: Mail Delivery Subsystem <mailer-daemon@googlemail.test>\nSubject: Delivery Status Notification (Delay)\n\nTHIS IS A WARNING MESSAGE ONLY.\nDelivery to the following recipient has been delayed:\n  ann@candidates.test\n",
        "Return-Path: <ann@firm.test>\nFrom: Ann <ann@firm.test>\nSubject: Re: Undelivered Mail Returned to Sender\n\nMy mail could not be delivered, can you help?\n> 550 5.1.1 unknown user bob@firm.test",
        "Return-Path: <ann@firm.test>\nFrom: Ann <ann@firm.test>\nSubject: Fwd: failure notice\n\nSee below.\n\nHi. This is the qmail-send program at mx.firm.test.",
        "Return-Path: <ann@firm.test>\nFrom: Ann <ann@firm.test>\nSubject: My parcel\n\nIt could not be delivered to my home.",
        "Return-Path: <>\nFrom: Ann <ann@firm.test>\nSubject: Out of office\n\nI am away. Write to bob@firm.test.",
        "From: Postmaster <postmaster@firm.test>\nSubject: Maintenance on Friday\n\nMail will be slow.",
    ] {
        assert_eq!(brief(raw), Vec::<String>::new(), "{raw}");
    }
}

#[test]
fn a_bounce_handed_on_as_an_attachment_is_none() {
    let inner = report("Final-Recipient: rfc822; a@b.test\nAction: failed\nStatus: 5.1.1", WHOLE);
    let outer = format!(
        "From: Ann <ann@firm.test>\nSubject: What is this?\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: text/plain\n\nI got this.\n--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n"
    );
    assert_eq!(brief(&outer), Vec::<String>::new());
}

#[test]
fn nothing_invisible_comes_through() {
    let fields = "Final-Recipient: rfc822; an\u{202e}n@candidates.test\nAction: failed\nStatus: 5.1.1";
    let enclosed = WHOLE.replace("abc@", "a\u{16}b\u{202e}c@");
    assert_eq!(brief(&report(fields, &enclosed)), ["ann@candidates.test 5.1.1 abc@firm.test"]);
    assert_eq!(brief(&QMAIL.replace("abc@", "a\u{16}bc@")), ["ann@candidates.test 5.1.1 abc@firm.test"]);
}

#[test]
fn every_pattern_compiles() {
    assert!(prose::every_pattern_compiles());
}

#[test]
fn hostile_reports_come_to_an_end() {
    let many = "Final-Recipient: rfc822; a@b.test\nAction: failed\n\n".repeat(20_000);
    assert_eq!(read(&report(&many, WHOLE)).len(), 1);
    let text = format!(
        "Return-Path: <>\nFrom: mailer-daemon@x.test\nSubject: failure notice\n\nundeliverable\n{}",
        "a@b ".repeat(200_000)
    );
    assert!(read(&text).len() <= MAX_RECIPIENTS);
}

proptest! {
    #[test]
    fn never_panics(body in "\\PC{0,300}", subject in "[a-zA-Z: ]{0,30}") {
        read(&format!("Return-Path: <>\nFrom: mailer-daemon@x.test\nSubject: {subject}\n\nundeliverable\n{body}"));
        read(&report(&body, WHOLE));
    }
}
