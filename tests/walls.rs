//! Conflict walls with the true daemon: who is kept from a case before anybody is told of it, what a later mail may
//! and may not do, and that nobody behind a wall has access, is told, or owns the case. The same on both databases.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use caseward::case::access::{Access, access};
use caseward::case::actor::Role;
use caseward::case::wall::Bar;
use caseward::case::{Actor, CaseId, Part, Sensitivity, User, UserId};
use caseward::desk::answer::Answer;
use caseward::desk::change::{Base, Change, Changes};
use caseward::desk::context::standing;
use caseward::desk::parties::AddParty;
use caseward::desk::people::ImportPeople;
use caseward::desk::users::{AddToken, AddUser, DisableUser, Profile, user_of};
use caseward::desk::walls::{Lift, Recuse, Wall};
use caseward::directory::list;
use caseward::store::rows::CaseRow;
use caseward::store::tx::CaseFilter;
use support::app::{Database, TestApp, authenticated, deliver, system};
use support::mailstack::mailstack;

const PEOPLE: &str = "employee_id,name,email,other_emails,manager_id,assistant_of,executive,hr_role\n\
    1,Rosalind Achterberg,rosalind@company.example,,,,true,\n\
    2,Amara Okonjo-Pell,bob+amara@candidates.test,,1,,false,head\n\
    3,Maeve Carrigan,bob+maeve@candidates.test,,2,,false,agent\n\
    4,Jonas Brückl,bob+jonas@candidates.test,,2,,false,agent\n\
    5,Jonas Lindqvist,bob+lindqvist@candidates.test,,2,,false,agent\n\
    6,Callum Drysdale,callum@company.example,,1,,false,\n\
    7,Anna Example,anna@candidates.test,,6,,false,\n\
    8,Bob Example,bob@candidates.test,,6,,false,\n";
const ACCUSED: &str =
    "has been sexually harassing me for weeks. I want to make a formal complaint about this harassment.";

struct Person {
    id: UserId,
    token: String,
    address: String,
}

/// An HR department with a guardian and an outside contact.
struct Office {
    app: TestApp,
    hr: &'static str,
    people: HashMap<&'static str, Person>,
    mails: usize,
    mark: String,
}

impl Office {
    async fn open(database: Database, hr: &'static str) -> Self {
        let app = TestApp::start(database, hr).await;
        let people = list::read(PEOPLE.as_bytes()).expect("a list");
        app.run(ImportPeople { actor: system(), people }).await.expect("imported");
        let shared = &app.daemon.register.shared;
        let mut settings = (*shared.settings()).clone();
        settings.access.guardian = Some("Ombuds".into());
        settings.access.outside_contacts = vec!["counsel".into(), "council".into()];
        *shared.settings.write().unwrap() = Arc::new(settings);
        let mut people = HashMap::new();
        for (login, name, roles) in [
            ("amara", "Amara Okonjo-Pell", vec![Role::Lead, Role::Agent]),
            ("maeve", "Maeve Carrigan", vec![Role::Agent]),
            ("jonas", "Jonas Brückl", vec![Role::Agent]),
            ("lindqvist", "Jonas Lindqvist", vec![Role::Agent]),
            ("boss", "Ursula Quist", vec![Role::Lead]),
            ("ombuds", "Ottoline Brackenbury", vec![Role::Auditor]),
            ("counsel", "Piotr Zaleszny", vec![Role::Investigator]),
            ("council", "Dagny Ravnsborg", vec![Role::Investigator]),
        ] {
            let address = format!("bob+{login}@candidates.test");
            let user = AddUser {
                actor: system(),
                profile: Profile { login: login.into(), name: name.into(), email: Some(address.clone()) },
                roles: roles.into_iter().collect(),
                teams: vec!["hr".into()],
                entities: Vec::new(),
            };
            let id = app.run(user).await.expect("a user").id;
            let token = AddToken { actor: system(), user: id, label: "test".into(), expires_at: None };
            let token = app.run(token).await.expect("a token").secret;
            people.insert(login, Person { id, token, address });
        }
        // Users of the harness, who would always be there.
        for row in app.read(|tx| tx.users(None, 100)).await {
            if !people.values().any(|person| person.id == row.id) {
                app.run(DisableUser { actor: system(), user: row.id }).await.expect("disabled");
            }
        }
        Self { app, hr, people, mails: 0, mark: uuid::Uuid::now_v7().simple().to_string() }
    }

