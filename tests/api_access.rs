//! Every route of the document, asked by everybody there is at every sensitivity and relation to a case, answers as
//! `case::access` says. A route without an entry here fails the test.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use caseward::case::access::{
    Access, Sight, Standing, access, administers, assigns, breaks_glass, decides_walls, gives_grant,
    opens_cases, outgoing, sees_approvals, unfiled,
};
use caseward::case::actor::Role;
use caseward::case::wall::Bar;
use caseward::case::{
    Actor, CaseId, Category, Channel, MessageId, Moment, OutboxId, Priority, Sensitivity, User, UserId,
};
use caseward::desk::answer::{Answer, OpenByHand};
use caseward::desk::change::{Base, Change, Changes};
use caseward::desk::context::standing;
use caseward::desk::grants::{EndGrant, Grant};
use caseward::desk::users::user_of;
use caseward::mail::compose::OutgoingAttachment;
use caseward::store::rows::{CaseRow, Held, WallRow};
use caseward::vault::Sealed;
use serde_json::{Value, json};
use support::app::Database;
use support::interface::{ENTITY, Office, Somebody, TEAM};

/// What an operation takes, in the words of the access functions.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// Nothing but to be known, or not even that.
    Nothing,
    /// This much access to the case; what is less is refused, none is missing.
    Case(Access),
    /// To give somebody else a grant.
    Granting,
    Glass,
    /// To know who is kept from a case.
    SeesWalls,
    /// To decide who is kept from a case.
    DecidesWalls,
    /// To know of mail in no case.
    Unfiled(Sight),
    OpensCases,
    Administers,
    /// What one may always do to oneself, and an admin to others.
    AdministersOthers,
    /// To work the case of the mail, or to run the mail.
    Outgoing,
    Approvals,
}

struct Operation {
    name: &'static str,
    takes: Takes,
    body: Option<fn(&Asked) -> Value>,
    /// Answers to whoever may.
    done: &'static [u16],
}

/// What paths and bodies are filled with.
struct Asked {
    case: CaseRow,
    message: MessageId,
    part: String,
    party: String,
    grant: String,
    outbox: OutboxId,
    other: UserId,
    approval: String,
}

impl Operation {
    fn is_about_a_case(&self) -> bool {
        matches!(
            self.takes,
            Takes::Case(_)
                | Takes::Granting
                | Takes::Glass
                | Takes::SeesWalls
                | Takes::DecidesWalls
                | Takes::Outgoing
        )
    }
}

const fn operation(name: &'static str, takes: Takes, done: &'static [u16]) -> Operation {
    Operation { name, takes, body: None, done }
}

const fn with(
    name: &'static str,
    takes: Takes,
    body: fn(&Asked) -> Value,
    done: &'static [u16],
) -> Operation {
    Operation { name, takes, body: Some(body), done }
}

