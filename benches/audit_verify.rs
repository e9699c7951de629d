//! `cargo bench --bench audit_verify [-- ENTRIES]`: how fast a log of a million entries is verified from an export,
//! beside plain SHA-256 over the same bytes. Prints the rates; judges nothing.

#![allow(clippy::expect_used, reason = "a benchmark fails loudly")]

use std::io::BufWriter;
use std::time::Instant;

use caseward::audit::{self, Entry, FileExport, Frontier, LogKey, entry_hash, verify_export};
use caseward::case::{CaseId, EntryId, Moment, UserId};
use sha2::{Digest, Sha256};

fn main() {
    let count = std::env::args().filter_map(|text| text.parse().ok()).next().unwrap_or(1_000_000u64);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log.txt");
    let key = LogKey::from_seed(&[7; 32]);
    let entries: Vec<Vec<u8>> = (0..count).map(entry).collect();
    let bytes: usize = entries.iter().map(Vec::len).sum();

    let started = Instant::now();
    let mut front = Frontier::default();
    let file = std::fs::File::create(&path).expect("a file");
    let mut export = FileExport::begin(BufWriter::new(file)).expect("written");
    for entry in &entries {
        front.push(entry_hash(entry));
        export.push(entry, &key.sign(front.size(), front.root())).expect("written");
    }
    let signature = key.sign(front.size(), front.root());
    let note = key.public().note(front.size(), front.root(), &signature);
    export.end(&note).expect("written");
    say("hashed, signed and exported", started, count, bytes);

    let started = Instant::now();
    for entry in &entries {
        std::hint::black_box(Sha256::digest(entry));
    }
    say("plain SHA-256", started, count, bytes);

    let started = Instant::now();
    let verified = verify_export(&path, key.public(), Vec::new()).expect("a sound log");
    assert_eq!(verified.size, count);
    say("verified from the export", started, count, bytes);
}

fn entry(number: u64) -> Vec<u8> {
    let mut id = [0; 16];
    id.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    let commitment = Sha256::digest(number.to_be_bytes()).into();
    audit::bytes(&Entry {
        id: EntryId::from_bytes(id),
        at: Moment::from_micros(1_760_000_000_000_000 + i64::try_from(number).unwrap_or_default()),
        actor: Some(UserId::from_bytes([3; 16])),
        behalf: None,
        action: "message.received",
        case: Some(CaseId::from_bytes([5; 16])),
        version: Some(7),
        commitment: Some(commitment),
    })
}

fn say(what: &str, started: Instant, count: u64, bytes: usize) {
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a printed rate")]
    let (each, mega) = (count as f64 / seconds, bytes as f64 / seconds / 1e6);
    println!("{what}: {count} entries, {bytes} bytes in {seconds:.2} s: {each:.0} entries/s, {mega:.0} MB/s");
}
