//! The log outside the database, in two forms. A directory in the form of C2SP `tlog-tiles` (`checkpoint`,
//! `tile/LEVEL/N`, `tile/entries/N`), which public tools read, with `signatures/N` beside it; or one file: a line
//! for each entry (signature, entry), an empty line, the checkpoint. Both are verified with the public key alone.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::checkpoint::{CheckpointError, PublicKey, SIGNATURE};
use super::tree::{Hash, Hashes, entry_hash};
use super::verify::{Fault, Known, Verifier};

const HEADER: &str = "caseward audit export 1";
/// Hashes in a full tile.
const WIDTH: u64 = 256;
/// Levels of the tree in one level of tiles.
const HEIGHT: usize = 8;
/// No line of an export is longer; an entry has some 300 bytes.
const LONGEST: u64 = 1 << 20;

/// Why an export is refused; one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a verified log is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    pub size: u64,
    pub root: Hash,
}

/// Writes the one-file form.
pub struct FileExport<W> {
    out: W,
}

impl<W: Write> FileExport<W> {
    /// # Errors
    /// When it cannot be written.
    pub fn begin(mut out: W) -> io::Result<Self> {
        writeln!(out, "{HEADER}")?;
        Ok(Self { out })
    }

    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, entry: &[u8], signature: &[u8]) -> io::Result<()> {
        write!(self.out, "{} ", BASE64.encode(signature))?;
        self.out.write_all(entry)?;
        self.out.write_all(b"\n")
    }

    /// Ends the export; without this it is recognised as cut short.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self, note: &[u8]) -> io::Result<W> {
        self.out.write_all(b"\n")?;
        self.out.write_all(note)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Writes the form of tiles into a directory.
pub struct TileExport {
    dir: PathBuf,
    tiles: Tiles,
}

impl TileExport {
    /// # Errors
    /// When the directory holds something already or cannot be made.
    pub fn begin(dir: &Path) -> Result<Self, ExportError> {
        let failed = |error| ExportError::Io(dir.into(), error);
        fs::create_dir_all(dir).map_err(failed)?;
        if fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(ExportError::Refused(format!(
                "{}: the directory is not empty; name a new one",
                dir.display()
            )));
        }
        Ok(Self { dir: dir.into(), tiles: Tiles::default() })
    }

    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, entry: &[u8], hashes: &Hashes, signature: &[u8]) -> Result<(), ExportError> {
        let Self { dir, tiles } = self;
        tiles.push(entry, hashes, signature, &mut |path, bytes| write_file(dir, path, bytes))
    }

    /// Ends the export; the checkpoint comes last, so that an unfinished export has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(self, note: &[u8]) -> Result<(), ExportError> {
        let Self { dir, tiles } = self;
        tiles.end(&mut |path, bytes| write_file(&dir, path, bytes))?;
        write_file(&dir, "checkpoint", note)
    }
}

fn write_file(dir: &Path, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
    let path = dir.join(path);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, bytes))
        .map_err(|error| ExportError::Io(path.clone(), error))
}

type Sink<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<(), ExportError>;

/// The tiles of a log as they fill; each is handed on when it is full, and the others at the end.
#[derive(Default)]
struct Tiles {
    size: u64,
    levels: Vec<Vec<u8>>,
    entries: Vec<u8>,
    signatures: Vec<u8>,
}

impl Tiles {
    fn push(
        &mut self,
        entry: &[u8],
        hashes: &Hashes,
        signature: &[u8],
        sink: Sink<'_>,
    ) -> Result<(), ExportError> {
        let length = u16::try_from(entry.len()).map_err(|_| {
            ExportError::Refused(format!("entry {} is longer than the form of tiles allows", self.size))
        })?;
        self.entries.extend_from_slice(&length.to_be_bytes());
        self.entries.extend_from_slice(entry);
        self.signatures.extend_from_slice(signature);
        let mut level = 0;
        while let Some(hash) = hashes.at(level * HEIGHT) {
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(level) else { break };
            tile.extend_from_slice(&hash.0);
            if tile.len() as u64 == WIDTH * 32 {
                let index = (self.size >> (HEIGHT * level)) / WIDTH;
                sink(&tile_path(&format!("tile/{level}"), index, WIDTH), tile)?;
                tile.clear();
            }
            level += 1;
        }
        self.size += 1;
        if self.size.is_multiple_of(WIDTH) {
            self.bundles(WIDTH, sink)?;
        }
        Ok(())
    }

    fn end(mut self, sink: Sink<'_>) -> Result<(), ExportError> {
        for (level, tile) in self.levels.iter().enumerate().filter(|(_, tile)| !tile.is_empty()) {
            let index = (self.size >> (HEIGHT * level)) / WIDTH;
            sink(&tile_path(&format!("tile/{level}"), index, tile.len() as u64 / 32), tile)?;
        }
        let width = self.size % WIDTH;
        if width == 0 { Ok(()) } else { self.bundles(width, sink) }
    }

    fn bundles(&mut self, width: u64, sink: Sink<'_>) -> Result<(), ExportError> {
        let index = (self.size - 1) / WIDTH;
        sink(&tile_path("tile/entries", index, width), &self.entries)?;
        sink(&tile_path("signatures", index, width), &self.signatures)?;
        self.entries.clear();
        self.signatures.clear();
        Ok(())
    }
}