const OPERATIONS: &[Operation] = &[
    operation("GET /healthz", Takes::Nothing, &[200]),
    operation("GET /readyz", Takes::Nothing, &[200]),
    operation("GET /metrics", Takes::Nothing, &[200]),
    operation("GET /api/v1/cases", Takes::Nothing, &[200]),
    operation("GET /api/v1/search", Takes::Nothing, &[200]),
    with("POST /api/v1/cases", Takes::OpensCases, |_| new_case(), &[201]),
    operation("GET /api/v1/cases/{reference}", Takes::Case(Access::Stub), &[200]),
    with(
        "PATCH /api/v1/cases/{reference}",
        Takes::Case(Access::Work),
        |_| json!({ "priority": "high" }),
        &[200],
    ),
    operation("GET /api/v1/cases/{reference}/timeline", Takes::Case(Access::Read), &[200]),
    operation("GET /api/v1/cases/{reference}/links", Takes::Case(Access::Read), &[200]),
    operation("GET /api/v1/cases/{reference}/messages", Takes::Case(Access::Read), &[200]),
    with(
        "POST /api/v1/cases/{reference}/messages",
        Takes::Case(Access::Work),
        |_| json!({ "text": "Dear Pat" }),
        &[201],
    ),
    with(
        "POST /api/v1/cases/{reference}/notes",
        Takes::Case(Access::Work),
        |_| json!({ "text": "Seen." }),
        &[201],
    ),
    operation("GET /api/v1/cases/{reference}/parties", Takes::Case(Access::Read), &[200]),
    with(
        "POST /api/v1/cases/{reference}/parties",
        Takes::Case(Access::Work),
        |_| json!({ "part": "witness", "name": "Wim" }),
        &[201],
    ),
    with(
        "POST /api/v1/cases/{reference}/parties/{party}/addresses",
        Takes::Case(Access::Work),
        |_| json!({ "email": "other@home.example" }),
        &[201],
    ),
    operation("GET /api/v1/cases/{reference}/grants", Takes::Case(Access::Read), &[200]),
    with(
        "POST /api/v1/cases/{reference}/grants",
        Takes::Granting,
        |asked| json!({ "user": asked.other.to_string(), "level": "read", "reason": "to help" }),
        &[201],
    ),
    operation("DELETE /api/v1/cases/{reference}/grants/{grant}", Takes::Granting, &[204]),
    operation("GET /api/v1/cases/{reference}/walls", Takes::SeesWalls, &[200]),
    with(
        "POST /api/v1/cases/{reference}/walls",
        Takes::DecidesWalls,
        |asked| json!({ "user": asked.other.to_string(), "reason": "they are related" }),
        &[204],
    ),
    with("POST /api/v1/cases/{reference}/walls/{user}/lift", Takes::DecidesWalls, |_| reason(), &[204]),
    operation("GET /api/v1/messages/{id}", Takes::Case(Access::Read), &[200]),
    operation("GET /api/v1/messages/{id}/raw", Takes::Case(Access::Read), &[200]),
    operation("GET /api/v1/messages/{id}/attachments/{part}", Takes::Case(Access::Read), &[200]),
    operation("GET /api/v1/register", Takes::Unfiled(Sight::Metadata), &[200]),
    operation("GET /api/v1/quarantine", Takes::Unfiled(Sight::Metadata), &[200]),
    operation("GET /api/v1/quarantine/{id}", Takes::Unfiled(Sight::Content), &[200]),
    with("POST /api/v1/quarantine/{id}/release", Takes::Unfiled(Sight::Content), |_| reason(), &[201, 204]),
    with("POST /api/v1/quarantine/{id}/discard", Takes::Unfiled(Sight::Content), |_| reason(), &[204]),
    operation("GET /api/v1/outbox", Takes::Nothing, &[200]),
    // It was not given up.
    operation("POST /api/v1/outbox/{id}/retry", Takes::Outgoing, &[422]),
    operation("GET /api/v1/users", Takes::Administers, &[200]),
    with(
        "POST /api/v1/users",
        Takes::Administers,
        |_| json!({ "login": uuid::Uuid::now_v7().to_string(), "name": "New", "roles": ["agent"] }),
        &[201],
    ),
    operation("GET /api/v1/users/{id}", Takes::AdministersOthers, &[200]),
    with("PATCH /api/v1/users/{id}", Takes::Administers, |_| json!({ "roles": [] }), &[200, 412]),
    operation("POST /api/v1/users/{id}/disable", Takes::Administers, &[204]),
    with(
        "POST /api/v1/users/{id}/tokens",
        Takes::AdministersOthers,
        |_| json!({ "label": "x" }),
        &[201, 404],
    ),
    // There is no such token.
    operation("DELETE /api/v1/users/{id}/tokens/{token}", Takes::AdministersOthers, &[404]),
    operation("GET /api/v1/approvals", Takes::Approvals, &[200]),
    // There is no such change.
    with("POST /api/v1/approvals/{id}/decision", Takes::Approvals, |_| json!({ "approve": true }), &[404]),
    // These change what the asked sees, so they come last.
    with(
        "POST /api/v1/messages/{id}/move",
        Takes::Case(Access::Work),
        |_| json!({ "to": null }),
        &[200, 204],
    ),
    with(
        "POST /api/v1/cases/{reference}/break-glass",
        Takes::Glass,
        |_| json!({ "reason": "the owner is ill and the deadline is today" }),
        // Who reads it as it is needs none.
        &[201, 422],
    ),
    with("POST /api/v1/cases/{reference}/recuse", Takes::Case(Access::Stub), |_| reason(), &[204]),
];

