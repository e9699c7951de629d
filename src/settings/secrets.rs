//! Every secret that the settings name, so that one that is missing, or open to others, is known before anything
//! starts and not when it is first needed.

use super::paths::mailbox_key;
use super::{Grant, OauthSettings, Secret, Settings, SettingsError, Source};

impl Settings {
    /// Reads every secret once.
    ///
    /// # Errors
    /// The first that cannot be used, with its key.
    pub fn try_secrets(&self) -> Result<(), SettingsError> {
        for (key, secret) in self.secrets() {
            secret.read().map_err(|error| SettingsError(format!("`{key}`: {error}")))?;
        }
        Ok(())
    }

    fn secrets(&self) -> Vec<(String, &Secret)> {
        let mut found = vec![("vault.master_key".to_owned(), &self.vault.master_key)];
        found.extend(self.database.password.iter().map(|secret| ("database.password".to_owned(), secret)));
        found.extend(self.api.metrics_token.iter().map(|secret| ("api.metrics_token".to_owned(), secret)));
        found.extend(self.smtp.password.iter().map(|secret| ("smtp.password".to_owned(), secret)));
        found.extend(self.smtp.oauth.iter().flat_map(|oauth| of_oauth("smtp.oauth", oauth)));
        for (number, mailbox) in self.mailboxes.iter().enumerate() {
            let Source::Imap { password, oauth, .. } = &mailbox.source else { continue };
            let key = format!("{}.source", mailbox_key(number, mailbox));
            found.extend(password.iter().map(|secret| (format!("{key}.password"), secret)));
            found.extend(oauth.iter().flat_map(|oauth| of_oauth(&format!("{key}.oauth"), oauth)));
        }
        found
    }
}

fn of_oauth<'a>(key: &str, settings: &'a OauthSettings) -> Vec<(String, &'a Secret)> {
    let named = |name: &str, secret: &'a Secret| (format!("{key}.{name}"), secret);
    match &settings.grant {
        Grant::ClientCredentials { client_secret, .. } => vec![named("client_secret", client_secret)],
        Grant::RefreshToken { client_secret, refresh_token, .. } => {
            let client = client_secret.iter().map(|secret| named("client_secret", secret));
            client.chain([named("refresh_token", refresh_token)]).collect()
        }
        Grant::ServiceAccount { .. } => Vec::new(),
    }
}
