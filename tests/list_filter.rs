//! Promise 4: the filter that lists use shows exactly the cases on which the access function gives something.

#![allow(clippy::expect_used, reason = "a test fails loudly")]

use caseward::case::access::{Access, Standing, access};
use caseward::case::actor::Role;
use caseward::case::{
    CaseId, Category, Channel, Moment, Priority, Reference, Roles, Sensitivity, Status, User, UserId,
};
use caseward::store::Store;
use caseward::store::rows::{CaseRow, GrantRow, UserRow};
use caseward::store::tx::CaseFilter;
use caseward::vault::{LookupHash, Sealed};
use proptest::prelude::*;

const TEAMS: [&str; 2] = ["one", "two"];
const ENTITIES: [&str; 2] = ["", "east"];

/// Sensitivity, team, entity, owned by the user, a grant and whether it has expired.
type Facts = (usize, usize, usize, bool, Option<(usize, bool)>);

#[derive(Clone, Debug)]
struct World {
    roles: Vec<Role>,
    team: Option<usize>,
    entity: Option<usize>,
    cases: Vec<Facts>,
}

fn world() -> impl Strategy<Value = World> {
    let grant = prop::option::of((1..Access::ALL.len(), any::<bool>()));
    let case = (0..3usize, 0..2usize, 0..2usize, prop::bool::weighted(0.2), grant);
    let roles = prop::sample::subsequence(Role::ALL.to_vec(), 0..=Role::ALL.len());
    (roles, prop::option::of(0..2usize), prop::option::of(0..2usize), prop::collection::vec(case, 1..12))
        .prop_map(|(roles, team, entity, cases)| World { roles, team, entity, cases })
}

fn sealed() -> Sealed {
    Sealed::from_stored(vec![0])
}

fn case_row(number: usize, world: &World, user: UserId) -> Option<CaseRow> {
    let (sensitivity, team, entity, owned, _) = world.cases.get(number)?;
    let at = Moment::from_micros(1_000 + i64::try_from(number).ok()?);
    Some(CaseRow {
        id: CaseId::new(),
        reference: Reference::from_random(number as u64),
        version: 1,
        status: Status::Open,
        category: Category::general(),
        sensitivity: *Sensitivity::ALL.get(*sensitivity)?,
        priority: Priority::Normal,
        triage: false,
        team: (*TEAMS.get(*team)?).into(),
        legal_entity: (*ENTITIES.get(*entity)?).into(),
        owner_id: owned.then_some(user),
        channel: Channel::Mail,
        language: "en".into(),
        opened_at: at,
        created_at: at,
        updated_at: at,
        closed_at: None,
        next_deadline: None,
        key: sealed(),
        subject: sealed(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lists_show_what_the_access_function_gives(world in world()) {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", dir.path().join("list.db").display());
        let store = Store::open(&url, None, None, 1).expect("a store");
        let mut writer = store.writer().expect("a writer");
        let tx = writer.tx();
        let now = Moment::from_micros(5_000_000);
        let pick = |words: &[&str], which: Option<usize>| -> Vec<String> {
            which.and_then(|at| words.get(at)).map(|word| (*word).to_owned()).into_iter().collect()
        };
        let user = User {
            id: UserId::new(),
            roles: world.roles.iter().copied().collect::<Roles>(),
            teams: pick(&TEAMS, world.team),
            entities: pick(&ENTITIES, world.entity),
        };
        tx.insert_user(&UserRow {
            id: user.id,
            login: LookupHash::from_stored([1; 32]),
            roles: user.roles.clone(),
            teams: caseward::store::Words(user.teams.clone()),
            entities: caseward::store::Words(user.entities.clone()),
            created_at: now,
            disabled_at: None,
            key: sealed(),
            profile: sealed(),
        }).expect("a user");
        let mut expected = Vec::new();
        for (number, (.., grant)) in world.cases.iter().enumerate() {
            let row = case_row(number, &world, user.id).expect("a case");
            tx.insert_case(&row).expect("inserted");
            let level = grant.and_then(|(level, _)| Access::ALL.get(level).copied());
            let expired = grant.is_some_and(|(_, expired)| expired);
            if let Some(level) = level {
                tx.insert_grant(&GrantRow {
                    case_id: row.id,
                    user_id: user.id,
                    level,
                    granted_by: user.id,
                    at: now,
                    expires_at: expired.then_some(Moment::from_micros(4_000_000)),
                    key: sealed(),
                    reason: sealed(),
                }).expect("granted");
            }
            let standing = Standing {
                sensitivity: row.sensitivity,
                owner: row.owner_id,
                team: &row.team,
                legal_entity: &row.legal_entity,
                grant: level.filter(|_| !expired),
                walled: false,
            };
            if access(&user, &standing) > Access::None {
                expected.push(row.id);
            }
        }
        let filter = CaseFilter {
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
            limit: 100,
        };
        let mut listed: Vec<CaseId> = tx.list_cases(&filter).expect("a list").iter().map(|row| row.id).collect();
        listed.sort();
        expected.sort();
        prop_assert_eq!(listed, expected);
    }
}
