//! The files of a Maildir: names, flags, reading, moving. Synchronous; knows no UIDs but to hand them through.
//! Only plain files inside the folder count: symbolic links, pipes and devices are passed over.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

use super::{Fetched, Listed, MailboxError, Uid, folder_name};

/// A head is looked for in this many bytes.
const HEAD: u64 = 1024 * 1024;

/// When `new/` and `cur/` last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    new: Option<SystemTime>,
    cur: Option<SystemTime>,
}

/// Where a folder lies: `INBOX` is the root, `Caseward/Processed` is `.Caseward.Processed` (Maildir++).
pub fn folder_path(root: &Path, folder: &str) -> Result<PathBuf, MailboxError> {
    if folder.eq_ignore_ascii_case("INBOX") {
        return Ok(root.to_owned());
    }
    let usable = |level: &str| !level.is_empty() && !level.contains(['.', '\0']);
    if !folder.split('/').all(usable) {
        return Err(MailboxError::Misconfigured(format!(
            "folder \"{}\" cannot be a Maildir folder; use names without dots, levels separated by /",
            folder.escape_debug()
        )));
    }
    Ok(root.join(format!(".{}", folder_name::encode(folder).replace('/', "."))))
}

/// Refuses what is no Maildir, with the remedy.
pub fn must_be_maildir(path: &Path) -> Result<(), MailboxError> {
    for part in ["new", "cur"] {
        let part = path.join(part);
        if !fs::symlink_metadata(&part).is_ok_and(|about| about.is_dir()) {
            return Err(MailboxError::Misconfigured(format!(
                "{} is no directory; make a Maildir (with new, cur and tmp) or correct source.path and folders",
                part.display()
            )));
        }
    }
    Ok(())
}

/// The state of the directories, to be compared with a later one.
pub fn stamp(path: &Path) -> Result<Stamp, MailboxError> {
    let modified = |part| fs::metadata(path.join(part)).and_then(|about| about.modified());
    match (modified("new"), modified("cur")) {
        (Ok(new), Ok(cur)) => Ok(Stamp { new: Some(new), cur: Some(cur) }),
        (Err(error), _) | (_, Err(error)) => Err(broken(&error)),
    }
}

/// All messages by base name. `cur` is read last: a message on its way from `new` to `cur` is not missed.
pub fn scan(path: &Path) -> Result<BTreeMap<String, PathBuf>, MailboxError> {
    must_be_maildir(path)?;
    let mut found = BTreeMap::new();
    for part in ["new", "cur"] {
        for entry in fs::read_dir(path.join(part)).map_err(|error| broken(&error))? {
            let entry = entry.map_err(|error| broken(&error))?;
            let hidden = entry.file_name().as_bytes().starts_with(b".");
            match entry.file_type() {
                Ok(kind) if kind.is_file() && !hidden => {
                    found.insert(base_name(&entry.file_name()), entry.path());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(broken(&error)),
            }
        }
    }
    Ok(found)
}

/// All base names in the order of arrival, so that numbers follow it.
pub fn by_arrival(path: &Path) -> Result<Vec<String>, MailboxError> {
    let arrived = |path: &Path| fs::symlink_metadata(path).and_then(|about| about.modified()).ok();
    let mut keyed: Vec<_> = scan(path)?.into_iter().map(|(name, path)| (arrived(&path), name)).collect();
    keyed.sort();
    Ok(keyed.into_iter().map(|(_, name)| name).collect())
}

/// The part of a file name that stays when flags change. Names that are not UTF-8 are written in hexadecimal, so
/// that two of them never become one.
fn base_name(file_name: &std::ffi::OsStr) -> String {
    let bytes = file_name.as_bytes();
    let base = bytes.split(|byte| *byte == b':').next().unwrap_or(bytes);
    match std::str::from_utf8(base) {
        Ok(name) => name.to_owned(),
        Err(_) => format!("hex:{}", data_encoding::HEXLOWER.encode(base)),
    }
}

/// Size and receipt; `None` when the file is gone.
pub fn about(uid: Uid, path: &Path) -> Option<Listed> {
    let about = fs::symlink_metadata(path).ok()?;
    let received_at =
        about.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_else(Timestamp::now);
    Some(Listed { uid, size: about.len(), received_at })
}

/// The whole message, or its head when it is larger than `limit`; `None` when it is gone.
pub fn read(uid: Uid, path: &Path, limit: u64) -> Result<Option<Fetched>, MailboxError> {
    let Some(file) = open(uid, path)? else { return Ok(None) };
    let mut raw = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut raw).map_err(|error| unreadable(uid, &error))?;
    if raw.len() as u64 > limit {
        drop(raw);
        return read_head(uid, path);
    }
    Ok(Some(Fetched { uid, raw, truncated: false }))
}

/// The head alone, with the empty line that ends it.
pub fn read_head(uid: Uid, path: &Path) -> Result<Option<Fetched>, MailboxError> {
    let Some(file) = open(uid, path)? else { return Ok(None) };
    let mut raw = Vec::new();
    file.take(HEAD).read_to_end(&mut raw).map_err(|error| unreadable(uid, &error))?;
    raw.truncate(head_length(&raw));
    Ok(Some(Fetched { uid, raw, truncated: true }))
}

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

