//! The rows: one struct for each table, as stored. Content is [`Sealed`]; who has the key opens it.

use diesel::prelude::*;

use crate::case::access::Access;
use crate::case::clock::What;
use crate::case::kinds::words;
use crate::case::wall::Bar;
use crate::case::{
    ApprovalId, BackupId, CaseId, Category, Channel, ConversationId, EntryId, FolderId, GrantId, MessageId,
    MessageKind, Moment, OutboxId, Part, PartyId, PersonId, Priority, Reference, Roles, Sensitivity, Status,
    TokenId, Trust, UserId,
};
use crate::vault::{LookupHash, Sealed};

use super::schema;
use super::types::Words;

words! {
    /// Why a message is not in a case.
    Held { Quarantined = "quarantined", Automatic = "automatic", Discarded = "discarded" }
}
words! {
    /// What became of a message of a mailbox.
    RegisterState {
        Pending = "pending", TakenIn = "taken-in", Duplicate = "duplicate", Automatic = "automatic",
        Quarantined = "quarantined", TooLarge = "too-large", BeforeStart = "before-start", Discarded = "discarded",
        Vanished = "vanished",
    }
}
words! {
    /// How a hash ties a mail to a conversation.
    ThreadPurpose { Token = "token", Minted = "minted", Stored = "stored", Awaited = "awaited" }
}
words! {
    /// What kind of mail waits to go out.
    OutboxKind { Acknowledgement = "acknowledgement", Answer = "answer", Notification = "notification" }
}
words! {
    /// Where an outgoing mail stands. A leased one is `waiting` with a lease.
    OutboxState { Waiting = "waiting", Sent = "sent", Dead = "dead", Cancelled = "cancelled" }
}

words! {
    /// How somebody came by a grant.
    GrantKind { Given = "given", BreakGlass = "break-glass" }
}
words! {
    /// What became of a change that takes a second person.
    ApprovalState { Pending = "pending", Approved = "approved", Refused = "refused" }
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::vault_keys)]
pub struct KeyRow {
    pub id: Vec<u8>,
    pub purpose: String,
    pub generation: i32,
    pub wrapped: Sealed,
    pub created_at: Moment,
    /// The generation of the master key that wraps it.
    pub master: i32,
}

/// A generation of the master key.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::master_keys, treat_none_as_null = true)]
pub struct MasterKeyRow {
    pub generation: i32,
    /// A known text sealed by it.
    pub proof: Sealed,
    /// The generation before or after it, wrapped by it, while keys are being rewrapped.
    pub other: Option<Sealed>,
    pub created_at: Moment,
    /// When an offline copy was last read and found good.
    pub copy_verified_at: Option<Moment>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::cases, treat_none_as_null = true)]
pub struct CaseRow {
    pub id: CaseId,
    pub reference: Reference,
    /// Counts the case's changes; its events are ordered by it.
    pub version: i64,
    pub status: Status,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub priority: Priority,
    /// The classifier was unsure: somebody must look at the category.
    pub triage: bool,
    pub team: String,
    pub legal_entity: String,
    pub owner_id: Option<UserId>,
    pub channel: Channel,
    pub language: String,
    /// Receipt of the first message.
    pub opened_at: Moment,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub closed_at: Option<Moment>,
    pub next_deadline: Option<Moment>,
    pub key: Sealed,
    pub subject: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::case_links)]
pub struct LinkRow {
    pub from_case: CaseId,
    pub to_case: CaseId,
    pub kind: String,
    pub at: Moment,
}

impl LinkRow {
    /// A mail named `to_case` and could not be let into it.
    pub const MAY_BELONG: &'static str = "may-belong-to";
    /// What was in `from_case` goes on in `to_case`.
    pub const MERGED: &'static str = "merged-into";
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::parties)]
pub struct PartyRow {
    pub id: PartyId,
    pub case_id: CaseId,
    pub part: Part,
    pub person_id: Option<PersonId>,
    pub created_at: Moment,
    pub key: Sealed,
    pub name: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::party_addresses)]
