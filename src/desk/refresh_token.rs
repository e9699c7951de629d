//! Refresh tokens that a token server gave in place of the configured ones, sealed under the directory's key. Knows
//! no OAuth: a name, and the secret that another one replaced.

use secrecy::{ExposeSecret, SecretString};

use super::context::{Context, DIRECTORY, DeskError, scope};
use super::runner::Action;
use crate::case::Actor;
use crate::store::Tx;
use crate::store::rows::RefreshTokenRow;
use crate::vault::{LookupHash, Record, Vault};

/// Keeps the token that replaced the one in the settings.
pub struct Keep {
    pub name: String,
    pub configured: SecretString,
    pub new: SecretString,
}

impl Action for Keep {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "token.keep"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        let directory = cx.scope(DIRECTORY)?;
        let (record, key) = Record::create(&directory, "refresh_tokens", self.name.as_bytes())?;
        cx.tx.put_refresh_token(&RefreshTokenRow {
            name: self.name.clone(),
            configured: hash(cx.vault(), self.configured.expose_secret()),
            at: cx.now,
            key,
            token: record.seal("token", self.new.expose_secret().as_bytes())?,
        })?;
        cx.record(&Actor::System, "token.kept", None, &serde_json::json!({ "name": self.name }))
    }
}

/// The token kept under `name`, if it replaced `configured`: a new one in the settings counts before it.
///
/// # Errors
/// When the register is unavailable or the token does not open.
pub fn kept(
    tx: &mut dyn Tx,
    vault: &Vault,
    name: &str,
    configured: &str,
) -> Result<Option<SecretString>, DeskError> {
    let Some(row) = tx.refresh_token(name)?.filter(|row| row.configured == hash(vault, configured)) else {
        return Ok(None);
    };
    let directory = scope(tx, vault, DIRECTORY)?;
    let record = Record::open(&directory, "refresh_tokens", name.as_bytes(), &row.key)?;
    let token = record.read("token", &row.token)?;
    Ok(Some(String::from_utf8_lossy(&token).into_owned().into()))
}

fn hash(vault: &Vault, token: &str) -> LookupHash {
    vault.lookup().hash("refresh-token", &[token.as_bytes()])
}
