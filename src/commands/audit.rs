//! `caseward audit …`: verify the audit log, export it, prove an entry, show a case's entries, print the public key.
//! What was exported or proved is verified with the public key alone, on any machine.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::audit::{
    self, CheckpointError, ExportError, FileExport, Frontier, Known, LogKey, Proof, ProofError, PublicKey,
    TileExport, entry_hash,
};
use crate::case::{CaseId, EntryId, Reference};
use crate::daemon::{Register, StartError};
use crate::desk::context::{entry_details, scope};
use crate::desk::inspect::{Sound, verify_log};
use crate::desk::sequence::{checkpoint, kept};
use crate::desk::trace::{Event, Trace};
use crate::desk::{DeskError, Shared};
use crate::sequencer::kept_checkpoint;
use crate::store::Tx;
use crate::store::rows::EntryRow;

const PAGE: i64 = 2_000;

/// What is to be verified, and with what.
pub struct Verify<'a> {
    /// An export or a proof; the live log otherwise.
    pub what: Option<&'a Path>,
    /// A public key, or a file that holds it.
    pub key: Option<&'a str>,
    /// Checkpoints kept elsewhere, as files.
    pub checkpoints: &'a [std::path::PathBuf],
}

/// Verifies the live log, or an export or a proof.
pub fn verify(config: Option<&Path>, asked: &Verify<'_>) -> ExitCode {
    let done = match asked.what {
        Some(path) => offline(path, asked),
        None => live(config, asked),
    };
    super::finish(done)
}

fn offline(path: &Path, asked: &Verify<'_>) -> Result<(), StartError> {
    let key = asked.key.ok_or_else(|| {
        StartError::Other(
            "verifying an export or a proof takes the log's public key: give it with --key".into(),
        )
    })?;
    let key = public_key(key)?;
    let known = checkpoints(&key, asked.checkpoints)?;
    let head = std::fs::File::open(path).ok().filter(|_| path.is_file()).map(|file| {
        let mut head = String::new();
        let read = std::io::Read::read_to_string(&mut std::io::Read::take(file, 4_096), &mut head);
        if read.is_ok() { head } else { String::new() }
    });
    if head.is_some_and(|head| head.starts_with("c2sp.org/tlog-proof@")) {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let proof = Proof::read(&text).map_err(wrong_proof)?;
        let checkpoint = proof.check(&key).map_err(wrong_proof)?;
        println!("{}", String::from_utf8_lossy(&proof.entry));
        println!(
            "This entry stands at place {} of the log, which then had {} entries.",
            proof.index, checkpoint.size
        );
        return Ok(());
    }
    let sound = audit::verify_export(path, &key, known).map_err(wrong_export)?;
    println!("{} entries, each as it was written. Root: {}", sound.size, sound.root);
    Ok(())
}

fn live(config: Option<&Path>, asked: &Verify<'_>) -> Result<(), StartError> {
    let settings = super::settings(config)?;
    let dir = settings.audit_dir();
    let found: Sound = super::with_register(&settings, async |register| {
        let found = async {
            let own = LogKey::from_seed(register.shared.vault.log_signing().bytes()).public().clone();
            let key = asked.key.map(public_key).transpose()?.unwrap_or(own);
            let mut known = checkpoints(&key, asked.checkpoints)?;
            known.extend(dir.as_deref().and_then(|dir| kept_checkpoint(dir, &key)));
            let shared = std::sync::Arc::clone(&register.shared);
            let found = register.store.read(move |tx| verify_log(tx, &shared.vault, key, known)).await?;
            found.map_err(|fault| failed(&fault))
        }
        .await;
        (register, found)
    })?;
    println!("{} entries, each as it was written. Root: {}", found.size, found.root);
    if let Some(since) = found.waiting_since {
        println!("{} more wait for their place since {since}; the daemon gives it to them.", found.waiting);
    }
    Ok(())
}

/// Prints the public key.
pub fn key(config: Option<&Path>) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let key = super::with_register(&settings, async |register| {
            let key = LogKey::from_seed(register.shared.vault.log_signing().bytes()).public().to_string();
            (register, Ok(key))
        })?;
        println!("{key}");
        Ok(())
    });
    super::finish(done)
}