pub struct PartyAddressRow {
    pub party_id: PartyId,
    pub hash: LookupHash,
    pub case_id: CaseId,
    pub confirmed: bool,
    pub preferred: bool,
    pub address: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::conversations)]
pub struct ConversationRow {
    pub id: ConversationId,
    pub case_id: CaseId,
    pub party_id: PartyId,
    pub reference: Reference,
    /// The mailbox whose address this conversation is held from.
    pub mailbox: String,
    pub language: String,
    pub created_at: Moment,
    pub key: Sealed,
    pub subject: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::messages, treat_none_as_null = true)]
pub struct MessageRow {
    pub id: MessageId,
    pub case_id: Option<CaseId>,
    pub conversation_id: Option<ConversationId>,
    pub kind: MessageKind,
    /// Receipt for mail that came, making for what we wrote.
    pub at: Moment,
    pub author_id: Option<UserId>,
    pub mailbox: String,
    pub trust: Option<Trust>,
    pub automatic: String,
    pub held: Option<Held>,
    /// Why it is held, or why it deserves a second look.
    pub reason: Option<String>,
    /// For mail that went out: `waiting`, `sent`, `bounced`, …
    pub delivery: Option<String>,
    pub identity: Option<LookupHash>,
    pub case_version: i64,
    pub raw_bytes: i64,
    pub raw_chunks: i32,
    /// False when only the head was taken in and the rest lies on the server.
    pub raw_complete: bool,
    pub key: Sealed,
    pub view: Sealed,
    pub verdict: Option<Sealed>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::threads)]
pub struct ThreadRow {
    pub hash: LookupHash,
    pub purpose: ThreadPurpose,
    pub message_id: MessageId,
    pub case_id: CaseId,
    pub conversation_id: ConversationId,
    pub recipient: Option<LookupHash>,
    pub expires_at: Option<Moment>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::folders)]
pub struct FolderRow {
    pub id: FolderId,
    pub mailbox: String,
    pub folder: String,
    pub epoch: i32,
    pub validity: i64,
    /// Mail received before this is "before start", in this and every later epoch.
    pub start_at: Moment,
    pub opened_at: Moment,
    pub reconciled_at: Option<Moment>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::register)]
pub struct RegisterRow {
    pub folder_id: FolderId,
    pub uid: i64,
    pub state: RegisterState,
    pub reason: Option<String>,
    pub message_id: Option<MessageId>,
    pub bytes: i64,
    pub received_at: Moment,
    pub at: Moment,
    pub attempts: i32,
    /// Nothing is left to do on the server.
    pub settled: bool,
}

impl RegisterRow {
    /// Its mail could not be had so far and is asked for again.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.message_id.is_none() && matches!(self.state, RegisterState::Pending | RegisterState::Quarantined)
    }
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::outbox, treat_none_as_null = true)]
pub struct OutboxRow {
    pub id: OutboxId,
    pub message_id: MessageId,
    pub case_id: Option<CaseId>,
    pub mailbox: String,
    pub kind: OutboxKind,
    pub recipient: LookupHash,
    pub state: OutboxState,
    pub not_before: Moment,
    pub attempts: i32,
    pub lease_until: Option<Moment>,
    pub lease_by: Option<String>,
    pub created_at: Moment,
    pub sent_at: Option<Moment>,
    pub last_error: Option<String>,
    /// Sent with the null envelope sender (automatic mail).
    pub null_sender: bool,
    pub envelope: Sealed,
    pub accepted: Option<Sealed>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::users, treat_none_as_null = true)]
pub struct UserRow {
    pub id: UserId,
    pub login: LookupHash,
    pub roles: Roles,
    pub teams: Words,
    pub entities: Words,
    pub created_at: Moment,
    pub disabled_at: Option<Moment>,
    /// Counts the user's changes.
    pub version: i64,
    pub key: Sealed,
    pub profile: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::api_tokens)]
