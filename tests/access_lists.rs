//! Promise 4, on both databases: the filter that lists use shows exactly the cases on which the access function gives
//! something, page by page, and every list is read off an index.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::sync::Mutex;

use caseward::case::access::{Access, Standing, access};
use caseward::case::actor::{Office, Role};
use caseward::case::wall::Bar;
use caseward::case::{
    CaseId, Category, Channel, EntryId, FolderId, GrantId, MessageId, Moment, OutboxId, Priority, Reference,
    Roles, Sensitivity, Status, User, UserId,
};
use caseward::store::rows::{
    ApprovalState, CaseRow, GrantKind, GrantRow, Held, OutboxState, RegisterState, UserRow, WallRow,
};
use caseward::store::tx::CaseFilter;
use caseward::store::{Store, Tx};
use caseward::vault::{LookupHash, Sealed};
use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::app::{Database, fresh_postgres};

const TEAMS: [&str; 2] = ["one", "two"];
const ENTITIES: [&str; 2] = ["", "east"];
const USERS: usize = 4;
const NOW: Moment = Moment::from_micros(5_000_000);

#[derive(Clone, Debug)]
struct Person {
    roles: Vec<Role>,
    teams: Vec<&'static str>,
    entities: Vec<&'static str>,
    office: Option<Office>,
}

#[derive(Clone, Debug)]
struct Matter {
    sensitivity: Sensitivity,
    team: &'static str,
    entity: &'static str,
    owner: Option<usize>,
    status: Status,
    /// Who, the level, and whether it has expired or was taken back.
    grants: Vec<(usize, Access, bool, bool)>,
    walls: Vec<usize>,
}

#[derive(Clone, Debug)]
struct World {
    people: Vec<Person>,
    matters: Vec<Matter>,
}

fn world() -> impl Strategy<Value = World> {
    let person = (
        prop::sample::subsequence(Role::ALL.to_vec(), 0..=Role::ALL.len()),
        prop::sample::subsequence(TEAMS.to_vec(), 0..=2),
        prop::sample::subsequence(ENTITIES.to_vec(), 0..=2),
        prop::option::of(prop::sample::select(Office::ALL)),
    )
        .prop_map(|(roles, teams, entities, office)| Person { roles, teams, entities, office });
    let grant = (0..USERS, prop::sample::select(&Access::ALL[1..]), any::<bool>(), any::<bool>());
    let matter = (
        prop::sample::select(Sensitivity::ALL),
        prop::sample::select(&TEAMS[..]),
        prop::sample::select(&ENTITIES[..]),
        prop::option::of(0..USERS),
        prop::sample::select(Status::ALL),
        prop::collection::vec(grant, 0..3),
        prop::collection::vec(0..USERS, 0..2),
    )
        .prop_map(|(sensitivity, team, entity, owner, status, grants, walls)| Matter {
            sensitivity,
            team,
            entity,
            owner,
            status,
            grants,
            walls,
        });
    (prop::collection::vec(person, USERS), prop::collection::vec(matter, 1..14))
        .prop_map(|(people, matters)| World { people, matters })
}

fn sealed() -> Sealed {
    Sealed::from_stored(vec![0])
}

fn case_row(number: usize, matter: &Matter, users: &[User]) -> CaseRow {
    // Several of the same time: identity decides.
    let at = Moment::from_micros(1_000 + (number / 3) as i64);
    CaseRow {
        id: CaseId::new(),
        reference: Reference::from_random(number as u64),
        version: 1,
        status: matter.status,
        category: Category::general(),
        sensitivity: matter.sensitivity,
        priority: Priority::Normal,
        triage: false,
        team: matter.team.into(),
        legal_entity: matter.entity.into(),
        owner_id: matter.owner.map(|owner| users[owner].id),
        channel: Channel::Mail,
        language: "en".into(),
        opened_at: at,
        created_at: at,
        updated_at: at,
        closed_at: None,
        next_deadline: None,
        key: sealed(),
        subject: sealed(),
    }
}

fn filter(user: &User, limit: i64) -> CaseFilter {
    CaseFilter {
        visible_to: user.clone(),
        now: NOW,
        status: None,
        category: None,
        sensitivity: None,
        priority: None,
        owner: None,
        team: None,
        triage: None,
        after: None,
        limit,
    }
}

fn people(tx: &mut dyn Tx, world: &World) -> Vec<User> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut users = Vec::new();
    for (number, person) in world.people.iter().enumerate() {
        let user = User {
            id: UserId::new(),
            roles: person.roles.iter().copied().collect::<Roles>(),
            teams: owned(&person.teams),
            entities: owned(&person.entities),
            office: person.office,
        };
        let row = UserRow {
            id: user.id,
            login: LookupHash::from_stored([number as u8; 32]),
            roles: user.roles.clone(),
            teams: caseward::store::Words(user.teams.clone()),
            entities: caseward::store::Words(user.entities.clone()),
            created_at: NOW,
            disabled_at: None,
            version: 1,
            key: sealed(),
            profile: sealed(),
        };
        tx.insert_user(&row).expect("a user");
        users.push(user);
    }
    users
}

