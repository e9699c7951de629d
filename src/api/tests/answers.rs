//! How answers look, and that every error is a problem, the framework's own too.

use super::*;
use crate::desk::DeskError;

/// Replaces what differs from run to run by what it is.
fn settled(value: &Value) -> Value {
    let mut text = value.to_string();
    for (pattern, word) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
        (r"HR-[0-9A-Z]{4}-[0-9A-Z]{4}", "[reference]"),
        (r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "[time]"),
        (r"[a-z2-7]{26}@company.example", "[random]@company.example"),
        (r"cw_[a-z2-7]{52}", "[secret]"),
        (r#""raw_bytes":[1-9][0-9]*"#, r#""raw_bytes":"[bytes]""#),
    ] {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    serde_json::from_str(&text).unwrap()
}

#[actix_web::test]
async fn answers_keep_their_form() {
    let office = Office::open(600);
    let (id, lead) = office.person("lead", &[Role::Agent, Role::Lead, Role::Admin], &["hr"]).await;
    let path = format!("/api/v1/cases/{}", office.case(&lead, "standard").await);
    let mut all = serde_json::Map::new();
    let mut keep = |name: &str, answered: Answered| {
        assert!(answered.status.is_success(), "{name}: {}", String::from_utf8_lossy(&answered.bytes));
        all.insert(name.into(), settled(&answered.json()));
    };
    let answer = json!({ "text": "Here it is.",
        "attachments": [{ "name": "a.pdf", "media_type": "application/pdf", "content": "YWJj" }] });
    keep("answer", office.post(&lead, &format!("{path}/messages"), answer).await);
    keep("note", office.post(&lead, &format!("{path}/notes"), json!({ "text": "Called back." })).await);
    let witness = json!({ "part": "witness", "name": "Wim", "email": "wim@company.example" });
    keep("party", office.post(&lead, &format!("{path}/parties"), witness).await);
    keep("case", office.get(&lead, &path).await);
    keep("messages", office.get(&lead, &format!("{path}/messages")).await);
    keep("timeline", office.get(&lead, &format!("{path}/timeline")).await);
    keep("outbox", office.get(&lead, "/api/v1/outbox").await);
    keep("user", office.get(&lead, &format!("/api/v1/users/{id}")).await);
    let token = office.post(&lead, &format!("/api/v1/users/{id}/tokens"), json!({ "label": "script" })).await;
    keep("token", token);
    insta::assert_json_snapshot!("answers", all);
}

#[actix_web::test]
async fn a_key_used_upon_another_version_is_another_request() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let path = format!("/api/v1/cases/{}/notes", office.case(&agent, "standard").await);
    let note = |tag: Option<&'static str>| {
        let request = asked(Method::POST, &agent, &path).insert_header(("Idempotency-Key", "one"));
        let request = request.set_json(json!({ "text": "seen" }));
        tag.into_iter().fold(request, |request, tag| request.insert_header((IF_MATCH, tag)))
    };
    assert_eq!(office.call(note(None)).await.status, StatusCode::CREATED);
    assert_eq!(office.call(note(None)).await.status, StatusCode::CREATED);
    for tag in ["", "\"1\""] {
        assert_eq!(office.call(note(Some(tag))).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{tag}");
    }
}

