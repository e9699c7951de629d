//! Book-keeping of erasures: which destroyed keys stand in the journal outside the database, and destroying them again
//! when a backup brought them back.

use super::context::{Context, DeskError};
use super::runner::Action;
use crate::case::{Actor, CaseId};

/// These keys stand in the journal.
pub struct Journalled {
    pub keys: Vec<Vec<u8>>,
}

impl Action for Journalled {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "erasure.journalled"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        for key in &self.keys {
            cx.tx.mark_journalled(key)?;
        }
        Ok(())
    }
}

/// Destroys keys that were destroyed before and came back with a backup; how many there were.
pub struct Replay {
    pub keys: Vec<Vec<u8>>,
}

impl Action for Replay {
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "erasure.replay"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        let mut count = 0;
        for id in &self.keys {
            if cx.tx.key(id)?.is_none() {
                continue;
            }
            cx.tx.erase_key(id, cx.now)?;
            if let Ok(case) = <[u8; 16]>::try_from(id.as_slice()) {
                cx.tx.delete_words(CaseId::from_bytes(case))?;
            }
            count += 1;
        }
        if count > 0 {
            let details = serde_json::json!({ "keys": count });
            cx.note(&Actor::System, "erasure.replayed", None, &details)?;
        }
        Ok(count)
    }
}
