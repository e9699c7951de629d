//! Somebody who may write the database changes the audit log: in a thousand ways, triggers dropped first. Each time
//! the first wrong entry is named.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use caseward::audit::{Fault, Frontier, Known, LogKey, entry_hash};
use caseward::case::Sensitivity;
use caseward::case::actor::Role;
use caseward::desk::DeskError;
use caseward::desk::inspect::{Sound, verify_log};
use caseward::desk::trace::Trace;
use caseward::store::Tx;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use support::app::Database;
use support::office::Office;

const ROUNDS: u64 = 1_000;
/// Each costs a few round trips.
const POSTGRES_ROUNDS: u64 = 150;
const ENTRIES: i64 = 90;

/// What is done with a database under a savepoint that is rolled back.
trait Victim: Connection + RunSql + Sized {
    const UNLOCK: &'static str;
    fn tx(&mut self) -> &mut dyn Tx;
}

/// The queries that differ in types alone.
trait RunSql {
    fn sql(&mut self, text: &str);
    /// Places and entries, in order.
    fn log(&mut self) -> Vec<Line>;
    fn set_bytes(&mut self, text: &str, value: &[u8], seq: i64);
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    bytes: Vec<u8>,
    #[diesel(sql_type = Binary)]
    entry_id: Vec<u8>,
    #[diesel(sql_type = Nullable<Binary>)]
    key: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    details: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    entry_mac: Option<Vec<u8>>,
    #[diesel(sql_type = Binary)]
    hashes: Vec<u8>,
    #[diesel(sql_type = Binary)]
    signature: Vec<u8>,
    #[diesel(sql_type = Binary)]
    mac: Vec<u8>,
}

const LOG: &str = "SELECT t.seq, e.bytes, t.entry_id, e.key, e.details, e.mac AS entry_mac, t.hashes, t.signature, t.mac \
                   FROM audit_tree t JOIN audit_entries e ON e.id = t.entry_id ORDER BY t.seq";

