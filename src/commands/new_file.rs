//! A file that comes into being whole or not at all: written under another name beside its place, synced, and only
//! then given its name, which nobody may have taken. Dropped before that, it is removed.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::daemon::StartError;

/// A file of mode 0600 on its way to its place.
pub struct NewFile {
    file: NamedTempFile,
    place: PathBuf,
}

impl NewFile {
    /// An empty file beside `place`, which must be free.
    ///
    /// # Errors
    /// When something is there, or nothing can be written there.
    pub fn beside(place: &Path) -> Result<Self, StartError> {
        if place.symlink_metadata().is_ok() {
            return Err(taken(place));
        }
        let file = tempfile::Builder::new()
            .prefix(".caseward-")
            .suffix(".partial")
            .tempfile_in(directory(place))
            .map_err(|error| {
                let remedy = "its directory must exist, be writable and have room";
                StartError::Other(format!(
                    "{}: cannot be written ({}); {remedy}",
                    place.display(),
                    error.kind()
                ))
            })?;
        Ok(Self { file, place: place.to_path_buf() })
    }

    /// Where it lies until it is kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Copies the bytes of `source` into it.
    ///
    /// # Errors
    /// When one cannot be read or the other not be written, a full disk above all.
    pub fn fill_from(&self, source: &Path) -> Result<(), StartError> {
        let copied = std::fs::File::open(source)
            .and_then(|mut source| io::copy(&mut source, &mut self.file.as_file()));
        copied.map(drop).map_err(|error| self.unwritten(&error))
    }

    /// Gives it its name, on the disk when this returns.
    ///
    /// # Errors
    /// When the name was taken meanwhile, or the disk fails.
    pub fn keep(self) -> Result<(), StartError> {
        let place = self.place.clone();
        let directory = directory(&place).to_path_buf();
        self.file.as_file().sync_all().map_err(|error| self.unwritten(&error))?;
        // Root restores for the daemon: the file belongs to whom the directory belongs.
        if let Ok(about) = std::fs::metadata(&directory)
            && chown(self.file.path(), Some(about.uid()), Some(about.gid())).is_err()
        {
            tracing::debug!("the file keeps the owner that made it");
        }
        self.file.persist_noclobber(&place).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => taken(&place),
            kind => StartError::Failed(format!("{}: cannot be given its name ({kind})", place.display())),
        })?;
        std::fs::File::open(&directory).and_then(|directory| directory.sync_all()).map_err(|error| {
            StartError::Failed(format!("{}: is not surely on the disk ({})", place.display(), error.kind()))
        })
    }

    fn unwritten(&self, error: &io::Error) -> StartError {
        let place = self.place.display();
        StartError::Failed(format!(
            "{place}: nothing was written ({}); make room or mend the disk",
            error.kind()
        ))
    }
}

fn directory(place: &Path) -> &Path {
    place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn taken(place: &Path) -> StartError {
    StartError::Other(format!(
        "{}: is there already, and nothing is overwritten; move it away or name another file",
        place.display()
    ))
}
