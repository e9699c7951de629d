//! Notices: mail to people of HR about their work. Quiet (promise 7): reference and link at the most, whatever the
//! matter. A notice never reaches somebody on the case's conflict wall; whether its reader sees more is decided anew
//! when the link is followed.

use super::context::{Context, DIRECTORY, DeskError, open_record};
use super::filing::Shelf;
use super::posting::Dispatch;
use super::users::Profile;
use crate::case::{MessageId, UserId};
use crate::letters::{Kind, Values};
use crate::store::rows::{CaseRow, OutboxKind};
use crate::vault::SealError;

impl Context<'_> {
    /// Lays a notice to `user` into the outbox, on the record of `case` if it is about one. `None` when it may not or
    /// cannot be mailed: the user is walled or disabled, or has no address.
    pub fn notify(
        &mut self,
        user: UserId,
        kind: Kind,
        case: Option<&CaseRow>,
    ) -> Result<Option<MessageId>, DeskError> {
        if let Some(case) = case
            && self.tx.walled(case.id, user)?
        {
            return Ok(None);
        }
        let Some(address) = self.address_of(user)? else { return Ok(None) };
        self.notify_address(&address, kind, case).map(Some)
    }

    /// The same of a case, kept apart from it: those who read the case are not to know that `user` was told.
    pub fn notify_apart(
        &mut self,
        user: UserId,
        kind: Kind,
        case: &CaseRow,
    ) -> Result<Option<MessageId>, DeskError> {
        if self.tx.walled(case.id, user)? {
            return Ok(None);
        }
        let Some(address) = self.address_of(user)? else { return Ok(None) };
        self.write(&address, kind, Some(case), Shelf::Apart).map(Some)
    }

    fn address_of(&mut self, user: UserId) -> Result<Option<String>, DeskError> {
        let Some(row) = self.tx.user(user)?.filter(|row| row.disabled_at.is_none()) else { return Ok(None) };
        let record =
            open_record(self.tx, &self.shared.vault, DIRECTORY, "users", row.id.as_bytes(), &row.key)?;
        let profile: Profile =
            serde_json::from_slice(&record.read("profile", &row.profile)?).map_err(|_| SealError)?;
        Ok(profile.email)
    }

    /// The same to an address that is no user's: a witness of the audit log, somebody on call elsewhere.
    pub fn notify_address(
        &mut self,
        address: &str,
        kind: Kind,
        case: Option<&CaseRow>,
    ) -> Result<MessageId, DeskError> {
        self.write(address, kind, case, case.map_or(Shelf::Apart, |case| Shelf::Case(case, None)))
    }

    fn write(
        &mut self,
        address: &str,
        kind: Kind,
        case: Option<&CaseRow>,
        shelf: Shelf<'_>,
    ) -> Result<MessageId, DeskError> {
        let organisation = &self.settings.organisation;
        let reference = case.map(|case| case.reference.to_string());
        let link = reference.as_ref().zip(organisation.public_url.as_ref());
        let link = link.map(|(reference, url)| format!("{}/cases/{reference}", url.trim_end_matches('/')));
        let values = Values {
            organisation: &organisation.name,
            organisation_language: &organisation.language,
            reference: reference.as_deref().unwrap_or_default(),
            link: link.as_deref(),
            ..Values::default()
        };
        let letter = self
            .shared
            .letters
            .render(kind, &organisation.language, &values)
            .map_err(|error| DeskError::Invalid(error.to_string()))?;
        let mailbox = self.mailbox("")?.clone();
        let sent = self.dispatch(Dispatch {
            kind: OutboxKind::Notification,
            to: address,
            letter: &letter,
            text: None,
            attachments: Vec::new(),
            in_reply_to: None,
            author: None,
            reply_to: None,
            mailbox: &mailbox,
            shelf,
        })?;
        Ok(sent.id)
    }
}
