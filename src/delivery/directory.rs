//! "Sends" by writing each mail as a file into a directory, for the demo and for tests. A file is whole or absent.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Accepted, Envelope, SendError};

/// A directory of `<milliseconds>-<n>.eml` files; names sort in the order of sending.
pub struct Directory {
    path: PathBuf,
    sent: AtomicU64,
}

impl Directory {
    /// Makes the directory if it is not there.
    pub fn open(path: &Path) -> Result<Self, SendError> {
        std::fs::create_dir_all(path).map_err(|error| {
            SendError::Misconfigured(format!(
                "smtp.directory {}: cannot be made: {}",
                path.display(),
                error.kind()
            ))
        })?;
        Ok(Self { path: path.to_owned(), sent: AtomicU64::new(0) })
    }

    /// Writes the mail. The envelope is not kept: From and To stand in the mail.
    pub async fn send(&self, _envelope: &Envelope, raw: &[u8]) -> Result<Accepted, SendError> {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        // The process id keeps two daemons on one directory apart.
        let name = format!("{millis:013}-{number:06}-{}.eml", std::process::id());
        let partial = self.path.join(format!(".{name}.partial"));
        let written = async {
            tokio::fs::write(&partial, raw).await?;
            tokio::fs::rename(&partial, self.path.join(&name)).await
        };
        match written.await {
            Ok(()) => Ok(Accepted { line: format!("written as {name}") }),
            Err(error) => Err(SendError::Unreachable(format!(
                "smtp.directory {}: cannot be written: {}",
                self.path.display(),
                error.kind()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_mail_is_a_file_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sent/mail");
        let directory = Directory::open(&path).unwrap();
        let envelope = Envelope { from: None, to: "a@company.test".into() };
        for n in 0..20 {
            let accepted = directory.send(&envelope, format!("mail {n}").as_bytes()).await.unwrap();
            assert!(accepted.line.ends_with(".eml"));
        }
        let mut names: Vec<_> =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let mails: Vec<String> = names.iter().map(|name| std::fs::read_to_string(name).unwrap()).collect();
        assert_eq!(mails, (0..20).map(|n| format!("mail {n}")).collect::<Vec<_>>());

        std::fs::remove_dir_all(&path).unwrap();
        assert!(directory.send(&envelope, b"x").await.unwrap_err().trouble().is_some());
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Directory::open(file.path()), Err(SendError::Misconfigured(_))));
    }
}
