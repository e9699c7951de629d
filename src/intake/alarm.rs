//! The watch over the mailboxes, apart from their tasks, for those may hang: says once when nothing could be polled
//! for too long and once when it goes on, and each day which client secrets end soon.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pulse::Pulse;
use crate::case::Moment;
use crate::desk::Shared;
use crate::oauth::Tokens;

const LOOK_EVERY: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// One mailbox under watch.
pub struct Watched {
    pub mailbox: String,
    pub pulse: Arc<Pulse>,
    pub alarm_after: Duration,
}

/// A client secret under watch.
#[derive(Clone)]
pub struct Expiring {
    /// What it opens: `mailbox/hr`, `smtp`.
    pub name: String,
    pub tokens: Arc<Tokens>,
}

impl Expiring {
    /// Its name and the days that are left, when they are few.
    #[must_use]
    pub fn days_left(&self, now: Moment) -> Option<(String, i64)> {
        Some((self.name.clone(), self.tokens.expires_soon(now.timestamp())?))
    }
}

/// What changed since the last look.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub mailbox: String,
    pub overdue: bool,
}

/// The watch.
pub struct Alarm {
    mailboxes: Vec<(Watched, bool)>,
    secrets: Vec<Expiring>,
    warned_at: Option<Moment>,
}

impl Alarm {
    #[must_use]
    pub fn new(mailboxes: Vec<Watched>, secrets: Vec<Expiring>) -> Self {
        Self {
            mailboxes: mailboxes.into_iter().map(|watched| (watched, false)).collect(),
            secrets,
            warned_at: None,
        }
    }

    /// Watches until `stop`.
    pub async fn run(mut self, shared: Arc<Shared>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = shared.now();
            for Change { mailbox, overdue } in self.look(now) {
                if overdue {
                    tracing::error!(mailbox, "ALARM: this mailbox could not be polled for too long");
                } else {
                    tracing::info!(mailbox, "this mailbox is polled again");
                }
            }
            for (name, days) in self.expiring(now) {
                tracing::warn!(
                    name,
                    days,
                    "a client secret ends soon; make a new one and put it into its file"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// The mailboxes whose state is another than at the last look.
    pub fn look(&mut self, now: Moment) -> Vec<Change> {
        let mut changes = Vec::new();
        for (watched, was) in &mut self.mailboxes {
            let overdue = watched.pulse.is_overdue(watched.alarm_after, now);
            if std::mem::replace(was, overdue) != overdue {
                changes.push(Change { mailbox: watched.mailbox.clone(), overdue });
            }
        }
        changes
    }

    /// Once a day: which secrets end soon, and in how many days.
    pub fn expiring(&mut self, now: Moment) -> Vec<(String, i64)> {
        if self.warned_at.is_some_and(|at| at.plus(DAY) > now) {
            return Vec::new();
        }
        self.warned_at = Some(now);
        self.secrets.iter().filter_map(|one| one.days_left(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Grant, OauthSettings, Secret};

    fn day(number: u32) -> Moment {
        Moment::from_micros(1_780_000_000_000_000).plus(DAY * number)
    }

    #[test]
    fn each_change_is_told_once() {
        let pulse = Arc::new(Pulse::default());
        let watched = Watched { mailbox: "hr".into(), pulse: Arc::clone(&pulse), alarm_after: DAY };
        let mut alarm = Alarm::new(vec![watched], Vec::new());
        pulse.here(day(0));
        assert_eq!(alarm.look(day(1)), []);
        let change = |overdue| Change { mailbox: "hr".into(), overdue };
        assert_eq!(alarm.look(day(2)), [change(true)]);
        assert_eq!(alarm.look(day(3)), []);
        pulse.polled(day(3));
        assert_eq!(alarm.look(day(3)), [change(false)]);
        assert_eq!(alarm.look(day(3)), []);
    }

    #[test]
    fn secrets_are_announced_each_day() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let ends = day(20).timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let settings = OauthSettings {
            ca_file: None,
            grant: Grant::ClientCredentials {
                token_url: "https://login.test/token".into(),
                client_id: "caseward".into(),
                client_secret: Secret::File(secret),
                scope: "mail".into(),
                secret_expires: Some(ends.to_string()),
            },
        };
        let tokens = Arc::new(Tokens::new(&settings, "hr@hr.test", None).unwrap());
        let mut alarm = Alarm::new(Vec::new(), vec![Expiring { name: "mailbox/hr".into(), tokens }]);
        let days = |found: Vec<(String, i64)>| found.into_iter().map(|(_, days)| days).collect::<Vec<_>>();
        assert_eq!(days(alarm.expiring(day(0))).len(), 1);
        assert!(alarm.expiring(day(0).plus(DAY / 2)).is_empty(), "once a day");
        let (first, later) = (days(alarm.expiring(day(1))), days(alarm.expiring(day(2))));
        assert_eq!(first[0] - later[0], 1);
    }
}
