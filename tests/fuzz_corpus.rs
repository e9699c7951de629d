//! The corpus of the fuzz targets in `fuzz/`, and every mail of `tests/mail`, cut and damaged, against what must
//! hold for any bytes. What a fuzzer found becomes a file in `fuzz/corpus/TARGET/`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../fuzz/src/checks.rs"]
mod checks;

use caseward::mail;
use std::{fs, path::Path};

#[test]
fn the_corpus_holds() {
    for (target, check) in [
        ("parsing", checks::parsing as fn(&[u8])),
        ("quoting", checks::quoting),
        ("automatic", checks::automatic),
        ("authentication", checks::authentication),
        ("html", checks::html),
        ("references", checks::references),
    ] {
        let files = files(&format!("fuzz/corpus/{target}"));
        assert!(!files.is_empty(), "{target} has a corpus");
        files.iter().for_each(|data| check(data));
    }
}

#[test]
fn every_known_mail_cut_and_damaged_holds() {
    for raw in files("tests/mail").iter().filter(|raw| !raw.starts_with(b"{")) {
        checks::parsing(raw);
        checks::automatic(raw);
        checks::html(raw);
        for step in 1..8 {
            let at = raw.len() * step / 8;
            checks::parsing(&raw[..at]);
            let mut damaged = raw.clone();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 0x88;
            }
            checks::parsing(&damaged);
        }
    }
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}