fn new_case() -> Value {
    json!({ "channel": "phone", "received_at": "2026-01-05T08:00:00Z", "subject": "A", "text": "B",
        "category": "general", "sensitivity": "standard", "name": "Pat" })
}

fn reason() -> Value {
    json!({ "reason": "looked at" })
}

/// Everybody there is: login, roles, teams, legal entities. The settings name guardian and outside contact.
type Kind = (&'static str, &'static [Role], &'static [&'static str], &'static [&'static str]);

const PEOPLE: &[Kind] = &[
    ("member", &[Role::Agent], &[TEAM], &[]),
    ("lead", &[Role::Lead], &[TEAM], &[]),
    ("colleague", &[Role::Agent], &["elsewhere"], &[ENTITY]),
    ("stranger", &[Role::Agent], &["elsewhere"], &["south"]),
    ("other-lead", &[Role::Lead, Role::Agent], &["elsewhere"], &["south"]),
    ("auditor", &[Role::Auditor], &[], &[]),
    ("investigator", &[Role::Investigator], &[TEAM], &[ENTITY]),
    ("admin", &[Role::Admin], &[TEAM], &[ENTITY]),
    ("guardian", &[], &[TEAM], &[ENTITY]),
    ("outside", &[], &[TEAM], &[ENTITY]),
    ("everything", Role::ALL, &[TEAM], &[ENTITY]),
];

/// What ties somebody to a case beside their roles.
#[derive(Clone, Copy, Debug)]
enum Tie {
    None,
    Owner,
    Granted(Access),
    Ended,
    WalledOwner,
}

const TIES: &[Tie] = &[
    Tie::None,
    Tie::Owner,
    Tie::Granted(Access::Stub),
    Tie::Granted(Access::Read),
    Tie::Granted(Access::Work),
    Tie::Granted(Access::Manage),
    Tie::Ended,
    Tie::WalledOwner,
];

struct World {
    office: Office,
    maker: User,
    maker_token: Somebody,
    guardian: UserId,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_as_the_function_says() {
    let names: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    let document = serde_json::to_value(caseward::api::openapi()).expect("a document");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let name = format!("{} {path}", method.to_uppercase());
            assert!(names.contains(name.as_str()), "{name} has no entry in this table");
        }
    }
    let office = Office::open(Database::Sqlite, 0, |_, dir| unfiled_mails(dir)).await;
    let maker_token = office.user("maker", &[Role::Lead], &[TEAM], &[]).await;
    let keeper = office.user("keeper", &[], &[], &[]).await;
    let maker = User {
        id: maker_token.id,
        roles: [Role::Lead].into_iter().collect(),
        teams: vec![TEAM.into()],
        entities: Vec::new(),
        office: None,
    };
    let world = World { office, maker, maker_token, guardian: keeper.id };
    while world.held(MAILS).await.len() < MAILS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut questions = 0;
    let mut people = Vec::new();
    for (name, roles, teams, entities) in PEOPLE {
        people.push(world.office.user(name, roles, teams, entities).await);
    }
    for somebody in people {
        let user = world.user(somebody.id).await;
        let (of_cases, others): (Vec<_>, Vec<_>) = OPERATIONS.iter().partition(|one| one.is_about_a_case());
        for operation in others {
            let mut asked = world.case(&user, Sensitivity::Standard, Tie::None).await;
            world.prove(operation, &somebody, &user, &mut asked, Tie::None).await;
            questions += 1;
        }
        for sensitivity in Sensitivity::ALL {
            for tie in TIES {
                let mut asked = world.case(&user, *sensitivity, *tie).await;
                for operation in &of_cases {
                    world.prove(operation, &somebody, &user, &mut asked, *tie).await;
                    questions += 1;
                }
            }
        }
    }
    println!("{questions} questions were asked");
    world.office.close().await;
}

