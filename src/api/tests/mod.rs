//! The interface over a register of its own: what it answers, to whom, and in which form.

mod access;
mod answers;

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::http::header::{AUTHORIZATION, ETAG, IF_MATCH, LINK};
use actix_web::http::{Method, StatusCode};
use actix_web::test::TestRequest;
use actix_web::{test, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::case::actor::Role;
use crate::case::{Actor, CaseId, Moment, Roles, UserId};
use crate::desk::context::{DIRECTORY, new_scope};
use crate::desk::runner::Threads;
use crate::desk::users::{AddToken, AddUser, Profile};
use crate::intake::classify::{Classifier, Input, Verdict};
use crate::letters::Letters;
use crate::settings::{MailboxSettings, Settings};
use crate::store::rows::EntryRow;
use crate::vault::{MasterKey, Purposes, Vault};

/// Nothing here is classified.
struct Nobody;
impl Classifier for Nobody {
    fn classify(&self, _: &Input<'_>) -> Verdict {
        unreachable!("the interface takes no mail in")
    }
}

struct Office {
    state: web::Data<State>,
    _threads: Threads,
    _dir: tempfile::TempDir,
}

struct Answered {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    bytes: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
    fn header(&self, name: impl actix_web::http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Office {
    fn open(per_minute: u32) -> Self {
        Self::with(settings::Api { per_minute, ..settings::Api::default() }, |_| {})
    }

    fn with(limits: settings::Api, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("register.db").display());
        let store = Store::open(&url, None, None, 2).unwrap();
        let master = MasterKey::create(&dir.path().join("master.key")).unwrap();
        let vault = Vault::new(master, Purposes::generate().unwrap());
        let mut writer = store.writer().unwrap();
        new_scope(writer.tx(), (vault.master(), 1), DIRECTORY, "directory", Moment::now()).unwrap();
        drop(writer);
        let mut settings = Settings::default();
        let mailbox =
            "name = 'hr'\naddress = 'hr@company.example'\nsource = { kind = 'maildir', path = '/nowhere' }";
        settings.mailboxes.push(toml::from_str::<MailboxSettings>(mailbox).unwrap());
        change(&mut settings);
        let shared = Arc::new(Shared {
            vault,
            letters: Letters::load(None).unwrap(),
            calendars: crate::calendar::Calendars::load(None).unwrap(),
            roster: crate::desk::people::OpenedRoster::default(),
            settings: std::sync::RwLock::new(Arc::new(settings)),
            clock: Box::new(Moment::now),
            committed: tokio::sync::Notify::new(),
            meter: Default::default(),
        });
        let (desk, threads) = Desk::start(&store, &shared).unwrap();
        let preparation =
            Arc::new(Preparation { limits: crate::mail::Limits::default(), classifier: Box::new(Nobody) });
        let health = Arc::new(Health::default);
        let api = Api { store, desk, shared, preparation, health };
        Self {
            state: web::Data::new(State::new(api, &limits, Some(&"scrape-me".into()))),
            _threads: threads,
            _dir: dir,
        }
    }

    /// A token of a new user.
    async fn user(&self, login: &str, roles: &[Role], teams: &[&str]) -> String {
        self.person(login, roles, teams).await.1
    }

    /// A new user, and a token of theirs.
    async fn person(&self, login: &str, roles: &[Role], teams: &[&str]) -> (UserId, String) {
        let desk = &self.state.api.desk;
        let user = AddUser {
            actor: Actor::System,
            profile: Profile {
                login: login.into(),
                name: login.into(),
                email: Some(format!("{login}@company.example")),
            },
            roles: roles.iter().copied().collect::<Roles>(),
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
            entities: Vec::new(),
        };
        let user = desk.run(user).await.unwrap().id;
        let token = AddToken { actor: Actor::System, user, label: "test".into(), expires_at: None };
        (user, desk.run(token).await.unwrap().secret)
    }

    /// What the audit log says, newest first: action and case.
    async fn log(&self) -> Vec<(String, Option<CaseId>)> {
        let entries = self.state.api.store.read(|tx| tx.entries(None, 1_000)).await.unwrap();
        entries.into_iter().map(|row: EntryRow| (row.action, row.case_id)).collect()
    }

    async fn id_of(&self, reference: &str) -> CaseId {
        let reference = reference.parse().unwrap();
        let case = self.state.api.store.read(move |tx| tx.case_by_reference(reference)).await;
        let case: Result<_, crate::store::StoreError> = case;
        case.unwrap().unwrap().id
    }

    async fn call(&self, request: TestRequest) -> Answered {
        let service = test::init_service(app(self.state.clone())).await;
        match test::try_call_service(&service, request.to_request()).await {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                Answered { status, headers, bytes: test::read_body(response).await.to_vec() }
            }
            Err(error) => {
                let response = error.error_response();
                let (status, headers) = (response.status(), response.headers().clone());
                let bytes = response.into_body().try_into_bytes().unwrap().to_vec();
                Answered { status, headers, bytes }
            }
        }
    }

    async fn get(&self, token: &str, path: &str) -> Answered {
        self.call(asked(Method::GET, token, path)).await
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Answered {
        self.call(asked(Method::POST, token, path).set_json(body)).await
    }

    /// A case opened by hand, and its reference.
    async fn case(&self, token: &str, sensitivity: &str) -> String {
        let body = json!({ "channel": "phone", "received_at": "2026-01-05T08:00:00Z", "subject": "Payslip",
            "text": "The payslip of December is missing.", "category": "payroll", "sensitivity": sensitivity,
            "name": "Pat Example", "email": "pat@employee.example" });
        let opened = self.post(token, "/api/v1/cases", body).await;
        assert_eq!(opened.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&opened.bytes));
        opened.json()["reference"].as_str().unwrap().to_owned()
    }
}

fn asked(method: Method, token: &str, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(method).insert_header((AUTHORIZATION, format!("Bearer {token}")))
}

#[actix_web::test]
async fn reading_guarded_content_and_being_refused_stand_in_the_audit_log() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let other = office.user("other", &[Role::Investigator], &[]).await;
    let (plain, guarded) = (office.case(&agent, "standard").await, office.case(&agent, "restricted").await);
    let told = async |action: &'static str| {
        let read = office.state.api.store.read(move |tx| {
            let rows = tx.pending_entries(1_000)?.into_iter().filter(|row| row.action == action);
            let cases =
                rows.map(|row| Ok(tx.case(row.case_id.unwrap())?.map(|case| case.reference.to_string())));
            cases.collect::<Result<Vec<_>, crate::desk::DeskError>>()
        });
        read.await.unwrap()
    };
    for path in ["", "/messages", "/parties", "/timeline"] {
        assert_eq!(office.get(&agent, &format!("/api/v1/cases/{plain}{path}")).await.status, StatusCode::OK);
    }
    assert!(told("case.read").await.is_empty());
    for path in ["", "/messages", "/parties"] {
        assert_eq!(
            office.get(&agent, &format!("/api/v1/cases/{guarded}{path}")).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(told("case.read").await, vec![Some(guarded.clone()); 3]);
    assert_eq!(office.get(&other, &format!("/api/v1/cases/{guarded}")).await.status, StatusCode::NOT_FOUND);
    // Entered after the answer, so that it takes no longer than for a case that does not exist.
    while told("content.read.refused").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(told("content.read.refused").await, [Some(guarded)]);
}

#[actix_web::test]
async fn nothing_without_a_token() {
    let office = Office::open(600);
    for path in ["/api/v1/cases", "/api/v1/nowhere", "/api/v1/users"] {
        let answered = office.call(TestRequest::with_uri(path)).await;
        assert_eq!(answered.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answered.header("www-authenticate"), "Bearer");
        assert_eq!(office.get("cw_guessed", path).await.status, StatusCode::UNAUTHORIZED);
    }
    for path in ["/healthz", "/readyz", "/api/docs", "/api/openapi.json"] {
        assert_eq!(office.call(TestRequest::with_uri(path)).await.status, StatusCode::OK, "{path}");
    }
}

#[actix_web::test]
async fn figures_are_for_this_machine_the_scraper_and_those_who_watch() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let auditor = office.user("auditor", &[Role::Auditor], &[]).await;
    let here: std::net::SocketAddr = "127.0.0.1:4711".parse().unwrap();
    let elsewhere: std::net::SocketAddr = "192.0.2.7:4711".parse().unwrap();
    let from = |peer| TestRequest::with_uri("/metrics").peer_addr(peer);
    let bearer = |token: &str| (AUTHORIZATION, format!("Bearer {token}"));
    for (request, status) in [
        (from(here), StatusCode::OK),
        (from(here).insert_header(("X-Forwarded-For", "192.0.2.7")), StatusCode::UNAUTHORIZED),
        (from(here).insert_header(("Forwarded", "for=192.0.2.7")), StatusCode::UNAUTHORIZED),
        (TestRequest::with_uri("/metrics"), StatusCode::UNAUTHORIZED),
        (from(elsewhere), StatusCode::UNAUTHORIZED),
        (from(elsewhere).insert_header(bearer("cw_guessed")), StatusCode::UNAUTHORIZED),
        (from(elsewhere).insert_header(bearer(&agent)), StatusCode::FORBIDDEN),
        (from(elsewhere).insert_header(bearer(&auditor)), StatusCode::OK),
        (from(elsewhere).insert_header(bearer("scrape-me")), StatusCode::OK),
    ] {
        let answered = office.call(request).await;
        assert_eq!(answered.status, status, "{}", String::from_utf8_lossy(&answered.bytes));
        assert_eq!(answered.bytes.starts_with(b"# HELP"), status == StatusCode::OK);
    }
    let scraper = asked(Method::GET, "scrape-me", "/api/v1/cases");
    assert_eq!(office.call(scraper).await.status, StatusCode::UNAUTHORIZED, "good for figures alone");
}

