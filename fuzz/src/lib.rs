//! What the fuzz targets share: the parser under test, and what must hold of it.

pub mod checks;
#[allow(dead_code, reason = "composing is not fuzzed")]
#[path = "../../src/mail/mod.rs"]
pub mod mail;