macro_rules! run_sql {
    ($type:ty) => {
        impl RunSql for $type {
            fn sql(&mut self, text: &str) {
                self.batch_execute(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            }
            fn log(&mut self) -> Vec<Line> {
                sql_query(LOG).load(self).unwrap()
            }
            fn set_bytes(&mut self, text: &str, value: &[u8], seq: i64) {
                let done =
                    sql_query(text).bind::<Binary, _>(value).bind::<BigInt, _>(seq).execute(self).unwrap();
                assert_eq!(done, 1, "{text}");
            }
        }
    };
}

type Pg = AsyncConnectionWrapper<AsyncPgConnection>;
run_sql!(SqliteConnection);
run_sql!(Pg);

impl Victim for SqliteConnection {
    const UNLOCK: &'static str = "DROP TRIGGER audit_tree_no_update; DROP TRIGGER audit_tree_no_delete; \
         DROP TRIGGER audit_tree_no_replace; DROP TRIGGER audit_entries_no_update; \
         DROP TRIGGER audit_entries_no_delete; DROP TRIGGER audit_entries_no_replace; PRAGMA defer_foreign_keys = ON";
    fn tx(&mut self) -> &mut dyn Tx {
        self
    }
}

impl Victim for Pg {
    const UNLOCK: &'static str =
        "ALTER TABLE audit_tree DISABLE TRIGGER ALL; ALTER TABLE audit_entries DISABLE TRIGGER ALL";
    fn tx(&mut self) -> &mut dyn Tx {
        self
    }
}

/// xorshift: the same tamperings in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

fn flipped(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = dice.throw(bytes.len());
    bytes[at] ^= 1 << dice.throw(8);
    bytes
}

/// Changes the log; what was done, and the entry that must be named.
fn tamper<V: Victim>(db: &mut V, dice: &mut Dice) -> (String, u64) {
    let log = db.log();
    let size = log.len();
    let at = dice.throw(size);
    let line = &log[at];
    let seq = line.seq;
    let entry = "(SELECT entry_id FROM audit_tree WHERE seq = $2)";
    let first_wrong = |what: &str, at: usize| (format!("{what} at {at}"), u64::try_from(at).unwrap());
    let shift = |by: i64, from: i64| {
        // Twice, so that no place is taken on the way.
        format!(
            "UPDATE audit_tree SET seq = -1000000 - seq WHERE seq >= {from}; \
             UPDATE audit_tree SET seq = -1000000 - seq + {by} WHERE seq <= -1000000"
        )
    };
    let forge = |db: &mut V, seq: Option<i64>| {
        let id = format!("{:032x}", 0xf00d_u128);
        let (hex, copy) = (format!("X'{id}'"), "SELECT entry_id FROM audit_tree WHERE seq = 0");
        let hex = if V::UNLOCK.starts_with("ALTER") { format!("'\\x{id}'::bytea") } else { hex };
        db.sql(&format!(
            "INSERT INTO audit_entries SELECT {hex}, at, case_id, case_version, actor_id, action, bytes, key, details, mac \
             FROM audit_entries WHERE id = ({copy})"
        ));
        if let Some(seq) = seq {
            db.sql(&format!(
                "INSERT INTO audit_tree SELECT {seq}, {hex}, hashes, signature, mac FROM audit_tree WHERE seq = 0"
            ));
        }
    };
    match dice.throw(17) {
        0 | 1 => {
            db.set_bytes(
                &format!("UPDATE audit_entries SET bytes = $1 WHERE id = {entry}"),
                &flipped(&line.bytes, dice),
                seq,
            );
            first_wrong("a byte of an entry", at)
        }
        2 => {
            let details = flipped(line.details.as_ref().unwrap(), dice);
            db.set_bytes(&format!("UPDATE audit_entries SET details = $1 WHERE id = {entry}"), &details, seq);
            first_wrong("a byte of sealed details", at)
        }
        3 => {
            let key = flipped(line.key.as_ref().unwrap(), dice);
            db.set_bytes(&format!("UPDATE audit_entries SET key = $1 WHERE id = {entry}"), &key, seq);
            first_wrong("a byte of a details' key", at)
        }
        4 => {
            let mac = flipped(line.entry_mac.as_ref().unwrap(), dice);
            db.set_bytes(&format!("UPDATE audit_entries SET mac = $1 WHERE id = {entry}"), &mac, seq);
            first_wrong("a byte of an entry's MAC", at)
        }
        5 => {
            let column = ["at = at + 1", "action = 'case.closed'", "case_version = 77", "actor_id = id"]
                [dice.throw(4)];
            db.sql(&format!("UPDATE audit_entries SET {column} WHERE id = (SELECT entry_id FROM audit_tree WHERE seq = {seq})"));
            first_wrong(column, at)
        }
        6 => {
            db.set_bytes(
                "UPDATE audit_tree SET hashes = $1 WHERE seq = $2",
                &flipped(&line.hashes, dice),
                seq,
            );
            first_wrong("a byte of the tree's hashes", at)
        }
        7 => {
            db.set_bytes(
                "UPDATE audit_tree SET signature = $1 WHERE seq = $2",
                &flipped(&line.signature, dice),
                seq,
            );
            first_wrong("a byte of a signature", at)
        }
        8 => {
            db.set_bytes("UPDATE audit_tree SET mac = $1 WHERE seq = $2", &flipped(&line.mac, dice), seq);
            first_wrong("a byte of a place's MAC", at)
        }
        9 => {
            db.set_bytes("DELETE FROM audit_entries WHERE id = $1 AND $2 = $2", &line.entry_id, seq);
            first_wrong("an entry dropped", at)
        }
        10 => {
            db.sql(&format!("DELETE FROM audit_tree WHERE seq = {seq}"));
            first_wrong("a place dropped", at)
        }
        11 => {
            db.sql(&format!("DELETE FROM audit_tree WHERE seq = {seq}"));
            db.set_bytes("DELETE FROM audit_entries WHERE id = $1 AND $2 = $2", &line.entry_id, seq);
            db.sql(&shift(-1, seq));
            first_wrong("an entry dropped and the rest moved up", at)
        }
        12 => {
            let other = (at + 1 + dice.throw(size - 1)) % size;
            let (one, two) = (seq, log[other].seq);
            db.sql(&format!(
                "UPDATE audit_tree SET seq = -5 WHERE seq = {one}; UPDATE audit_tree SET seq = {one} WHERE seq = {two}; \
                 UPDATE audit_tree SET seq = {two} WHERE seq = -5"
            ));
            first_wrong("two places exchanged", at.min(other))
        }
        13 => {
            forge(db, None);
            first_wrong("an entry inserted outside the tree", size)
        }
        14 => {
            db.sql(&shift(1, seq));
            forge(db, Some(seq));
            first_wrong("an entry inserted", at)
        }
        15 => {
            db.sql(&format!("DELETE FROM audit_tree WHERE seq >= {seq}"));
            for line in &log[at..] {
                db.set_bytes("DELETE FROM audit_entries WHERE id = $1 AND $2 = $2", &line.entry_id, 0);
            }
            first_wrong("the tail cut off", at)
        }
        _ => {
            resign(db, &log, at, dice);
            first_wrong("the key replaced from here on", at)
        }
    }
}

/// Signs the log anew with another key from `at` on, as well as anybody without the keys can.
fn resign<V: Victim>(db: &mut V, log: &[Line], at: usize, dice: &mut Dice) {
    let mut seed = [0; 32];
    seed.iter_mut().for_each(|byte| *byte = u8::try_from(dice.throw(256)).unwrap());
    let key = LogKey::from_seed(&seed);
    let mut front = Frontier::default();
    for line in log {
        front.push(entry_hash(&line.bytes));
        if line.seq >= log[at].seq {
            let signature = key.sign(front.size(), front.root());
            db.set_bytes("UPDATE audit_tree SET signature = $1 WHERE seq = $2", &signature, line.seq);
        }
    }
}

fn verify<V: Victim>(db: &mut V, office: &Office, known: &[Known]) -> Result<Sound, Fault> {
    let vault = &office.register.shared.vault;
    let key = LogKey::from_seed(vault.log_signing().bytes()).public().clone();
    let found: Result<_, DeskError> = verify_log(db.tx(), vault, key, known.to_vec());
    found.expect("the database can be read")
}

fn open_sqlite(path: &std::path::Path) -> SqliteConnection {
    let mut db = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    db.sql("PRAGMA busy_timeout = 10000");
    db
}

async fn a_log(database: Database) -> Office {
    let office = Office::open(database).await;
    let agent = office.user("agent", &[Role::Agent]).await;
    while office.read(|tx| tx.tree_size()).await < ENTRIES {
        let case = office.case(&agent, Sensitivity::Confidential).await;
        for _ in 0..5 {
            office
                .run(Trace::system("test.happened", serde_json::json!({ "case": case.id.to_string() })))
                .await
                .unwrap();
        }
        office.sequence().await;
    }
    office
}

fn tamper_and_verify<V: Victim>(db: &mut V, office: &Office, rounds: u64) {
    let sound = verify(db, office, &[]).expect("nothing is wrong");
    assert_eq!(sound.waiting, 0);
    let known = [Known { size: sound.size, root: sound.root, from: "the checkpoint kept elsewhere".into() }];
    let mut dice = Dice(0x5eed);
    for round in 0..rounds {
        db.sql("BEGIN");
        db.sql(V::UNLOCK);
        let (what, wrong) = tamper(db, &mut dice);
        let found = verify(db, office, &known);
        db.sql("ROLLBACK");
        match found {
            Ok(_) => panic!("round {round}: {what}: unnoticed"),
            Err(fault) => assert_eq!(fault.index, wrong, "round {round}: {what}: {fault}"),
        }
    }
    assert_eq!(verify(db, office, &known), Ok(sound));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_is_named_on_sqlite() {
    let office = a_log(Database::Sqlite).await;
    let path = office.dir.path().join("caseward.db");
    let mut db = open_sqlite(&path);
    tokio::task::block_in_place(|| tamper_and_verify(&mut db, &office, ROUNDS));
    office.register.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_is_named_on_postgres() {
    let office = a_log(Database::Postgres).await;
    let url = office.settings.database.url.clone();
    let office = std::thread::spawn(move || {
        let mut db = Pg::establish(&url).unwrap();
        tamper_and_verify(&mut db, &office, POSTGRES_ROUNDS);
        office
    })
    .join()
    .unwrap();
    office.register.close().await;
}

/// Without any checkpoint kept elsewhere, the cases themselves tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_tail_shows_in_the_cases() {
    let office = a_log(Database::Sqlite).await;
    let agent = office.user("other", &[Role::Agent]).await;
    office.sequence().await;
    let size = office.read(|tx| tx.tree_size()).await;
    office.case(&agent, Sensitivity::Standard).await;
    office.sequence().await;
    let path = office.dir.path().join("caseward.db");
    let mut db = open_sqlite(&path);
    db.sql(SqliteConnection::UNLOCK);
    db.sql(&format!(
        "DELETE FROM audit_tree WHERE seq >= {size}; DELETE FROM audit_entries WHERE id NOT IN (SELECT entry_id FROM audit_tree)"
    ));
    let fault = verify(&mut db, &office, &[]).unwrap_err();
    assert_eq!(fault.index, u64::try_from(size).unwrap(), "{fault}");
}

/// The wrapped key itself is replaced: nothing opens, and it is said that no entry can be trusted any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_signing_key_stops_everything() {
    let office = a_log(Database::Sqlite).await;
    let Office { register, settings, dir, .. } = office;
    register.close().await;
    let path = dir.path().join("caseward.db");
    let mut db = open_sqlite(&path);
    db.sql("UPDATE vault_keys SET wrapped = zeroblob(72) WHERE id = CAST('audit-signing' AS BLOB)");
    let open = |settings: caseward::settings::Settings| {
        caseward::daemon::Register::open(&settings, Box::new(caseward::case::Moment::now))
    };
    let why = tokio::task::spawn_blocking({
        let settings = settings.clone();
        move || open(settings).err().expect("it does not open").to_string()
    });
    let why = why.await.unwrap();
    assert!(why.contains("entry 0"), "{why}");
    db.sql("DELETE FROM vault_keys WHERE id = CAST('audit-signing' AS BLOB)");
    let gone =
        tokio::task::spawn_blocking(move || open(settings).err().expect("it does not open").to_string());
    assert_eq!(gone.await.unwrap(), why);
}