const MAILS: usize = 20;

/// Mail that opens no case by itself, enough to be released and discarded by many.
fn unfiled_mails(dir: &std::path::Path) {
    let new = dir.join("mailbox/new");
    std::fs::create_dir_all(&new).expect("a directory");
    for number in 0..MAILS {
        let mail = format!(
            "Message-ID: <news-{number}@letters.example>\r\nFrom: News <news@letters.example>\r\n\
             To: hr@meridian.example\r\nList-Id: <news.letters.example>\r\nPrecedence: list\r\n\
             Subject: News {number}\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nNews.\r\n"
        );
        std::fs::write(new.join(format!("2.{number:03}.test")), mail).expect("delivered");
    }
}

impl World {
    async fn user(&self, id: UserId) -> User {
        let register = &self.office.daemon.register;
        let read = register.store.read(move |tx| tx.user(id));
        user_of(&read.await.expect("the register answers").expect("a user"), &register.shared)
    }

    /// A fresh case with this tie, and everything that paths name.
    async fn case(&self, user: &User, sensitivity: Sensitivity, tie: Tie) -> Asked {
        let desk = &self.office.daemon.register.desk;
        let actor = Actor::User(self.maker.clone());
        let open = OpenByHand {
            actor: actor.clone(),
            channel: Channel::Phone,
            received_at: Moment::from_micros(1_767_600_000_000_000),
            subject: "Payslip".into(),
            text: "It is missing.".into(),
            category: Category::general(),
            sensitivity: Sensitivity::Standard,
            priority: Priority::Normal,
            name: "Pat".into(),
            email: Some("pat@employee.example".into()),
            language: None,
        };
        let case = desk.run(open).await.expect("a case");
        let answer = Answer {
            actor: Actor::System,
            case: case.id,
            version: None,
            party: None,
            text: "Dear Pat".into(),
            attachments: vec![OutgoingAttachment {
                name: "a.txt".into(),
                media_type: "text/plain".into(),
                bytes: b"abc".to_vec(),
            }],
        };
        let (case, message) = desk.run(answer).await.expect("an answer");
        let shown =
            self.office.call(&self.maker_token, "GET", &format!("/api/v1/messages/{message}"), None).await;
        let part = shown.body["view"]["attachments"][0]["part"].as_str().expect("an attachment").to_owned();
        let grant = |to, level| Grant {
            actor: actor.clone(),
            case: case.id,
            to,
            level,
            reason: "for the test".into(),
            expires_at: None,
        };
        let given = desk.run(grant(self.guardian, Access::Stub)).await.expect("a grant");
        match tie {
            Tie::Granted(level) => drop(desk.run(grant(user.id, level)).await.expect("a grant")),
            Tie::Ended => {
                let given = desk.run(grant(user.id, Access::Manage)).await.expect("a grant");
                let end = EndGrant { actor: actor.clone(), case: case.id, grant: given.id };
                desk.run(end).await.expect("ended");
            }
            Tie::WalledOwner => {}
            Tie::None | Tie::Owner => {}
        }
        let owner = matches!(tie, Tie::Owner | Tie::WalledOwner).then_some(user.id);
        let now = self.row(case.id).await;
        let changes = Changes { owner: Some(owner), sensitivity: Some(sensitivity), ..Changes::default() };
        let change =
            Change { actor: Actor::System, case: case.id, base: Base::Version(now.version), changes };
        desk.run(change).await.expect("changed");
        if matches!(tie, Tie::WalledOwner) {
            self.wall(case.id, user.id).await;
        }
        let (party, outbox) = self.found(case.id, message).await;
        Asked {
            case: self.row(case.id).await,
            message,
            part,
            party,
            grant: given.id.to_string(),
            outbox,
            other: self.maker.id,
            approval: uuid::Uuid::now_v7().to_string(),
        }
    }