#[actix_web::test]
async fn what_may_not_be_seen_is_missing() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let other = office.user("other", &[Role::Agent], &["elsewhere"]).await;
    let mate = office.user("mate", &[Role::Agent], &["hr"]).await;
    let hidden = office.case(&agent, "confidential").await;
    let missing = crate::case::Reference::from_random(7).to_string();
    for tail in ["", "/messages", "/timeline", "/links", "/parties"] {
        let see = |reference: &str| format!("/api/v1/cases/{reference}{tail}");
        let (one, two) = (office.get(&other, &see(&hidden)).await, office.get(&other, &see(&missing)).await);
        assert_eq!((one.status, &one.bytes), (StatusCode::NOT_FOUND, &two.bytes), "{tail}");
        let malformed = office.get(&other, &see("HR-1")).await;
        assert_eq!((malformed.status, &malformed.bytes), (StatusCode::NOT_FOUND, &two.bytes), "{tail}");
        assert_eq!(office.get(&agent, &see(&hidden)).await.status, StatusCode::OK, "{tail}");
        let stub = office.get(&mate, &see(&hidden)).await;
        let expected = if tail.is_empty() { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(stub.status, expected, "{tail}");
    }
    let stub = office.get(&mate, &format!("/api/v1/cases/{hidden}")).await.json();
    assert_eq!((stub["access"].as_str(), stub.get("content")), (Some("stub"), None));
    // A stub must not be found by what it does not show.
    let listed = office.get(&mate, "/api/v1/cases?category=payroll").await.json();
    assert_eq!(listed, json!({ "items": [] }));
    let listed = office.get(&mate, "/api/v1/cases").await.json();
    assert_eq!(listed["items"][0]["access"], "stub");
}

