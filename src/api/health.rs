//! Whether it lives and whether it works, for supervisors. Names of mailboxes, never a case.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{State, on, resource};
use crate::case::Moment;
use crate::intake::pulse::Pulse;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/healthz", [on(Method::GET, alive)]))
        .service(resource("/readyz", [on(Method::GET, ready)]));
}

/// How the mailboxes are.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pub mailboxes: Vec<MailboxHealth>,
    /// What each client secret that ends soon opens, and in how many days.
    pub secrets: Vec<(String, i64)>,
}

/// How one mailbox is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MailboxHealth {
    pub name: String,
    /// False when nothing could be polled for longer than the settings allow.
    pub ready: bool,
    /// The last attempt failed.
    pub failing: bool,
    /// The last complete look.
    #[serde(serialize_with = "written")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub polled_at: Option<Moment>,
    /// Mails listed and not yet taken in.
    pub waiting: i64,
    /// When the oldest of them was received.
    #[serde(serialize_with = "written")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_waiting: Option<Moment>,
    /// What was taken in cannot be marked, moved or deleted on the server.
    pub unsettled: bool,
}

fn written<S: serde::Serializer>(at: &Option<Moment>, to: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_string()).serialize(to)
}

impl MailboxHealth {
    /// Judges a mailbox by its pulse.
    #[must_use]
    pub fn of(name: &str, pulse: &Pulse, alarm_after: Duration, now: Moment) -> Self {
        Self {
            name: name.into(),
            ready: !pulse.is_overdue(alarm_after, now),
            failing: pulse.failing.load(Ordering::Relaxed) != 0,
            polled_at: pulse.last_polled(),
            waiting: pulse.waiting.load(Ordering::Relaxed),
            oldest_waiting: pulse.oldest_waiting(),
            unsettled: pulse.unsettled.load(Ordering::Relaxed),
        }
    }
}

/// Whether all works.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    /// The register answers and takes changes.
    pub database: bool,
    pub mailboxes: Vec<MailboxHealth>,
}

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Whether the register answers and every mailbox is polled.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn ready(state: web::Data<State>) -> HttpResponse {
    let answers = state.api.store.read(|tx| tx.ping()).await.is_ok();
    let database = answers && !state.api.shared.meter.read().unwritable;
    let mailboxes = (state.api.health)().mailboxes;
    let ready = database && mailboxes.iter().all(|mailbox| mailbox.ready);
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready, database, mailboxes })
}
