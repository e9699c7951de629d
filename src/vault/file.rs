//! The master key's file: 32 bytes in lower-case base32 on one line, mode 0600.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::seal::Key;

/// The key that wraps all others. It is in no backup and never in the database.
pub struct MasterKey(Key);

/// Why a key file is refused; one sentence with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyFileError(String);

impl MasterKey {
    /// Reads a key from the text of its file or credential.
    ///
    /// # Errors
    /// When the text is no key.
    pub fn from_text(text: &str) -> Result<Self, KeyFileError> {
        let upper = Zeroizing::new(text.trim().to_ascii_uppercase());
        let bytes = BASE32_NOPAD.decode(upper.as_bytes()).map(Zeroizing::new);
        match bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()) {
            Some(bytes) => Ok(Self(Key::from_bytes(bytes))),
            None => Err(KeyFileError(
                "the master key is damaged: put back the file that `caseward key new` made, or its offline copy".into(),
            )),
        }
    }

    /// Makes a new key and writes it to `path`, which must not exist.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyFileError> {
        let key = Key::generate()
            .map_err(|_| KeyFileError("the system has no randomness to give; try again".into()))?;
        let text = Zeroizing::new(BASE32_NOPAD.encode(key.bytes()).to_ascii_lowercase());
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| refused(path, &error))?;
        writeln!(file, "{}", text.as_str())
            .and_then(|()| file.sync_all())
            .map_err(|error| refused(path, &error))?;
        Ok(Self(key))
    }

    /// The key itself.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0
    }
}

fn refused(path: &Path, error: &std::io::Error) -> KeyFileError {
    let remedy = match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            "a key is never overwritten: name another file or move this one away"
        }
        std::io::ErrorKind::NotFound => "make its directory first",
        _ => "check the directory's owner and mode",
    };
    KeyFileError(format!("{}: the master key cannot be written ({error}); {remedy}", path.display()))
}