#[actix_web::test]
async fn lists_are_paged_by_the_link() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.insert(0, office.case(&agent, "standard").await);
    }
    let mut path = "/api/v1/cases?limit=2&status=open".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = office.get(&agent, &path).await;
        let items = page.json()["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|case| case["reference"].as_str().unwrap().to_owned()));
        let Some(link) = page.header(LINK).strip_suffix(">; rel=\"next\"") else { break };
        link.strip_prefix('<').unwrap().clone_into(&mut path);
        assert!(path.contains("limit=2") && path.contains("status=open"), "{path}");
    }
    assert_eq!(seen, opened);
    for wrong in ["limit=0", "limit=201", "limit=x", "cursor=x", "stauts=open", "status=gone"] {
        let answered = office.get(&agent, &format!("/api/v1/cases?{wrong}")).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[actix_web::test]
async fn changes_name_their_version() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let path = format!("/api/v1/cases/{}", office.case(&agent, "standard").await);
    let change = |version: Option<&str>| {
        let request = asked(Method::PATCH, &agent, &path).set_json(json!({ "priority": "high" }));
        version.into_iter().fold(request, |request, tag| request.insert_header((IF_MATCH, tag)))
    };
    assert_eq!(office.call(change(None)).await.status, StatusCode::PRECONDITION_REQUIRED);
    for wrong in ["\"999\"", "*", "W/\"2\""] {
        assert_eq!(office.call(change(Some(wrong))).await.status, StatusCode::PRECONDITION_FAILED, "{wrong}");
    }
    let tag = office.get(&agent, &path).await.header(ETAG).to_owned();
    let changed = office.call(change(Some(&tag))).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["content"]["priority"], "high");
    assert_ne!(changed.header(ETAG), tag);
    assert_eq!(office.call(change(Some(&tag))).await.status, StatusCode::PRECONDITION_FAILED);
}

