//! The subcommands of the command line, one file each.

pub mod classify;
pub mod parse;
