//! Figures of the desk's own work, for health and metrics: how much it commits, how long that takes, and whether the
//! register takes changes at all. Counts only; nothing here decides anything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::context::{Context, DeskError};
use super::runner::Action;
use crate::case::Actor;

/// Grows while the process lives.
#[derive(Debug, Default)]
pub struct Meter {
    commits: AtomicU64,
    actions: AtomicU64,
    rollbacks: AtomicU64,
    micros: AtomicU64,
    unwritable: AtomicBool,
}

/// What a [`Meter`] shows at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Transactions committed, and the actions in them.
    pub commits: u64,
    pub actions: u64,
    /// Transactions that the database did not take.
    pub rollbacks: u64,
    /// The time that the committed transactions took, from begin to commit.
    pub time: Duration,
    /// The last change found no room or no right to write.
    pub unwritable: bool,
}

impl Meter {
    /// Notes a committed transaction of `actions` actions.
    pub fn committed(&self, actions: usize, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.actions.fetch_add(actions as u64, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.unwritable.store(false, Ordering::Relaxed);
    }

    /// Notes a transaction that was rolled back.
    pub fn rolled_back(&self) {
        self.rollbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the database takes no changes for now.
    pub fn unwritable(&self) {
        self.unwritable.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            commits: self.commits.load(Ordering::Relaxed),
            actions: self.actions.load(Ordering::Relaxed),
            rollbacks: self.rollbacks.load(Ordering::Relaxed),
            time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            unwritable: self.unwritable.load(Ordering::Relaxed),
        }
    }
}

/// Changes nothing: that it comes back shows that a desk thread lives.
pub struct Alive;

impl Action for Alive {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "alive"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, _: &mut Context<'_>) -> Result<(), DeskError> {
        Ok(())
    }
}
