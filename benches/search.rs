//! `cargo bench --bench search`: a search among 100,000 cases on SQLite, and again with 100,000 more that the caller
//! may not see. Prints the 50th and the 95th percentile of each kind of question; judges nothing.

#![allow(clippy::expect_used, reason = "a benchmark fails loudly")]

use std::time::{Duration, Instant};

use caseward::case::actor::Role;
use caseward::case::{
    CaseId, Category, Channel, Moment, Priority, Reference, Sensitivity, Status, User, UserId,
};
use caseward::desk::DeskError;
use caseward::desk::context::new_scope;
use caseward::desk::search::{find, guarded};
use caseward::search::{Field, Query, asked};
use caseward::store::rows::CaseRow;
use caseward::store::tx::{CaseFilter, SearchFilter};
use caseward::store::{Store, Tx};
use caseward::vault::{Lookup, MasterKey, Purposes, Sealed, Vault};

const CASES: u64 = 100_000;
/// Words of one case.
const WORDS: u64 = 60;

fn main() -> Result<(), DeskError> {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite:{}", dir.path().join("search.db").display());
    let store = Store::open(&url, None, None, 1)?;
    let master = MasterKey::create(&dir.path().join("master.key")).expect("a key");
    let vault = Vault::new(master, Purposes::generate().expect("keys"));
    let me = User {
        id: UserId::new(),
        roles: [Role::Agent, Role::Lead].into_iter().collect(),
        teams: vec!["mine".into()],
        entities: vec!["mine".into()],
        office: None,
    };
    let mut writer = store.writer()?;
    fill(writer.tx(), &vault, "mine", 0)?;
    measure(writer.tx(), &vault, &me, "100,000 cases, all of my own team")?;
    fill(writer.tx(), &vault, "theirs", CASES)?;
    measure(writer.tx(), &vault, &me, "and 100,000 more that I may not see")?;
    Ok(())
}

fn fill(tx: &mut dyn Tx, vault: &Vault, team: &str, from: u64) -> Result<(), DeskError> {
    let started = Instant::now();
    for number in from..from + CASES {
        if number % 1_000 == 0 {
            tx.begin_write()?;
        }
        let id = CaseId::new();
        let scope = new_scope(tx, (vault.master(), 1), id.as_bytes(), "case", Moment::from_micros(1))?;
        let sensitivity = match number % 20 {
            0 => Sensitivity::Restricted,
            1 | 2 => Sensitivity::Confidential,
            _ => Sensitivity::Standard,
        };
        tx.insert_case(&row(id, number, team, sensitivity))?;
        let own = scope.words();
        let key = if sensitivity == Sensitivity::Standard { vault.index() } else { &own };
        let mut hashes: Vec<i64> = words(number).iter().map(|word| hash(key, word)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        tx.put_words(id, &hashes)?;
        if number % 1_000 == 999 {
            tx.commit()?;
        }
    }
    println!("filled in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Some words are in every second case, some in one of a thousand.
fn words(number: u64) -> Vec<String> {
    let mut words: Vec<_> =
        (0..WORDS).map(|word| format!("w{}", (number * 31 + word * word * 17) % 20_000)).collect();
    for (every, word) in [(2, "half"), (10, "tenth"), (1_000, "thousandth")] {
        if number.is_multiple_of(every) {
            words.push(word.into());
        }
    }
    words.push(format!("only{number}"));
    words
}

fn hash(key: &Lookup, word: &str) -> i64 {
    let term = asked(word, Field::Any, false).pop().expect("a term");
    key.hash("word", &term.parts()).short()
}

fn row(id: CaseId, number: u64, team: &str, sensitivity: Sensitivity) -> CaseRow {
    // Mine and theirs lie mixed in time.
    let at = Moment::from_micros(1_000_000 + i64::try_from(number % CASES).expect("small"));
    CaseRow {
        id,
        reference: Reference::from_random(number),
        version: 1,
        status: Status::Open,
        category: Category::general(),
        sensitivity,
        priority: Priority::Normal,
        triage: false,
        team: team.into(),
        legal_entity: team.into(),
        owner_id: None,
        channel: Channel::Mail,
        language: "en".into(),
        opened_at: at,
        created_at: at,
        updated_at: at,
        closed_at: None,
        next_deadline: None,
        key: Sealed::from_stored(vec![0; 72]),
        subject: Sealed::from_stored(vec![0; 72]),
    }
}

fn measure(tx: &mut dyn Tx, vault: &Vault, me: &User, world: &str) -> Result<(), DeskError> {
    println!("{world}:");
    let mut all = Vec::new();
    for (what, question) in [
        ("one case has it", "only4242"),
        ("one of 1,000", "thousandth"),
        ("one of 10", "tenth"),
        ("every second", "half"),
        ("two common ones", "half tenth"),
        ("common and rare", "half thousandth"),
        ("nowhere", "nowhere"),
        ("a status alone", "status:open"),
    ] {
        let query: Query = question.parse().expect("a question");
        let mut times: Vec<Duration> = Vec::new();
        let mut found = 0;
        for _ in 0..20 {
            let started = Instant::now();
            tx.begin_read()?;
            let filter = filter(me);
            let hits = guarded(tx, vault, &query, &filter)?;
            found = find(tx, vault, &query, &filter, &hits)?.len();
            tx.rollback()?;
            times.push(started.elapsed());
        }
        say(what, found, &mut times);
        all.append(&mut times);
    }
    say("all questions", 0, &mut all);
    Ok(())
}

fn say(what: &str, found: usize, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).map_or(0.0, Duration::as_secs_f64) * 1e3;
    println!("  {what:<16} {found:>3} found, p50 {:>7.2} ms, p95 {:>7.2} ms", at(50), at(95));
}

fn filter(me: &User) -> SearchFilter {
    SearchFilter {
        base: CaseFilter {
            visible_to: me.clone(),
            now: Moment::from_micros(2),
            status: None,
            category: None,
            sensitivity: None,
            priority: None,
            owner: None,
            team: None,
            triage: None,
            after: None,
            limit: 50,
        },
        opened_before: None,
        opened_from: None,
        from_addresses: Vec::new(),
    }
}