    async fn row(&self, case: CaseId) -> CaseRow {
        let read = self.office.daemon.register.store.read(move |tx| tx.case(case));
        read.await.expect("the register answers").expect("the case")
    }

    async fn held(&self, most: usize) -> Vec<MessageId> {
        let read =
            self.office.daemon.register.store.read(move |tx| tx.held(Held::Automatic, None, most as i64));
        read.await.expect("the register answers").iter().map(|row| row.id).collect()
    }

    async fn found(&self, case: CaseId, message: MessageId) -> (String, OutboxId) {
        let read = self.office.daemon.register.store.read(move |tx| {
            Ok::<_, caseward::store::StoreError>((tx.parties_of(case)?, tx.outbox_of_message(message)?))
        });
        let (parties, outbox) = read.await.expect("the register answers");
        (parties[0].id.to_string(), outbox.expect("a mail").id)
    }

    /// Written past the desk: nothing there makes walls yet.
    async fn wall(&self, case_id: CaseId, user_id: UserId) {
        let sealed = || Sealed::from_stored(vec![0]);
        let row = WallRow {
            case_id,
            user_id,
            at: Moment::default(),
            key: sealed(),
            reason: sealed(),
            bar: Bar::Walled,
        };
        self.write(move |tx| tx.put_wall(&row)).await;
    }

    async fn write(
        &self,
        write: impl FnOnce(&mut dyn caseward::store::Tx) -> Result<(), caseward::store::StoreError>
        + Send
        + 'static,
    ) {
        let store = self.office.daemon.register.store.clone();
        tokio::task::spawn_blocking(move || {
            let mut writer = store.writer().expect("a writer");
            writer.tx().begin_write().expect("begun");
            write(writer.tx()).expect("written");
            writer.tx().commit().expect("committed");
        })
        .await
        .expect("no panic");
    }

    async fn prove(
        &self,
        operation: &Operation,
        somebody: &Somebody,
        user: &User,
        asked: &mut Asked,
        tie: Tie,
    ) {
        asked.case = self.row(asked.case.id).await;
        let expected = self.expected(operation, asked, user).await;
        let (method, path) = operation.name.split_once(' ').expect("a method and a path");
        let id = if path.contains("/quarantine/") {
            self.held(1).await[0].to_string()
        } else if path.contains("/outbox/") {
            asked.outbox.to_string()
        } else if path.contains("/approvals/") {
            asked.approval.clone()
        } else if path.contains("/users/") {
            self.office.user(&uuid::Uuid::now_v7().to_string(), &[], &[], &[]).await.id.to_string()
        } else {
            asked.message.to_string()
        };
        let reference = asked.case.reference.to_string();
        let filled = path
            .replace("{reference}", &reference)
            .replace("/search", "/search?q=overtime")
            .replace("{id}", &id)
            .replace("{part}", &asked.part)
            .replace("{party}", &asked.party)
            .replace("{grant}", &asked.grant)
            .replace("{user}", &asked.other.to_string())
            .replace("{token}", &asked.approval);
        let version = if path.contains("/users/") { 2 } else { asked.case.version };
        let version = format!("\"{version}\"");
        let headers: &[(&str, &str)] = if method == "PATCH" { &[("if-match", &version)] } else { &[] };
        let body = operation.body.map(|body| body(asked));
        let answered = self.office.send(somebody, method, &filled, body.as_ref(), headers).await;
        let said = format!(
            "{} by {:?} ({:?}) of a {} case, {tie:?}: {} {}",
            operation.name, user.roles, user.office, asked.case.sensitivity, answered.status, answered.text
        );
        match expected {
            Expected::Missing => assert_eq!(answered.status, 404, "{said}"),
            Expected::Refused => assert_eq!(answered.status, 403, "{said}"),
            Expected::Done => assert!(operation.done.contains(&answered.status), "{said}"),
        }
        // A case that one may not know of is named nowhere.
        let hidden = self.access(user, asked.case.id).await == Access::None;
        if hidden && !matches!(expected, Expected::Done if method != "GET") {
            assert!(!answered.text.contains(&reference), "{said}");
            assert!(!answered.header("location").contains(&reference), "{said}");
        }
    }

