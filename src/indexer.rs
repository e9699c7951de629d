//! Indexes cases for search once they are committed. What waits is in the database, so that nothing is forgotten over a
//! restart.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::desk::search::IndexCases;
use crate::desk::{Desk, DeskError};
use crate::store::Store;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long to leave the database alone after a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// The task that indexes.
pub struct Indexer {
    pub store: Store,
    pub desk: Desk,
}

impl Indexer {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.round().await {
                Ok(true) => continue,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "cases could not be indexed for search");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Indexes some of what waits; whether there was any.
    pub async fn round(&self) -> Result<bool, DeskError> {
        let waiting = self.store.read(|tx| Ok::<_, DeskError>(tx.queued_for_index(1)?)).await?;
        Ok(!waiting.is_empty() && self.desk.run(IndexCases).await? > 0)
    }
}
