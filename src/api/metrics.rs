//! The figures for Prometheus (its text format 0.0.4): what waits and since when, what fails, what ends soon. Counts,
//! times and names of mailboxes; never a case or a person. `docs/operations/metrics.md` explains each.

use std::fmt::Write;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, web};

use super::errors::ReadErrors;
use super::health::{Health, MailboxHealth};
use super::limit::Key;
use super::problem::Problem;
use super::{State, auth, on, resource};
use crate::case::Moment;
use crate::case::actor::Role;
use crate::desk::DeskError;
use crate::desk::meter::Reading;
use crate::store::Tx;
use crate::store::rows::{Held, OutboxState};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/metrics", [on(Method::GET, metrics)]));
}

/// Figures for Prometheus. For callers on this machine, with `api.metrics_token`, or with a token of an auditor or an
/// admin.
#[utoipa::path(get, path = "/metrics", tag = "health", security((), ("token" = [])),
    responses((status = 200, body = String, content_type = "text/plain"), ReadErrors))]
pub async fn metrics(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let local = peer.is_some_and(|peer| peer.is_loopback()) && !forwarded(request.headers());
    if !local && let Err(problem) = may_read(&state, request.headers()).await {
        state.limiter.check(Key::peer(peer))?;
        return Err(problem);
    }
    let shared = &state.api.shared;
    let now = shared.now();
    let begun = Instant::now();
    let counted = state.api.store.read(move |tx| Counted::read(tx, now)).await;
    let page = Page {
        now,
        counted: counted
            .inspect_err(|error| tracing::warn!(%error, "the figures lack those of the register"))
            .ok(),
        read_took: begun.elapsed(),
        desk: shared.meter.read(),
        waiting: [("desk", state.api.desk.waiting()), ("reads", state.api.store.waiting())],
        health: (state.api.health)(),
    };
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(page.write()))
}

/// A proxy on this machine speaks for somebody who may be anywhere.
fn forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

async fn may_read(state: &State, headers: &HeaderMap) -> Result<(), Problem> {
    let lookup = state.api.shared.vault.lookup();
    if let (Some(wanted), Some(given)) = (&state.metrics_token, auth::bearer(headers))
        && lookup.credential(given) == *wanted
    {
        return Ok(());
    }
    let caller = auth::caller(state, headers).await?;
    let watches = |role| caller.user.roles.has(role);
    if watches(Role::Auditor) || watches(Role::Admin) {
        return Ok(());
    }
    Err(DeskError::Refused("figures are for auditors, admins and `api.metrics_token`").into())
}

