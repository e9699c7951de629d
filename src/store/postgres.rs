//! PostgreSQL, by a client in pure Rust over rustls. What differs from SQLite is here and nowhere else: how to
//! connect, how to begin, how to claim.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Runtime;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;
use super::copy::CopyError;
use super::found::Look;
use super::tx::Begin;

pub type Conn = AsyncConnectionWrapper<AsyncPgConnection>;
pub type Db = diesel::pg::Pg;

pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Several daemons claim side by side.
macro_rules! skip_locked {
    ($query:expr) => {
        $query.for_update().skip_locked()
    };
}
use skip_locked;

#[path = "queries/audit.rs"]
mod audit;
#[path = "queries/backups.rs"]
mod backups;
#[path = "queries/cases.rs"]
mod cases;
#[path = "queries/clocks.rs"]
mod clocks;
#[path = "queries/directory.rs"]
mod directory;
#[path = "queries/grants.rs"]
mod grants;
#[path = "queries/keys.rs"]
mod keys;
#[path = "queries/leases.rs"]
mod leases;
#[path = "queries/messages.rs"]
mod messages;
#[path = "queries/outbox.rs"]
mod outbox;
#[path = "queries/parties.rs"]
mod parties;
#[path = "queries/register.rs"]
mod register;
#[path = "queries/search.rs"]
mod search;
#[path = "queries/threads.rs"]
mod threads;
#[path = "queries/users.rs"]
mod users;
#[path = "queries/walls.rs"]
mod walls;

/// Any number; the same for every daemon.
const INTAKE_LOCK: i64 = 0x6361_7365_0001;
const MIGRATION_LOCK: i64 = 0x6361_7365_0002;
const OUTBOX_LOCK: i64 = 0x6361_7365_0003;

/// How to reach one PostgreSQL database. Owns the runtime that drives its connections.
pub struct Server {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    runtime: Arc<Runtime>,
}

impl Server {
    /// Reads the URL; connects to nothing yet.
    pub fn new(
        url: &str,
        password: Option<&SecretString>,
        ca_file: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let unusable = |why: String| StoreError::Unusable(format!("database.url: {why}"));
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|error| unusable(format!("{error}; it reads postgres://user@host/database")))?;
        config.connect_timeout(Duration::from_secs(10)).application_name("caseward");
        if let Some(password) = password {
            config.password(password.expose_secret());
        }
        let tls = crate::tls::client_config(ca_file).map_err(|error| unusable(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|error| unusable(format!("no thread could be started: {error}")))?;
        let tls = MakeRustlsConnect::new(tls.as_ref().clone());
        Ok(Self { config, tls, runtime: Arc::new(runtime) })
    }

    /// Opens a connection. Call it from a thread of its own, never from async code.
    pub fn connect(&self) -> Result<Conn, StoreError> {
        // The wrapper takes the runtime it finds here; the one it would make itself has no timers.
        let _entered = self.runtime.enter();
        let connected = self.runtime.block_on(async {
            let (client, connection) =
                self.config.connect(self.tls.clone()).await.map_err(|error| cause(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection)
                .await
                .map_err(|error| error.to_string())
        });
        let mut conn: Conn = connected
            .map_err(|error| {
                StoreError::Unavailable(format!(
                    "the PostgreSQL server cannot be reached ({error}); check database.url, the password and that it runs"
                ))
            })?
            .into();
        conn.batch_execute("SET synchronous_commit = on; SET statement_timeout = '60s'")?;
        Ok(conn)
    }
}

/// "db error" and "error connecting" say nothing; their source does.
fn cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// Runs `work` while no other daemon migrates.
pub fn with_migration_lock<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Waiting for another daemon's migration takes as long as it takes, and so does one's own.
    conn.batch_execute(&format!("SET statement_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})"))?;
    let done = work(conn);
    conn.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})"))?;
    done
}

impl Begin for Conn {
    fn begin_write(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("BEGIN")?)
    }
    fn begin_read(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?)
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("COMMIT")?)
    }
    fn rollback(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("ROLLBACK")?)
    }
    fn savepoint(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("SAVEPOINT action")?)
    }
    fn release(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("RELEASE SAVEPOINT action")?)
    }
    fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("ROLLBACK TO SAVEPOINT action; RELEASE SAVEPOINT action")?)
    }
    fn lock_intake(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute(&format!("SELECT pg_advisory_xact_lock({INTAKE_LOCK})"))?)
    }
    fn try_lock_outbox(&mut self) -> Result<bool, StoreError> {
        // Never waits: this transaction may hold the intake lock, and the other one may wait for that.
        let query = format!("pg_try_advisory_xact_lock({OUTBOX_LOCK})");
        Ok(diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(&query)).get_result(self)?)
    }
    fn ping(&mut self) -> Result<(), StoreError> {
        Ok(self.batch_execute("SELECT 1")?)
    }
}

/// Opens a restored copy for reading alone. PostgreSQL itself refused a damaged dump when it was restored.
pub fn open_copy(server: &Server) -> Result<Conn, CopyError> {
    let mut conn = server.connect()?;
    conn.batch_execute("SET default_transaction_read_only = on; SET statement_timeout = 0")
        .map_err(StoreError::from)?;
    super::known_schema(backups::applied(&mut conn), &super::versions::<Db>(&MIGRATIONS)?)?;
    Ok(conn)
}

#[derive(diesel::QueryableByName)]
struct Clock {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    micros: i64,
    /// Whether our own tables are there.
    #[diesel(sql_type = diesel::sql_types::Bool)]
    migrated: bool,
}

/// Looks at the database without making or changing anything.
pub fn look(server: &Server) -> Result<Look<Conn>, StoreError> {
    use diesel::RunQueryDsl;
    let known = super::versions::<Db>(&MIGRATIONS)?;
    let mut conn = server.connect()?;
    let clock: Clock = diesel::sql_query(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros,
             to_regclass('__diesel_schema_migrations') IS NOT NULL AS migrated",
    )
    .get_result(&mut conn)?;
    let server_time = Some(crate::case::Moment::from_micros(clock.micros));
    if !clock.migrated {
        return Ok(Look { conn: None, pending: known.len(), server_time });
    }
    let pending = super::found::pending(&backups::applied(&mut conn)?, &known)?;
    Ok(Look { conn: Some(conn), pending, server_time })
}
