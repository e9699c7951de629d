//! Every path that the settings name, so that relative ones can be completed. A path forgotten here would be
//! looked for in the daemon's working directory; a test writes all of them and looks.

use std::path::PathBuf;

use super::{Grant, MailboxSettings, OauthSettings, Secret, Settings, Source};

impl Settings {
    /// Calls `change` with each path and its key, as errors print it.
    pub(super) fn each_path(&mut self, mut change: impl FnMut(&str, &mut PathBuf)) {
        let change: Change<'_> = &mut change;
        option(change, "config_dir", &mut self.config_dir);
        option(change, "templates_dir", &mut self.templates_dir);
        database_file(change, &mut self.database.url);
        secret(change, "database.password", self.database.password.as_mut());
        option(change, "database.ca_file", &mut self.database.ca_file);
        secret(change, "vault.master_key", Some(&mut self.vault.master_key));
        option(change, "audit.dir", &mut self.audit.dir);
        option(change, "api.certificate", &mut self.api.certificate);
        option(change, "api.key", &mut self.api.key);
        secret(change, "api.metrics_token", self.api.metrics_token.as_mut());
        option(change, "smtp.ca_file", &mut self.smtp.ca_file);
        option(change, "smtp.directory", &mut self.smtp.directory);
        secret(change, "smtp.password", self.smtp.password.as_mut());
        oauth(change, "smtp.oauth", self.smtp.oauth.as_mut());
        for (number, mailbox) in self.mailboxes.iter_mut().enumerate() {
            let key = mailbox_key(number, mailbox);
            source(change, &format!("{key}.source"), &mut mailbox.source);
        }
    }
}

/// The key of a mailbox as errors print it: by name, or by number when there is none.
pub(super) fn mailbox_key(number: usize, mailbox: &MailboxSettings) -> String {
    let name = mailbox.name.as_str();
    if name.is_empty() || name.len() > 64 || name.contains(char::is_control) {
        format!("mailbox[{}]", number + 1)
    } else {
        format!("mailbox[{name}]")
    }
}

type Change<'a> = &'a mut dyn FnMut(&str, &mut PathBuf);

fn option(change: Change<'_>, key: &str, path: &mut Option<PathBuf>) {
    if let Some(path) = path {
        change(key, path);
    }
}

fn secret(change: Change<'_>, key: &str, secret: Option<&mut Secret>) {
    if let Some(Secret::File(path)) = secret {
        change(&format!("{key}.file"), path);
    }
}

fn source(change: Change<'_>, key: &str, source: &mut Source) {
    match source {
        Source::Imap { ca_file, password, oauth: grant, .. } => {
            option(change, &format!("{key}.ca_file"), ca_file);
            secret(change, &format!("{key}.password"), password.as_mut());
            oauth(change, &format!("{key}.oauth"), grant.as_mut());
        }
        Source::Maildir { path } => change(&format!("{key}.path"), path),
    }
}

fn oauth(change: Change<'_>, key: &str, settings: Option<&mut OauthSettings>) {
    let Some(settings) = settings else { return };
    option(change, &format!("{key}.ca_file"), &mut settings.ca_file);
    match &mut settings.grant {
        Grant::ClientCredentials { client_secret, .. } => {
            secret(change, &format!("{key}.client_secret"), Some(client_secret));
        }
        Grant::RefreshToken { client_secret, refresh_token, .. } => {
            secret(change, &format!("{key}.client_secret"), client_secret.as_mut());
            secret(change, &format!("{key}.refresh_token"), Some(refresh_token));
        }
        Grant::ServiceAccount { key_file, .. } => change(&format!("{key}.key_file"), key_file),
    }
}

fn database_file(change: Change<'_>, url: &mut String) {
    if let Some(file) = url.strip_prefix("sqlite:").filter(|file| !file.is_empty() && *file != ":memory:") {
        let mut path = PathBuf::from(file);
        change("database.url", &mut path);
        *url = format!("sqlite:{}", path.display());
    }
}
