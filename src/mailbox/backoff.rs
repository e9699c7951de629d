//! How long to wait before the next connection. Pure: the time and the dice are handed in. It slows down after
//! failures, much more after refused credentials (accounts get locked), and bounds successful logins too: a
//! server may accept a login and drop the connection at once, for ever.

use std::time::Duration;

use jiff::Timestamp;

use super::MailboxError;

const LONGEST: Duration = Duration::from_secs(5 * 60);
const LONGEST_REFUSED: Duration = Duration::from_secs(60 * 60);

/// How long to wait at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After a lost connection.
    pub first: Duration,
    /// After refused credentials.
    pub refused: Duration,
    /// One login in this time on average, two at once.
    pub login_every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            refused: Duration::from_secs(5 * 60),
            login_every: Duration::from_secs(60),
        }
    }
}

/// What went wrong, as far as waiting depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Credentials were refused.
    Refused,
    /// Somebody must change the settings.
    Misconfigured,
    /// It will pass.
    Lost,
}

impl From<&MailboxError> for Trouble {
    fn from(error: &MailboxError) -> Self {
        match error {
            MailboxError::Refused(_) => Self::Refused,
            MailboxError::Misconfigured(_) => Self::Misconfigured,
            MailboxError::Lost(_) | MailboxError::Message { .. } => Self::Lost,
        }
    }
}

/// What one mailbox, or the outgoing server, went through.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    patience: Patience,
    failures: u32,
    refusals: u32,
    /// The last two successful logins, older first.
    logins: [Option<Timestamp>; 2],
}

impl Backoff {
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Notes a failure and says how long to wait. `dice` in `0.0..1.0` spreads the waits of several mailboxes
    /// over half to the whole of the step.
    pub fn failed(&mut self, trouble: impl Into<Trouble>, dice: f64) -> Duration {
        match trouble.into() {
            Trouble::Refused => {
                self.refusals = self.refusals.saturating_add(1);
                spread(step(self.patience.refused, LONGEST_REFUSED, self.refusals), dice)
            }
            Trouble::Misconfigured => {
                self.failures = self.failures.saturating_add(1);
                spread(step(self.patience.login_every, LONGEST, self.failures), dice)
            }
            Trouble::Lost => {
                self.failures = self.failures.saturating_add(1);
                spread(step(self.patience.first, LONGEST, self.failures), dice)
            }
        }
    }

    /// Notes a successful login. Failures are only forgotten by [`Backoff::worked`].
    pub fn logged_in(&mut self, now: Timestamp) {
        self.refusals = 0;
        self.logins = [self.logins[1], Some(now)];
    }

    /// Notes that useful work was done: a whole poll went through.
    pub fn worked(&mut self) {
        self.failures = 0;
    }

    /// Notes that a mail was sent: the server takes logins and mail.
    pub fn sent(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }

    /// How long to wait before logging in once more, however well it went so far.
    pub fn before_login(&self, now: Timestamp) -> Duration {
        let Some(older) = self.logins[0] else { return Duration::ZERO };
        let since = Duration::try_from(now.duration_since(older)).unwrap_or(Duration::ZERO);
        (2 * self.patience.login_every).saturating_sub(since)
    }
}

/// A throw for [`Backoff::failed`].
#[must_use]
pub fn dice() -> f64 {
    let mut byte = [0];
    if getrandom::fill(&mut byte).is_err() {
        return 0.5;
    }
    f64::from(byte.first().copied().unwrap_or(128)) / 255.0
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
