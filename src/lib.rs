//! Caseward turns an HR mailbox into a case register that a court could read.
//!
//! The map: what each part is for. Arrows point one way: `api`, `web`, `commands`, `intake`, `calendar`
//! → `desk` → `case`, `store`, `vault`, `audit`. `mail` and `case` depend on nothing of ours.
//!
//! - [`mail`]: what a mail is. Pure functions of bytes; knows no cases.
//! - [`mailbox`]: where mail comes from (IMAP, Maildir), behind one trait.
//! - [`settings`]: TOML + environment + credentials → typed, validated settings.

pub mod commands;
pub mod delivery;
pub mod mail;
pub mod mailbox;
pub mod settings;
