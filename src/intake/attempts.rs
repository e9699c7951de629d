//! How to ask for a mail that could not be had before, as pure arithmetic: some mails end the session each time they
//! are asked for. Groups grow smaller until the culprit stands alone, its tries lie ever further apart, in the end its
//! head is asked for alone, and then it stands in quarantine and is asked for now and then, at last once a day.
//! Whatever was tried less often goes first, so that one bad mail never delays the next (promise 1).

use std::time::Duration;

use crate::case::Moment;
use crate::mailbox::Uid;

/// A mail to be asked for, and how often that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    pub uid: Uid,
    pub attempts: i32,
    /// It was in hand when the daemon died.
    pub suspect: bool,
}

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Whole,
    /// The head alone: better than nothing.
    Head,
}

/// Failures after which the head alone is asked for.
const HEAD_AFTER: i32 = 5;
/// Failures after which the mail stands in quarantine with nothing.
pub const GIVEN_UP_AFTER: i32 = 7;

/// How many to ask for together.
#[must_use]
pub fn together(attempts: i32) -> usize {
    match attempts {
        ..=0 => usize::MAX,
        1 => 10,
        _ => 1,
    }
}

#[must_use]
pub fn ask(attempts: i32) -> Ask {
    // Once given up, the whole mail is asked for now and then: the server may have been mended.
    if (HEAD_AFTER..GIVEN_UP_AFTER).contains(&attempts) { Ask::Head } else { Ask::Whole }
}

/// When a mail that could not be had `attempts` times, last at `last`, is asked for again.
#[must_use]
pub fn due(last: Moment, attempts: i32) -> Moment {
    let minutes = match attempts {
        // Two narrow the culprit down; the other mails of the group are innocent.
        ..=2 => 0,
        3 => 1,
        4 => 5,
        5 => 15,
        6 => 60,
        7 => 2 * 60,
        8 => 6 * 60,
        _ => 24 * 60,
    };
    last.plus(Duration::from_secs(minutes * 60))
}

/// Groups to ask for together, those tried less often first, in order of arrival among themselves.
#[must_use]
pub fn groups(mut tries: Vec<Try>) -> Vec<Vec<Try>> {
    tries.sort_by_key(|one| (one.attempts, one.uid));
    let mut groups: Vec<Vec<Try>> = Vec::new();
    for one in tries {
        match groups.last_mut() {
            Some(group)
                if group.len() < together(one.attempts)
                    && group.first().is_some_and(|first| first.attempts == one.attempts) =>
            {
                group.push(one);
            }
            _ => groups.push(vec![one]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Plays sessions against a server that dies whenever a poisonous mail is asked for.
    fn play(mails: u32, poison: &BTreeSet<u32>) -> (BTreeSet<u32>, u32) {
        let mut attempts: BTreeMap<u32, i32> = (1..=mails).map(|uid| (uid, 0)).collect();
        let mut had = BTreeSet::new();
        let mut sessions = 0;
        while attempts.values().any(|attempts| *attempts < GIVEN_UP_AFTER) {
            sessions += 1;
            assert!(sessions < 1_000);
            let tries = attempts.iter().map(|(uid, attempts)| Try {
                uid: Uid(*uid),
                attempts: *attempts,
                suspect: false,
            });
            for group in groups(tries.filter(|one| one.attempts < GIVEN_UP_AFTER).collect()) {
                if group.iter().any(|one| poison.contains(&one.uid.0)) {
                    for one in group {
                        *attempts.get_mut(&one.uid.0).unwrap() += 1;
                    }
                    break;
                }
                for one in group {
                    attempts.remove(&one.uid.0);
                    had.insert(one.uid.0);
                }
            }
        }
        (had, sessions)
    }

    proptest! {
        #[test]
        fn every_good_mail_is_had(mails in 1_u32..300, poison in prop::collection::btree_set(1_u32..300, 0..4)) {
            let poison: BTreeSet<u32> = poison.into_iter().filter(|uid| *uid <= mails).collect();
            let (had, sessions) = play(mails, &poison);
            let good: BTreeSet<u32> = (1..=mails).filter(|uid| !poison.contains(uid)).collect();
            prop_assert_eq!(had, good);
            let bound = 1 + u32::try_from(poison.len()).unwrap() * u32::try_from(GIVEN_UP_AFTER).unwrap();
            prop_assert!(sessions <= bound, "{sessions} sessions");
        }
    }

    #[test]
    fn what_is_asked_for_grows_less_and_less_often() {
        let asked: Vec<Ask> = (0..9).map(ask).collect();
        use Ask::{Head, Whole};
        assert_eq!(asked, [Whole, Whole, Whole, Whole, Whole, Head, Head, Whole, Whole]);
        let waits: Vec<i64> =
            (0..10).map(|attempts| due(Moment::from_micros(0), attempts).micros() / 60_000_000).collect();
        assert_eq!(waits, [0, 0, 0, 1, 5, 15, 60, 120, 360, 1440]);
    }
}
