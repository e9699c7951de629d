//! What an operator should know about settings that are right. Looks at values only.

use super::{After, Settings, Source};

impl Settings {
    /// What is allowed but worth saying, for `caseward check`; one sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.mailboxes.is_empty() {
            notes.push("`mailbox`: none is set, so no mail is read; add a [[mailbox]] block".to_owned());
        }
        if let Some(directory) = &self.smtp.directory {
            let directory = directory.display();
            notes.push(format!("`smtp.directory`: mails are written into {directory} and nobody gets them"));
        }
        if self.audit_dir().is_none() {
            notes.push(
                "`audit.dir`: not set, so the last checkpoint of the audit log is kept nowhere but in the database; \
                 name a directory on another disk"
                    .to_owned(),
            );
        }
        for mailbox in &self.mailboxes {
            let name = &mailbox.name;
            notes.push(match mailbox.after {
                After::Delete => format!(
                    "`mailbox[{name}].after`: originals are deleted from the server once they are committed and in a \
                     verified backup, so without backups they stay"
                ),
                _ => format!("`mailbox[{name}].after`: originals stay readable by whoever can open the mailbox"),
            });
            if mailbox.trust.all_internal && matches!(mailbox.source, Source::Imap { .. }) {
                notes.push(format!(
                    "`mailbox[{name}].trust.all_internal`: every sender is believed, so a forged From joins a case; \
                     set it only where no mail comes from outside"
                ));
            }
        }
        notes
    }
}
