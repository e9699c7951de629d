//! Sends over SMTP: a few connections, each used for mail after mail, every send with an end in time. Keeps no
//! mail and tries nothing twice that may have been accepted; leases and retries are the outbox's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::session::{Route, Session};
use super::stream::{Endpoint, is_loopback};
use super::{Accepted, Envelope, Login, ReplyCode, SendError};
use crate::settings::{SmtpSettings, Tls};

/// Servers close idle connections after some minutes (RFC 5321 section 4.5.3.2: five); we are gone before.
const IDLE: Duration = Duration::from_secs(60);
/// For a QUIT; the mail's fate is settled by then.
const FAREWELL: Duration = Duration::from_secs(1);

/// One outgoing mail server.
pub struct Smtp {
    endpoint: Endpoint,
    login: Login,
    timeout: Duration,
    slots: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl Smtp {
    /// Checks the settings and reads the CA file; connects to nothing.
    pub fn new(settings: &SmtpSettings, login: Login) -> Result<Self, SendError> {
        if settings.tls == Tls::None && !is_loopback(&settings.host) {
            return Err(SendError::Misconfigured(
                "smtp.tls = \"none\" is for a mail server on this machine; use \"starttls\" or \"implicit\""
                    .into(),
            ));
        }
        let config = crate::tls::client_config(settings.ca_file.as_deref())
            .map_err(|error| SendError::Misconfigured(format!("smtp.{error}")))?;
        let endpoint = Endpoint {
            host: settings.host.clone(),
            port: settings.port,
            tls: settings.tls,
            config,
            hello: ClientId::default().to_string(),
        };
        Ok(Self {
            endpoint,
            login,
            timeout: settings.timeout,
            slots: Semaphore::new(usize::from(settings.connections.max(1))),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Sends one mail, waiting for a free connection first. From then on it takes no longer than the settings'
    /// `timeout`; dropping the future leaves the outcome unknown.
    pub async fn send(&self, envelope: &Envelope, raw: &[u8]) -> Result<Accepted, SendError> {
        let route = Route::new(envelope)?;
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(SendError::Unreachable("the daemon is stopping".into()));
        };
        let deadline = Instant::now() + self.timeout;
        if let Some(session) = self.reusable() {
            match self.transact(session, &route, raw, deadline).await {
                // The server has let go of the connection between two mails, or has had enough of it.
                Err(
                    SendError::Unreachable(_) | SendError::Temporary { code: ReplyCode { basic: 421, .. } },
                ) => {}
                outcome => return outcome,
            }
        }
        let session = timeout_at(deadline, Session::open(&self.endpoint, &self.login))
            .await
            .map_err(|_| too_slow())??;
        self.transact(session, &route, raw, deadline).await
    }

    /// Opens a connection, logs in and ends it, within the settings' `timeout`.
    ///
    /// # Errors
    /// What would keep mail from being sent.
    pub async fn try_login(&self) -> Result<(), SendError> {
        let opened = timeout(self.timeout, Session::open(&self.endpoint, &self.login)).await;
        farewell(opened.map_err(|_| too_slow())??).await;
        Ok(())
    }

    /// Ends the idle connections politely.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for Idle { session, .. } in idle {
            farewell(session).await;
        }
    }

    async fn transact(
        &self,
        mut session: Session,
        route: &Route,
        raw: &[u8],
        deadline: Instant,
    ) -> Result<Accepted, SendError> {
        let handed_over = AtomicBool::new(false);
        let outcome = match timeout_at(deadline, session.transact(route, raw, &handed_over)).await {
            Ok(outcome) => outcome,
            Err(_) if handed_over.load(Ordering::Relaxed) => return Err(SendError::Unknown),
            Err(_) => return Err(too_slow()),
        };
        match &outcome {
            Ok(_) => self.idle().push(Idle { session, since: Instant::now() }),
            // A refused transaction is half open; a new connection is simpler than RSET, and servers slow down
            // those that err.
            Err(SendError::Temporary { .. } | SendError::Permanent { .. } | SendError::NullSenderRefused) => {
                farewell(session).await;
            }
            Err(_) => {}
        }
        outcome
    }

    /// The connection used last: the others grow old and are closed.
    fn reusable(&self) -> Option<Session> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE);
        idle.pop().map(|idle| idle.session)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_slow() -> SendError {
    SendError::Unreachable("it does not answer within smtp.timeout".into())
}

async fn farewell(session: Session) {
    // Whether it says goodbye in time changes nothing.
    timeout(FAREWELL, session.quit()).await.unwrap_or_default();
}
