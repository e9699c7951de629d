//! The Maildir mailbox: `new/`, `cur/`, `tmp/`, folders beside them as Maildir++ has them (`.Name`). Its UIDs are
//! numbers that we give to base names and keep elsewhere. The disk work is in `maildir_files`, on blocking threads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::maildir_files::{self as files, Stamp};
use super::{Fetched, FolderState, Listed, Mailbox, MailboxError, Settle, Uid, Woken};

/// How often the directories are looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The numbers of a Maildir's messages, for one mailbox. A base name keeps its number for as long as the validity
/// stays; no number is given twice.
#[async_trait]
pub trait Numbering: Send + Sync {
    /// The folder's epoch, made when it is first asked for. Never 0.
    async fn validity(&self, folder: &str) -> Result<u32, MailboxError>;
    /// The numbers of these base names, in the same order; unknown ones get the next free numbers, in that order.
    async fn number(&self, folder: &str, names: &[String]) -> Result<Vec<u32>, MailboxError>;
    /// The base name behind a number.
    async fn name(&self, folder: &str, uid: u32) -> Result<Option<String>, MailboxError>;
}

/// One Maildir.
pub struct Maildir {
    root: PathBuf,
    numbers: Arc<dyn Numbering>,
    folder: Option<Folder>,
}

struct Folder {
    name: String,
    path: PathBuf,
    /// The numbers of base names and the way back, as far as they were asked for: numbering takes a transaction.
    uids: HashMap<String, Uid>,
    names: HashMap<Uid, String>,
    /// The directories' state before they were last listed.
    stamp: Stamp,
}

impl Folder {
    fn learn(&mut self, name: String, uid: Uid) {
        self.names.insert(uid, name.clone());
        self.uids.insert(name, uid);
    }
}

impl Maildir {
    /// The Maildir at `root`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(root: &Path, numbers: Arc<dyn Numbering>) -> Result<Self, MailboxError> {
        files::must_be_maildir(root)?;
        Ok(Self { root: root.to_owned(), numbers, folder: None })
    }

    fn folder(&mut self) -> Result<&mut Folder, MailboxError> {
        self.folder.as_mut().ok_or_else(|| MailboxError::Lost("no folder is open".into()))
    }

    /// The files of these UIDs, in the order asked for; what is gone is absent.
    async fn locate(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, PathBuf)>, MailboxError> {
        let numbers = Arc::clone(&self.numbers);
        let folder = self.folder()?;
        for uid in uids {
            if !folder.names.contains_key(uid)
                && let Some(name) = numbers.name(&folder.name, uid.0).await?
            {
                folder.learn(name, *uid);
            }
        }
        let path = folder.path.clone();
        let mut present = blocking(move || files::scan(&path)).await?;
        Ok(uids.iter().filter_map(|uid| Some((*uid, present.remove(folder.names.get(uid)?)?))).collect())
    }
}

#[async_trait]
impl Mailbox for Maildir {
    async fn open(&mut self, folder: &str) -> Result<FolderState, MailboxError> {
        self.folder = None;
        let path = files::folder_path(&self.root, folder)?;
        let looked_at = path.clone();
        blocking(move || files::must_be_maildir(&looked_at)).await?;
        let validity = self.numbers.validity(folder).await?;
        let (uids, names) = (HashMap::new(), HashMap::new());
        self.folder = Some(Folder { name: folder.to_owned(), path, uids, names, stamp: Stamp::default() });
        Ok(FolderState { validity, read_only: false })
    }

    async fn list(&mut self, above: Option<Uid>) -> Result<Vec<Uid>, MailboxError> {
        let numbers = Arc::clone(&self.numbers);
        let folder = self.folder()?;
        let path = folder.path.clone();
        // The stamp comes first: what is delivered meanwhile ends the next wait.
        let (stamp, names) = blocking(move || Ok((files::stamp(&path)?, files::by_arrival(&path)?))).await?;
        folder.stamp = stamp;
        let unknown: Vec<String> =
            names.iter().filter(|name| !folder.uids.contains_key(*name)).cloned().collect();
        if !unknown.is_empty() {
            let given = numbers.number(&folder.name, &unknown).await?;
            unknown.into_iter().zip(given).for_each(|(name, uid)| folder.learn(name, Uid(uid)));
        }
        let listed = names.iter().filter_map(|name| folder.uids.get(name).copied());
        let mut uids: Vec<Uid> = listed.filter(|uid| above.is_none_or(|above| *uid > above)).collect();
        uids.sort_unstable();
        Ok(uids)
    }