/// Writes the log to `path`: a file when the name has an extension, a directory of tiles otherwise.
pub fn export(config: Option<&Path>, path: &Path) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let target = path.to_path_buf();
        let size = super::with_register(&settings, async |register| {
            let done = export_from(&register, target).await;
            (register, done)
        })?;
        println!("{size} entries were written to {}.", path.display());
        Ok(())
    });
    super::finish(done)
}

/// Exports the log of an open register; how many entries.
pub async fn export_from(register: &Register, path: std::path::PathBuf) -> Result<u64, StartError> {
    let shared = std::sync::Arc::clone(&register.shared);
    let size = register.store.read(move |tx| Ok::<_, DeskError>(write(tx, &shared, &path))).await??;
    register.desk.run(Trace::system("audit.exported", serde_json::json!({ "size": size }))).await?;
    Ok(size)
}

enum Target {
    File(FileExport<std::io::BufWriter<std::fs::File>>),
    Tiles(TileExport),
}

fn write(tx: &mut dyn Tx, shared: &Shared, path: &Path) -> Result<u64, StartError> {
    let key = LogKey::from_seed(shared.vault.log_signing().bytes());
    let io = |error: std::io::Error| unreadable(path, &error);
    let mut target = if path.extension().is_some() && !path.is_dir() {
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(io)?;
        Target::File(FileExport::begin(std::io::BufWriter::new(file)).map_err(io)?)
    } else {
        Target::Tiles(TileExport::begin(path).map_err(wrong_export)?)
    };
    let note = checkpoint(tx, key.public())?.unwrap_or_else(|| {
        let root = Frontier::default().root();
        key.public().note(0, root, &key.sign(0, root))
    });
    let mut front = Frontier::default();
    loop {
        let page =
            tx.tree_page(i64::try_from(front.size()).unwrap_or(i64::MAX), PAGE).map_err(DeskError::from)?;
        if page.is_empty() {
            break;
        }
        for (row, entry) in page {
            let entry = entry.ok_or_else(|| {
                failed(&format!("entry {} is gone; run `caseward audit verify`", front.size()))
            })?;
            let hashes = front.push(entry_hash(&entry.bytes));
            match &mut target {
                Target::File(file) => file.push(&entry.bytes, &row.signature).map_err(io)?,
                Target::Tiles(tiles) => {
                    tiles.push(&entry.bytes, &hashes, &row.signature).map_err(wrong_export)?;
                }
            }
        }
    }
    match target {
        Target::File(file) => {
            let file = file.end(&note).map_err(io)?.into_inner().map_err(|error| io(error.into_error()))?;
            file.sync_all().map_err(io)?;
        }
        Target::Tiles(tiles) => tiles.end(&note).map_err(wrong_export)?,
    }
    Ok(front.size())
}

/// Prints the proof that an entry, named by its id or its place, stands in the log.
pub fn prove(config: Option<&Path>, entry: &str) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let entry = entry.to_owned();
        let proof = super::with_register(&settings, async |register| {
            let shared = std::sync::Arc::clone(&register.shared);
            let proof = register.store.read(move |tx| proof_of(tx, &shared, &entry)).await;
            (register, proof.map_err(StartError::from))
        })?;
        print(&proof.to_string())
    });
    super::finish(done)
}

/// The proof of one entry.
pub fn proof_of(tx: &mut dyn Tx, shared: &Shared, entry: &str) -> Result<Proof, DeskError> {
    let unknown = || {
        DeskError::Invalid(format!(
            "{entry}: the log has no such entry; name it by its id or its place, as `caseward audit show` prints them"
        ))
    };
    let row = match (entry.parse::<EntryId>(), entry.parse::<i64>()) {
        (Ok(id), _) => tx.tree_place(id)?,
        (_, Ok(seq)) => tx.tree_row(seq)?,
        _ => None,
    };
    let row = row.ok_or_else(unknown)?;
    let entry = tx.entry(row.entry_id)?.ok_or_else(unknown)?;
    let key = LogKey::from_seed(shared.vault.log_signing().bytes());
    let note = checkpoint(tx, key.public())?.ok_or_else(unknown)?;
    let (size, index) = (unsigned(tx.tree_size()?), unsigned(row.seq));
    let path = audit::prove_inclusion(size, index, |seq| kept(tx, seq))?.ok_or_else(unknown)?;
    Ok(Proof { entry: entry.bytes, index, path, note })
}