/// Opens a plain file. What was exchanged for something else since it was listed is refused.
fn open(uid: Uid, path: &Path) -> Result<Option<File>, MailboxError> {
    let opened = fs::symlink_metadata(path).and_then(|listed| {
        if !listed.is_file() {
            return Err(ErrorKind::NotFound.into());
        }
        let file = File::open(path)?;
        let same = |opened: Metadata| (opened.dev(), opened.ino()) == (listed.dev(), listed.ino());
        if same(file.metadata()?) { Ok(file) } else { Err(ErrorKind::NotFound.into()) }
    });
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(uid, &error)),
    }
}

/// Deletes; a file that is gone already is no error.
pub fn remove(path: &Path) -> Result<(), MailboxError> {
    unless_gone(fs::remove_file(path))
}

/// Moves into `cur` and sets the flag S.
pub fn mark_seen(path: &Path, folder: &Path) -> Result<(), MailboxError> {
    let Some(name) = path.file_name().map(OsStrExt::as_bytes) else { return Ok(()) };
    let (base, flags) = split_flags(name);
    let mut flags = flags.to_vec();
    flags.push(b'S');
    flags.sort_unstable();
    flags.dedup();
    let name = [base, b":2,", &flags].concat();
    unless_gone(rename(path, &folder.join("cur").join(std::ffi::OsStr::from_bytes(&name))))
}

/// Moves into another folder, flags and all.
pub fn move_to(path: &Path, target: &Path) -> Result<(), MailboxError> {
    let Some(name) = path.file_name().map(OsStrExt::as_bytes) else { return Ok(()) };
    let (base, flags) = split_flags(name);
    let cur = target.join("cur");
    for copy in 0_u32.. {
        let suffix = if copy == 0 { String::new() } else { format!("_{copy}") };
        let name = [base, suffix.as_bytes(), b":2,", flags].concat();
        let to = cur.join(std::ffi::OsStr::from_bytes(&name));
        // Base names are unique in one folder only; nothing is ever written over.
        if fs::symlink_metadata(&to).is_err() {
            return unless_gone(rename(path, &to));
        }
    }
    Ok(())
}

/// Makes a Maildir++ folder, if it is not there yet.
pub fn create(folder: &Path) -> Result<(), MailboxError> {
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(folder.join(part)).map_err(|error| broken(&error))?;
    }
    let marker = folder.join("maildirfolder");
    if !marker.exists() {
        File::create(marker).map_err(|error| broken(&error))?;
    }
    Ok(())
}

fn split_flags(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let (base, info) = name.split_at(colon);
            (base, info.strip_prefix(b":2,").unwrap_or_default())
        }
        None => (name, b""),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if from == to { Ok(()) } else { fs::rename(from, to) }
}

fn unless_gone(result: io::Result<()>) -> Result<(), MailboxError> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(broken(&error)),
        _ => Ok(()),
    }
}

/// Names no path below the folder: Maildir file names may hold host names and are nobody's business in a log.
fn broken(error: &io::Error) -> MailboxError {
    MailboxError::Lost(format!("the Maildir cannot be used ({}); check its rights and disk", error.kind()))
}

fn unreadable(uid: Uid, error: &io::Error) -> MailboxError {
    MailboxError::Message {
        uid,
        reason: format!("the file cannot be read ({}); check its rights", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_inside() {
        let root = Path::new("/m");
        for (folder, path) in [
            ("INBOX", Some("/m")),
            ("inbox", Some("/m")),
            ("Caseward/Processed", Some("/m/.Caseward.Processed")),
            ("Gelöscht", Some("/m/.Gel&APY-scht")),
            ("..", None),
            ("a/../b", None),
            ("/etc", None),
            ("a//b", None),
            ("a.b", None),
            ("", None),
        ] {
            assert_eq!(folder_path(root, folder).ok().as_deref(), path.map(Path::new), "{folder}");
        }
    }

    #[test]
    fn heads_end_at_the_empty_line() {
        for (raw, length) in
            [("A: b\r\n\r\nbody", 8), ("A: b\n\nbody\n\n", 6), ("A: b", 4), ("", 0), ("\nbody", 1)]
        {
            assert_eq!(head_length(raw.as_bytes()), length, "{raw:?}");
        }
    }

    #[test]
    fn names_of_any_bytes_stay_apart() {
        use std::ffi::OsStr;
        let name = |bytes: &[u8]| base_name(OsStr::from_bytes(bytes));
        assert_eq!(name(b"1.M2.host:2,FS"), "1.M2.host");
        assert_eq!(name(b"1.M2.host"), "1.M2.host");
        assert_ne!(name(b"1.\xff"), name(b"1.\xfe"));
    }

    #[test]
    fn an_unreadable_file_is_named_by_its_number_alone() {
        // A plain file that nobody can read from the start, root included.
        match read(Uid(7), Path::new("/proc/self/mem"), 10) {
            Err(MailboxError::Message { uid: Uid(7), reason }) => {
                assert!(!reason.contains("mem"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
    }
}
