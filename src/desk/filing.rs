//! Where things are put: new cases, parties, conversations, messages with their raw bytes. The actions decide;
//! this writes the rows and seals what belongs sealed.

use super::context::{Context, DeskError};
use super::random;
use super::view::View;
use crate::case::clock::{Happening, What};
use crate::case::{
    CaseId, Category, Channel, ConversationId, MessageId, MessageKind, Moment, Part, PartyId, PersonId,
    Priority, Reference, Sensitivity, Status, Trust, UserId,
};
use crate::store::Tx;
use crate::store::rows::{CaseRow, ConversationRow, Held, MessageRow, OutboxRow, PartyAddressRow, PartyRow};
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
    /// A notice about no case; under a key of its own.
    Apart,
}

impl Context<'_> {
    /// Opens a case with its scope; its parties come next.
    pub fn open_case(&mut self, new: &NewCase<'_>) -> Result<CaseRow, DeskError> {
        let id = CaseId::new();
        let scope = self.new_scope(id.as_bytes(), "case")?;
        let (record, key) = Record::create(&scope, "cases", id.as_bytes())?;
        let reference = self.unused_reference()?;
        let mut case = CaseRow {
            id,
            reference,
            version: 1,
            status: Status::New,
            team: self.team_of(&new.category),
            category: new.category.clone(),
            sensitivity: new.sensitivity,
            priority: new.priority,
            triage: new.triage,
            // Of a reporter whom the directory does not know, the team's.
            legal_entity: Some(new.legal_entity.clone())
                .filter(|entity| !entity.is_empty())
                .or_else(|| self.team(&new.category).map(|team| team.legal_entity.clone()))
                .unwrap_or_default(),
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
        let sorted = What::Sorted { category: case.category.clone(), priority: case.priority };
        self.happened(&mut case, &[What::Happened(Happening::Received), sorted])?;
        self.tx.queue_index(id, self.now)?;
        Ok(case)
    }

    /// The team that handles a category; the first one when none claims it.
    #[must_use]
    pub fn team_of(&self, category: &Category) -> String {
        self.team(category).map_or_else(|| "hr".into(), |team| team.name.clone())
    }

    fn team(&self, category: &Category) -> Option<&crate::settings::Team> {
        let teams = &self.settings.teams;
        let claims =
            |team: &&crate::settings::Team| team.categories.iter().any(|name| name == category.as_str());
        teams.iter().find(claims).or(teams.first())
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
            Shelf::Unfiled(_) | Shelf::Apart => self.new_scope(new.id.as_bytes(), "unfiled")?,
        };
        let (record, key) = Record::create(&scope, "messages", new.id.as_bytes())?;
        let (case_id, conversation_id, held, case_version) = match shelf {
            Shelf::Case(case, conversation) => (Some(case.id), *conversation, None, case.version),
            Shelf::Unfiled(held) => (None, None, Some(*held), 0),
            Shelf::Apart => (None, None, None, 0),
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

    /// Puts a message into another conversation, with all that leads to it. Its key is wrapped anew; its content is
    /// not touched.
    pub fn refile(
        &mut self,
        row: MessageRow,
        case: &CaseRow,
        conversation: ConversationId,
    ) -> Result<(), DeskError> {
        let record = self.record_of(&row)?;
        let key = record.wrapped_for(&self.scope(case.id.as_bytes())?)?;
        let (id, unfiled) = (row.id, row.case_id.is_none());
        self.tx.move_threads(id, case.id, conversation)?;
        if let Some(waiting) = self.tx.outbox_of_message(id)? {
            self.tx.update_outbox(&OutboxRow { case_id: Some(case.id), ..waiting })?;
        }
        self.tx.update_message(&MessageRow {
            case_id: Some(case.id),
            conversation_id: Some(conversation),
            held: None,
            key,
            case_version: case.version,
            ..row
        })?;
        if unfiled {
            self.tx.delete_key(id.as_bytes())?;
        }
        Ok(())
    }

    /// Opens the record of a message.
    pub fn record_of(&mut self, row: &MessageRow) -> Result<Record, DeskError> {
        let scope = self.scope(&scope_of(row))?;
        Ok(Record::open(&scope, "messages", row.id.as_bytes(), &row.key)?)
    }
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
