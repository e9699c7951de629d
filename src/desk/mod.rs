//! The one place where a case changes (promise 3). An [`Action`] checks whether its actor may, changes, writes the
//! audit entry and lays mail into the outbox, all in one savepoint; the [`runner`] commits. Nobody else writes.

mod acknowledge;
pub mod answer;
mod automatic;
pub mod backup;
pub mod bootstrap;
pub mod change;
pub mod clocks;
mod conflicts;
pub mod context;
mod copy;
pub mod coverage;
pub mod erasure;
pub mod filing;
pub mod grants;
pub mod hold;
pub mod idempotent;
pub mod inspect;
pub mod keys;
mod letter;
pub mod meter;
pub mod notice;
pub mod outbox;
pub mod parties;
pub mod people;
pub mod posting;
pub mod receive;
pub mod refresh_token;
pub mod register;
pub mod rights;
pub mod runner;
pub mod search;
pub mod sequence;
pub mod trace;
pub mod users;
pub mod view;
pub mod walls;
pub mod witness;

pub use context::{Context, DeskError, Shared};
pub use runner::{Action, Desk};

/// Fresh random bytes.
fn random<const N: usize>() -> Result<[u8; N], crate::vault::SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| crate::vault::SealError)?;
    Ok(bytes)
}