/// Every list of every user equals what the function gives, read by pages of `limit`.
fn prove(tx: &mut dyn Tx, world: &World, limit: i64) -> Result<(), TestCaseError> {
    let users = people(tx, world);
    let mut rows = Vec::new();
    for (number, matter) in world.matters.iter().enumerate() {
        let row = case_row(number, matter, &users);
        tx.insert_case(&row).expect("a case");
        for (to, level, expired, ended) in &matter.grants {
            let row = GrantRow {
                id: GrantId::new(),
                case_id: row.id,
                user_id: users[*to].id,
                level: *level,
                kind: GrantKind::Given,
                granted_by: users[0].id,
                at: NOW,
                expires_at: expired.then_some(Moment::from_micros(NOW.micros() - 1)),
                ended_at: ended.then_some(NOW),
                key: sealed(),
                reason: sealed(),
            };
            tx.insert_grant(&row).expect("a grant");
        }
        for who in &matter.walls {
            let user_id = users[*who].id;
            tx.put_wall(&WallRow {
                case_id: row.id,
                user_id,
                at: NOW,
                key: sealed(),
                reason: sealed(),
                bar: Bar::Walled,
            })
            .expect("a wall");
        }
        rows.push(row);
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.opened_at, row.id)));
    for (who, user) in users.iter().enumerate() {
        let mut expected = Vec::new();
        for row in &rows {
            let number = world
                .matters
                .iter()
                .enumerate()
                .find(|(at, _)| Reference::from_random(*at as u64) == row.reference);
            let matter = number.expect("a matter").1;
            let in_force =
                matter.grants.iter().filter(|(to, _, expired, ended)| *to == who && !expired && !ended);
            let standing = Standing {
                sensitivity: row.sensitivity,
                owner: row.owner_id,
                team: &row.team,
                legal_entity: &row.legal_entity,
                grant: in_force.map(|(_, level, ..)| *level).max(),
                walled: matter.walls.contains(&who),
            };
            prop_assert_eq!(standing.grant, tx.granted(row.id, user.id, NOW).expect("a level"));
            prop_assert_eq!(standing.walled, tx.walled(row.id, user.id).expect("a wall"));
            if access(user, &standing) > Access::None {
                expected.push(row.id);
            }
        }
        let mut listed = Vec::new();
        let mut asked = filter(user, limit);
        loop {
            let page = tx.list_cases(&asked).expect("a page");
            listed.extend(page.iter().map(|row| row.id));
            let Some(last) = page.last() else { break };
            asked.after = Some((last.opened_at, last.id));
        }
        prop_assert_eq!(listed, expected);
    }
    Ok(())
}

fn lists_show_what_the_function_gives(store: &Store, worlds: u32) {
    let mut writer = store.writer().expect("a writer");
    let mut runner =
        TestRunner::new(Config { cases: worlds, failure_persistence: None, ..Config::default() });
    let writer = std::cell::RefCell::new(&mut writer);
    runner
        .run(&(world(), 1..6i64), |(world, limit)| {
            let mut writer = writer.borrow_mut();
            let tx = writer.tx();
            tx.begin_write().expect("begun");
            let proved = prove(tx, &world, limit);
            tx.rollback().expect("undone");
            proved
        })
        .expect("the filter is the function");
}

struct Opened {
    store: Store,
    url: String,
    _dir: tempfile::TempDir,
}

fn open(database: Database) -> Opened {
    let dir = tempfile::tempdir().expect("a directory");
    let url = match database {
        Database::Sqlite => format!("sqlite:{}", dir.path().join("list.db").display()),
        Database::Postgres => fresh_postgres(),
    };
    Opened { store: Store::open(&url, None, None, 1).expect("a store"), url, _dir: dir }
}

#[test]
fn on_sqlite() {
    lists_show_what_the_function_gives(&open(Database::Sqlite).store, 200);
}

#[test]
fn on_postgres() {
    lists_show_what_the_function_gives(&open(Database::Postgres).store, 100);
}

/// The statements that were sent since they were last asked for. One test alone uses it.
static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn statements(tx: &mut dyn Tx, ask: impl FnOnce(&mut dyn Tx)) -> Vec<String> {
    SENT.lock().unwrap().clear();
    ask(tx);
    SENT.lock().unwrap().iter().filter(|sql| sql.starts_with("SELECT")).cloned().collect()
}

type Ask = Box<dyn FnOnce(&mut dyn Tx)>;

