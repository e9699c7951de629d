//! A Maildir as a mailbox: for MTAs that deliver locally, for the demo, for tests. Base names are numbered by
//! whoever keeps the register; a file that is no plain file, or lies behind a link, is not mail.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Fetched, FolderState, Listed, Mailbox, MailboxError, Settle, Uid, Woken};

/// Gives base names numbers that never change and never return.
#[async_trait]
pub trait Numbering: Send + Sync {
    async fn validity(&self, folder: &str) -> Result<u32, MailboxError>;
    /// The numbers of these names, in their order; new ones are numbered above all others.
    async fn number(&self, folder: &str, names: &[String]) -> Result<Vec<u32>, MailboxError>;
    async fn name(&self, folder: &str, uid: u32) -> Result<Option<String>, MailboxError>;
}

/// How often a waiting mailbox looks at its directory.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// An open Maildir (with Maildir++ folders beside it).
pub struct Maildir {
    root: PathBuf,
    numbers: Arc<dyn Numbering>,
    folder: String,
}

impl Maildir {
    /// # Errors
    /// When there is no directory at `root`.
    pub fn open(root: &Path, numbers: Arc<dyn Numbering>) -> Result<Self, MailboxError> {
        if !root.is_dir() {
            return Err(MailboxError::Misconfigured(format!(
                "{}: there is no Maildir here; make it or correct source.path",
                root.display()
            )));
        }
        Ok(Self { root: root.into(), numbers, folder: "INBOX".into() })
    }

    /// Maildir++: the folder `a/b` lies in `.a.b` beside the inbox.
    fn directory(&self, folder: &str) -> PathBuf {
        if folder == "INBOX" {
            return self.root.clone();
        }
        let name: String =
            folder.chars().map(|c| if matches!(c, '/' | '.' | '\0') { '.' } else { c }).collect();
        self.root.join(format!(".{name}"))
    }

    /// Base names and files of the open folder, sorted: delivery order, as names begin with the time.
    fn files(&self) -> Result<Vec<(String, PathBuf)>, MailboxError> {
        let directory = self.directory(&self.folder);
        let mut files = Vec::new();
        for sub in ["new", "cur"] {
            let entries = match fs::read_dir(directory.join(sub)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(MailboxError::Lost(format!("the Maildir cannot be read: {error}"))),
            };
            for entry in entries {
                let entry = entry
                    .map_err(|error| MailboxError::Lost(format!("the Maildir cannot be read: {error}")))?;
                // Not `metadata`, which follows links.
                let plain = entry.file_type().is_ok_and(|kind| kind.is_file());
                let name = entry.file_name().to_string_lossy().into_owned();
                if plain && !name.starts_with('.') {
                    let base = name.split_once(":2,").map_or(name.as_str(), |(base, _)| base).to_owned();
                    files.push((base, entry.path()));
                }
            }
        }
        files.sort();
        Ok(files)
    }

    async fn path_of(&self, uid: Uid) -> Result<Option<PathBuf>, MailboxError> {
        let Some(name) = self.numbers.name(&self.folder, uid.0).await? else { return Ok(None) };
        let directory = self.directory(&self.folder);
        let fresh = directory.join("new").join(&name);
        if fresh.is_file() {
            return Ok(Some(fresh));
        }
        Ok(self.files()?.into_iter().find(|(base, _)| *base == name).map(|(_, path)| path))
    }
}

#[async_trait]
impl Mailbox for Maildir {
    async fn open(&mut self, folder: &str) -> Result<FolderState, MailboxError> {
        if folder != "INBOX" && !self.directory(folder).is_dir() {
            return Err(MailboxError::Misconfigured(
                "a folder named in the settings does not exist in the Maildir; make it or correct `folders`"
                    .into(),
            ));
        }
        folder.clone_into(&mut self.folder);
        Ok(FolderState { validity: self.numbers.validity(folder).await?, read_only: false })
    }

    async fn list(&mut self, above: Option<Uid>) -> Result<Vec<Uid>, MailboxError> {
        let names: Vec<String> = self.files()?.into_iter().map(|(base, _)| base).collect();
        let mut uids: Vec<Uid> =
            self.numbers.number(&self.folder, &names).await?.into_iter().map(Uid).collect();
        uids.sort_unstable();
        uids.dedup();
        uids.retain(|uid| above.is_none_or(|above| *uid > above));
        Ok(uids)
    }

