//! Where things are put: new cases, parties, conversations, messages with their raw bytes, outgoing mail. The
//! actions decide; this writes the rows and seals what belongs sealed.

use super::context::{Context, DeskError};
use super::view::View;
use crate::case::{
    CaseId, Category, Channel, ConversationId, MessageId, MessageKind, Moment, OutboxId, Part, PartyId,
    PersonId, Priority, Reference, Sensitivity, Status, Trust, UserId,
};
use crate::mail::compose::{self, Outgoing};
use crate::settings::MailboxSettings;
use crate::store::Tx;
use crate::store::rows::{
    CaseRow, ConversationRow, Held, MessageRow, OutboxKind, OutboxRow, OutboxState, PartyAddressRow,
    PartyRow, ThreadPurpose, ThreadRow,
};
use crate::vault::{Key, LookupHash, Record, SealError, Sealed};

/// Raw mail is sealed in pieces of this size, so that it streams.
pub const CHUNK: usize = 256 * 1024;

/// What a case is made of.
pub struct NewCase<'a> {
    pub subject: &'a str,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
    pub triage: bool,
    pub channel: Channel,
    pub language: &'a str,
    pub legal_entity: String,
    pub received_at: Moment,
}

/// Who a party is.
pub struct NewParty<'a> {
    pub part: Part,
    pub person: Option<PersonId>,
    pub name: &'a str,
    pub address: Option<&'a str>,
    pub confirmed: bool,
}

/// A message about to be filed.
pub struct NewMessage<'a> {
    pub id: MessageId,
    pub kind: MessageKind,
    pub at: Moment,
    pub author: Option<UserId>,
    pub mailbox: &'a str,
    pub trust: Option<Trust>,
    pub automatic: &'a str,
    pub reason: Option<String>,
    pub identity: Option<LookupHash>,
    pub raw: &'a [u8],
    pub raw_complete: bool,
    pub view: &'a View,
    pub verdict: Option<String>,
}

/// Where a message is put.
pub enum Shelf<'a> {
    Case(&'a CaseRow, Option<ConversationId>),
    /// In no case; under a key of its own, so that discarding it erases it.
    Unfiled(Held),
}

