//! A secret named in the settings: by file or systemd credential, never by value.

use std::path::PathBuf;

use serde::Deserialize;

/// Where a secret lies. `file` is a path; `credential` the name of a systemd credential
/// (`$CREDENTIALS_DIRECTORY/NAME`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Secret {
    File(PathBuf),
    Credential(String),
}