#[actix_web::test]
async fn an_answer_is_laid_into_the_outbox_once() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let path = format!("/api/v1/cases/{}/messages", office.case(&agent, "standard").await);
    let send = |text: &str| {
        asked(Method::POST, &agent, &path).insert_header(("Idempotency-Key", "one")).set_json(json!({
            "text": text,
            "attachments": [{ "name": "Übersicht \"1\".html", "media_type": "text/html", "content": STANDARD.encode("<b>1</b>") }],
        }))
    };
    let (first, again) = (office.call(send("Here it is.")).await, office.call(send("Here it is.")).await);
    assert_eq!(first.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&first.bytes));
    assert_eq!((first.status, &first.bytes), (again.status, &again.bytes));
    assert_eq!(office.call(send("Other words.")).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let waiting = office.get(&agent, "/api/v1/outbox?state=waiting").await.json();
    assert_eq!(waiting["items"].as_array().unwrap().len(), 1);

    let message = first.json();
    let id = message["id"].as_str().unwrap();
    let part = message["view"]["attachments"][0]["part"].as_str().unwrap();
    let file = office.get(&agent, &format!("/api/v1/messages/{id}/attachments/{part}")).await;
    assert_eq!((file.status, file.bytes.as_slice()), (StatusCode::OK, b"<b>1</b>".as_slice()));
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("cache-control"), "no-store");
    assert!(file.header("content-disposition").starts_with("attachment; filename*=UTF-8''%C3%9Cbersicht"));
    let raw = office.get(&agent, &format!("/api/v1/messages/{id}/raw")).await;
    assert_eq!(raw.header("content-type"), "message/rfc822");
    assert_eq!(raw.bytes.len() as i64, message["raw_bytes"].as_i64().unwrap());
    let missing = office.get(&agent, &format!("/api/v1/messages/{id}/attachments/99")).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn errors_are_problems() {
    let office = Office::open(600);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let reference = office.case(&agent, "standard").await;
    let notes = format!("/api/v1/cases/{reference}/notes");
    let with = |method, path: &str| asked(method, &agent, path);
    let requests = [
        ("unknown_route", with(Method::GET, "/api/v1/nowhere")),
        ("method", with(Method::DELETE, "/api/v1/cases")),
        ("role", with(Method::GET, "/api/v1/register")),
        (
            "not_json",
            with(Method::POST, &notes).insert_header(("content-type", "application/json")).set_payload("{"),
        ),
        ("shape", with(Method::POST, &notes).set_json(json!({ "text": "a", "more": 1 }))),
        ("media_type", with(Method::POST, &notes).set_payload("text=a")),
        ("empty", with(Method::POST, &notes).set_json(json!({ "text": " " }))),
        ("token", asked(Method::GET, "wrong", "/api/v1/cases")),
    ];
    let mut all = serde_json::Map::new();
    for (name, request) in requests {
        let answered = office.call(request).await;
        assert_eq!(answered.header("content-type"), "application/problem+json", "{name}");
        assert_eq!(answered.header("x-content-type-options"), "nosniff", "{name}");
        assert_eq!(answered.status.as_u16(), answered.json()["status"], "{name}");
        all.insert(name.into(), answered.json());
    }
    insta::assert_json_snapshot!("problems", all);
}

#[actix_web::test]
async fn too_many_requests_wait() {
    let office = Office::open(2);
    let agent = office.user("agent", &[Role::Agent], &["hr"]).await;
    let other = office.user("other", &[Role::Agent], &["hr"]).await;
    for _ in 0..2 {
        assert_eq!(office.get(&agent, "/api/v1/cases").await.status, StatusCode::OK);
    }
    let answered = office.get(&agent, "/api/v1/cases").await;
    assert_eq!(answered.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answered.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(office.get(&other, "/api/v1/cases").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn the_document_has_every_route() {
    let office = Office::open(600);
    let admin = office.user("admin", &[Role::Admin], &[]).await;
    let document = serde_json::to_value(openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for reference in document.to_string().split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        let concrete = ["reference", "id", "token", "party", "grant", "part"]
            .iter()
            .fold(path.clone(), |path, name| path.replace(&format!("{{{name}}}"), "1"));
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answered = office.call(asked(method.clone(), &admin, &concrete)).await;
            assert_ne!(answered.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let described = &operations[method.as_str().to_lowercase()]["responses"];
            assert!(described.get(answered.status.as_str()).is_some(), "{method} {path} {}", answered.status);
        }
    }
}

#[actix_web::test]
async fn it_serves_on_a_socket() {
    // The client wants one even to speak plainly; another test may have been first.
    rustls::crypto::ring::default_provider().install_default().ok();
    let office = Office::open(600);
    let parts = &office.state.api;
    let api = Api {
        store: parts.store.clone(),
        desk: parts.desk.clone(),
        shared: Arc::clone(&parts.shared),
        preparation: Arc::clone(&parts.preparation),
        health: Arc::clone(&parts.health),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = serve(api, listener, &settings::Api { max_body: 10, ..settings::Api::default() }).unwrap();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let metrics = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(metrics.status().as_u16(), 200);
    assert!(metrics.text().await.unwrap().contains("caseward_outbox_messages{state=\"waiting\"} 0\n"));
    let lead = office.user("lead", &[Role::Lead], &["hr"]).await;
    let large = reqwest::Client::new()
        .post(format!("http://{address}/api/v1/cases"))
        .bearer_auth(lead)
        .header("content-type", "application/json")
        .body("{ \"subject\": 1 }")
        .send();
    assert_eq!(large.await.unwrap().status().as_u16(), 413);
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}