impl Context<'_> {
    /// Opens a case with its scope; its parties come next.
    pub fn open_case(&mut self, new: &NewCase<'_>) -> Result<CaseRow, DeskError> {
        let id = CaseId::new();
        let scope = self.new_scope(id.as_bytes(), "case")?;
        let (record, key) = Record::create(&scope, "cases", id.as_bytes())?;
        let reference = self.unused_reference()?;
        let case = CaseRow {
            id,
            reference,
            version: 1,
            status: Status::New,
            team: self.team_of(&new.category),
            category: new.category.clone(),
            sensitivity: new.sensitivity,
            priority: new.priority,
            triage: new.triage,
            legal_entity: new.legal_entity.clone(),
            owner_id: None,
            channel: new.channel,
            language: new.language.into(),
            opened_at: new.received_at,
            created_at: self.now,
            updated_at: self.now,
            closed_at: None,
            next_deadline: None,
            key,
            subject: record.seal("subject", new.subject.as_bytes())?,
        };
        self.tx.insert_case(&case)?;
        Ok(case)
    }

    /// The team that handles a category; the first one when none claims it.
    #[must_use]
    pub fn team_of(&self, category: &Category) -> String {
        let teams = &self.settings.teams;
        let claims =
            |team: &&crate::settings::Team| team.categories.iter().any(|name| name == category.as_str());
        teams.iter().find(claims).or(teams.first()).map_or_else(|| "hr".into(), |team| team.name.clone())
    }

    fn unused_reference(&mut self) -> Result<Reference, DeskError> {
        loop {
            let reference = Reference::from_random(u64::from_le_bytes(random()?));
            if self.tx.conversation_by_reference(reference)?.is_none()
                && self.tx.case_by_reference(reference)?.is_none()
            {
                return Ok(reference);
            }
        }
    }

    /// Adds a party with a conversation; the reporter's bears the case's reference.
    pub fn add_party(
        &mut self,
        case: &CaseRow,
        new: &NewParty<'_>,
        subject: &str,
        mailbox: &str,
    ) -> Result<ConversationRow, DeskError> {
        let scope = self.scope(case.id.as_bytes())?;
        let id = PartyId::new();
        let (record, key) = Record::create(&scope, "parties", id.as_bytes())?;
        self.tx.insert_party(&PartyRow {
            id,
            case_id: case.id,
            part: new.part,
            person_id: new.person,
            created_at: self.now,
            key,
            name: record.seal("name", new.name.as_bytes())?,
        })?;
        if let Some(address) = new.address {
            self.tx.insert_party_address(&PartyAddressRow {
                party_id: id,
                hash: self.shared.vault.lookup().address(address),
                case_id: case.id,
                confirmed: new.confirmed,
                preferred: true,
                address: record.seal("address", address.as_bytes())?,
            })?;
        }
        let conversation = ConversationId::new();
        let (record, key) = Record::create(&scope, "conversations", conversation.as_bytes())?;
        let reference =
            if new.part == Part::Reporter && self.tx.conversation_by_reference(case.reference)?.is_none() {
                case.reference
            } else {
                self.unused_reference()?
            };
        let row = ConversationRow {
            id: conversation,
            case_id: case.id,
            party_id: id,
            reference,
            mailbox: mailbox.into(),
            language: case.language.clone(),
            created_at: self.now,
            key,
            subject: record.seal("subject", subject.as_bytes())?,
        };
        self.tx.insert_conversation(&row)?;
        Ok(row)
    }

    /// Files a message with its raw bytes; `None` when a message of the same identity is there already.
    pub fn file(&mut self, new: &NewMessage<'_>, shelf: &Shelf<'_>) -> Result<Option<MessageRow>, DeskError> {
        let scope = match shelf {
            Shelf::Case(case, _) => self.scope(case.id.as_bytes())?,
            Shelf::Unfiled(_) => self.new_scope(new.id.as_bytes(), "unfiled")?,
        };
        let (record, key) = Record::create(&scope, "messages", new.id.as_bytes())?;
        let (case_id, conversation_id, held, case_version) = match shelf {
            Shelf::Case(case, conversation) => (Some(case.id), *conversation, None, case.version),
            Shelf::Unfiled(held) => (None, None, Some(*held), 0),
        };
        let chunks = new.raw.chunks(CHUNK).count();
        let row = MessageRow {
            id: new.id,
            case_id,
            conversation_id,
            kind: new.kind,
            at: new.at,
            author_id: new.author,
            mailbox: new.mailbox.into(),
            trust: new.trust,
            automatic: new.automatic.into(),
            held,
            reason: new.reason.clone(),
            delivery: None,
            identity: new.identity,
            case_version,
            raw_bytes: i64::try_from(new.raw.len()).unwrap_or(i64::MAX),
            raw_chunks: i32::try_from(chunks).unwrap_or(i32::MAX),
            raw_complete: new.raw_complete,
            key,
            view: new.view.seal(&record)?,
            verdict: new
                .verdict
                .as_deref()
                .map(|text| record.seal("verdict", text.as_bytes()))
                .transpose()?,
        };
        if !self.tx.insert_message(&row)? {
            return Ok(None);
        }
        for (seq, chunk) in new.raw.chunks(CHUNK).enumerate() {
            let sealed =
                record.seal_chunk(u32::try_from(seq).unwrap_or(u32::MAX), seq + 1 == chunks, chunk)?;
            self.tx.put_chunk(new.id, i32::try_from(seq).unwrap_or(i32::MAX), sealed.as_stored())?;
        }
        Ok(Some(row))
    }

    /// Lays a mail to a party into the outbox, in their conversation, as a message of the case. Its Message-ID and
    /// reply token are minted here, before the first try.
    pub fn post(
        &mut self,
        case: &CaseRow,
        conversation: &ConversationRow,
        mail: &Post<'_>,
    ) -> Result<MessageId, DeskError> {
        let mailbox = self.mailbox(&conversation.mailbox)?.clone();
        let id = MessageId::new();
        let message_id = compose::minted_message_id(random()?, domain_of(&mailbox.address));
        let recipient = self.shared.vault.lookup().address(mail.to);
        let thread = |hash, purpose| ThreadRow {
            hash,
            purpose,
            message_id: id,
            case_id: case.id,
            conversation_id: conversation.id,
            recipient: Some(recipient),
            expires_at: None,
        };
        let minted = thread(self.vault().lookup().message_id(&message_id), ThreadPurpose::Minted);
        let token: [u8; 16] = random()?;
        let token = data_encoding::BASE32_NOPAD.encode(&token).to_ascii_lowercase();
        let tokened = thread(self.vault().lookup().token(&token), ThreadPurpose::Token);
        let reply_to = match self.settings.smtp.reply_address {
            crate::settings::ReplyAddress::Plus => Some(compose::reply_address(&mailbox.address, &token)),
            crate::settings::ReplyAddress::None => None,
        };
        let outgoing = Outgoing {
            from: crate::mail::Address { name: self.sender_name(&mailbox), address: mailbox.address.clone() },
            to: crate::mail::Address { name: None, address: mail.to.into() },
            reply_to: reply_to
                .map(|address| crate::mail::Address { name: self.sender_name(&mailbox), address }),
            subject: mail.letter.subject.clone(),
            text: mail.letter.text.clone(),
            html: Some(mail.letter.html.clone()),
            attachments: mail.attachments.clone(),
            message_id: message_id.clone(),
            in_reply_to: mail.in_reply_to.clone(),
            references: mail.in_reply_to.iter().cloned().collect(),
            date: self.now.timestamp(),
            automatic: mail.kind != OutboxKind::Answer,
        };
        let raw = compose::compose(&outgoing).map_err(|error| DeskError::Invalid(error.to_string()))?;
        let mut view = View::of(&crate::mail::parse(&raw, &Default::default(), &Default::default()));
        view.reply = mail.text.unwrap_or(&mail.letter.text).into();
        let new = NewMessage {
            id,
            kind: match mail.kind {
                OutboxKind::Acknowledgement => MessageKind::Acknowledgement,
                OutboxKind::Answer | OutboxKind::Notification => MessageKind::MailOut,
            },
            at: self.now,
            author: mail.author,
            mailbox: &mailbox.name,
            trust: None,
            automatic: "none",
            reason: None,
            identity: None,
            raw: &raw,
            raw_complete: true,
            view: &view,
            verdict: None,
        };
        let row = self.file(&new, &Shelf::Case(case, Some(conversation.id)))?.ok_or(DeskError::Conflict)?;
        self.tx.insert_thread(&minted)?;
        self.tx.insert_thread(&tokened)?;
        self.tx.update_message(&MessageRow { delivery: Some("waiting".into()), ..row.clone() })?;
        let scope = self.scope(case.id.as_bytes())?;
        let record = Record::open(&scope, "messages", id.as_bytes(), &row.key)?;
        self.tx.insert_outbox(&OutboxRow {
            id: OutboxId::new(),
            message_id: id,
            case_id: Some(case.id),
            mailbox: mailbox.name.clone(),
            kind: mail.kind,
            recipient,
            state: OutboxState::Waiting,
            not_before: self.now,
            attempts: 0,
            lease_until: None,
            lease_by: None,
            created_at: self.now,
            sent_at: None,
            last_error: None,
            null_sender: mail.kind == OutboxKind::Acknowledgement
                && self.settings.smtp.ack_envelope == crate::settings::AckEnvelope::Null,
            envelope: seal_envelope(&record, &mailbox.address, mail.to)?,
            accepted: None,
        })?;
        Ok(id)
    }

    /// The settings of a mailbox; the first one when this one is configured no more.
    pub fn mailbox(&self, name: &str) -> Result<&MailboxSettings, DeskError> {
        let mailboxes = &self.settings.mailboxes;
        mailboxes.iter().find(|mailbox| mailbox.name == name).or(mailboxes.first()).ok_or_else(|| {
            DeskError::Invalid("no mailbox is configured; add a [[mailbox]] to the settings".into())
        })
    }

    fn sender_name(&self, mailbox: &MailboxSettings) -> Option<String> {
        Some(mailbox.display_name.clone().unwrap_or_else(|| self.settings.organisation.name.clone()))
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

/// A mail to be posted.
pub struct Post<'a> {
    pub kind: OutboxKind,
    pub to: &'a str,
    pub letter: &'a crate::letters::Letter,
    /// What a person wrote, for the view; the letter's text otherwise.
    pub text: Option<&'a str>,
    pub attachments: Vec<compose::OutgoingAttachment>,
    pub in_reply_to: Option<String>,
    pub author: Option<UserId>,
}

