//! Caseward turns an HR mailbox into a case register that a court could read.
//!
//! The map: what each part is for. Arrows point one way: `api`, `web`, `commands`, `intake`, `calendar`
//! → `desk` → `case`, `store`, `vault`, `audit`. `mail` and `case` depend on nothing of ours.
//!
//! - [`api`]: HTTP: authentication, problems, one file per resource.
//! - [`audit`]: the audit log as bytes: entries, Merkle tree, checkpoints, proofs, exports.
//! - [`calendar`]: working hours, clock packs, and the timers that tell people what is due.
//! - [`case`]: the domain, pure: what a case is, how it is named, who may see it.
//! - [`commands`]: one file per subcommand.
//! - [`daemon`]: starts the parts, stops them in order.
//! - [`delivery`]: from the outbox to SMTP.
//! - [`desk`]: the one place where a case changes.
//! - [`directory`]: the people: the list, reporting lines, names.
//! - [`erasures`]: the journal of erasures outside the database.
//! - [`indexer`]: indexes cases for search once they are committed.
//! - [`intake`]: from raw mail to the desk: fetch, identity, trust, thread, classify.
//! - [`letters`]: the words of what we send, in four languages.
//! - [`logging`]: what the daemon tells its operator, and what it must never tell.
//! - [`mail`]: what a mail is. Pure functions of bytes; knows no cases.
//! - [`mailbox`]: where mail comes from (IMAP, Maildir), behind one trait.
//! - [`oauth`]: access tokens for IMAP and SMTP.
//! - [`search`]: the language of search: words, stems, questions. Pure.
//! - [`sequencer`]: keeps the audit log's tree up with what is committed.
//! - [`settings`]: TOML + environment + credentials → typed, validated settings.
//! - [`store`]: the only code that speaks SQL.
//! - [`tls`]: what we trust when we speak TLS.
//! - [`vault`]: keys, sealing, look-up hashes.

pub mod api;
pub mod audit;
pub mod calendar;
pub mod case;
pub mod commands;
pub mod daemon;
pub mod delivery;
pub mod desk;
pub mod directory;
pub mod erasures;
pub mod indexer;
pub mod intake;
pub mod letters;
pub mod logging;
pub mod mail;
pub mod mailbox;
pub mod oauth;
pub mod search;
pub mod sequencer;
pub mod settings;
pub mod store;
pub mod tls;
pub mod vault;