/// `x001/x234/067`, with `.p/WIDTH` while it is not full.
fn tile_path(folder: &str, index: u64, width: u64) -> String {
    let mut name = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1_000);
        rest /= 1_000;
    }
    if width == WIDTH { format!("{folder}/{name}") } else { format!("{folder}/{name}.p/{width}") }
}

/// Verifies an export of either form. Each of `known` is a checkpoint kept elsewhere, which must fit.
///
/// # Errors
/// The first wrong entry, or why nothing can be said.
pub fn verify_export(path: &Path, key: &PublicKey, known: Vec<Known>) -> Result<Verified, ExportError> {
    let verifier = Verifier::new(key.clone(), known);
    if path.is_dir() { verify_tiles(path, key, verifier) } else { verify_file(path, key, verifier) }
}

fn verify_file(path: &Path, key: &PublicKey, mut verifier: Verifier) -> Result<Verified, ExportError> {
    let failed = |error| ExportError::Io(path.into(), error);
    let mut lines = BufReader::with_capacity(1 << 16, fs::File::open(path).map_err(failed)?);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| {
        line.clear();
        let read = lines.by_ref().take(LONGEST).read_until(b'\n', line).map_err(failed)?;
        Ok::<_, ExportError>(if line.pop_if(|byte| *byte == b'\n').is_some() { Some(read) } else { None })
    };
    if next(&mut line)?.is_none() || line != HEADER.as_bytes() {
        return Err(ExportError::Refused(format!(
            "{}: this is no export of an audit log; `caseward audit export` makes one",
            path.display()
        )));
    }
    loop {
        if next(&mut line)?.is_none() {
            return Err(cut_short(path, verifier.fault("the export ends here")));
        }
        if line.is_empty() {
            break;
        }
        let split = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (signature, entry) = line.split_at(split);
        let signature = BASE64.decode(signature).unwrap_or_default();
        verifier.push(entry_hash(entry.get(1..).unwrap_or_default()), &signature)?;
    }
    let mut note = Vec::new();
    lines.take(LONGEST).read_to_end(&mut note).map_err(failed)?;
    close(path, key, &note, verifier)
}

fn verify_tiles(dir: &Path, key: &PublicKey, mut verifier: Verifier) -> Result<Verified, ExportError> {
    let note = match fs::read(dir.join("checkpoint")) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(cut_short(dir, Fault { index: 0, why: "it has no checkpoint".into() }));
        }
        Err(error) => return Err(ExportError::Io(dir.join("checkpoint"), error)),
    };
    let checkpoint = key.open(&note)?;
    let mut tiles = Tiles::default();
    let mut damaged = None;
    let mut compare = |path: &str, bytes: &[u8]| {
        if damaged.is_none() && fs::read(dir.join(path)).ok().as_deref() != Some(bytes) {
            damaged = Some(path.to_owned());
        }
        Ok(())
    };
    while verifier.size() < checkpoint.size {
        let width = WIDTH.min(checkpoint.size - verifier.size());
        let index = verifier.size() / WIDTH;
        let mut read = |folder| {
            let path = tile_path(folder, index, width);
            fs::read(dir.join(&path))
                .map_err(|_| cut_short(dir, verifier.fault(format!("{path} is missing or cannot be read"))))
        };
        let (entries, signatures) = (read("tile/entries")?, read("signatures")?);
        let mut rest = entries.as_slice();
        for signature in signatures.chunks(SIGNATURE) {
            let Some((entry, after)) = take_entry(rest) else {
                return Err(verifier.fault("its bundle is shorter than it says").into());
            };
            rest = after;
            let hashes = verifier.push(entry_hash(entry), signature)?;
            tiles.push(entry, &hashes, signature, &mut compare)?;
        }
        let filled =
            (signatures.len() / SIGNATURE) as u64 == width && signatures.len().is_multiple_of(SIGNATURE);
        if !filled || !rest.is_empty() {
            return Err(verifier.fault("its bundle holds other entries than it says").into());
        }
    }
    tiles.end(&mut compare)?;
    let verified = close(dir, key, &note, verifier)?;
    match damaged {
        Some(path) => Err(ExportError::Refused(format!(
            "{}: every entry is right, but {path} is not the tile that belongs to them: it was changed or is missing",
            dir.display()
        ))),
        None => Ok(verified),
    }
}

fn take_entry(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn close(path: &Path, key: &PublicKey, note: &[u8], verifier: Verifier) -> Result<Verified, ExportError> {
    let (size, root) = verifier.finish()?;
    if note.is_empty() {
        return Err(cut_short(path, Fault { index: size, why: "the export ends here".into() }));
    }
    let checkpoint = key.open(note)?;
    if checkpoint.size > size {
        let why = format!("the checkpoint vouches for {} entries and the export has {size}", checkpoint.size);
        return Err(cut_short(path, Fault { index: size, why }));
    }
    if checkpoint.size < size {
        let why = "the checkpoint does not vouch for it: it was added to the export".into();
        return Err(Fault { index: checkpoint.size, why }.into());
    }
    if checkpoint.root != root {
        let why = "the checkpoint vouches for another log of this size".into();
        return Err(Fault { index: size.saturating_sub(1), why }.into());
    }
    Ok(Verified { size, root })
}

fn cut_short(path: &Path, fault: Fault) -> ExportError {
    ExportError::Refused(format!(
        "{}: the export was cut short or is incomplete; entry {} is the first that cannot be verified: {}; export it again",
        path.display(),
        fault.index,
        fault.why
    ))
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
