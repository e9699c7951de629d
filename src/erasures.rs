//! The journal of erasures, outside the database: a backup from before an erasure still holds the erased key, and who
//! restores it must not bring back what was promised to be gone. One line for each key: its id, in hexadecimal, and when.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use data_encoding::HEXLOWER;

use crate::desk::erasure::{Journalled, Replay};
use crate::desk::{Desk, DeskError};
use crate::store::Store;

const FILE: &str = "erasures";
/// Erasures written at once.
const GROUP: i64 = 1_000;

/// Writes the erasures that are not in the journal yet; the database is told only when they are on the disk.
///
/// # Errors
/// When the register is unavailable. A journal that cannot be written is logged, and tried again later.
pub async fn journal(store: &Store, desk: &Desk, dir: &Path) -> Result<(), DeskError> {
    loop {
        let rows = store.read(|tx| Ok::<_, DeskError>(tx.unjournalled_erasures(GROUP)?)).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let lines: String = rows.iter().map(|(id, at)| format!("{} {at}\n", HEXLOWER.encode(id))).collect();
        let dir = dir.to_path_buf();
        let written = tokio::task::spawn_blocking(move || append(&dir, &lines)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!(%error, "the journal of erasures cannot be written: a restored backup would bring back what was erased");
            return Ok(());
        }
        desk.run(Journalled { keys: rows.into_iter().map(|(id, _)| id).collect() }).await?;
    }
}

fn append(dir: &Path, lines: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join(FILE))?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()
}

/// Erases again what the journal names and a restored backup brought back; how many keys.
///
/// # Errors
/// When the register is unavailable.
pub async fn replay(desk: &Desk, dir: &Path) -> Result<usize, DeskError> {
    let text = match std::fs::read_to_string(dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => {
            return Err(DeskError::Invalid(format!(
                "{}: {error}; make the journal of erasures readable: without it a restored backup would bring back what \
                 was erased",
                dir.join(FILE).display()
            )));
        }
    };
    let ids = text.lines().filter_map(|line| HEXLOWER.decode(line.split(' ').next()?.as_bytes()).ok());
    let keys: Vec<Vec<u8>> = ids.collect::<BTreeSet<_>>().into_iter().collect();
    if keys.is_empty() { Ok(0) } else { desk.run(Replay { keys }).await }
}
