//! Exports of both forms: written, verified, and spoiled in every way.

use proptest::prelude::*;

use super::super::checkpoint::LogKey;
use super::super::tree::Frontier;
use super::*;

struct Log {
    key: LogKey,
    entries: Vec<Vec<u8>>,
    kept: Vec<(Hashes, [u8; SIGNATURE])>,
    front: Frontier,
}

impl Log {
    fn of(size: u64) -> Self {
        let mut log = Self {
            key: LogKey::from_seed(&[9; 32]),
            entries: Vec::new(),
            kept: Vec::new(),
            front: Frontier::default(),
        };
        for n in 0..size {
            let entry = format!("{{\"v\":1,\"n\":{n}}}").into_bytes();
            let hashes = log.front.push(entry_hash(&entry));
            let signature = log.key.sign(n + 1, log.front.root());
            log.entries.push(entry);
            log.kept.push((hashes, signature));
        }
        log
    }

    fn note(&self) -> Vec<u8> {
        let (size, root) = (self.front.size(), self.front.root());
        self.key.public().note(size, root, &self.key.sign(size, root))
    }

    fn file(&self, path: &Path) {
        let mut export = FileExport::begin(fs::File::create(path).unwrap()).unwrap();
        for (entry, (_, signature)) in self.entries.iter().zip(&self.kept) {
            export.push(entry, signature).unwrap();
        }
        export.end(&self.note()).unwrap();
    }

    fn tiles(&self, dir: &Path) {
        let mut export = TileExport::begin(dir).unwrap();
        for (entry, (hashes, signature)) in self.entries.iter().zip(&self.kept) {
            export.push(entry, hashes, signature).unwrap();
        }
        export.end(&self.note()).unwrap();
    }

    fn verify(&self, path: &Path) -> Result<Verified, ExportError> {
        verify_export(path, self.key.public(), Vec::new())
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn both_forms_verify_with_the_public_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    for size in [0, 1, 255, 256, 257, 1_000] {
        let log = Log::of(size);
        let (file, tiles) = (dir.path().join(format!("{size}.txt")), dir.path().join(format!("{size}")));
        log.file(&file);
        log.tiles(&tiles);
        let whole = Verified { size, root: log.front.root() };
        assert_eq!(log.verify(&file).unwrap(), whole, "{size}");
        assert_eq!(log.verify(&tiles).unwrap(), whole, "{size}");
        let other = LogKey::from_seed(&[8; 32]);
        assert!(verify_export(&file, other.public(), Vec::new()).is_err());
        assert!(verify_export(&tiles, other.public(), Vec::new()).is_err());
    }
    assert!(matches!(TileExport::begin(&dir.path().join("257")), Err(ExportError::Refused(_))));
}

#[test]
fn the_names_are_those_of_tlog_tiles() {
    let dir = tempfile::tempdir().unwrap();
    Log::of(600).tiles(dir.path());
    let names: Vec<_> = files(dir.path())
        .iter()
        .map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string())
        .collect();
    insta::assert_snapshot!(names.join("\n"));
    assert_eq!(tile_path("tile/entries", 1_234_067, 256), "tile/entries/x001/x234/067");
}

#[test]
fn an_export_that_was_cut_short_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of(20);
    let path = dir.path().join("export");
    log.file(&path);
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(log.verify(&path).is_err(), "{length} bytes");
    }
    fs::write(&path, &whole[..2_000]).unwrap();
    insta::assert_snapshot!(
        log.verify(&path).unwrap_err().to_string().replace(&*path.to_string_lossy(), "FILE")
    );
}

#[test]
fn a_checkpoint_kept_elsewhere_tells_of_a_rewritten_or_shortened_log() {
    let dir = tempfile::tempdir().unwrap();
    let (long, short) = (Log::of(30), Log::of(20));
    let path = dir.path().join("export");
    short.file(&path);
    let known = |size, root| vec![Known { size, root, from: "the witness".into() }];
    let check = |known| verify_export(&path, short.key.public(), known);
    assert!(check(known(20, short.front.root())).is_ok());
    let cut = check(known(30, long.front.root())).unwrap_err();
    assert!(matches!(cut, ExportError::Fault(Fault { index: 20, .. })), "{cut}");
    let rewritten = check(known(10, short.front.root())).unwrap_err();
    assert!(matches!(rewritten, ExportError::Fault(Fault { index: 9, .. })), "{rewritten}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_first_spoiled_line_is_named(size in 2usize..400, pick in any::<usize>(), how in 0..4) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::of(size as u64);
        let path = dir.path().join("export");
        log.file(&path);
        let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let at = pick % size;
        let wrong = match how {
            0 => { lines[at + 1] = lines[at + 1].replace("\"n\":", "\"m\":"); at }
            1 => { lines.remove(at + 1); at }
            2 if at + 1 < size => { lines.swap(at + 1, at + 2); at }
            _ => { let line = lines[at + 1].clone(); lines.insert(at + 1, line); at + 1 }
        };
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        match log.verify(&path) {
            Err(ExportError::Fault(fault)) => prop_assert_eq!(fault.index, wrong as u64, "{}", fault.why),
            // The last line was dropped: the export is too short.
            Err(other) => prop_assert!(how == 1 && at == size - 1, "{other}"),
            Ok(_) => prop_assert!(false, "the change went unnoticed"),
        }
    }

    #[test]
    fn no_changed_byte_of_a_directory_goes_unnoticed(size in 1u64..600, pick in any::<usize>(), at in any::<usize>()) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::of(size);
        log.tiles(dir.path());
        let found = files(dir.path());
        let path = &found[pick % found.len()];
        let mut bytes = fs::read(path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        fs::write(path, &bytes).unwrap();
        let verified = log.verify(dir.path());
        // A signature that proves nothing any more is not missed: later ones prove its entry.
        let spare = path.to_string_lossy().contains("signatures");
        prop_assert!(verified.is_err() || spare, "{}", path.display());
    }
}
