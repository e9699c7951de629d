//! Reads the settings file, lays the environment over it, completes relative paths and checks the result.
//! What goes wrong becomes one sentence with its place; the rules themselves lie in `check`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Settings;
use super::de::Reader;
use super::tree::{Node, Origin, Origins};

/// All variables that Caseward reads begin so.
const PREFIX: &str = "CASEWARD_";

/// Why settings are refused: one sentence with file, key, line where known, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// Reads the settings at `path` (without one, the defaults) under the environment `env`, of which only
/// `CASEWARD_…` is looked at: `CASEWARD_API__LISTEN` overrides `api.listen`, `CASEWARD_MAILBOX__HR__FOLDERS` the
/// folders of the mailbox `hr`. Relative paths in the file are taken from the file's directory, those in variables
/// from the current one. The first fault found is the error.
pub fn load(
    path: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, SettingsError> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?,
        None => String::new(),
    };
    read(path, &text, env)
}

/// This process's `CASEWARD_…` variables, for [`load`].
pub fn environment() -> Vec<(String, String)> {
    // Not `vars()`, which panics on a variable that is not UTF-8.
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

fn unreadable(path: &Path, error: &std::io::Error) -> SettingsError {
    let remedy = match error.kind() {
        std::io::ErrorKind::NotFound => "name the settings file with --config or CASEWARD_CONFIG",
        std::io::ErrorKind::PermissionDenied => "let the daemon's user read it",
        std::io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "it must be a readable file",
    };
    SettingsError(format!("{}: the settings cannot be read ({error}); {remedy}", path.display()))
}

/// As [`load`], with the text of the file.
pub(super) fn read(
    path: Option<&Path>,
    text: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, SettingsError> {
    let sentence = |origin: Option<&Origin>, key: Option<&str>, reason: &str| {
        let place = place(path, origin);
        SettingsError(match key.filter(|key| !key.is_empty()) {
            Some(key) => format!("{place}: `{key}` {reason}"),
            None => format!("{place}: {reason}"),
        })
    };
    let mut tree =
        Node::parse(text).map_err(|refusal| sentence(Some(&refusal.origin), None, &refusal.reason))?;
    for (variable, text) in overrides(env) {
        let name = variable.get(PREFIX.len()..).unwrap_or_default().to_ascii_lowercase();
        let keys: Vec<&str> = name.split("__").collect();
        tree.overlay(&variable, &keys, &text)
            .map_err(|refusal| sentence(Some(&refusal.origin), None, &refusal.reason))?;
    }
    let mut settings = Settings::deserialize(Reader::new(&tree))
        .map_err(|fault| sentence(fault.origin.as_ref(), fault.key.as_deref(), &fault.reason))?;
    let origins = tree.origins();
    complete(&mut settings, path, &origins);
    super::check::check(&settings, &origins)
        .map_err(|fault| sentence(origins.nearest(&fault.key), Some(&fault.key), &fault.reason))?;
    Ok(settings)
}

/// The variables that override settings, in a fixed order: outer tables before what lies in them.
fn overrides(env: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let reserved = |name: &str| name == "CASEWARD_CONFIG" || name.starts_with("CASEWARD_TEST_");
    let mut variables: Vec<_> =
        env.into_iter().filter(|(name, _)| name.starts_with(PREFIX) && !reserved(name)).collect();
    variables.sort();
    variables
}

fn place(path: Option<&Path>, origin: Option<&Origin>) -> String {
    match (path, origin) {
        (_, Some(Origin::Variable(name))) => format!("environment variable {}", name.escape_debug()),
        (Some(path), Some(Origin::Line(line))) => format!("{}, line {line}", path.display()),
        (Some(path), None) => path.display().to_string(),
        (None, _) => "settings".into(),
    }
}

/// Makes relative paths of the file relative to the file's directory.
fn complete(settings: &mut Settings, path: Option<&Path>, origins: &Origins) {
    let directory = path.and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    settings.each_path(|key: &str, path: &mut PathBuf| {
        let base = match origins.written(key) {
            Some(Origin::Variable(_)) => Path::new(""),
            _ => directory.as_path(),
        };
        *path = base.join(&*path);
    });
    if settings.config_dir.is_none() && path.is_some() {
        let here = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        settings.config_dir = Some(here);
    }
}