    async fn size(&mut self, uids: &[Uid]) -> Result<Vec<Listed>, MailboxError> {
        let located = self.locate(uids).await?;
        blocking(move || Ok(located.iter().filter_map(|(uid, path)| files::about(*uid, path)).collect()))
            .await
    }

    async fn fetch(&mut self, uids: &[Uid], limit: u64) -> Result<Vec<Fetched>, MailboxError> {
        let located = self.locate(uids).await?;
        blocking(move || {
            let read = located.iter().map(|(uid, path)| files::read(*uid, path, limit));
            Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
        .await
    }

    async fn head(&mut self, uid: Uid) -> Result<Option<Fetched>, MailboxError> {
        let located = self.locate(&[uid]).await?;
        blocking(move || match located.first() {
            Some((uid, path)) => files::read_head(*uid, path),
            None => Ok(None),
        })
        .await
    }

    async fn settle(&mut self, uids: &[Uid], how: &Settle) -> Result<(), MailboxError> {
        let located = self.locate(uids).await?;
        let folder = self.folder()?.path.clone();
        let target = match how {
            Settle::MoveTo(name) => Some(files::folder_path(&self.root, name)?),
            Settle::Seen | Settle::Delete => None,
        };
        let how = how.clone();
        blocking(move || {
            if let Some(target) = &target {
                files::create(target)?;
            }
            located.iter().try_for_each(|(_, path)| match (&how, &target) {
                (Settle::Delete, _) => files::remove(path),
                (_, Some(target)) => files::move_to(path, target),
                _ => files::mark_seen(path, &folder),
            })
        })
        .await
    }

    async fn wait(&mut self, at_most: Duration) -> Result<Woken, MailboxError> {
        let deadline = tokio::time::Instant::now() + at_most;
        let folder = self.folder()?;
        loop {
            let path = folder.path.clone();
            let stamp = blocking(move || files::stamp(&path)).await?;
            if std::mem::replace(&mut folder.stamp, stamp) != stamp {
                return Ok(Woken::Changed);
            }
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Ok(Woken::Elapsed);
            }
            tokio::time::sleep(LOOK_EVERY.min(left)).await;
        }
    }

    async fn close(self: Box<Self>) {}
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MailboxError> + Send + 'static,
) -> Result<T, MailboxError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        MailboxError::Lost("reading the Maildir was interrupted; it will be tried again".into())
    })?
}

/// Numbers kept in memory: for tests, and for looking into a Maildir once.
#[derive(Debug, Default)]
pub struct InMemoryNumbers(Mutex<HashMap<String, Vec<String>>>);

#[async_trait]
impl Numbering for InMemoryNumbers {
    async fn validity(&self, _folder: &str) -> Result<u32, MailboxError> {
        Ok(1)
    }

    async fn number(&self, folder: &str, names: &[String]) -> Result<Vec<u32>, MailboxError> {
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = folders.entry(folder.to_owned()).or_default();
        let mut numbers: HashMap<String, u32> = known.iter().cloned().zip(1..).collect();
        Ok(names
            .iter()
            .map(|name| {
                *numbers.entry(name.clone()).or_insert_with(|| {
                    known.push(name.clone());
                    u32::try_from(known.len()).unwrap_or(u32::MAX)
                })
            })
            .collect())
    }

    async fn name(&self, folder: &str, uid: u32) -> Result<Option<String>, MailboxError> {
        let folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(uid).unwrap_or(usize::MAX).wrapping_sub(1);
        Ok(folders.get(folder).and_then(|known| known.get(index)).cloned())
    }
}
