//! Whether it lives, whether it works, and the figures: for supervisors and Prometheus. Counts and names of
//! mailboxes, never a case.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth;
use super::errors::ReadErrors;
use super::problem::Problem;
use super::{State, on, resource};
use crate::case::Moment;
use crate::desk::DeskError;
use crate::intake::pulse::Pulse;
use crate::store::rows::{Held, OutboxState};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/healthz", [on(Method::GET, alive)]))
        .service(resource("/readyz", [on(Method::GET, ready)]))
        .service(resource("/metrics", [on(Method::GET, metrics)]));
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
            unsettled: pulse.unsettled.load(Ordering::Relaxed),
        }
    }
}

/// Whether all works.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    /// The register answers.
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
    let database = state.api.store.read(|tx| tx.ping()).await.is_ok();
    let mailboxes = (state.api.health)().mailboxes;
    let ready = database && mailboxes.iter().all(|mailbox| mailbox.ready);
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready, database, mailboxes })
}

/// Figures for Prometheus. Without a token to callers on this machine alone.
#[utoipa::path(get, path = "/metrics", tag = "health", security((), ("token" = [])),
    responses((status = 200, body = String, content_type = "text/plain"), ReadErrors))]
async fn metrics(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if !request.peer_addr().is_some_and(|peer| peer.ip().is_loopback()) {
        auth::caller(&state, request.headers()).await?;
    }
    let counts = state
        .api
        .store
        .read(|tx| {
            let mut held = Vec::new();
            for kind in Held::ALL {
                held.push((kind.as_str(), tx.count_held(*kind)?));
            }
            let mut outbox = Vec::new();
            for kind in OutboxState::ALL {
                outbox.push((kind.as_str(), tx.count_outbox(*kind)?));
            }
            Ok::<_, DeskError>((held, outbox, tx.oldest_waiting()?, tx.count_unread()?))
        })
        .await?;
    let (held, outbox, oldest, unread) = counts;
    let text = figures(&held, &outbox, oldest, unread, &(state.api.health)(), state.api.shared.now());
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

fn figures(
    held: &[(&str, i64)],
    outbox: &[(&str, i64)],
    oldest: Option<Moment>,
    unread: i64,
    health: &Health,
    now: Moment,
) -> String {
    let by = |label: &str, values: &[(&str, i64)]| {
        values.iter().map(|(name, value)| (format!("{{{label}=\"{name}\"}}"), *value)).collect::<Vec<_>>()
    };
    let seconds = |since: Moment| (now.micros() - since.micros()).max(0) / 1_000_000;
    let boxes = |value: &dyn Fn(&MailboxHealth) -> i64| {
        health.mailboxes.iter().map(|one| (label(&one.name), value(one))).collect::<Vec<_>>()
    };
    let families = [
        ("caseward_held_messages", "Mail in no case, by why it is held.", by("held", held)),
        ("caseward_outbox_messages", "Outgoing mail by state.", by("state", outbox)),
        (
            "caseward_outbox_oldest_waiting_seconds",
            "Age of the oldest mail that waits to be sent.",
            vec![(String::new(), oldest.map_or(0, seconds))],
        ),
        (
            "caseward_mailbox_ready",
            "1 while the mailbox is polled as the settings ask.",
            boxes(&|one| i64::from(one.ready)),
        ),
        (
            "caseward_mailbox_failing",
            "1 while the last attempt at the mailbox failed.",
            boxes(&|one| i64::from(one.failing)),
        ),
        (
            "caseward_mailbox_unsettled",
            "1 while what was taken in cannot be marked, moved or deleted on the server.",
            boxes(&|one| i64::from(one.unsettled)),
        ),
        (
            "caseward_register_unread_messages",
            "Mail that the mailboxes list and that could not be had so far.",
            vec![(String::new(), unread)],
        ),
        (
            "caseward_client_secret_days",
            "Days until a client secret ends, when they are few.",
            health.secrets.iter().map(|(name, days)| (labelled("name", name), *days)).collect(),
        ),
        ("caseward_mailbox_waiting_messages", "Mail listed and not yet taken in.", boxes(&|one| one.waiting)),
        (
            "caseward_mailbox_polled_timestamp_seconds",
            "When the mailbox was last looked through; 0 before the first time.",
            boxes(&|one| one.polled_at.map_or(0, |at| at.micros() / 1_000_000)),
        ),
    ];
    let mut text = String::new();
    for (name, help, values) in &families {
        let mut lines = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in values {
            if writeln!(lines, "{name}{labels} {value}").is_err() {
                break;
            }
        }
        text.push_str(&lines);
    }
    text
}

fn label(mailbox: &str) -> String {
    labelled("mailbox", mailbox)
}

fn labelled(label: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{{label}=\"{escaped}\"}}")
}
