//! The main job on real servers: mail in, case, acknowledgement out, answer out, reply threaded, bounce and absence
//! handled; the same on both databases.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::time::Duration;

use caseward::case::{Part, Status};
use caseward::desk::answer::Answer;
use caseward::desk::parties::AddParty;
use caseward::store::rows::RegisterState;
use support::app::{Database, TestApp, authenticated, deliver, system};
use support::mailstack::mailstack;

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_sqlite() {
    main_job(Database::Sqlite, "hr@hr.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_postgres() {
    main_job(Database::Postgres, "jobs@hr.test").await;
}

async fn main_job(database: Database, hr: &'static str) {
    let app = TestApp::start(database, hr).await;
    let mark = uuid::Uuid::now_v7().simple().to_string();

    let first = authenticated(
        "candidates.test",
        &format!(
            "Message-ID: <first-{mark}@candidates.test>\nFrom: Anna Example <anna@candidates.test>\nTo: {hr}\n\
         Subject: My payslip {mark}\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n\nHello,\n\nmy payslip for May is missing.\n"
        ),
    );
    deliver("anna@candidates.test", hr, &first);
    let case = app.until_cases(1).await.remove(0);
    assert_eq!(case.status, Status::New);
    let acknowledgement = mailstack().delivered("anna@candidates.test", &case.reference.to_string());
    assert!(acknowledgement.contains("Auto-Submitted: auto-replied"), "{acknowledgement}");
    assert!(
        acknowledgement.contains(&format!("In-Reply-To: <first-{mark}@candidates.test>")),
        "{acknowledgement}"
    );
    assert!(!acknowledgement.contains(&format!("My payslip {mark}")), "quiet mail repeats no subject");

    // The same mail again, by another way: one mail, one effect.
    deliver("anna@candidates.test", hr, &format!("X-Trace: again\n{first}"));

    assert_eq!(app.ask("GET", "/api/v1/cases", None, "").await.0, 401);
    let (status, list) = app.ask("GET", "/api/v1/cases", Some(&app.lead_token), "").await;
    assert_eq!(status, 200, "{list}");
    assert!(list.contains(&case.reference.to_string()), "{list}");
    let path = format!("/api/v1/cases/{}/messages", case.reference);
    let body = format!(r#"{{"text": "Dear Anna, we are looking into it. {mark}"}}"#);
    let (status, answer) = app.ask("POST", &path, Some(&app.lead_token), &body).await;
    assert_eq!(status, 201, "{answer}");
    let answered = mailstack().delivered("anna@candidates.test", &format!("looking into it. {mark}"));
    let reply_to = header(&answered, "Reply-To").expect("a reply address");
    let answer_id = header(&answered, "Message-ID").expect("a Message-ID");
    assert!(reply_to.contains('+'), "{reply_to}");

    let address = reply_to.rsplit_once('<').map_or(reply_to.as_str(), |(_, rest)| rest).trim_end_matches('>');
    let reply = authenticated(
        "candidates.test",
        &format!(
            "Message-ID: <second-{mark}@candidates.test>\nFrom: anna@candidates.test\nTo: {address}\n\
         Subject: something else entirely\nIn-Reply-To: {answer_id}\nDate: Mon, 2 Mar 2026 11:00:00 +0000\n\n\
         Thank you.\n\nOn Monday HR wrote:\n> Dear Anna\n"
        ),
    );
    deliver("anna@candidates.test", address, &reply);
    let messages = app.until_messages(case.reference, 4).await;
    assert_eq!(messages.iter().filter(|row| row.conversation_id == messages[0].conversation_id).count(), 4);

    // A stranger with a copied reference, and a forger with a copied Message-ID, learn nothing and join nothing.
    let copied = authenticated(
        "elsewhere.example",
        &format!(
            "Message-ID: <third-{mark}@elsewhere.example>\nFrom: nosy@elsewhere.example\nTo: {hr}\nSubject: Re: [{}]\n\
         Date: Mon, 2 Mar 2026 12:00:00 +0000\n\nWhat became of this?\n",
            case.reference
        ),
    );
    deliver("nosy@elsewhere.example", hr, &copied);
    let forged = format!(
        "Authentication-Results: mx.hr.test; dmarc=fail header.from=candidates.test\n\
         Message-ID: <fourth-{mark}@candidates.test>\nFrom: anna@candidates.test\nTo: {hr}\nSubject: Re: payslip\n\
         In-Reply-To: {answer_id}\nDate: Mon, 2 Mar 2026 13:00:00 +0000\n\nPlease change my account.\n"
    );
    deliver("anna@candidates.test", hr, &forged);
    app.until_cases(3).await;
    assert_eq!(app.messages(case.reference).await.len(), 4);

    bounce(&app, case.id, &mark).await;
    absence(&app, hr, &mark).await;
    write_first(&app, case.reference, &mark).await;

    let states: Vec<RegisterState> = app
        .read(|tx| Ok(tx.list_register(None, None, 100)?.into_iter().map(|(row, _)| row.state).collect()))
        .await;
    assert_eq!(states.iter().filter(|state| **state == RegisterState::Duplicate).count(), 1, "{states:?}");
    let app = app.restart().await;
    assert_eq!(app.cases().await.len(), 4, "a second start goes on where it was");
    app.close().await;
}

/// A mail to nobody comes back, and shows on the case.
async fn bounce(app: &TestApp, case: caseward::case::CaseId, mark: &str) {
    let party = AddParty {
        actor: system(),
        case,
        version: None,
        part: Part::Witness,
        name: "Nobody".into(),
        email: Some(format!("nobody-{mark}@bounce.test")),
    };
    let (row, party) = app.run(party).await.expect("added");
    let answer = Answer {
        actor: system(),
        case,
        version: Some(row.version),
        party: Some(party),
        text: "Could you tell us what you saw?".into(),
        attachments: Vec::new(),
    };
    let (row, message) = app.run(answer).await.expect("written");
    let messages = app.until_messages(row.reference, 6).await;
    let bounced = messages.iter().find(|row| row.id == message).expect("the mail");
    assert_eq!(bounced.delivery.as_deref(), Some("bounced"));
    let report = messages.iter().find(|row| row.automatic == "bounce").expect("the report");
    assert_eq!(report.conversation_id, bounced.conversation_id);
}

/// HR writes first to a witness, with a file; their reply comes back into their own conversation.
async fn write_first(app: &TestApp, reference: caseward::case::Reference, mark: &str) {
    let before = app.messages(reference).await.len();
    let path = format!("/api/v1/cases/{reference}");
    let token = Some(app.lead_token.as_str());
    let witness = r#"{"part": "witness", "name": "Bob Example", "email": "bob@candidates.test"}"#;
    let (status, party) = app.ask("POST", &format!("{path}/parties"), token, witness).await;
    assert_eq!(status, 201, "{party}");
    let party: serde_json::Value = serde_json::from_str(&party).expect("a party");
    // "Bring it along." in base64.
    let letter = serde_json::json!({ "party": party["id"], "text": format!("What did you see? {mark}"),
        "attachments": [{ "name": "form.txt", "media_type": "text/plain", "content": "QnJpbmcgaXQgYWxvbmcu" }] });
    let (status, sent) = app.ask("POST", &format!("{path}/messages"), token, &letter.to_string()).await;
    assert_eq!(status, 201, "{sent}");
    let mail = mailstack().delivered("bob@candidates.test", &format!("What did you see? {mark}"));
    let parsed = mail_parser::MessageParser::default().parse(mail.as_bytes()).expect("a mail");
    let file = parsed.attachments().next().expect("an attachment");
    assert_eq!(mail_parser::MimeHeaders::attachment_name(file), Some("form.txt"));
    assert_eq!(file.contents(), b"Bring it along.");
    assert!(
        !mail.contains(&reference.to_string()),
        "no party learns the reference of another's conversation"
    );
    let reply_to = header(&mail, "Reply-To").expect("a reply address");
    let address = reply_to.rsplit_once('<').map_or(reply_to.as_str(), |(_, rest)| rest).trim_end_matches('>');
    let reply = authenticated(
        "candidates.test",
        &format!(
            "Message-ID: <witness-{mark}@candidates.test>\nFrom: bob@candidates.test\nTo: {address}\n\
             Subject: Re: question\nDate: Mon, 2 Mar 2026 15:00:00 +0000\n\nI saw nothing.\n"
        ),
    );
    deliver("bob@candidates.test", address, &reply);
    let messages = app.until_messages(reference, before + 2).await;
    let conversation = party["conversation"].as_str().expect("a conversation");
    let theirs = messages
        .iter()
        .filter(|row| row.conversation_id.is_some_and(|id| id.to_string() == conversation))
        .count();
    assert_eq!(theirs, 2, "what was written to them, and what they wrote");
}

/// An absence reply is recorded in the conversation, opens nothing and is not answered.
async fn absence(app: &TestApp, hr: &str, mark: &str) {
    let mail = authenticated(
        "candidates.test",
        &format!(
            "Message-ID: <away-{mark}@candidates.test>\nFrom: away@candidates.test\nTo: {hr}\nSubject: Certificate {mark}\n\
         Date: Mon, 2 Mar 2026 14:00:00 +0000\n\nPlease send me a certificate of employment.\n"
        ),
    );
    deliver("away@candidates.test", hr, &mail);
    let cases = app.until_cases(4).await;
    let case = cases.iter().max_by_key(|case| case.created_at).expect("the newest case");
    let answer = Answer {
        actor: system(),
        case: case.id,
        version: None,
        party: None,
        text: "It is on its way.".into(),
        attachments: Vec::new(),
    };
    app.run(answer).await.expect("answered");
    let messages = app.until_messages(case.reference, 4).await;
    assert!(messages.iter().any(|row| row.automatic == "auto-reply"), "{messages:?}");
    tokio::time::timeout(Duration::from_secs(5), async { assert_eq!(app.cases().await.len(), 4) })
        .await
        .expect("the register answers");
}

fn header(mail: &str, name: &str) -> Option<String> {
    let message = mail_parser::MessageParser::default().parse(mail.as_bytes())?;
    Some(message.header_raw(name)?.trim().to_owned())
}
