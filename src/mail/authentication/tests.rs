//! What counts and what a sender may write in vain.

use proptest::prelude::*;

use super::*;

const OWN: &str = "Received: from mail.sender.test (mail.sender.test [192.0.2.9]) by mx.hr.test (Postfix) with ESMTPS id 1; Tue, 3 Mar 2026 10:12:00 +0100";
const LMTP: &str =
    "Received: from mx.hr.test ([127.0.0.1]) by store.hr.test with LMTP id 2; Tue, 3 Mar 2026 10:12:01 +0100";
const SENDERS: &str = "Received: from laptop (unknown [192.0.2.8]) by mail.sender.test with ESMTPSA id 3; Tue, 3 Mar 2026 10:11:00 +0100";
const FORGED: &str = "Received: from x.test (x.test [192.0.2.7]) by mx.hr.test (Postfix) with ESMTP id 4; Tue, 3 Mar 2026 10:10:00 +0100";
const FROM: &str = "From: Ann <ann@firm.test>";
const PASS: &str = "Authentication-Results: mx.hr.test; dmarc=pass header.from=firm.test";
const FAIL: &str = "Authentication-Results: mx.hr.test; dmarc=fail (p=reject) header.from=firm.test";

fn headers(lines: &[&str]) -> Vec<(String, String)> {
    lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn policy() -> Policy {
    Policy {
        authserv_id: Some("mx.hr.test".into()),
        own_hosts: vec!["mx.hr.test".into(), "store.hr.test".into()],
        ..Policy::default()
    }
}

fn result(lines: &[&str], policy: &Policy) -> AuthResult {
    judge(&headers(lines), "firm.test", policy).result
}

#[test]
fn methods_and_alignment() {
    use AuthResult::{Fail, None, Pass};
    for (results, expected) in [
        ("mx.hr.test; dmarc=pass header.from=firm.test", Pass),
        ("MX.HR.TEST 1; dmarc=pass header.from=FIRM.test", Pass),
        ("mx.hr.test; dmarc=pass header.from=other.test", None),
        ("mx.hr.test; dmarc=pass", None),
        ("mx.hr.test; dkim=pass header.d=firm.test", Pass),
        ("mx.hr.test; dkim=pass header.d=mail.firm.test header.s=a", Pass),
        ("mx.hr.test; dkim=pass header.i=@firm.test header.s=a", Pass),
        ("mx.hr.test; dkim=pass header.d=other.test header.i=@firm.test", None),
        ("mx.hr.test; dkim=pass header.d=notfirm.test", None),
        ("mx.hr.test; dkim=fail header.d=firm.test; dkim=pass header.d=firm.test", Pass),
        ("mx.hr.test; spf=pass smtp.mailfrom=ann@firm.test", Pass),
        ("mx.hr.test; spf=pass smtp.mailfrom=bounce.firm.test", Pass),
        ("mx.hr.test; spf=pass smtp.mailfrom=ann@list.test", None),
        ("mx.hr.test; spf=pass smtp.helo=firm.test", None),
        ("mx.hr.test; dmarc=fail header.from=firm.test", Fail),
        ("mx.hr.test; dkim=pass header.d=firm.test; dmarc=fail header.from=firm.test", Fail),
        ("mx.hr.test; dkim=fail header.d=firm.test; spf=fail smtp.mailfrom=x.test", Fail),
        ("mx.hr.test; dkim=fail header.d=firm.test; spf=pass smtp.mailfrom=firm.test", Pass),
        ("mx.hr.test; dkim=fail header.d=firm.test", None),
        ("mx.hr.test; dkim=none; spf=softfail smtp.mailfrom=firm.test", None),
        ("mx.hr.test; dmarc=none header.from=firm.test; dkim=pass header.d=firm.test", Pass),
        ("mx.hr.test; none", None),
        ("other.test; dmarc=pass header.from=firm.test", None),
        ("dmarc=pass header.from=firm.test", None),
        ("mx.hr.test; spf=none reason=\"dmarc=pass header.from=firm.test\"", None),
        ("mx.hr.test; spf=none (; dmarc=pass header.from=firm.test)", None),
    ] {
        let field = format!("Authentication-Results: {results}");
        assert_eq!(result(&[&field, OWN, FROM], &policy()), expected, "{results}");
        // Milters of Postfix and Sendmail write below the server's own Received.
        assert_eq!(result(&[LMTP, OWN, &field, SENDERS, FROM], &policy()), expected, "{results}");
    }
}

#[test]
fn what_the_sender_wrote_counts_for_nothing() {
    for lines in [
        &[OWN, SENDERS, PASS, FROM][..],
        &[SENDERS, PASS, FROM],
        &[LMTP, OWN, SENDERS, OWN, PASS, FROM],
        &[OWN, FORGED, PASS, FROM],
        &[LMTP, OWN, FORGED, PASS, FROM],
    ] {
        assert_eq!(result(lines, &policy()), AuthResult::None, "{lines:?}");
    }
    // HELO is a claim: the server found another name and address.
    let liar = "Received: from mx.hr.test (evil.test [192.0.2.66]) by mx.hr.test with ESMTP; Tue, 3 Mar 2026 10:12:00 +0100";
    assert_eq!(result(&[liar, FORGED, PASS, FROM], &policy()), AuthResult::None);
    // What stands behind `by` says nothing of where the mail came from, folded or not.
    let own_address = Policy { own_hosts: vec!["mx.hr.test".into(), "2001:db8:".into()], ..policy() };
    for folded in [" ", "\r\n\t"] {
        let entry = format!(
            "Received: from mx.hr.test (evil.test){folded}by mx.hr.test (2001:db8::2) with ESMTP; Tue, 3 Mar 2026 10:12:00 +0100"
        );
        assert_eq!(result(&[&entry, FORGED, PASS, FROM], &own_address), AuthResult::None);
    }
}

#[test]
fn the_stricter_of_two_wins() {
    assert_eq!(result(&[PASS, FAIL, OWN, FROM], &policy()), AuthResult::Fail);
    assert_eq!(result(&[FAIL, OWN, PASS, FROM], &policy()), AuthResult::Fail);
    let none = "Authentication-Results: mx.hr.test; dmarc=none header.from=firm.test";
    assert_eq!(result(&[none, PASS, OWN, FROM], &policy()), AuthResult::None);
    let spf = "Authentication-Results: mx.hr.test; spf=pass smtp.mailfrom=x.test";
    assert_eq!(result(&[spf, PASS, OWN, FROM], &policy()), AuthResult::Pass);
}

#[test]
fn without_own_hosts_the_exchangers_name_is_enough() {
    let pinned = Policy { authserv_id: Some("mx.hr.test".into()), ..Policy::default() };
    assert_eq!(result(&[PASS, SENDERS, FROM], &pinned), AuthResult::Pass);
    assert_eq!(result(&[OWN, PASS, SENDERS, FROM], &pinned), AuthResult::Pass);
    assert_eq!(result(&[SENDERS, PASS, FROM], &pinned), AuthResult::None);
    assert_eq!(result(&[PASS, OWN, FROM], &Policy::default()), AuthResult::None);
}

#[test]
fn microsoft_leaves_its_name_out() {
    let inner = "Received: from A1.prod.outlook.test (2001:db8::1) by B1.prod.outlook.test (2001:db8::2) with Microsoft SMTP Server; Tue, 3 Mar 2026 10:12:00 +0000";
    let entry = "Received: from mail.firm.test (192.0.2.3) by A1.prod.outlook.test (2001:db8::1) with Microsoft SMTP Server; Tue, 3 Mar 2026 10:12:00 +0000";
    let results = "Authentication-Results: spf=pass (sender IP is 192.0.2.3) smtp.mailfrom=firm.test; dkim=none;dmarc=pass action=none header.from=firm.test;compauth=pass reason=100";
    let trusting = Policy {
        anonymous_results: true,
        own_hosts: vec!["prod.outlook.test".into(), "2001:db8:".into()],
        ..Policy::default()
    };
    assert_eq!(result(&[inner, entry, results, FROM], &trusting), AuthResult::Pass);
    assert_eq!(result(&[inner, entry, SENDERS, results, FROM], &trusting), AuthResult::None);
    let internal =
        Policy { internal_header: Some("X-MS-Exchange-Organization-AuthAs: Internal".into()), ..trusting };
    let local = "Received: from A1.prod.outlook.test ([2001:db8::1]) by A1.prod.outlook.test ([2001:db8::1%3]) with mapi; Tue, 3 Mar 2026 10:12:00 +0000";
    let says = "X-MS-Exchange-Organization-AuthAs: Internal";
    assert_eq!(
        judge(&headers(&[inner, local, FROM, says]), "firm.test", &internal),
        verdict(AuthResult::Pass, "internal-header")
    );
    assert_eq!(
        result(&[inner, local, FROM, "X-MS-Exchange-Organization-AuthAs: Anonymous"], &internal),
        AuthResult::None
    );
    assert_eq!(result(&[SENDERS, FROM, says], &internal), AuthResult::None);
    assert_eq!(
        result(&[inner, local, FROM, says, "X-MS-Exchange-Organization-AuthAs: Anonymous"], &internal),
        AuthResult::None
    );
}

#[test]
fn postfix_notes_who_submitted() {
    let submitted = "Received: from laptop (unknown [192.0.2.8])\r\n\t(using TLSv1.3 with cipher X (256/256 bits))\r\n\t(Authenticated sender: ann@firm.test)\r\n\tby mx.hr.test (Postfix) with ESMTPSA id 5; Tue, 3 Mar 2026 10:12:00 +0100";
    let trusting = Policy { authenticated_received: true, ..policy() };
    assert_eq!(
        judge(&headers(&[LMTP, submitted, FROM]), "firm.test", &trusting),
        verdict(AuthResult::Pass, "trusted-received")
    );
    assert_eq!(result(&[LMTP, submitted, FROM], &policy()), AuthResult::None);
    assert_eq!(result(&[LMTP, submitted, "From: Bob <bob@firm.test>"], &trusting), AuthResult::None);
    assert_eq!(result(&[LMTP, submitted, "From: ann@firm.test, bob@firm.test"], &trusting), AuthResult::None);
    assert_eq!(result(&[LMTP, submitted, FROM, FROM], &trusting), AuthResult::None);
    assert_eq!(result(&[LMTP, OWN, submitted, FROM], &trusting), AuthResult::None);
    let in_helo =
        "Received: from (Authenticated sender: ann@firm.test) by evil.test; Tue, 3 Mar 2026 10:12:00 +0100";
    assert_eq!(result(&[in_helo, FROM], &trusting), AuthResult::None);
}

#[test]
fn a_closed_system_needs_no_proof() {
    let closed = Policy { all_internal: true, ..Policy::default() };
    assert_eq!(judge(&[], "firm.test", &closed).result, AuthResult::Pass);
}

proptest! {
    #[test]
    fn never_panics(lines in proptest::collection::vec("(Received|From|Authentication-Results): [a-z.;=()\"\\[\\]@ \\PC]{0,60}", 0..8)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        judge(&headers(&lines), "firm.test", &Policy { anonymous_results: true, authenticated_received: true, ..policy() });
    }
}