/// What only the register knows.
struct Counted {
    held: Vec<(&'static str, i64)>,
    waiting: i64,
    leased: i64,
    dead: i64,
    oldest: Option<Moment>,
    unread: i64,
    token_ends: Option<Moment>,
    backed_up: Option<Moment>,
}

impl Counted {
    fn read(tx: &mut dyn Tx, now: Moment) -> Result<Self, DeskError> {
        let mut held = Vec::new();
        for kind in Held::ALL {
            held.push((kind.as_str(), tx.count_held(*kind)?));
        }
        Ok(Self {
            held,
            waiting: tx.count_outbox(OutboxState::Waiting)?,
            leased: tx.count_leased(now)?,
            dead: tx.count_outbox(OutboxState::Dead)?,
            oldest: tx.oldest_waiting()?,
            unread: tx.count_unread()?,
            token_ends: tx.next_token_end(now)?,
            backed_up: tx.last_verified_backup()?,
        })
    }
}

struct Page {
    now: Moment,
    /// `None` while the register does not answer.
    counted: Option<Counted>,
    read_took: Duration,
    desk: Reading,
    waiting: [(&'static str, usize); 2],
    health: Health,
}

impl Page {
    fn write(&self) -> String {
        let mut text = Text::default();
        text.one(
            "caseward_build_info",
            GAUGE,
            "The version that runs.",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        self.mailboxes(&mut text);
        if let Some(counted) = &self.counted {
            self.register(&mut text, counted);
        }
        self.database(&mut text);
        text.family(
            "caseward_client_secret_days",
            GAUGE,
            "Days until a client secret ends, when they are few.",
        );
        for (name, days) in &self.health.secrets {
            text.sample(&[("name", name)], *days);
        }
        process(&mut text);
        text.0
    }

    fn mailboxes(&self, text: &mut Text) {
        let mut each = |name, help, value: &dyn Fn(&MailboxHealth) -> i64| {
            text.family(name, GAUGE, help);
            for one in &self.health.mailboxes {
                text.sample(&[("mailbox", &one.name)], value(one));
            }
        };
        each("caseward_mailbox_ready", "1 while the mailbox is polled as the settings ask.", &|one| {
            i64::from(one.ready)
        });
        each("caseward_mailbox_failing", "1 while the last attempt at the mailbox failed.", &|one| {
            i64::from(one.failing)
        });
        each(
            "caseward_mailbox_unsettled",
            "1 while what was taken in cannot be marked, moved or deleted on the server.",
            &|one| i64::from(one.unsettled),
        );
        each("caseward_mailbox_waiting_messages", "Mail listed and not yet taken in.", &|one| one.waiting);
        each(
            "caseward_mailbox_polled_timestamp_seconds",
            "When the mailbox was last looked through; 0 before the first time.",
            &|one| one.polled_at.map_or(0, |at| at.micros() / 1_000_000),
        );
        let age = "Age of the oldest mail that waits; 0 when none does.";
        text.family("caseward_mailbox_oldest_waiting_seconds", GAUGE, age);
        for one in &self.health.mailboxes {
            let age = one.oldest_waiting.map_or(0.0, |at| self.since(at));
            text.sample(&[("mailbox", &one.name)], age);
        }
        text.family(
            "caseward_mailbox_poll_lag_seconds",
            GAUGE,
            "Time since the mailbox was last looked through.",
        );
        for one in &self.health.mailboxes {
            if let Some(at) = one.polled_at {
                text.sample(&[("mailbox", &one.name)], self.since(at));
            }
        }
    }

    fn register(&self, text: &mut Text, counted: &Counted) {
        text.family("caseward_held_messages", GAUGE, "Mail in no case, by why it is held.");
        for (held, count) in &counted.held {
            text.sample(&[("held", held)], *count);
        }
        let unread = "Mail that the mailboxes list and that could not be had so far.";
        text.one("caseward_register_unread_messages", GAUGE, unread, &[], counted.unread);
        text.family("caseward_outbox_messages", GAUGE, "Outgoing mail that is not sent, by state.");
        text.sample(&[("state", "waiting")], counted.waiting);
        text.sample(&[("state", "dead")], counted.dead);
        let leased = "Outgoing mail that some daemon is sending now.";
        text.one("caseward_outbox_leased_messages", GAUGE, leased, &[], counted.leased);
        let age = counted.oldest.map_or(0.0, |at| self.since(at));
        let oldest = "Age of the oldest mail that waits to be sent; 0 when none waits.";
        text.one("caseward_outbox_oldest_waiting_seconds", GAUGE, oldest, &[], age);
        text.family("caseward_api_token_next_end_timestamp_seconds", GAUGE, "When the next API token ends.");
        if let Some(at) = counted.token_ends {
            text.sample(&[], at.micros() / 1_000_000);
        }
        let known = "All from before this time is in a verified backup; absent without one.";
        text.family("caseward_backup_verified_timestamp_seconds", GAUGE, known);
        if let Some(at) = counted.backed_up {
            text.sample(&[], at.micros() / 1_000_000);
        }
    }

    fn database(&self, text: &mut Text) {
        let up = i64::from(self.counted.is_some());
        text.one("caseward_database_up", GAUGE, "1 while the register answers.", &[], up);
        let writable = i64::from(!self.desk.unwritable);
        let help = "0 while the register takes no changes: a full disk, a read-only or damaged file.";
        text.one("caseward_database_writable", GAUGE, help, &[], writable);
        let help = "Time that reading these figures took at the register.";
        text.one("caseward_database_read_seconds", GAUGE, help, &[], self.read_took.as_secs_f64());
        text.family(
            "caseward_database_commit_seconds",
            "summary",
            "Time of transactions, from begin to commit.",
        );
        text.line("caseward_database_commit_seconds_sum", &[], self.desk.time.as_secs_f64());
        text.line("caseward_database_commit_seconds_count", &[], self.desk.commits);
        let help = "Changes committed.";
        text.one("caseward_database_changes_total", COUNTER, help, &[], self.desk.actions);
        let help = "Transactions that the database did not take.";
        text.one("caseward_database_rollbacks_total", COUNTER, help, &[], self.desk.rollbacks);
        text.family("caseward_queue_length", GAUGE, "What waits for its turn, by part.");
        for (part, length) in self.waiting {
            text.sample(&[("part", part)], length);
        }
    }

    fn since(&self, at: Moment) -> f64 {
        Duration::from_micros(u64::try_from(self.now.micros() - at.micros()).unwrap_or(0)).as_secs_f64()
    }
}

/// What Prometheus' own clients tell of a process, under their names.
fn process(text: &mut Text) {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(kilobytes) = number("VmRSS:") {
        let bytes = kilobytes * 1024;
        text.one("process_resident_memory_bytes", GAUGE, "Resident memory size in bytes.", &[], bytes);
    }
    if let Some(threads) = number("Threads:") {
        text.one("process_threads", GAUGE, "Number of threads.", &[], threads);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.one("process_open_fds", GAUGE, "Number of open file descriptors.", &[], open.count());
    }
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

/// The text format: a family's samples follow its name.
#[derive(Default)]
struct Text(String, &'static str);

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.line(self.1, labels, value);
    }

    fn one(
        &mut self,
        name: &'static str,
        kind: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        self.family(name, kind, help);
        self.sample(labels, value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a string does not fail.
        writeln!(self.0, "{name}{labels} {value}").unwrap_or_default();
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out() {
        let mut text = Text::default();
        text.one("name", GAUGE, "Help.", &[("mailbox", "a\"} 1\nname{x=\"\\")], 2);
        assert_eq!(
            text.0,
            "# HELP name Help.\n# TYPE name gauge\nname{mailbox=\"a\\\"} 1\\nname{x=\\\"\\\\\"} 2\n"
        );
    }
}