/// Prints all entries of a case with their details.
pub fn show(config: Option<&Path>, case: &str) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let case: Reference = case
            .parse()
            .map_err(|_| StartError::Other("this is no case's reference; it reads HR-7K3M-9QXD".into()))?;
        let text = super::with_register(&settings, async |register| {
            let text = show_from(&register, case).await;
            (register, text)
        })?;
        print(&text)
    });
    super::finish(done)
}

/// The entries of a case, a line each; that they were shown is entered, too.
pub async fn show_from(register: &Register, case: Reference) -> Result<String, StartError> {
    let shared = std::sync::Arc::clone(&register.shared);
    let (id, lines) = register
        .store
        .read(move |tx| {
            let case = tx.case_by_reference(case)?.ok_or_else(|| {
                DeskError::Invalid("there is no such case; look at the reference again".into())
            })?;
            let rows = tx.all_entries_of_case(case.id)?;
            let lines: Result<Vec<_>, DeskError> =
                rows.iter().map(|row| line(tx, &shared, case.id, row)).collect();
            Ok::<_, DeskError>((case.id, lines?))
        })
        .await?;
    let event =
        Event { action: "audit.shown", case: Some(id), details: serde_json::json!({ "by": "command line" }) };
    register.desk.run(Trace { actor: crate::case::Actor::System, events: vec![event] }).await?;
    Ok(lines.concat())
}

fn line(tx: &mut dyn Tx, shared: &Shared, case: CaseId, row: &EntryRow) -> Result<String, DeskError> {
    let place = tx.tree_place(row.id)?.map_or_else(|| "-".to_owned(), |place| place.seq.to_string());
    let details = match scope(tx, &shared.vault, case.as_bytes()) {
        Ok(scope) => entry_details(&scope, row)?.to_string(),
        Err(DeskError::NotFound) => "(erased)".into(),
        Err(error) => return Err(error),
    };
    let actor = row.actor_id.map_or_else(|| "system".to_owned(), |id| id.to_string());
    let version = row.case_version.map_or_else(|| "-".to_owned(), |version| version.to_string());
    Ok(format!("{place}\t{}\t{}\t{actor}\t{}\t{version}\t{details}\n", row.id, row.at, row.action))
}

fn checkpoints(key: &PublicKey, paths: &[std::path::PathBuf]) -> Result<Vec<Known>, StartError> {
    let one = |path: &std::path::PathBuf| {
        let note = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        let checkpoint =
            key.open(&note).map_err(|error| StartError::Other(format!("{}: {error}", path.display())))?;
        Ok(Known { size: checkpoint.size, root: checkpoint.root, from: path.display().to_string() })
    };
    paths.iter().map(one).collect()
}

fn public_key(given: &str) -> Result<PublicKey, StartError> {
    let path = Path::new(given);
    let text = if path.is_file() {
        std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?
    } else {
        given.to_owned()
    };
    text.parse().map_err(|error: CheckpointError| StartError::Other(error.to_string()))
}

fn print(text: &str) -> Result<(), StartError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| StartError::Other(format!("the output could not be written: {error}")))
}

fn unreadable(path: &Path, error: &std::io::Error) -> StartError {
    StartError::Other(format!("{}: {error}; name another path", path.display()))
}

fn wrong_export(error: ExportError) -> StartError {
    match error {
        ExportError::Io(path, error) => unreadable(&path, &error),
        other => failed(&other),
    }
}

fn wrong_proof(error: ProofError) -> StartError {
    failed(&error)
}

/// What was looked at and found wrong: exit code 1.
fn failed(why: &dyn std::fmt::Display) -> StartError {
    DeskError::Invalid(why.to_string()).into()
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