    async fn size(&mut self, uids: &[Uid]) -> Result<Vec<Listed>, MailboxError> {
        let mut listed = Vec::with_capacity(uids.len());
        for uid in uids {
            let Some(path) = self.path_of(*uid).await? else { continue };
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let received_at = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
            listed.push(Listed { uid: *uid, size: metadata.len(), received_at });
        }
        Ok(listed)
    }

    async fn fetch(&mut self, uids: &[Uid], limit: u64) -> Result<Vec<Fetched>, MailboxError> {
        let mut fetched = Vec::with_capacity(uids.len());
        for uid in uids {
            let Some(path) = self.path_of(*uid).await? else { continue };
            fetched.extend(read(*uid, &path, limit)?);
        }
        Ok(fetched)
    }

    async fn head(&mut self, uid: Uid) -> Result<Option<Fetched>, MailboxError> {
        match self.path_of(uid).await? {
            Some(path) => read(uid, &path, 0),
            None => Ok(None),
        }
    }

    async fn settle(&mut self, uids: &[Uid], how: &Settle) -> Result<(), MailboxError> {
        for uid in uids {
            let Some(path) = self.path_of(*uid).await? else { continue };
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            let base = name.split_once(":2,").map_or(name.as_str(), |(base, _)| base);
            let target = match how {
                Settle::Seen => self.directory(&self.folder).join("cur").join(format!("{base}:2,S")),
                Settle::MoveTo(folder) => self.directory(folder).join("cur").join(format!("{base}:2,S")),
                Settle::Delete => {
                    done(fs::remove_file(&path))?;
                    continue;
                }
            };
            if let Settle::MoveTo(folder) = how {
                make_folder(&self.directory(folder))?;
            }
            done(fs::rename(&path, &target))?;
        }
        Ok(())
    }

    async fn wait(&mut self, at_most: Duration) -> Result<Woken, MailboxError> {
        let stamp =
            |directory: &Path| fs::metadata(directory.join("new")).and_then(|data| data.modified()).ok();
        let directory = self.directory(&self.folder);
        let before = stamp(&directory);
        let until = tokio::time::Instant::now() + at_most;
        // Mail that came between the last look and now has changed the stamp already.
        if self.files()?.iter().any(|(_, path)| path.parent().is_some_and(|parent| parent.ends_with("new"))) {
            tokio::time::sleep(LOOK_EVERY.min(at_most)).await;
            return Ok(Woken::Changed);
        }
        while tokio::time::Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY.min(at_most)).await;
            if stamp(&directory) != before {
                return Ok(Woken::Changed);
            }
        }
        Ok(Woken::Elapsed)
    }

    async fn close(self: Box<Self>) {}
}

/// At most `limit` bytes; a larger message comes as its head alone.
fn read(uid: Uid, path: &Path, limit: u64) -> Result<Option<Fetched>, MailboxError> {
    let failed = |error: std::io::Error| MailboxError::Message {
        uid,
        reason: format!("its file cannot be read ({error}); give the daemon's user the right to read it"),
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size = file.metadata().map_err(failed)?.len();
    let mut raw = Vec::new();
    if size <= limit {
        file.take(limit).read_to_end(&mut raw).map_err(failed)?;
        return Ok(Some(Fetched { uid, raw, truncated: false }));
    }
    file.take(HEAD).read_to_end(&mut raw).map_err(failed)?;
    let end = [&b"\r\n\r\n"[..], &b"\n\n"[..]]
        .iter()
        .filter_map(|gap| raw.windows(gap.len()).position(|window| window == *gap).map(|at| at + gap.len()))
        .min();
    raw.truncate(end.unwrap_or(raw.len()));
    Ok(Some(Fetched { uid, raw, truncated: true }))
}

/// No honest header is larger.
const HEAD: u64 = 1 << 20;

fn make_folder(directory: &Path) -> Result<(), MailboxError> {
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(sub)).map_err(|error| {
            MailboxError::Misconfigured(format!("a Maildir folder cannot be made: {error}"))
        })?;
    }
    Ok(())
}

/// A file that is gone was settled by somebody else.
fn done(result: std::io::Result<()>) -> Result<(), MailboxError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MailboxError::Lost(format!("the Maildir cannot be changed: {error}")))
        }
        _ => Ok(()),
    }
}
