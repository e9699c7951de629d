//! The schema: made once however many programs start together, refused when it is newer than the program, and the
//! same on both databases. Real processes on real databases.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::let_underscore_must_use,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use support::app::Database;
use support::site::{Serving, Site};

fn folders(database: &str) -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn names(database: &str) -> Vec<String> {
    folders(database).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn programs_that_start_together_make_one_schema_on_sqlite() {
    for _ in 0..3 {
        start_together(Database::Sqlite);
    }
}

#[test]
fn programs_that_start_together_make_one_schema_on_postgres() {
    start_together(Database::Postgres);
}

fn start_together(database: Database) {
    let site = Site::new(database);
    let mut daemons: Vec<Serving> = (0..2).map(|_| site.start()).collect();
    let users: Vec<_> = (0..4)
        .map(|number| {
            let mut command = site.command(&["user", "add", &format!("user{number}"), "--role", "agent"]);
            std::thread::spawn(move || support::site::finished(&mut command))
        })
        .collect();
    for user in users {
        user.join().unwrap().fine();
    }
    for daemon in &mut daemons {
        daemon.until_ready();
    }
    for daemon in daemons {
        daemon.stop();
    }
    let count = |of: &str| rows(&site.url, &format!("SELECT CAST(count(*) AS TEXT) AS line FROM {of}"));
    assert_eq!(count("__diesel_schema_migrations"), [names("sqlite").len().to_string()]);
    assert_eq!(count("users"), ["4"], "each program worked on the same register");
    assert_eq!(count("vault_keys WHERE purpose = 'lookup'"), ["1"]);
}

#[test]
fn an_older_program_refuses_a_newer_schema() {
    for database in [Database::Sqlite, Database::Postgres] {
        let site = Site::new(database);
        let token = site.token("auditor", "auditor");
        site.run(&["backup", "--begin"]).fine();
        let newer = "INSERT INTO __diesel_schema_migrations VALUES ('9999_future', CURRENT_TIMESTAMP)";
        execute(&site.url, newer);
        let before = rows(&site.url, "SELECT version AS line FROM __diesel_schema_migrations ORDER BY 1");
        for command in [&["serve"][..], &["user", "add", "late", "--role", "agent"], &["backup", "copy"]] {
            site.run(command).refused(2, &["newer caseward", "install that version"]);
        }
        let after = rows(&site.url, "SELECT version AS line FROM __diesel_schema_migrations ORDER BY 1");
        assert_eq!(before, after);
        execute(&site.url, "DELETE FROM __diesel_schema_migrations WHERE version = '9999_future'");
        let daemon = site.serve();
        assert_eq!(daemon.cases(&token), 0, "nothing was harmed");
        daemon.stop();
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(names("sqlite"), names("postgres"));
    let checks = |database: &str| -> Vec<String> {
        let rule = regex::Regex::new(r"CHECK \(\w+ IN \([^)]*\)\)").unwrap();
        let mut found = Vec::new();
        for folder in folders(database) {
            let text = std::fs::read_to_string(folder.join("up.sql")).unwrap();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            found.extend(rule.find_iter(&text).map(|check| check.as_str().to_owned()));
        }
        found
    };
    assert!(checks("sqlite").len() > 5);
    assert_eq!(checks("sqlite"), checks("postgres"));
}

/// One table as both databases can tell it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// Name, kind, whether it may be null; in order.
    columns: Vec<String>,
    /// Unique or not, the columns, partial or not.
    indexes: BTreeSet<String>,
    index_names: BTreeSet<String>,
    references: BTreeSet<String>,
}

#[test]
fn both_databases_have_the_same_schema() {
    let read = |database: Database, questions: [&str; 4]| -> BTreeMap<String, Table> {
        let site = Site::new(database);
        site.token("auditor", "auditor");
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let [columns, indexes, index_names, references] = questions.map(|question| rows(&site.url, question));
        let mut each = |lines: Vec<String>, put: fn(&mut Table, String) -> bool| {
            for line in lines {
                let (table, rest) = line.split_once('|').unwrap();
                assert!(put(tables.entry(table.into()).or_default(), rest.into()), "twice: {line}");
            }
        };
        each(columns, |table, line| {
            table.columns.push(line);
            true
        });
        each(indexes, |table, line| table.indexes.insert(line));
        each(index_names, |table, line| table.index_names.insert(line));
        each(references, |table, line| table.references.insert(line));
        tables
    };
    let (sqlite, postgres) = (read(Database::Sqlite, OF_SQLITE), read(Database::Postgres, OF_POSTGRES));
    assert!(sqlite.len() > 20, "{sqlite:?}");
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    for (name, table) in &sqlite {
        assert_eq!(table, &postgres[name], "{name}");
    }
}

const OF_SQLITE: [&str; 4] = [
    "SELECT m.name || '|' || c.name || ' ' || CASE c.type WHEN 'BLOB' THEN 'bytes' WHEN 'INTEGER' THEN 'number'
         ELSE lower(c.type) END || CASE WHEN c.\"notnull\" THEN '' ELSE ' null' END AS line
     FROM sqlite_schema m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY m.name, c.cid",
    "SELECT m.name || '|' || CASE WHEN i.\"unique\" THEN 'unique ' ELSE '' END
         || (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
         || CASE WHEN i.partial THEN ' partial' ELSE '' END AS line
     FROM sqlite_schema m JOIN pragma_index_list(m.name) i
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'
     UNION ALL SELECT m.name || '|unique ' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' AND c.pk = 1
         AND c.type = 'INTEGER' AND NOT EXISTS (SELECT 1 FROM pragma_index_list(m.name) i WHERE i.origin = 'pk')",
    "SELECT tbl_name || '|' || name AS line FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
    "SELECT m.name || '|' || f.\"from\" || ' ' || f.\"table\" AS line
     FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
];

const OF_POSTGRES: [&str; 4] = [
    "SELECT table_name || '|' || column_name || ' ' || CASE data_type WHEN 'bytea' THEN 'bytes' WHEN 'bigint' THEN 'number'
         WHEN 'integer' THEN 'number' WHEN 'boolean' THEN 'number' ELSE data_type END
         || CASE is_nullable WHEN 'NO' THEN '' ELSE ' null' END AS line
     FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'
     ORDER BY table_name, ordinal_position",
    "SELECT t.relname || '|' || CASE WHEN i.indisunique THEN 'unique ' ELSE '' END
         || (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number)
         || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END AS line
     FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_%'",
    "SELECT i.tablename || '|' || i.indexname AS line FROM pg_indexes i
     WHERE i.schemaname = 'public' AND i.tablename NOT LIKE '\\_\\_%'
         AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)",
    "SELECT f.relname || '|' || a.attname || ' ' || t.relname AS line FROM pg_constraint c
     JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
     JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'",
];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

fn rows(url: &str, question: &str) -> Vec<String> {
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            let mut conn = SqliteConnection::establish(path).unwrap();
            let lines: Vec<Line> = diesel::sql_query(question).load(&mut conn).unwrap();
            lines.into_iter().map(|line| line.line).collect()
        }
        None => postgres(url, |client| async move {
            client.query(question, &[]).await.unwrap().iter().map(|row| row.get("line")).collect()
        }),
    }
}

fn execute(url: &str, statement: &str) {
    match url.strip_prefix("sqlite:") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(statement).unwrap(),
        None => postgres(url, |client| async move { client.batch_execute(statement).await.unwrap() }),
    }
}

fn postgres<T, F: Future<Output = T>>(url: &str, work: impl FnOnce(tokio_postgres::Client) -> F) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let done = work(client).await;
        driver.await.unwrap().unwrap();
        done
    })
}
