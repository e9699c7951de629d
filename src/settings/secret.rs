//! A secret named in the settings: by file or systemd credential, never by value. Here it is read, and refused
//! when others on the machine could read it too. Knows nothing of what it opens.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::load::SettingsError;

/// Larger than any key, token or password; a wrong path may lead to anything.
const LARGEST: u64 = 64 * 1024;

/// Where a secret lies. `file` is a path; `credential` the name of a systemd credential
/// (`$CREDENTIALS_DIRECTORY/NAME`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Secret {
    File(PathBuf),
    Credential(String),
}

impl Secret {
    /// Reads the secret; a credential from the directory that systemd names in `CREDENTIALS_DIRECTORY`.
    pub fn read(&self) -> Result<SecretString, SettingsError> {
        self.read_with(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref().map(Path::new))
    }

    /// As [`Secret::read`], with the directory of the credentials given. One newline at the end is dropped.
    /// Refused: a file that others may read, that is not plain text, is empty or over 64 KiB.
    pub fn read_with(&self, credentials: Option<&Path>) -> Result<SecretString, SettingsError> {
        match self {
            Self::File(path) => read(path, true),
            Self::Credential(name) => match credentials {
                // systemd opens the directory to the service alone, but shows the files' access list as group
                // rights (mode 0440), so the mode says nothing here.
                Some(directory) => read(&directory.join(name), false),
                None => Err(SettingsError(format!(
                    "credential `{name}`: CREDENTIALS_DIRECTORY is not set; start the daemon by systemd with \
                     LoadCredential={name}:PATH, or name a file instead"
                ))),
            },
        }
    }
}

fn read(path: &Path, private: bool) -> Result<SecretString, SettingsError> {
    let refuse = |reason: String| SettingsError(format!("{}: {reason}", path.display()));
    let unreadable = |error: std::io::Error| {
        refuse(format!(
            "this secret cannot be read ({error}); it takes a file that the daemon's user may read"
        ))
    };
    // Before it is opened: opening a pipe waits for a writer that may never come.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(refuse(
            "this secret is not a file; name a file that holds nothing but the secret".into(),
        ));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if private && about.mode() & 0o077 != 0 {
        return Err(refuse(format!(
            "this secret can be read by others (mode {:04o}); run `chmod 600 {}`",
            about.mode() & 0o7777,
            path.display()
        )));
    }
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(about.len().min(LARGEST)).unwrap_or(0) + 1));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refuse("this is larger than any secret (64 KiB); is it the right file?".into()));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| refuse("this secret is not plain text; is it the right file?".into()))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err(refuse("this secret is empty; write the secret into the file".into()));
    }
    Ok(SecretString::from(text.to_owned()))
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "`{ file = \"PATH\" }` or `{ credential = \"NAME\" }`, as secrets are never written in the settings"
)]
struct Written {
    file: Option<PathBuf>,
    credential: Option<String>,
}

impl TryFrom<Written> for Secret {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match (written.file, written.credential) {
            (Some(path), None) if !path.as_os_str().is_empty() => Ok(Self::File(path)),
            (None, Some(name)) if !name.is_empty() && !name.starts_with('.') && !name.contains('/') => {
                Ok(Self::Credential(name))
            }
            (Some(_), Some(_)) => Err("has both `file` and `credential`; keep one"),
            (None, Some(_)) => Err("needs the plain name of a systemd credential, without a path"),
            _ => Err("expected `{ file = \"PATH\" }` or `{ credential = \"NAME\" }`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn file(directory: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_its_file_without_the_last_newline() {
        let directory = tempfile::tempdir().unwrap();
        for (bytes, secret) in [
            ("pw", "pw"),
            ("pw\n", "pw"),
            ("pw\r\n", "pw"),
            ("p w \n", "p w "),
            ("pw\n\n", "pw\n"),
            ("ü", "ü"),
        ] {
            let path = file(directory.path(), "secret", bytes.as_bytes(), 0o600);
            assert_eq!(Secret::File(path).read_with(None).unwrap().expose_secret(), secret, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let too_large = vec![b'x'; 64 * 1024 + 1];
        let cases = [
            (file(at, "open", b"pw", 0o640), "can be read by others (mode 0640); run `chmod 600 "),
            (file(at, "world", b"pw", 0o604), "can be read by others (mode 0604)"),
            (file(at, "empty", b"\n", 0o600), "is empty"),
            (file(at, "binary", &[0xff, 0xfe], 0o600), "is not plain text"),
            (file(at, "large", &too_large, 0o600), "larger than any secret"),
            (at.join("absent"), "cannot be read (No such file"),
            (at.to_owned(), "is not a file"),
        ];
        for (path, expected) in cases {
            let error = Secret::File(path.clone()).read_with(None).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn a_credential_lies_in_the_directory_of_systemd_whatever_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), "imap", b"pw\n", 0o440);
        let secret = Secret::Credential("imap".into());
        assert_eq!(secret.read_with(Some(directory.path())).unwrap().expose_secret(), "pw");
        let error = secret.read_with(None).unwrap_err().to_string();
        assert!(error.contains("LoadCredential=imap:PATH"), "{error}");
    }
}