pub struct ApiTokenRow {
    pub id: TokenId,
    pub user_id: UserId,
    pub hash: LookupHash,
    pub label: String,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub last_used_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::grants)]
pub struct GrantRow {
    pub id: GrantId,
    pub case_id: CaseId,
    pub user_id: UserId,
    pub level: Access,
    pub kind: GrantKind,
    pub granted_by: UserId,
    pub at: Moment,
    pub expires_at: Option<Moment>,
    /// It was taken back.
    pub ended_at: Option<Moment>,
    pub key: Sealed,
    pub reason: Sealed,
}

impl GrantRow {
    /// Neither expired nor taken back.
    #[must_use]
    pub fn in_force(&self, now: Moment) -> bool {
        self.ended_at.is_none() && self.expires_at.is_none_or(|expires| expires > now)
    }
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::walls)]
pub struct WallRow {
    pub case_id: CaseId,
    pub user_id: UserId,
    pub at: Moment,
    pub key: Sealed,
    /// A [`Reason`](crate::case::wall::Reason) as JSON.
    pub reason: Sealed,
    pub bar: Bar,
}

/// A change of a user that waits for a second person, or did.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::approvals, treat_none_as_null = true)]
pub struct ApprovalRow {
    pub id: ApprovalId,
    pub user_id: UserId,
    pub asked_by: UserId,
    pub at: Moment,
    pub state: ApprovalState,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<Moment>,
    pub key: Sealed,
    pub change: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::people, treat_none_as_null = true)]
pub struct PersonRow {
    pub id: PersonId,
    pub employee: LookupHash,
    pub manager_id: Option<PersonId>,
    pub assistant_of: Option<PersonId>,
    pub legal_entity: String,
    pub language: String,
    pub executive: bool,
    pub hr_role: Option<String>,
    pub active: bool,
    pub updated_at: Moment,
    pub key: Sealed,
    pub profile: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::people_addresses)]
pub struct PersonAddressRow {
    pub hash: LookupHash,
    pub person_id: PersonId,
    pub work: bool,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::audit_entries)]
pub struct EntryRow {
    pub id: EntryId,
    pub at: Moment,
    pub case_id: Option<CaseId>,
    pub case_version: Option<i64>,
    pub actor_id: Option<UserId>,
    pub action: String,
    /// The entry as signed: one line of JSON.
    pub bytes: Vec<u8>,
    pub key: Option<Sealed>,
    pub details: Option<Sealed>,
    /// Authenticates the row for whoever has the keys; none in rows from before there was a tree.
    pub mac: Option<Vec<u8>>,
}

/// An entry's place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::audit_tree)]
pub struct TreeRow {
    /// Counted from 0, without gaps.
    pub seq: i64,
    pub entry_id: EntryId,
    /// Of the subtrees that the entry completes, leaf first; 32 bytes each.
    pub hashes: Vec<u8>,
    /// Over the checkpoint of the `seq + 1` entries up to here.
    pub signature: Vec<u8>,
    pub mac: Vec<u8>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::idempotency)]
pub struct IdempotencyRow {
    pub user_id: UserId,
    pub key_hash: LookupHash,
    pub request: LookupHash,
    pub at: Moment,
    pub status: i32,
    pub key: Sealed,
    pub body: Sealed,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::backups)]
pub struct BackupRow {
    pub id: BackupId,
    /// All that was committed before this moment is in the copy.
    pub at: Moment,
    /// When the copy was opened and read; a copy that was not is no backup yet.
    pub verified_at: Option<Moment>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::case_events)]
pub struct EventRow {
    pub case_id: CaseId,
    /// Counts the case's events from 1.
    pub seq: i64,
    /// The case's version after it.
    pub version: i64,
    pub at: Moment,
    pub what: What,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::refresh_tokens)]
pub struct RefreshTokenRow {
    /// What the token opens: `mailbox/hr`, `smtp`.
    pub name: String,
    /// The hash of the token in the settings that this one replaces.
    pub configured: LookupHash,
    pub at: Moment,
    pub key: Sealed,
    pub token: Sealed,
}
