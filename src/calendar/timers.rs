//! The task that wakes the desk when a deadline is near or past. Holds no time of its own: what is due stands in the
//! register, so that restarts, several daemons and a clock that jumps lose and repeat nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::desk::clocks::Tick;
use crate::desk::{Desk, DeskError, Shared};
use crate::store::Store;

/// Deadlines are hours and days; this is soon enough.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs out the clocks of cases.
pub struct Timers {
    pub desk: Desk,
    pub store: Store,
    pub shared: Arc<Shared>,
}

impl Timers {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.round().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the deadlines could not be looked at"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Whether there was anything to do.
    async fn round(&self) -> Result<bool, DeskError> {
        let next = self.store.read(|tx| tx.next_timer().map_err(DeskError::from)).await?;
        if next.is_none_or(|at| at > self.shared.now()) {
            return Ok(false);
        }
        Ok(self.desk.run(Tick).await? > 0)
    }
}