/// Every list that the interface gives, first page and next, with each filter.
fn lists(user: &User) -> Vec<(&'static str, Ask)> {
    let place = (NOW, [7; 16]);
    let cases = |change: &dyn Fn(&mut CaseFilter)| -> Ask {
        let mut filter = filter(user, 50);
        change(&mut filter);
        Box::new(move |tx| drop(tx.list_cases(&filter).expect("cases")))
    };
    let after = Some((NOW, CaseId::from_bytes([7; 16])));
    let mine = user.id;
    vec![
        ("cases", cases(&|_| {})),
        ("cases, next", cases(&|filter| filter.after = after)),
        ("cases of a status", cases(&|filter| filter.status = Some(Status::Open))),
        ("cases of an owner", cases(&|filter| filter.owner = Some(mine))),
        (
            "my open cases, next",
            cases(&|filter| {
                filter.owner = Some(mine);
                filter.status = Some(Status::Open);
                filter.after = after;
            }),
        ),
        ("cases of a team", cases(&|filter| filter.team = Some("one".into()))),
        ("cases of a category", cases(&|filter| filter.category = Some(Category::general()))),
        (
            "messages",
            Box::new(move |tx| {
                drop(tx.messages_of(
                    CaseId::from_bytes([1; 16]),
                    Some((NOW, MessageId::from_bytes([7; 16]))),
                    50,
                ))
            }),
        ),
        ("timeline", Box::new(move |tx| drop(tx.entries_of_case(CaseId::from_bytes([1; 16]), None, 50)))),
        (
            "timeline, next",
            Box::new(move |tx| {
                drop(tx.entries_of_case(
                    CaseId::from_bytes([1; 16]),
                    Some((3, EntryId::from_bytes([7; 16]))),
                    50,
                ))
            }),
        ),
        ("register", Box::new(move |tx| drop(tx.list_register(None, None, 50)))),
        (
            "register of a state, next",
            Box::new(move |tx| {
                let after = Some((place.0, FolderId::from_bytes(place.1), 3));
                drop(tx.list_register(Some(RegisterState::TakenIn), after, 50))
            }),
        ),
        (
            "quarantine, next",
            Box::new(move |tx| {
                drop(tx.held(Held::Quarantined, Some((place.0, MessageId::from_bytes(place.1))), 50))
            }),
        ),
        ("outbox", Box::new(move |tx| drop(tx.list_outbox(None, None, 50)))),
        (
            "outbox of a state, next",
            Box::new(move |tx| {
                let after = Some((place.0, OutboxId::from_bytes(place.1)));
                drop(tx.list_outbox(Some(OutboxState::Sent), after, 50))
            }),
        ),
        ("users", Box::new(move |tx| drop(tx.users(Some(UserId::from_bytes([7; 16])), 50)))),
        ("approvals", Box::new(move |tx| drop(tx.list_approvals(ApprovalState::Pending, None, 50)))),
        ("grants", Box::new(move |tx| drop(tx.grants_of(CaseId::from_bytes([1; 16]))))),
    ]
}

#[test]
fn every_list_is_read_off_an_index() {
    set_default_instrumentation(|| {
        Some(Box::new(|event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                let sql = text.split(" -- binds").next().unwrap_or_default().trim().to_owned();
                SENT.lock().unwrap().push(sql);
            }
        }))
    })
    .expect("instrumented");
    let user = User {
        id: UserId::new(),
        roles: [Role::Agent, Role::Lead].into_iter().collect(),
        teams: vec!["one".into()],
        entities: vec![String::new()],
        office: None,
    };
    for database in [Database::Sqlite, Database::Postgres] {
        let opened = open(database);
        let mut writer = opened.store.writer().expect("a writer");
        for (name, ask) in lists(&user) {
            let sent = statements(writer.tx(), ask);
            assert!(!sent.is_empty(), "{name}: nothing was asked");
            for sql in sent {
                let plan = match database {
                    Database::Sqlite => sqlite_plan(&opened.url, &sql),
                    Database::Postgres => postgres_plan(&opened.url, &sql),
                };
                let scanned = match database {
                    // A list in order of an index sorts nothing, and searches or walks an index.
                    Database::Sqlite => plan.lines().any(|line| {
                        line.contains("TEMP B-TREE") || (line.starts_with("SCAN") && !line.contains("USING"))
                    }),
                    Database::Postgres => plan.contains("Seq Scan") || plan.contains("Sort Key"),
                };
                // What one case or user has is few: it may be sorted.
                let few = ["grants"].contains(&name);
                assert!(few || !scanned, "{database:?}, {name}:\n{sql}\n{plan}");
            }
        }
    }
}

fn sqlite_plan(url: &str, sql: &str) -> String {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let mut conn = SqliteConnection::establish(url.strip_prefix("sqlite:").expect("a file")).expect("opened");
    let lines: Vec<Line> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut conn).expect("a plan");
    lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("\n")
}

/// As PostgreSQL would do it on large tables, whatever the values.
fn postgres_plan(url: &str, sql: &str) -> String {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("PostgreSQL answers");
            tokio::spawn(connection);
            let parameters = (1..).take_while(|number| sql.contains(&format!("${number}"))).count();
            let nulls = vec!["NULL"; parameters].join(", ");
            let call = if parameters == 0 { String::new() } else { format!("({nulls})") };
            let script = format!(
                "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan;
                 PREPARE list AS {sql}; EXPLAIN EXECUTE list{call}"
            );
            let answered = client.simple_query(&script).await.expect("a plan");
            let lines = answered.iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            lines.collect::<Vec<_>>().join("\n")
        })
    })
    .join()
    .expect("a plan")
}