    fn id(&self, login: &str) -> UserId {
        self.people[login].id
    }

    async fn actor(&self, login: &str) -> Actor {
        Actor::User(self.user(login).await)
    }

    async fn user(&self, login: &str) -> User {
        let id = self.id(login);
        let row = self.app.read(move |tx| tx.user(id)).await.expect("the user");
        user_of(&row, &self.app.daemon.register.shared)
    }

    /// Sends a mail that Anna's, or Bob's, server vouches for.
    fn send(&mut self, from: &str, answers: Option<&str>, text: &str) -> String {
        self.mails += 1;
        let id = format!("{}-{}@candidates.test", self.mails, self.mark);
        let answers = answers.map(|id| format!("In-Reply-To: {id}\n")).unwrap_or_default();
        let mail = authenticated(
            "candidates.test",
            &format!(
                "Message-ID: <{id}>\nFrom: {from}@candidates.test\nTo: {}\nSubject: A matter\n{answers}\
                 Date: Mon, 2 Mar 2026 10:00:00 +0000\nContent-Type: text/plain; charset=utf-8\n\n{text}\n",
                self.hr
            ),
        );
        deliver(&format!("{from}@candidates.test"), self.hr, &mail);
        format!("<{id}>")
    }

    /// The case that the next mail opens.
    async fn opened(&mut self, text: &str) -> (CaseRow, String) {
        let known: Vec<CaseId> = self.app.cases().await.iter().map(|case| case.id).collect();
        let id = self.send("anna", None, text);
        let cases = self.app.until_cases(known.len() + 1).await;
        (cases.into_iter().find(|case| !known.contains(&case.id)).expect("a new case"), id)
    }

    async fn ask(&self, login: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        self.app.ask(method, &format!("/api/v1/cases/{path}"), Some(&self.people[login].token), body).await
    }

    /// Who is kept from a case, and how far.
    async fn walls(&self, case: CaseId) -> String {
        let rows = self.app.read(move |tx| tx.walls_of(case)).await;
        let mut walls: Vec<String> = rows
            .iter()
            .map(|row| {
                let who = self.people.iter().find(|(_, person)| person.id == row.user_id).expect("a user").0;
                format!("{who} {}", row.bar)
            })
            .collect();
        walls.sort();
        walls.join(", ")
    }

    async fn case(&self, id: CaseId) -> CaseRow {
        self.app.read(move |tx| tx.case(id)).await.expect("the case")
    }

    async fn own(&self, case: CaseId, login: &str) -> bool {
        let version = self.case(case).await.version;
        let changes = Changes { owner: Some(Some(self.id(login))), ..Changes::default() };
        self.app.run(Change { actor: system(), case, base: Base::Version(version), changes }).await.is_ok()
    }

    /// Nobody behind a wall has access, finds the case in a list, owns it, or was told of it since.
    async fn holds(&self) {
        let mut checked = 0;
        for case in self.app.cases().await {
            let id = case.id;
            let walls = self.app.read(move |tx| tx.walls_of(id)).await;
            for wall in walls.into_iter().filter(|wall| wall.bar.shuts_out()) {
                checked += 1;
                assert_ne!(case.owner_id, Some(wall.user_id), "owner of {}", case.reference);
                let now = self.app.daemon.register.shared.now();
                let person = wall.user_id;
                let row = self.app.read(move |tx| tx.user(person)).await.expect("the user");
                let user = user_of(&row, &self.app.daemon.register.shared);
                let (asked, row) = (user.clone(), case.clone());
                let have = self
                    .app
                    .read(move |tx| Ok(access(&asked, &standing(tx, &asked, &row, now).expect("a standing"))))
                    .await;
                assert_eq!(have, Access::None, "access to {}", case.reference);
                let filter = filter(user, now);
                let listed = self.app.read(move |tx| tx.list_cases(&filter)).await;
                assert!(listed.iter().all(|listed| listed.id != id), "{} is listed", case.reference);
                let address =
                    self.people.values().find(|one| one.id == person).map(|one| one.address.clone());
                let hash =
                    self.app.daemon.register.shared.vault.lookup().address(&address.expect("an address"));
                let told = self.app.read(|tx| tx.list_outbox(None, None, 10_000)).await;
                let told = told.iter().filter(|row| {
                    row.case_id == Some(id) && row.recipient == hash && row.created_at > wall.at
                });
                assert_eq!(told.count(), 0, "somebody behind a wall was told of {}", case.reference);
            }
        }
        assert!(checked > 0, "no wall was looked at");
    }
}

