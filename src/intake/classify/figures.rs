//! How good verdicts are, counted against labels: recall, false alarms, macro-F1. Counts; judges nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::examples::Labelled;
use crate::case::kinds::{Priority, Sensitivity};

/// Shares from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub mails: usize,
    pub macro_f1: f32,
    pub right: f32,
    /// Of mails that are at least confidential: seen as such.
    pub sensitive: f32,
    /// Of standard mails: taken for more.
    pub false_alarms: f32,
    /// Of restricted mails: seen as at least confidential.
    pub restricted_seen: f32,
    /// … and as restricted.
    pub restricted: f32,
    pub urgent: f32,
    pub false_urgent: f32,
    pub priority: f32,
    pub triage: f32,
}

impl Figures {
    pub fn of(pairs: &[(&Labelled, &Verdict)]) -> Self {
        let standard = Sensitivity::Standard;
        let of = |there: &dyn Fn(&Labelled) -> bool, found: &dyn Fn(&Labelled, &Verdict) -> bool| {
            let there: Vec<bool> = pairs
                .iter()
                .filter(|(mail, _)| there(mail))
                .map(|(mail, verdict)| found(mail, verdict))
                .collect();
            share(there.iter().filter(|found| **found).count(), there.len())
        };
        let all = |_: &Labelled| true;
        Self {
            mails: pairs.len(),
            macro_f1: macro_f1(pairs),
            right: of(&all, &|m, v| v.category == m.category),
            sensitive: of(&|m| m.sensitivity > standard, &|_, v| v.sensitivity > standard),
            false_alarms: of(&|m| m.sensitivity == standard, &|_, v| v.sensitivity > standard),
            restricted_seen: of(&|m| m.sensitivity == Sensitivity::Restricted, &|_, v| {
                v.sensitivity > standard
            }),
            restricted: of(&|m| m.sensitivity == Sensitivity::Restricted, &|m, v| {
                v.sensitivity == m.sensitivity
            }),
            urgent: of(&|m| m.priority == Priority::Urgent, &|m, v| v.priority == m.priority),
            false_urgent: of(&|m| m.priority != Priority::Urgent, &|_, v| v.priority == Priority::Urgent),
            priority: of(&all, &|m, v| v.priority == m.priority),
            triage: of(&all, &|_, v| v.triage),
        }
    }

    /// Whether these are no worse than `other` in what matters, beyond what chance does to single mails.
    pub fn no_worse_than(&self, other: &Self) -> bool {
        const CHANCE: f32 = 0.005;
        self.macro_f1 + CHANCE >= other.macro_f1
            && self.sensitive + CHANCE >= other.sensitive
            && self.restricted_seen + CHANCE >= other.restricted_seen
            && self.urgent + CHANCE >= other.urgent
            && self.false_alarms <= other.false_alarms + 2.0 * CHANCE
            && self.false_urgent <= other.false_urgent + CHANCE
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let p = |share: f32| share * 100.0;
        write!(
            f,
            "mails {:4}  category F1 {:.1} right {:.1}  sensitive {:.1} at {:.1} false alarms  restricted seen {:.1} as such {:.1}  urgent {:.1} false {:.1}  priority {:.1}  triage {:.1}",
            self.mails,
            p(self.macro_f1),
            p(self.right),
            p(self.sensitive),
            p(self.false_alarms),
            p(self.restricted_seen),
            p(self.restricted),
            p(self.urgent),
            p(self.false_urgent),
            p(self.priority),
            p(self.triage)
        )
    }
}

fn macro_f1(pairs: &[(&Labelled, &Verdict)]) -> f32 {
    let categories: BTreeSet<_> = pairs.iter().map(|(mail, _)| &mail.category).collect();
    let f1 = categories.iter().map(|category| {
        let there = pairs.iter().filter(|(mail, _)| &mail.category == *category).count();
        let said = pairs.iter().filter(|(_, verdict)| &verdict.category == *category).count();
        let right = pairs
            .iter()
            .filter(|(mail, verdict)| &mail.category == *category && verdict.category == mail.category)
            .count();
        share(2 * right, there + said)
    });
    f1.sum::<f32>() / categories.len().max(1) as f32
}

/// Of nothing, all was found.
pub fn share(part: usize, whole: usize) -> f32 {
    if whole == 0 { 1.0 } else { part as f32 / whole as f32 }
}
