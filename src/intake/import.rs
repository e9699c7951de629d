//! Existing mail from a Maildir or an mbox file, one message at a time, with its time of receipt. Knows files, not
//! the register.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::case::Moment;

/// One message as it lies there.
pub struct Existing {
    pub raw: Vec<u8>,
    pub received_at: Moment,
}

/// The messages of a Maildir with its Maildir++ folders, oldest name first.
///
/// # Errors
/// When there is no Maildir.
pub fn maildir(root: &Path) -> io::Result<impl Iterator<Item = io::Result<Existing>> + use<>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_string_lossy().starts_with('.') {
            folders.push(entry.path());
        }
    }
    for folder in folders {
        for sub in ["cur", "new"] {
            let Ok(entries) = fs::read_dir(folder.join(sub)) else { continue };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    files.push(entry.path());
                }
            }
        }
    }
    if files.is_empty() && !root.join("cur").is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "this is no Maildir (it has no cur/)"));
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(files.into_iter().map(|path| {
        let modified = fs::metadata(&path)?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let at = jiff::Timestamp::try_from(modified).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Ok(Existing { raw: fs::read(&path)?, received_at: at.into() })
    }))
}

/// The messages of an mbox file (mboxrd: `>From ` is unquoted). The separator's date is not trusted; the file's own
/// time is the latest any of its mails can have been received.
///
/// # Errors
/// When the file cannot be opened.
pub fn mbox(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Existing>> + use<>> {
    let modified = fs::metadata(path)?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let at = jiff::Timestamp::try_from(modified).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Ok(Mbox { lines: BufReader::new(fs::File::open(path)?), at: at.into(), open: false, done: false })
}

struct Mbox<R> {
    lines: R,
    at: Moment,
    /// The separator before the next message was read already.
    open: bool,
    done: bool,
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<Existing>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut raw = Vec::new();
        let mut blank = true;
        while !self.done {
            let mut line = Vec::new();
            match self.lines.read_until(b'\n', &mut line) {
                Ok(0) => self.done = true,
                Ok(_) if line.starts_with(b"From ") && blank => {
                    if std::mem::replace(&mut self.open, true) {
                        break;
                    }
                }
                Ok(_) => {
                    blank = line.trim_ascii().is_empty();
                    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
                    let quoted =
                        quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From "));
                    raw.extend_from_slice(if quoted { line.get(1..).unwrap_or(&line) } else { &line });
                }
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        if raw.is_empty() {
            return None;
        }
        Some(Ok(Existing { raw, received_at: self.at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_read_message_by_message() {
        let text = b"From a@a.test Mon\nSubject: 1\n\none\n>From here\n\nFrom b@b.test Tue\nSubject: 2\n\ntwo\nFrom x\n";
        let at = Moment::from_micros(7);
        let mails: Vec<_> =
            Mbox { lines: &text[..], at, open: false, done: false }.map(|mail| mail.unwrap().raw).collect();
        assert_eq!(
            mails,
            [b"Subject: 1\n\none\nFrom here\n\n".to_vec(), b"Subject: 2\n\ntwo\nFrom x\n".to_vec()]
        );
    }
}
