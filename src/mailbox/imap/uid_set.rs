//! UID sets as IMAP writes them (`1:4,7`), cut so that no command line grows too long. Pure functions.

use crate::mailbox::Uid;

/// Servers must take lines of 8,000 octets (RFC 7162 section 4); older ones choke on far less.
const LONGEST: usize = 900;

/// The sets that together name exactly `uids`, each under 1,000 characters.
pub fn uid_sets(uids: &[Uid]) -> Vec<String> {
    let mut sorted: Vec<u32> = uids.iter().map(|uid| uid.0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut sets: Vec<String> = Vec::new();
    for (first, last) in ranges(&sorted) {
        let part = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match sets.last_mut() {
            Some(set) if set.len() + part.len() < LONGEST => {
                set.push(',');
                set.push_str(&part);
            }
            _ => sets.push(part),
        }
    }
    sets
}

fn ranges(sorted: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &uid in sorted {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_compact_and_exact() {
        for (uids, sets) in [
            (vec![], vec![]),
            (vec![7], vec!["7"]),
            (vec![3, 1, 2, 2, 9, 8, 5], vec!["1:3,5,8:9"]),
            (vec![u32::MAX, u32::MAX - 1], vec!["4294967294:4294967295"]),
        ] {
            let uids: Vec<Uid> = uids.into_iter().map(Uid).collect();
            assert_eq!(uid_sets(&uids), sets);
        }
    }

    #[test]
    fn sets_stay_short() {
        let uids: Vec<Uid> = (0..5_000).map(|n| Uid(1_000_000_000 + 2 * n)).collect();
        let sets = uid_sets(&uids);
        assert!(sets.iter().all(|set| set.len() < 1_000));
        assert_eq!(sets.iter().map(|set| set.split(',').count()).sum::<usize>(), 5_000);
    }
}
