//! Reads the settings file, lays the environment over it and checks the result.

use std::path::Path;

use super::Settings;

/// Why settings are refused: one sentence with file, key, line where known, and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// Reads and checks the settings at `path`.
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingsError(format!("{}: cannot be read: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| SettingsError(format!("{}: {error}", path.display())))
}
