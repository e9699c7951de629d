//! How fast mail may leave, as pure arithmetic: the caller says what time it is. How many automatic mails a recipient
//! may have is the desk's business.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// At most so many mails in any minute, however the minute is laid. A token bucket would let twice as many pass
/// where a full bucket meets its refill, and Microsoft 365 counts exactly.
#[derive(Debug)]
pub struct Pace {
    per_minute: usize,
    /// When the mails of the last minute left, oldest first.
    sent: VecDeque<Timestamp>,
}

impl Pace {
    /// `per_minute` of 0 is taken as 1: nothing would ever leave.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute: usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX), sent: VecDeque::new() }
    }

    /// Takes leave for one mail, or says how long to wait before asking again (at most a minute).
    pub fn take(&mut self, now: Timestamp) -> Result<(), SignedDuration> {
        // A clock set back must not stop the mail until it has caught up.
        while self.sent.front().is_some_and(|at| now.duration_since(*at).abs() >= MINUTE) {
            self.sent.pop_front();
        }
        match self.sent.front() {
            Some(oldest) if self.sent.len() >= self.per_minute => {
                Err((MINUTE - now.duration_since(*oldest)).min(MINUTE))
            }
            _ => {
                self.sent.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn no_minute_sees_more_than_allowed() {
        let mut pace = Pace::new(30);
        let mut left = Vec::new();
        for second in 0..600 {
            while pace.take(at(second)).is_ok() {
                left.push(second);
            }
        }
        for start in 0..540 {
            let within = left.iter().filter(|second| (start..start + 60).contains(*second)).count();
            assert_eq!(within, 30, "in the minute from {start}");
        }
    }

    #[test]
    fn the_wait_is_as_long_as_needed() {
        let mut pace = Pace::new(2);
        assert_eq!(pace.take(at(0)), Ok(()));
        assert_eq!(pace.take(at(10)), Ok(()));
        let wait = pace.take(at(15)).unwrap_err();
        assert_eq!(wait, SignedDuration::from_secs(45));
        assert_eq!(pace.take(at(15) + wait), Ok(()));
        assert_eq!(pace.take(at(61)).unwrap_err(), SignedDuration::from_secs(9));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_mail() {
        let mut pace = Pace::new(1);
        assert_eq!(pace.take(at(100_000)), Ok(()));
        assert_eq!(pace.take(at(0)), Ok(()));
        let mut pace = Pace::new(1);
        assert_eq!(pace.take(at(30)), Ok(()));
        assert!(pace.take(at(0)).unwrap_err() <= MINUTE);
    }

    #[test]
    fn nothing_allowed_is_one_a_minute() {
        let mut pace = Pace::new(0);
        assert_eq!(pace.take(at(0)), Ok(()));
        assert!(pace.take(at(1)).is_err());
    }
}
