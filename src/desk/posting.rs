//! Mail on its way out: composed, filed as a message and laid into the outbox, all within the action that wants it
//! sent. Its Message-ID is minted here, before the first try. Decides neither whether nor what to write, and sends
//! nothing itself.

use super::context::{Context, DeskError};
use super::filing::{NewMessage, Shelf};
use super::random;
use super::view::View;
use crate::case::{ConversationId, MessageId, MessageKind, OutboxId, UserId};
use crate::letters::Letter;
use crate::mail::Address;
use crate::mail::compose::{self, Outgoing, OutgoingAttachment};
use crate::settings::{AckEnvelope, MailboxSettings, ReplyAddress};
use crate::store::rows::{
    CaseRow, ConversationRow, MessageRow, OutboxKind, OutboxRow, OutboxState, ThreadPurpose, ThreadRow,
};
use crate::vault::Record;

/// A mail to a party, to be posted into their conversation.
pub struct Post<'a> {
    pub kind: OutboxKind,
    pub to: &'a str,
    pub letter: &'a Letter,
    /// What a person wrote, for the view; the letter's text otherwise.
    pub text: Option<&'a str>,
    pub attachments: Vec<OutgoingAttachment>,
    pub in_reply_to: Option<String>,
    pub author: Option<UserId>,
}

/// A mail with all that is to be known of it.
pub(super) struct Dispatch<'a> {
    pub kind: OutboxKind,
    pub to: &'a str,
    pub letter: &'a Letter,
    pub text: Option<&'a str>,
    pub attachments: Vec<OutgoingAttachment>,
    pub in_reply_to: Option<String>,
    pub author: Option<UserId>,
    pub reply_to: Option<String>,
    pub mailbox: &'a MailboxSettings,
    pub shelf: Shelf<'a>,
}

/// A mail that lies in the outbox.
pub(super) struct Dispatched {
    pub id: MessageId,
    /// As in the header, without angle brackets.
    pub message_id: String,
}