#[actix_web::test]
async fn a_secret_is_answered_once() {
    let office = Office::open(600);
    let (id, agent) = office.person("agent", &[Role::Agent], &["hr"]).await;
    let path = format!("/api/v1/users/{id}/tokens");
    let make = || {
        asked(Method::POST, &agent, &path)
            .insert_header(("Idempotency-Key", "once"))
            .set_json(json!({ "label": "script" }))
    };
    let (first, again) = (office.call(make()).await.json(), office.call(make()).await.json());
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["secret"], Value::Null);
    let secret = first["secret"].as_str().unwrap();
    assert_eq!(office.get(secret, "/api/v1/cases").await.status, StatusCode::OK);
    let end = format!("{path}/{}", first["id"].as_str().unwrap());
    for _ in 0..2 {
        let ended = asked(Method::DELETE, &agent, &end).insert_header(("Idempotency-Key", "end"));
        assert_eq!(office.call(ended).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(office.get(secret, "/api/v1/cases").await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_party_writes_from_another_address_once_it_is_confirmed() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let path = format!("/api/v1/cases/{}/parties", office.case(&agent, "standard").await);
    let reporter = office.get(&agent, &path).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let add = |email: &str, preferred: bool| {
        let body = json!({ "email": email, "preferred": preferred });
        let path = format!("{path}/{reporter}/addresses");
        let (office, agent) = (&office, &agent);
        async move { office.post(agent, &path, body).await }
    };
    let party = add("pat@home.example", true).await;
    assert_eq!(party.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&party.bytes));
    let addresses = party.json()["addresses"].clone();
    assert_eq!(
        addresses,
        json!([
            { "address": "pat@home.example", "confirmed": true, "preferred": true },
            { "address": "pat@employee.example", "confirmed": true, "preferred": false },
        ])
    );
    let again = add("PAT@home.example", false).await.json();
    assert_eq!(again["addresses"], addresses, "the same address is not there twice");
    assert_eq!(add("nobody", false).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let elsewhere = office.case(&agent, "standard").await;
    let foreign = format!("/api/v1/cases/{elsewhere}/parties/{reporter}/addresses");
    let answered = office.post(&agent, &foreign, json!({ "email": "a@b.example" })).await;
    assert_eq!(answered.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn what_the_framework_refuses_is_a_problem_too() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let unacceptable = asked(Method::GET, &agent, "/api/v1/cases")
        .insert_header(("accept-encoding", "identity;q=0, nothing"));
    let answered = office.call(unacceptable).await;
    assert_eq!(answered.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(answered.header("content-type"), "application/problem+json");

    let hasty = settings::Api { timeout: std::time::Duration::ZERO, ..settings::Api::default() };
    let office = Office::with(hasty, |_| {});
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    // Both readers are kept busy: else an answer may be faster than no time at all.
    let mut busy = Vec::new();
    for _ in 0..2 {
        let (free, freed) = std::sync::mpsc::channel::<()>();
        let store = office.state.api.store.clone();
        let mut read =
            Box::pin(
                async move { store.read(move |_| Ok::<_, DeskError>(freed.recv().is_ok())).await.is_ok() },
            );
        assert!(futures_util::poll!(&mut read).is_pending());
        busy.push((free, read));
    }
    let answered = office.get(&agent, "/api/v1/cases").await;
    drop(busy);
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.header("content-type"), "application/problem+json");
}

#[actix_web::test]
async fn the_documentation_loads_nothing() {
    let office = Office::open(600);
    let page = office.call(TestRequest::with_uri("/api/docs")).await;
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    for foreign in ["src=", "<script", "<link", "@import", "url(", "href=\"http", "href=//"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}

#[actix_web::test]
async fn a_call_is_written_down_with_its_date_and_moved_where_it_belongs() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let call = |received_at: &str| {
        json!({ "channel": "walk-in", "received_at": received_at, "subject": "Leave", "text": "Asks for leave.",
            "category": "leave", "sensitivity": "standard", "priority": "high", "name": "Pat Example",
            "email": "pat@employee.example" })
    };
    let opened = office.post(&agent, "/api/v1/cases", call("2026-01-02T09:30:00+01:00")).await;
    assert_eq!(opened.status, StatusCode::CREATED);
    let case = opened.json();
    assert_eq!(
        (&case["opened_at"], &case["content"]["priority"]),
        (&json!("2026-01-02T08:30:00Z"), &json!("high"))
    );
    assert_eq!(opened.header("location"), format!("/api/v1/cases/{}", case["reference"].as_str().unwrap()));
    let future = office.post(&agent, "/api/v1/cases", call("2999-01-01T00:00:00Z")).await;
    assert_eq!(future.status, StatusCode::UNPROCESSABLE_ENTITY);

    let target = office.case(&agent, "standard").await;
    let messages = |reference: &str| {
        let path = format!("/api/v1/cases/{reference}/messages");
        let (office, agent) = (&office, &agent);
        async move { office.get(agent, &path).await.json()["items"].as_array().unwrap().clone() }
    };
    let moved = messages(case["reference"].as_str().unwrap()).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/messages/{moved}/move");
    let there = office.post(&agent, &path, json!({ "to": target })).await;
    assert_eq!(there.json()["reference"], json!(target), "{}", String::from_utf8_lossy(&there.bytes));
    assert_eq!(messages(&target).await.len(), 2);
    assert!(messages(case["reference"].as_str().unwrap()).await.is_empty());
    let apart = office.post(&agent, &path, json!({ "to": null })).await;
    assert_eq!(apart.status, StatusCode::OK);
    assert_ne!(apart.json()["reference"], json!(target));
    assert_eq!(messages(&target).await.len(), 1);
}
