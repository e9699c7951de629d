//! How a mailbox is: what its task says of itself, and whether that is cause for alarm. Health, metrics and the
//! alarm all judge by this.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::case::Moment;

/// What health and metrics want to know of one mailbox.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Microseconds of the last complete look; 0 before the first.
    pub polled_at: AtomicI64,
    /// Since when this daemon works the mailbox.
    pub started_at: AtomicI64,
    /// 1 while the last attempt failed.
    pub failing: AtomicI64,
    /// Mails listed and not yet taken in.
    pub waiting: AtomicI64,
    /// Microseconds of the oldest receipt among those that are being taken in; 0 when none waits.
    pub oldest: AtomicI64,
    /// What was taken in cannot be marked, moved or deleted on the server.
    pub unsettled: AtomicBool,
    /// Another daemon works this mailbox; it is that one's alarm.
    elsewhere: AtomicBool,
}

impl Pulse {
    /// This daemon works the mailbox from `now` on.
    pub fn here(&self, now: Moment) {
        if self.elsewhere.swap(false, Ordering::Relaxed) || self.started_at.load(Ordering::Relaxed) == 0 {
            self.started_at.store(now.micros(), Ordering::Relaxed);
        }
    }

    pub fn elsewhere(&self) {
        self.elsewhere.store(true, Ordering::Relaxed);
        self.failing.store(0, Ordering::Relaxed);
    }

    pub fn polled(&self, now: Moment) {
        self.polled_at.store(now.micros(), Ordering::Relaxed);
        self.failing.store(0, Ordering::Relaxed);
    }

    /// The last complete look.
    pub fn last_polled(&self) -> Option<Moment> {
        some(self.polled_at.load(Ordering::Relaxed))
    }

    /// Receipt of the oldest mail that waits.
    pub fn oldest_waiting(&self) -> Option<Moment> {
        some(self.oldest.load(Ordering::Relaxed))
    }

    /// Whether nothing could be polled for longer than `alarm_after`.
    pub fn is_overdue(&self, alarm_after: Duration, now: Moment) -> bool {
        let since = self.last_polled().max(some(self.started_at.load(Ordering::Relaxed)));
        !self.elsewhere.load(Ordering::Relaxed) && since.is_some_and(|since| since.plus(alarm_after) < now)
    }
}

fn some(micros: i64) -> Option<Moment> {
    (micros != 0).then(|| Moment::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_is_for_who_works_the_mailbox() {
        let minute = Duration::from_secs(60);
        let at = |minutes: u32| Moment::from_micros(1).plus(minute * minutes);
        let pulse = Pulse::default();
        assert!(!pulse.is_overdue(minute, at(9)), "not started");
        pulse.here(at(1));
        assert!(!pulse.is_overdue(minute, at(2)));
        assert!(pulse.is_overdue(minute, at(3)));
        pulse.polled(at(3));
        assert!(!pulse.is_overdue(minute, at(4)));
        assert!(pulse.is_overdue(minute, at(5)));
        pulse.elsewhere();
        assert!(!pulse.is_overdue(minute, at(50)));
        pulse.here(at(60));
        assert!(!pulse.is_overdue(minute, at(61)), "taken over just now");
        pulse.here(at(61));
        assert!(pulse.is_overdue(minute, at(62)), "started once");
    }
}
