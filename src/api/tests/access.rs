//! What a refusal leaves, and how access is given: grants, break-glass, second persons.

use super::*;
use crate::case::wall::Bar;
use crate::store::rows::{MessageRow, WallRow};
use crate::vault::Sealed;

fn appoint(office: &Office, guardian: &str) {
    let mut settings = Settings::clone(&office.state.api.shared.settings());
    settings.access.guardian = Some(guardian.into());
    *office.state.api.shared.settings.write().unwrap() = Arc::new(settings);
}

async fn change(office: &Office, token: &str, path: &str, body: Value) -> Answered {
    let tag = office.get(token, path).await.header(ETAG).to_owned();
    office.call(asked(Method::PATCH, token, path).insert_header((IF_MATCH, tag)).set_json(body)).await
}

/// Waits until the audit log has so many entries of an action about a case: a refusal is answered before it is entered.
async fn entered(office: &Office, action: &str, case: Option<CaseId>, times: usize) {
    let wanted = (action.to_owned(), case);
    for _ in 0..500 {
        if office.log().await.iter().filter(|entry| **entry == wanted).count() == times {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{wanted:?} is not there {times} times: {:?}", office.log().await);
}

#[actix_web::test]
async fn refusals_name_the_case_and_reads_stay_out_of_its_timeline() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let mate = office.user("mate", &[Role::Agent], &["hr"]).await;
    let other = office.user("other", &[Role::Agent], &["elsewhere"]).await;
    let secret = office.case(&agent, "confidential").await;
    let hidden = Some(office.id_of(&secret).await);
    let path = format!("/api/v1/cases/{secret}");
    assert_eq!(office.get(&other, &path).await.status, StatusCode::NOT_FOUND);
    entered(&office, "content.read.refused", hidden, 1).await;
    assert_eq!(office.get(&other, "/api/v1/cases/HR-0000-0000").await.status, StatusCode::NOT_FOUND);
    entered(&office, "content.read.refused", None, 1).await;
    let note = office.post(&other, &format!("{path}/notes"), json!({ "text": "a" })).await;
    assert_eq!(note.status, StatusCode::NOT_FOUND);
    entered(&office, "content.read.refused", hidden, 2).await;
    let refused = change(&office, &mate, &path, json!({ "priority": "high" })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    entered(&office, "case.change.refused", hidden, 1).await;
    assert_eq!(office.get(&other, "/api/v1/users").await.status, StatusCode::FORBIDDEN);
    entered(&office, "content.read.refused", None, 2).await;

    office.get(&mate, &path).await;
    entered(&office, "case.read", hidden, 0).await;
    office.get(&agent, &path).await;
    entered(&office, "case.read", hidden, 1).await;
    // One of the two is beyond the page: it is not given out, and so not read.
    office.case(&agent, "standard").await;
    office.get(&agent, "/api/v1/cases?limit=1").await;
    entered(&office, "case.read", hidden, 1).await;
    let timeline = office.get(&agent, &format!("{path}/timeline")).await.json();
    let actions: Vec<_> = timeline["items"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["case.opened"], "who looked is not for all who work the case");
}

#[actix_web::test]
async fn an_answer_kept_for_a_repeated_request_is_lost_with_the_access() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let mate = office.user("mate", &[Role::Agent], &["hr"]).await;
    let reference = office.case(&agent, "standard").await;
    let path = format!("/api/v1/cases/{reference}");
    let note = |key: &'static str| {
        asked(Method::POST, &mate, &format!("{path}/notes"))
            .insert_header(("Idempotency-Key", key))
            .set_json(json!({ "text": "seen" }))
    };
    assert_eq!(office.call(note("one")).await.status, StatusCode::CREATED);
    let raised = change(&office, &agent, &path, json!({ "sensitivity": "restricted" })).await;
    assert_eq!(raised.status, StatusCode::OK);
    assert_eq!(office.call(note("one")).await.status, StatusCode::NOT_FOUND);
    let gone = change(&office, &agent, &path, json!({ "owner": null })).await;
    assert_eq!((gone.status, gone.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(office.get(&agent, &path).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_lead_hands_on_a_restricted_case_without_reading_it() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let (lead_id, lead) = office.person("lead", &[Role::Lead], &["hr"]).await;
    let (expert_id, expert) = office.person("expert", &[Role::Investigator], &[]).await;
    let path = format!("/api/v1/cases/{}", office.case(&agent, "restricted").await);
    let stub = office.get(&lead, &path).await;
    let mut shown: Vec<_> = stub.json().as_object().unwrap().keys().cloned().collect();
    shown.sort();
    let outline =
        ["access", "next_deadline", "opened_at", "owner", "reference", "sensitivity", "status", "team"];
    assert_eq!(shown, outline);
    assert!(!stub.header(ETAG).trim_matches('"').bytes().all(|byte| byte.is_ascii_digit()), "counts nothing");
    for tail in ["/messages", "/parties", "/timeline", "/grants", "/links"] {
        assert_eq!(office.get(&lead, &format!("{path}{tail}")).await.status, StatusCode::FORBIDDEN, "{tail}");
    }
    let grants = format!("{path}/grants");
    let grant = |to: UserId| json!({ "user": to.to_string(), "level": "work", "reason": "investigates" });
    assert_eq!(office.post(&lead, &grants, grant(lead_id)).await.status, StatusCode::FORBIDDEN);
    let own = change(&office, &lead, &path, json!({ "owner": lead_id.to_string() })).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    let more = json!({ "owner": expert_id.to_string(), "status": "open" });
    assert_eq!(change(&office, &lead, &path, more).await.status, StatusCode::FORBIDDEN);

    assert_eq!(office.get(&expert, &path).await.status, StatusCode::NOT_FOUND);
    let given = office.post(&lead, &grants, grant(expert_id)).await;
    assert_eq!(given.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&given.bytes));
    assert_eq!(office.get(&expert, &path).await.json()["access"], "work");
    let end = format!("{grants}/{}", given.json()["id"].as_str().unwrap());
    assert_eq!(office.call(asked(Method::DELETE, &lead, &end)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(office.get(&expert, &path).await.status, StatusCode::NOT_FOUND);

    let named = change(&office, &lead, &path, json!({ "owner": expert_id.to_string() })).await;
    assert_eq!(named.status, StatusCode::OK, "{}", String::from_utf8_lossy(&named.bytes));
    assert_eq!(office.get(&expert, &path).await.json()["access"], "work");
    assert_eq!(office.get(&agent, &path).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn the_glass_is_broken_for_hours_with_a_reason_and_never_unseen() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let (auditor_id, auditor) = office.person("auditor", &[Role::Auditor], &[]).await;
    let other = office.user("other", &[Role::Agent], &["elsewhere"]).await;
    let reference = office.case(&agent, "restricted").await;
    let (path, id) = (format!("/api/v1/cases/{reference}"), office.id_of(&reference).await);
    let glass = format!("{path}/break-glass");
    let reason = || json!({ "reason": "the owner is ill and the deadline is today" });
    assert_eq!(office.post(&other, &glass, reason()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(office.post(&agent, &glass, reason()).await.status, StatusCode::FORBIDDEN);
    let nobody = office.post(&auditor, &glass, reason()).await;
    assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY, "no guardian could be told");

    // A guardian who breaks the glass is no guardian of it.
    appoint(&office, "auditor");
    assert_eq!(office.post(&auditor, &glass, reason()).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    office.user("guardian", &[], &[]).await;
    appoint(&office, "guardian");
    for wrong in [json!({ "reason": "too short" }), json!({ "reason": format!("{:<30}", "short") })] {
        assert_eq!(office.post(&auditor, &glass, wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    for hours in [0, 9] {
        let wrong = json!({ "reason": "the owner is ill and the deadline is today", "hours": hours });
        assert_eq!(office.post(&auditor, &glass, wrong).await.status, StatusCode::BAD_REQUEST);
    }
    let notices = |rows: &[MessageRow]| rows.iter().filter(|row| row.kind.as_str() == "notice").count();
    let messages = |office: &Office| {
        let store = office.state.api.store.clone();
        async move {
            let rows: Result<Vec<MessageRow>, crate::store::StoreError> =
                store.read(move |tx| tx.messages_of(id, None, 100)).await;
            rows.unwrap()
        }
    };
    assert_eq!(notices(&messages(&office).await), 0, "what was refused told nobody");
    let broken = office.post(&auditor, &glass, reason()).await;
    assert_eq!(broken.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&broken.bytes));
    assert_eq!(broken.json()["access"], "read");
    assert_eq!(notices(&messages(&office).await), 2, "owner and guardian are told at once");
    assert!(office.log().await.contains(&("glass.broken".into(), Some(id))));
    let grants = office.get(&agent, &format!("{path}/grants")).await.json();
    assert_eq!(grants["items"][0]["kind"], "break-glass");
    let parse = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let span = parse(&grants["items"][0]["expires_at"]).duration_since(parse(&grants["items"][0]["at"]));
    assert_eq!(span.as_secs(), 8 * 3600);

    // Never through a wall.
    let sealed = || Sealed::from_stored(vec![0]);
    let wall = WallRow {
        case_id: id,
        user_id: auditor_id,
        at: Moment::now(),
        key: sealed(),
        reason: sealed(),
        bar: Bar::Walled,
    };
    let mut writer = office.state.api.store.writer().unwrap();
    writer.tx().begin_write().unwrap();
    writer.tx().put_wall(&wall).unwrap();
    writer.tx().commit().unwrap();
    assert_eq!(office.get(&auditor, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(office.post(&auditor, &glass, reason()).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn rights_that_widen_sight_take_a_second_person() {
    let office = Office::open(600);
    let (first_id, first) = office.person("first", &[Role::Admin], &[]).await;
    let second = office.user("second", &[Role::Admin], &[]).await;
    let new = json!({ "login": "new", "name": "New", "roles": ["agent"], "teams": ["hr"] });
    let added = office.post(&first, "/api/v1/users", new).await;
    assert_eq!((added.status, &added.json()["roles"]), (StatusCode::CREATED, &json!([])));
    let path = format!("/api/v1/users/{}", added.json()["id"].as_str().unwrap());
    let waiting = office.get(&first, "/api/v1/approvals").await.json();
    let decision = format!("/api/v1/approvals/{}/decision", waiting["items"][0]["id"].as_str().unwrap());
    let yes = || json!({ "approve": true });
    assert_eq!(office.post(&first, &decision, yes()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(office.get(&first, &path).await.json()["roles"], json!([]));
    assert_eq!(office.post(&second, &decision, yes()).await.status, StatusCode::OK);
    assert_eq!(office.get(&first, &path).await.json()["roles"], json!(["agent"]));
    assert_eq!(office.post(&second, &decision, yes()).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    // Nor does anybody approve what they gain by.
    let own = format!("/api/v1/users/{first_id}");
    let asked_for = change(&office, &second, &own, json!({ "roles": ["admin", "lead"] })).await;
    assert_eq!(asked_for.status, StatusCode::ACCEPTED);
    let decision = format!("/api/v1/approvals/{}/decision", asked_for.json()["id"].as_str().unwrap());
    assert_eq!(office.post(&first, &decision, yes()).await.status, StatusCode::FORBIDDEN);
    let no = json!({ "approve": false });
    assert_eq!(office.post(&first, &decision, no).await.json()["state"], "refused");

    // Taking away needs nobody; versions are minded.
    let narrowed = change(&office, &first, &path, json!({ "roles": [] })).await;
    assert_eq!((narrowed.status, &narrowed.json()["roles"]), (StatusCode::OK, &json!([])));
    let unversioned = office.call(asked(Method::PATCH, &first, &path).set_json(json!({}))).await;
    assert_eq!(unversioned.status, StatusCode::PRECONDITION_REQUIRED);
    let stale = asked(Method::PATCH, &first, &path).insert_header((IF_MATCH, "\"1\"")).set_json(json!({}));
    assert_eq!(office.call(stale).await.status, StatusCode::PRECONDITION_FAILED);
    let oneself = office.call(asked(Method::POST, &first, &format!("{own}/disable"))).await;
    assert_eq!(oneself.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn without_four_eyes_the_guardian_is_told() {
    let office = Office::with(settings::Api::default(), |settings| settings.access.four_eyes = false);
    let admin = office.user("admin", &[Role::Admin], &[]).await;
    office.user("guardian", &[], &[]).await;
    appoint(&office, "guardian");
    let waiting = || async {
        let admin = &admin;
        office.get(admin, "/api/v1/outbox?state=waiting").await.json()["items"].as_array().unwrap().len()
    };
    let before = waiting().await;
    let new = json!({ "login": "new", "name": "New", "roles": ["agent"] });
    let added = office.post(&admin, "/api/v1/users", new).await;
    assert_eq!(added.json()["roles"], json!(["agent"]));
    assert_eq!(waiting().await, before + 1);
}
