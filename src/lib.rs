//! Caseward turns an HR mailbox into a case register that a court could read.
//!
//! The map: what each part is for. Arrows point one way: `api`, `web`, `commands`, `intake`, `calendar`
//! → `desk` → `case`, `store`, `vault`, `audit`. `mail` and `case` depend on nothing of ours.
//!
//! - [`api`]: the HTTP interface, described by its own OpenAPI document.
//! - [`letters`]: the words of what we send, in four languages.
//! - [`case`]: the domain, pure: what a case is and is about.
//! - [`commands`]: one file per subcommand.
//! - [`intake`]: from raw mail to the desk; so far its classifier.
//! - [`mail`]: what a mail is. Pure functions of bytes; knows no cases.
//! - [`mailbox`]: where mail comes from (IMAP, Maildir), behind one trait.
//! - [`logging`]: what the daemon tells its operator, and what it must never tell.
//! - [`oauth`]: access tokens for IMAP and SMTP.
//! - [`settings`]: TOML + environment + credentials → typed, validated settings.

pub mod api;
pub mod audit;
pub mod case;
pub mod commands;
pub mod daemon;
pub mod delivery;
pub mod desk;
pub mod intake;
pub mod letters;
pub mod logging;
pub mod mail;
pub mod mailbox;
pub mod oauth;
pub mod settings;
pub mod store;
pub mod tls;
pub mod vault;
