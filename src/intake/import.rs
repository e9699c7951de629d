//! Existing mail from a Maildir or an mbox file, one message at a time, with its time of receipt. Knows files, not
//! the register. A message larger than the limit comes as its head alone.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::case::Moment;

/// One message as it lies there.
pub struct Existing {
    pub raw: Vec<u8>,
    /// False when only the head was read.
    pub complete: bool,
    pub received_at: Moment,
    /// How much of the store has been read with it, in the unit of [`Stock::total`].
    pub done: u64,
}

/// A store of existing mail.
pub struct Stock {
    /// Files of a Maildir, bytes of an mbox.
    pub total: u64,
    pub mails: Box<dyn Iterator<Item = io::Result<Existing>> + Send>,
}

/// The messages of a Maildir with its Maildir++ folders, oldest name first.
///
/// # Errors
/// When there is no Maildir.
pub fn maildir(root: &Path, limit: u64) -> io::Result<Stock> {
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
    let total = files.len() as u64;
    let mails = files.into_iter().zip(1..).map(move |(path, done)| {
        let mut raw = Vec::new();
        fs::File::open(&path)?.take(limit.saturating_add(1)).read_to_end(&mut raw)?;
        let complete = raw.len() as u64 <= limit;
        if !complete {
            raw.truncate(head_length(&raw));
        }
        Ok(Existing { raw, complete, received_at: modified(&path)?, done })
    });
    Ok(Stock { total, mails: Box::new(mails) })
}

fn modified(path: &Path) -> io::Result<Moment> {
    let modified = fs::metadata(path)?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(jiff::Timestamp::try_from(modified).unwrap_or(jiff::Timestamp::UNIX_EPOCH).into())
}

/// Up to and with the empty line.
fn head_length(raw: &[u8]) -> usize {
    let mut length = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    length
}

/// The messages of an mbox file (mboxrd: `>From ` is unquoted). The separator's date is not trusted; the file's own
/// time is the latest any of its mails can have been received.
///
/// # Errors
/// When the file cannot be opened.
pub fn mbox(path: &Path, limit: u64) -> io::Result<Stock> {
    let (file, at) = (fs::File::open(path)?, modified(path)?);
    let total = file.metadata()?.len();
    let mails = Mbox { lines: BufReader::new(file), at, limit, read: 0, open: false, done: false };
    Ok(Stock { total, mails: Box::new(mails) })
}

struct Mbox<R> {
    lines: R,
    at: Moment,
    limit: u64,
    /// Bytes so far.
    read: u64,
    /// The separator before the next message was read already.
    open: bool,
    done: bool,
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<Existing>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut raw = Vec::new();
        let (mut blank, mut complete) = (true, true);
        while !self.done {
            let mut line = Vec::new();
            // A line without an end is no reason to fill the memory; what follows counts as another line.
            match self.lines.by_ref().take(1 << 20).read_until(b'\n', &mut line) {
                Ok(0) => self.done = true,
                Ok(_) if line.starts_with(b"From ") && blank => {
                    self.read += line.len() as u64;
                    if std::mem::replace(&mut self.open, true) {
                        break;
                    }
                }
                Ok(_) => {
                    self.read += line.len() as u64;
                    blank = line.trim_ascii().is_empty();
                    if complete {
                        raw.extend_from_slice(unquoted(&line));
                    }
                    if raw.len() as u64 > self.limit {
                        raw.truncate(head_length(&raw));
                        complete = false;
                    }
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
        Some(Ok(Existing { raw, complete, received_at: self.at, done: self.read }))
    }
}

fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    let quoted = quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From "));
    if quoted { line.get(1..).unwrap_or(line) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static [u8], limit: u64) -> Vec<Existing> {
        let at = Moment::from_micros(7);
        Mbox { lines: text, at, limit, read: 0, open: false, done: false }.map(|mail| mail.unwrap()).collect()
    }

    const TEXT: &[u8] =
        b"From a@a.test Mon\nSubject: 1\n\none\n>From here\n\nFrom b@b.test Tue\nSubject: 2\n\ntwo\nFrom x\n";

    #[test]
    fn an_mbox_is_read_message_by_message() {
        let mails = read(TEXT, 1_000);
        let raw: Vec<_> = mails.iter().map(|mail| mail.raw.clone()).collect();
        assert_eq!(
            raw,
            [b"Subject: 1\n\none\nFrom here\n\n".to_vec(), b"Subject: 2\n\ntwo\nFrom x\n".to_vec()]
        );
        assert!(mails.iter().all(|mail| mail.complete));
        assert_eq!(mails.last().unwrap().done, TEXT.len() as u64);
    }

    #[test]
    fn of_a_large_message_the_head_is_read() {
        let mails = read(TEXT, 25);
        let brief: Vec<_> = mails.iter().map(|mail| (mail.complete, mail.raw.as_slice())).collect();
        assert_eq!(brief, [(false, &b"Subject: 1\n\n"[..]), (true, b"Subject: 2\n\ntwo\nFrom x\n")]);
    }

    #[test]
    fn a_maildir_is_read_folder_and_all() {
        let dir = tempfile::tempdir().unwrap();
        assert!(maildir(dir.path(), 100).is_err(), "no Maildir");
        for sub in ["cur", "new", ".Archive/cur"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        for (name, text) in
            [("new/2.a", "A: 2\n\n2"), (".Archive/cur/1.b:2,S", "A: 1\n\nlong"), ("cur/3.c", "A: 3\n")]
        {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let stock = maildir(dir.path(), 7).unwrap();
        assert_eq!(stock.total, 3);
        let mails: Vec<_> = stock.mails.map(|mail| mail.unwrap()).collect();
        let brief: Vec<_> =
            mails.iter().map(|mail| (mail.done, mail.complete, mail.raw.as_slice())).collect();
        assert_eq!(brief, [(1, false, &b"A: 1\n\n"[..]), (2, true, b"A: 2\n\n2"), (3, true, b"A: 3\n")]);
    }
}