    async fn access(&self, user: &User, case: CaseId) -> Access {
        self.stands(user, case, access).await
    }

    async fn stands<T: Send + 'static>(
        &self,
        user: &User,
        case: CaseId,
        ask: impl FnOnce(&User, &Standing<'_>) -> T + Send + 'static,
    ) -> T {
        let (user, now) = (user.clone(), self.office.daemon.register.shared.now());
        let read = self.office.daemon.register.store.read(move |tx| {
            let case = tx.case(case)?.expect("the case");
            Ok::<_, caseward::desk::DeskError>(ask(&user, &standing(tx, &user, &case, now)?))
        });
        read.await.expect("the register answers")
    }

    async fn expected(&self, operation: &Operation, asked: &Asked, user: &User) -> Expected {
        let (case, other) = (asked.case.id, asked.other);
        let by = |may: bool| if may { Expected::Done } else { Expected::Refused };
        match operation.takes {
            Takes::Nothing => Expected::Done,
            Takes::Case(least) => match self.access(user, case).await {
                Access::None => Expected::Missing,
                have => by(have >= least),
            },
            Takes::Granting => {
                let ends = operation.name.starts_with("DELETE");
                let to = if ends { self.guardian } else { other };
                let (have, may) = self
                    .stands(user, case, move |user, standing| {
                        assert!(!gives_grant(user, standing, user.id), "nobody grants to themselves");
                        (access(user, standing), gives_grant(user, standing, to) && assigns(user, standing))
                    })
                    .await;
                if have == Access::None { Expected::Missing } else { by(may) }
            }
            Takes::SeesWalls | Takes::DecidesWalls => {
                let (have, may) = self
                    .stands(user, case, |user, standing| {
                        (access(user, standing), decides_walls(user, standing))
                    })
                    .await;
                let sees = matches!(operation.takes, Takes::SeesWalls);
                match have {
                    _ if may => Expected::Done,
                    Access::None => Expected::Missing,
                    _ => by(sees),
                }
            }
            Takes::Glass => {
                let (have, may) = self
                    .stands(user, case, |user, standing| {
                        (access(user, standing), breaks_glass(user, standing))
                    })
                    .await;
                if have == Access::None { Expected::Missing } else { by(may) }
            }
            Takes::Unfiled(Sight::Metadata) => by(unfiled(user) >= Sight::Metadata),
            Takes::Unfiled(_) => match unfiled(user) {
                Sight::None => Expected::Missing,
                sight => by(sight == Sight::Content),
            },
            Takes::OpensCases => by(opens_cases(user)),
            Takes::Administers | Takes::AdministersOthers => by(administers(user)),
            Takes::Outgoing => {
                let (sight, works) = self
                    .stands(user, case, |user, standing| {
                        (outgoing(user, Some(standing)), access(user, standing) >= Access::Work)
                    })
                    .await;
                if sight == Sight::None { Expected::Missing } else { by(works || administers(user)) }
            }
            Takes::Approvals if operation.name.starts_with("GET") => by(sees_approvals(user)),
            // Nothing waits; whoever may not know of it is told the same.
            Takes::Approvals => Expected::Missing,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Missing,
    Refused,
    Done,
}