fn filter(user: User, now: caseward::case::Moment) -> CaseFilter {
    CaseFilter {
        visible_to: user,
        now,
        status: None,
        category: None,
        sensitivity: None,
        priority: None,
        owner: None,
        team: None,
        triage: None,
        after: None,
        limit: 1_000,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn walls_at_mail_time_on_sqlite() {
    at_mail_time(Database::Sqlite, "hr10@hr.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn walls_at_mail_time_on_postgres() {
    at_mail_time(Database::Postgres, "hr11@hr.test").await;
}

async fn at_mail_time(database: Database, hr: &'static str) {
    let mut office = Office::open(database, hr).await;

    // A name in a standard case only orders assignment.
    let (case, _) =
        office.opened("Hello,\n\nas Maeve in payroll told me, I ask for my payslip for May again.").await;
    assert_eq!(case.sensitivity, Sensitivity::Standard);
    assert_eq!(office.walls(case.id).await, "maeve last");
    assert_eq!(office.ask("maeve", "GET", &case.reference.to_string(), "").await.0, 200);

    // Who is accused sees nothing, nor does her line; the guardian is told by link.
    let (case, first) = office.opened(&format!("Maeve Carrigan {ACCUSED}")).await;
    assert_eq!(case.sensitivity, Sensitivity::Restricted);
    assert_eq!(office.walls(case.id).await, "amara walled, maeve walled");
    let reference = case.reference.to_string();
    for login in ["maeve", "amara"] {
        assert_eq!(office.ask(login, "GET", &reference, "").await.0, 404);
        assert_eq!(office.ask(login, "GET", &format!("{reference}/walls"), "").await.0, 404);
    }
    let notice = mailstack().delivered("bob@candidates.test", &reference);
    assert!(notice.contains(&office.people["ombuds"].address), "{notice}");
    assert!(!notice.to_lowercase().contains("carrigan"), "{notice}");
    let (status, walls) = office.ask("boss", "GET", &format!("{reference}/walls"), "").await;
    assert_eq!(status, 200, "{walls}");
    assert!(walls.contains(&office.id("maeve").to_string()) && !walls.contains("Carrigan"), "{walls}");

    later_from_the_reporter(&mut office, case.id, &first).await;
    later_from_a_witness(&mut office, case.id).await;
    by_hand(&office, case.id).await;

    // An ambiguous name holds out everybody it could mean, until somebody it cannot mean decides.
    let (case, _) = office.opened(&format!("Jonas from HR {ACCUSED}")).await;
    assert_eq!(office.walls(case.id).await, "amara held, jonas held, lindqvist held");
    let reference = case.reference.to_string();
    assert_eq!(office.ask("lindqvist", "GET", &reference, "").await.0, 404);
    let lift = format!("{reference}/walls/{}/lift", office.id("lindqvist"));
    let reason = r#"{"reason": "The reporter means the other one."}"#;
    assert_eq!(office.ask("amara", "POST", &lift, reason).await.0, 404);
    assert_eq!(office.ask("maeve", "POST", &lift, reason).await.0, 404, "an agent sees no restricted case");
    assert_eq!(office.ask("boss", "POST", &lift, reason).await.0, 204);
    let wall = format!(r#"{{"user": "{}", "reason": "Confirmed by phone."}}"#, office.id("jonas"));
    assert_eq!(office.ask("boss", "POST", &format!("{reference}/walls"), &wall).await.0, 204);
    assert_eq!(office.walls(case.id).await, "amara held, jonas walled");
    assert!(office.own(case.id, "lindqvist").await);
    assert!(!office.own(case.id, "jonas").await);

    nobody_left(&mut office).await;
    office.holds().await;
    office.app.close().await;
}

/// The reporter accuses the owner later: a restricted case of its own, of which the owner learns nothing.
async fn later_from_the_reporter(office: &mut Office, case: CaseId, first: &str) {
    assert!(office.own(case, "jonas").await);
    let before = office.case(case).await;
    let messages = office.app.messages(before.reference).await.len();
    let count = office.app.cases().await.len();
    office.send("anna", Some(first), &format!("And now Jonas Brückl {ACCUSED}"));
    let cases = office.app.until_cases(count + 1).await;
    let parted = cases.iter().max_by_key(|case| case.created_at).expect("the new case").clone();
    assert_eq!(parted.sensitivity, Sensitivity::Restricted);
    assert_eq!(office.walls(parted.id).await, "amara walled, jonas walled");
    assert_eq!(office.ask("jonas", "GET", &parted.reference.to_string(), "").await.0, 404);
    let after = office.case(case).await;
    assert_eq!((after.version, after.owner_id), (before.version, before.owner_id));
    assert_eq!(office.app.messages(before.reference).await.len(), messages);
    assert_eq!(office.walls(case).await, "amara walled, maeve walled");
    let links = office.app.read(move |tx| tx.links_of(case)).await;
    assert!(links.iter().any(|link| link.from_case == parted.id), "{links:?}");
    let (status, seen) = office.ask("jonas", "GET", &format!("{}/links", before.reference), "").await;
    assert_eq!(status, 200, "{seen}");
    assert!(!seen.contains(&parted.reference.to_string()), "{seen}");

    // What accuses nobody joins as ever.
    office.send("anna", Some(first), "Thank you. When may I expect an answer?");
    office.app.until_messages(before.reference, messages + 2).await;
}

/// A witness names the owner: nothing changes for the owner, and a lead is asked to decide.
async fn later_from_a_witness(office: &mut Office, case: CaseId) {
    let witness = AddParty {
        actor: system(),
        case,
        version: None,
        part: Part::Witness,
        name: "Bob Example".into(),
        email: Some("bob@candidates.test".into()),
    };
    let (row, party) = office.app.run(witness).await.expect("added");
    let text = format!("What did you see? {}", office.mark);
    let ask = Answer {
        actor: system(),
        case,
        version: Some(row.version),
        party: Some(party),
        text: text.clone(),
        attachments: Vec::new(),
    };
    office.app.run(ask).await.expect("asked");
    let asked = mailstack().delivered("bob@candidates.test", &text);
    let message = mail_parser::MessageParser::default().parse(asked.as_bytes()).expect("a mail");
    let id = format!("<{}>", message.message_id().expect("a Message-ID"));
    let count = office.app.messages(row.reference).await.len();
    office.send("bob", Some(&id), &format!("Jonas Brückl {}", ACCUSED.replace("me ", "Anna ")));
    office.app.until_messages(row.reference, count + 2).await;
    assert_eq!(office.case(case).await.owner_id, Some(office.id("jonas")));
    assert_eq!(office.walls(case).await, "amara walled, jonas suggested, maeve walled");
    let walls = format!("{}/walls", row.reference);
    let (_, seen) = office.ask("jonas", "GET", &walls, "").await;
    assert!(!seen.contains("suggested"), "{seen}");
    let (_, timeline) = office.ask("jonas", "GET", &format!("{}/timeline", row.reference), "").await;
    assert!(!timeline.contains("wall.suggested"), "{timeline}");
    let (_, seen) = office.ask("boss", "GET", &walls, "").await;
    assert!(seen.contains("suggested"), "{seen}");
    let own = format!("{walls}/{}/lift", office.id("jonas"));
    assert_eq!(office.ask("jonas", "POST", &own, r#"{"reason": "Nonsense."}"#).await.0, 403);
    let wall = format!(r#"{{"user": "{}", "reason": "A witness accuses him."}}"#, office.id("jonas"));
    assert_eq!(office.ask("boss", "POST", &walls, &wall).await.0, 204);
    assert_eq!(office.case(case).await.owner_id, None);
    assert_eq!(office.ask("jonas", "GET", &row.reference.to_string(), "").await.0, 404);
}

/// Stepping back and lifting, with reasons on the record.
async fn by_hand(office: &Office, case: CaseId) {
    let reference = office.case(case).await.reference.to_string();
    assert!(office.own(case, "lindqvist").await);
    let recuse = format!("{reference}/recuse");
    assert_eq!(office.ask("lindqvist", "POST", &recuse, r#"{"reason": " "}"#).await.0, 400);
    assert_eq!(office.ask("lindqvist", "POST", &recuse, r#"{"reason": "We are cousins."}"#).await.0, 204);
    assert_eq!(office.case(case).await.owner_id, None);
    assert_eq!(office.ask("lindqvist", "GET", &reference, "").await.0, 404);
    let lift = format!("{reference}/walls/{}/lift", office.id("lindqvist"));
    assert_eq!(office.ask("lindqvist", "POST", &lift, r#"{"reason": "Back again."}"#).await.0, 404);
    assert_eq!(office.ask("boss", "POST", &lift, r#"{"reason": ""}"#).await.0, 400);
    assert_eq!(office.ask("boss", "POST", &lift, r#"{"reason": "It was another family."}"#).await.0, 204);
    assert_eq!(office.ask("boss", "POST", &lift, r#"{"reason": "Once more."}"#).await.0, 404);
    assert!(office.own(case, "lindqvist").await);
    let (status, timeline) = office.ask("lindqvist", "GET", &format!("{reference}/timeline"), "").await;
    assert_eq!(status, 200, "{timeline}");
    for told in ["wall.recused", "We are cousins.", "wall.lifted", "It was another family."] {
        assert!(timeline.contains(told), "{told}: {timeline}");
    }
    let (_, walls) = office.ask("lindqvist", "GET", &format!("{reference}/walls"), "").await;
    assert!(walls.contains("Maeve Carrigan") && walls.contains("by-hand"), "reasons are shown: {walls}");
}

/// With the whole team behind the wall, the first outside contact gets the case.
async fn nobody_left(office: &mut Office) {
    office.app.run(DisableUser { actor: system(), user: office.id("boss") }).await.expect("disabled");
    let (case, _) = office.opened(&format!("The head of HR {ACCUSED}")).await;
    assert_eq!(office.walls(case.id).await, "amara walled, jonas walled, lindqvist walled, maeve walled");
    let reference = case.reference.to_string();
    let (status, seen) = office.ask("counsel", "GET", &reference, "").await;
    assert_eq!(status, 200, "{seen}");
    assert!(seen.contains("manage"), "{seen}");
    assert_eq!(office.ask("council", "GET", &reference, "").await.0, 404);
    assert_eq!(
        office.ask("counsel", "POST", &format!("{reference}/recuse"), r#"{"reason": "A friend."}"#).await.0,
        204
    );
    assert_eq!(office.ask("council", "GET", &reference, "").await.0, 200, "the second one is next");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_behind_a_wall_sees_on_sqlite() {
    whatever_happens(Database::Sqlite, "hr12@hr.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_behind_a_wall_sees_on_postgres() {
    whatever_happens(Database::Postgres, "hr13@hr.test").await;
}

/// Random mails and random acts of everybody.
async fn whatever_happens(database: Database, hr: &'static str) {
    let mut office = Office::open(database, hr).await;
    let seed = uuid::Uuid::now_v7().as_u128() as u64 | 1;
    println!("seed {seed}");
    let mut random = Random(seed);
    let names = [
        "Maeve Carrigan",
        "Jonas",
        "Jonas Brückl",
        "Amara Okonjo-Pell",
        "My manager",
        "Ms Carrigan",
        "Ursula Quist",
    ];
    for _ in 0..12 {
        let name = random.pick(&names);
        office.send("anna", None, &format!("{name} {ACCUSED}"));
    }
    let cases: Vec<CaseId> = office.app.until_cases(12).await.iter().map(|case| case.id).collect();
    office.holds().await;
    let logins: Vec<&str> = office.people.keys().copied().collect();
    for step in 0..80 {
        let (case, login, other) = (random.pick(&cases), random.pick(&logins), random.pick(&logins));
        let actor = office.actor(login).await;
        let reason = "Because.".to_owned();
        let user = office.id(other);
        let version = office.case(case).await.version;
        let done = match random.below(5) {
            0 => office.app.run(Recuse { actor, case, reason }).await.is_ok(),
            1 => office.app.run(Wall { actor, case, user, reason }).await.is_ok(),
            2 => office.app.run(Lift { actor, case, user, reason }).await.is_ok(),
            _ => {
                let changes = Changes { owner: Some(Some(user)), ..Changes::default() };
                let actor = if random.below(2) == 0 { actor } else { system() };
                office.app.run(Change { actor, case, base: Base::Version(version), changes }).await.is_ok()
            }
        };
        if done && step % 4 == 0 {
            office.holds().await;
        }
    }
    office.holds().await;
    office.app.close().await;
}

/// Small, and the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[test]
fn bars_are_ordered() {
    assert!(Bar::Last < Bar::Unassigned && Bar::Unassigned < Bar::Held && Bar::Held < Bar::Walled);
}