fn seal_envelope(record: &Record, from: &str, to: &str) -> Result<Sealed, SealError> {
    record.seal("envelope", serde_json::json!({ "from": from, "to": to }).to_string().as_bytes())
}

/// Reads the whole raw mail of a message.
pub fn read_raw(tx: &mut dyn Tx, scope: &Key, row: &MessageRow) -> Result<Vec<u8>, DeskError> {
    let record = Record::open(scope, "messages", row.id.as_bytes(), &row.key)?;
    let mut raw = Vec::with_capacity(usize::try_from(row.raw_bytes).unwrap_or(0).min(64 << 20));
    for seq in 0..row.raw_chunks {
        raw.extend_from_slice(&read_chunk(tx, &record, row, seq)?);
    }
    Ok(raw)
}

/// Reads one chunk of a message's raw mail.
pub fn read_chunk(
    tx: &mut dyn Tx,
    record: &Record,
    row: &MessageRow,
    seq: i32,
) -> Result<crate::vault::Opened, DeskError> {
    let sealed = tx.chunk(row.id, seq)?.ok_or(crate::store::StoreError::Damaged)?;
    let place = u32::try_from(seq).map_err(|_| SealError)?;
    Ok(record.read_chunk(place, seq + 1 == row.raw_chunks, &Sealed::from_stored(sealed))?)
}

/// The id of the scope that a message is sealed under.
#[must_use]
pub fn scope_of(row: &MessageRow) -> [u8; 16] {
    row.case_id.map_or(*row.id.as_bytes(), |case| *case.as_bytes())
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SealError)?;
    Ok(bytes)
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
}
