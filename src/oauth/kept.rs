//! Refresh tokens kept in the register, sealed, through the desk.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::KeepToken;
use crate::delivery::TokenError;
use crate::desk::refresh_token::{Keep, kept};
use crate::desk::{Desk, Shared};
use crate::store::Store;

/// Keeps the tokens of one mailbox, or of the outgoing server.
pub struct KeptInRegister {
    /// What they open: `mailbox/hr`, `smtp`.
    pub name: String,
    pub desk: Desk,
    pub store: Store,
    pub shared: Arc<Shared>,
}

#[async_trait]
impl KeepToken for KeptInRegister {
    async fn kept(&self, configured: &SecretString) -> Result<Option<SecretString>, TokenError> {
        let (name, shared, configured) = (self.name.clone(), Arc::clone(&self.shared), configured.clone());
        self.store
            .read(move |tx| kept(tx, &shared.vault, &name, configured.expose_secret()))
            .await
            .map_err(|error| TokenError::Unavailable(error.to_string()))
    }

    async fn keep(&self, configured: &SecretString, new: &SecretString) -> Result<(), TokenError> {
        let keep = Keep { name: self.name.clone(), configured: configured.clone(), new: new.clone() };
        self.desk.run(keep).await.map_err(|error| TokenError::Unavailable(error.to_string()))
    }
}
