//! How long to wait before the next connection. Pure: the time and the dice are handed in. It slows down after
//! failures, much more after refused credentials (accounts get locked), and bounds successful logins too: a
//! server may accept a login and drop the connection at once, for ever.

use std::time::Duration;

use jiff::Timestamp;

use super::MailboxError;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(5 * 60);
const FIRST_REFUSED: Duration = Duration::from_secs(5 * 60);
const LONGEST_REFUSED: Duration = Duration::from_secs(60 * 60);
/// One login a minute on average, two at once.
const LOGIN_EVERY: Duration = Duration::from_secs(60);

/// The patience of one mailbox.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
    refusals: u32,
    /// The last two successful logins, older first.
    logins: [Option<Timestamp>; 2],
}

impl Backoff {
    /// Notes a failure and says how long to wait. `dice` in `0.0..1.0` spreads the waits of several mailboxes
    /// over half to the whole of the step.
    pub fn failed(&mut self, error: &MailboxError, dice: f64) -> Duration {
        match error {
            MailboxError::Refused(_) => {
                self.refusals = self.refusals.saturating_add(1);
                spread(step(FIRST_REFUSED, LONGEST_REFUSED, self.refusals), dice)
            }
            MailboxError::Misconfigured(_) => {
                self.failures = self.failures.saturating_add(1);
                spread(step(LOGIN_EVERY, LONGEST, self.failures), dice)
            }
            MailboxError::Lost(_) | MailboxError::Message { .. } => {
                self.failures = self.failures.saturating_add(1);
                spread(step(FIRST, LONGEST, self.failures), dice)
            }
        }
    }

    /// Notes a successful login. Failures are only forgotten by [`Backoff::worked`].
    pub fn logged_in(&mut self, now: Timestamp) {
        self.refusals = 0;
        self.logins = [self.logins[1], Some(now)];
    }

    /// Notes that the mailbox did useful work: a whole poll went through.
    pub fn worked(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before logging in once more, however well it went so far.
    pub fn before_login(&self, now: Timestamp) -> Duration {
        let Some(older) = self.logins[0] else { return Duration::ZERO };
        let since = Duration::try_from(now.duration_since(older)).unwrap_or(Duration::ZERO);
        (2 * LOGIN_EVERY).saturating_sub(since)
    }
}

fn step(first: Duration, longest: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(16)).min(longest)
}

fn spread(step: Duration, dice: f64) -> Duration {
    step.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> =
            (0..10).map(|_| backoff.failed(&MailboxError::Lost(String::new()), 1.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.worked();
        assert_eq!(backoff.failed(&MailboxError::Lost(String::new()), 0.0), Duration::from_secs(1));
    }

    #[test]
    fn refused_credentials_are_not_hammered() {
        let mut backoff = Backoff::default();
        let refused = MailboxError::Refused(String::new());
        let day: Duration = (0..30).map(|_| backoff.failed(&refused, 0.0)).sum();
        assert!(backoff.failed(&refused, 0.0) >= Duration::from_secs(30 * 60));
        assert!(day > Duration::from_secs(12 * 3600), "30 tries take more than half a day");
    }

    #[test]
    fn a_server_that_accepts_and_drops_is_not_hammered() {
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut backoff = Backoff::default();
        backoff.logged_in(at(0));
        assert_eq!(backoff.before_login(at(1)), Duration::ZERO, "a second one at once is fine");
        backoff.logged_in(at(1));
        assert_eq!(backoff.before_login(at(2)), Duration::from_secs(118));
        assert_eq!(backoff.before_login(at(120)), Duration::ZERO);
    }
}