impl Context<'_> {
    /// Lays a mail to a party into the outbox, in their conversation, as a message of the case, with a reply token of
    /// its own.
    pub fn post(
        &mut self,
        case: &CaseRow,
        conversation: &ConversationRow,
        mail: &Post<'_>,
    ) -> Result<MessageId, DeskError> {
        let mailbox = self.mailbox(&conversation.mailbox)?.clone();
        let token = data_encoding::BASE32_NOPAD.encode(&random::<16>()?).to_ascii_lowercase();
        let reply_to = match self.settings.smtp.reply_address {
            ReplyAddress::Plus => Some(compose::reply_address(&mailbox.address, &token)),
            ReplyAddress::None => None,
        };
        let sent = self.dispatch(Dispatch {
            kind: mail.kind,
            to: mail.to,
            letter: mail.letter,
            text: mail.text,
            attachments: mail.attachments.clone(),
            in_reply_to: mail.in_reply_to.clone(),
            author: mail.author,
            reply_to,
            mailbox: &mailbox,
            shelf: Shelf::Case(case, Some(conversation.id)),
        })?;
        let recipient = self.vault().lookup().address(mail.to);
        let thread = |hash, purpose| ThreadRow {
            hash,
            purpose,
            message_id: sent.id,
            case_id: case.id,
            conversation_id: conversation.id,
            recipient: Some(recipient),
            expires_at: None,
        };
        let minted = thread(self.vault().lookup().message_id(&sent.message_id), ThreadPurpose::Minted);
        let tokened = thread(self.vault().lookup().token(&token), ThreadPurpose::Token);
        self.tx.insert_thread(&minted)?;
        self.tx.insert_thread(&tokened)?;
        Ok(sent.id)
    }

    /// Composes a mail, files it and lays it into the outbox.
    pub(super) fn dispatch(&mut self, mail: Dispatch<'_>) -> Result<Dispatched, DeskError> {
        let from = &mail.mailbox.address;
        let sender = |address: String| Address { name: Some(self.sender_name(mail.mailbox)), address };
        let message_id = compose::minted_message_id(random()?, domain_of(from));
        let outgoing = Outgoing {
            from: sender(from.clone()),
            to: Address { name: None, address: mail.to.into() },
            reply_to: mail.reply_to.map(sender),
            subject: mail.letter.subject.clone(),
            text: mail.letter.text.clone(),
            html: Some(mail.letter.html.clone()),
            attachments: mail.attachments,
            message_id: message_id.clone(),
            in_reply_to: mail.in_reply_to.clone(),
            references: mail.in_reply_to.into_iter().collect(),
            date: self.now.timestamp(),
            automatic: mail.kind != OutboxKind::Answer,
        };
        let raw = compose::compose(&outgoing).map_err(|error| DeskError::Invalid(error.to_string()))?;
        let mut view = View::of(&crate::mail::parse(&raw, &Default::default(), &Default::default()));
        view.reply = mail.text.unwrap_or(&mail.letter.text).into();
        let new = NewMessage {
            id: MessageId::new(),
            kind: match mail.kind {
                OutboxKind::Acknowledgement => MessageKind::Acknowledgement,
                OutboxKind::Answer => MessageKind::MailOut,
                OutboxKind::Notification => MessageKind::Notice,
            },
            at: self.now,
            author: mail.author,
            mailbox: &mail.mailbox.name,
            trust: None,
            automatic: "none",
            reason: None,
            identity: None,
            raw: &raw,
            raw_complete: true,
            view: &view,
            verdict: None,
        };
        let row = self.file(&new, &mail.shelf)?.ok_or(DeskError::Conflict)?;
        self.enqueue(&row, mail.kind, from, mail.to)?;
        self.tx.update_message(&MessageRow { delivery: Some("waiting".into()), ..row })?;
        Ok(Dispatched { id: new.id, message_id })
    }

    fn enqueue(&mut self, row: &MessageRow, kind: OutboxKind, from: &str, to: &str) -> Result<(), DeskError> {
        let record = self.record_of(row)?;
        let envelope = serde_json::json!({ "from": from, "to": to }).to_string();
        let null_sender = kind != OutboxKind::Answer && self.settings.smtp.ack_envelope == AckEnvelope::Null;
        self.tx.insert_outbox(&OutboxRow {
            id: OutboxId::new(),
            message_id: row.id,
            case_id: row.case_id,
            mailbox: row.mailbox.clone(),
            kind,
            recipient: self.shared.vault.lookup().address(to),
            state: OutboxState::Waiting,
            not_before: self.now,
            attempts: 0,
            lease_until: None,
            lease_by: None,
            created_at: self.now,
            sent_at: None,
            last_error: None,
            null_sender,
            envelope: record.seal("envelope", envelope.as_bytes())?,
            accepted: None,
        })?;
        Ok(())
    }

    /// The settings of a mailbox; the first one when this one is configured no more.
    pub fn mailbox(&self, name: &str) -> Result<&MailboxSettings, DeskError> {
        let mailboxes = &self.settings.mailboxes;
        mailboxes.iter().find(|mailbox| mailbox.name == name).or(mailboxes.first()).ok_or_else(|| {
            DeskError::Invalid("no mailbox is configured; add a [[mailbox]] to the settings".into())
        })
    }

    fn sender_name(&self, mailbox: &MailboxSettings) -> String {
        mailbox.display_name.clone().unwrap_or_else(|| self.settings.organisation.name.clone())
    }

    /// The Message-ID of the last mail that the party wrote in this conversation, to answer to.
    pub fn last_from_party(
        &mut self,
        case: &CaseRow,
        conversation: ConversationId,
    ) -> Result<Option<String>, DeskError> {
        let messages = self.tx.messages_of(case.id, None, 1_000)?;
        let last = messages
            .iter()
            .rev()
            .find(|row| row.conversation_id == Some(conversation) && row.kind == MessageKind::MailIn);
        let Some(row) = last else { return Ok(None) };
        let scope = self.scope(case.id.as_bytes())?;
        let record = Record::open(&scope, "messages", row.id.as_bytes(), &row.key)?;
        Ok(View::open(&record, &row.view)?.message_id)
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
}
