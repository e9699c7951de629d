//! Keeps the audit log's tree up with what is committed, within a second; keeps the last checkpoint outside the
//! database, where a shortened log cannot take it along; and sees to the witnesses' daily mail.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::audit::{Frontier, Known, LogKey, PublicKey};
use crate::desk::register::ReleaseLease;
use crate::desk::sequence::{LEASE, Sequence, checkpoint, kept};
use crate::desk::witness::TellWitnesses;
use crate::desk::{Desk, DeskError, Shared};
use crate::erasures;
use crate::store::{Store, Tx};

/// How often waiting entries are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long to leave the database alone after a failure, or when another daemon has the lease.
const PAUSE: Duration = Duration::from_secs(5);
/// How often it is asked whether today's mail to the witnesses has gone.
const WITNESS_EVERY: Duration = Duration::from_secs(600);
const FILE: &str = "checkpoint";

/// The task that sequences.
pub struct Sequencer {
    pub store: Store,
    pub desk: Desk,
    pub shared: Arc<Shared>,
    pub holder: String,
    /// Where the last checkpoint is kept.
    pub dir: Option<PathBuf>,
}

impl Sequencer {
    /// Works until `stop`; what waits then is sequenced.
    pub async fn run(self, stop: CancellationToken) {
        let mut asked_witnesses: Option<tokio::time::Instant> = None;
        while !stop.is_cancelled() {
            let done = self.catch_up().await;
            if asked_witnesses.is_none_or(|at| at.elapsed() >= WITNESS_EVERY) {
                asked_witnesses = Some(tokio::time::Instant::now());
                if let Err(error) = self.desk.run(TellWitnesses).await {
                    tracing::error!(%error, "the checkpoint could not be mailed to the witnesses");
                }
            }
            let wait = match done {
                Ok(true) => LOOK_EVERY,
                Ok(false) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "the audit log's tree could not be kept up");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
        self.finish().await;
    }

    /// Sequences what waits and lets others go on.
    pub async fn finish(&self) {
        let done = self.catch_up().await;
        let release = ReleaseLease { name: LEASE.into(), holder: self.holder.clone() };
        if let Err(error) = self.desk.run(release).await.and(done) {
            tracing::warn!(%error, "the audit log's tree could not be kept up");
        }
    }

    /// Sequences all that waits; false when something waits that this daemon does not sequence.
    async fn catch_up(&self) -> Result<bool, DeskError> {
        let mut any = false;
        while self.store.read(|tx| Ok::<_, DeskError>(tx.has_pending_entries()?)).await? {
            if self.desk.run(Sequence { holder: self.holder.clone() }).await? == 0 {
                return Ok(false);
            }
            any = true;
        }
        if any && let Some(dir) = self.dir.clone() {
            let (shared, kept) = (Arc::clone(&self.shared), dir.clone());
            self.store.read(move |tx| keep(tx, &shared, &kept)).await?;
            // Every erasure has an entry.
            erasures::journal(&self.store, &self.desk, &dir).await?;
        }
        Ok(true)
    }
}

/// Keeps the current checkpoint in `dir`, unless the one kept there vouches for more or for another history.
fn keep(tx: &mut dyn Tx, shared: &Shared, dir: &Path) -> Result<(), DeskError> {
    let key = LogKey::from_seed(shared.vault.log_signing().bytes());
    let Some(note) = checkpoint(tx, key.public())? else { return Ok(()) };
    if let Some(known) = kept_checkpoint(dir, key.public()) {
        let here = Frontier::resume(known.size, |seq| kept(tx, seq))?;
        if here.is_none_or(|front| front.root() != known.root) {
            tracing::error!(
                dir = %dir.display(),
                "the audit log does not fit the checkpoint kept outside the database: run `caseward audit verify`"
            );
            return Ok(());
        }
    }
    let written = std::fs::create_dir_all(dir).and_then(|()| {
        let (new, file) = (dir.join("checkpoint.new"), dir.join(FILE));
        std::fs::write(&new, &note)?;
        std::fs::rename(&new, &file)
    });
    if let Err(error) = written {
        tracing::warn!(dir = %dir.display(), %error, "the audit log's checkpoint could not be kept outside the database");
    }
    Ok(())
}

/// The checkpoint kept outside the database, when there is one of this log.
#[must_use]
pub fn kept_checkpoint(dir: &Path, key: &PublicKey) -> Option<Known> {
    let path = dir.join(FILE);
    let checkpoint = key.open(&std::fs::read(&path).ok()?).ok()?;
    Some(Known { size: checkpoint.size, root: checkpoint.root, from: path.display().to_string() })
}
