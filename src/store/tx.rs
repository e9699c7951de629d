//! What can be asked of the register within a transaction: one small object-safe trait for each aggregate, whose
//! sum is [`Tx`]. Actions and reads see `&mut dyn Tx`; only the desk's runner commits.

use crate::case::access::Access;
use crate::case::{
    ApprovalId, BackupId, CaseId, Category, ConversationId, EntryId, FolderId, GrantId, MessageId, Moment,
    OutboxId, PartyId, PersonId, Priority, Reference, Sensitivity, Status, TokenId, User, UserId,
};
use crate::vault::{LookupHash, Sealed};

use super::StoreError;
use super::rows::{
    ApiTokenRow, ApprovalRow, ApprovalState, BackupRow, CaseRow, ConversationRow, EntryRow, EventRow,
    FolderRow, GrantRow, Held, IdempotencyRow, KeyRow, LinkRow, MasterKeyRow, MessageRow, OutboxKind,
    OutboxRow, OutboxState, PartyAddressRow, PartyRow, PersonAddressRow, PersonRow, RefreshTokenRow,
    RegisterRow, RegisterState, ThreadPurpose, ThreadRow, TreeRow, UserRow, WallRow,
};

type Result<T> = std::result::Result<T, StoreError>;

/// Everything a transaction can do.
pub trait Tx:
    Keys
    + Cases
    + Clocks
    + Grants
    + Walls
    + Parties
    + Messages
    + Threads
    + Register
    + Outbox
    + Users
    + Directory
    + Audit
    + Search
    + Leases
    + Backups
    + Begin
{
}
impl<T> Tx for T where
    T: Keys
        + Cases
        + Clocks
        + Grants
        + Walls
        + Parties
        + Messages
        + Threads
        + Register
        + Outbox
        + Users
        + Directory
        + Audit
        + Search
        + Leases
        + Backups
        + Begin
{
}

/// Transaction control; for the runner and the read threads alone.
pub trait Begin {
    /// Opens a transaction that may write; waits for the writer before it.
    fn begin_write(&mut self) -> Result<()>;
    fn begin_read(&mut self) -> Result<()>;
    fn commit(&mut self) -> Result<()>;
    fn rollback(&mut self) -> Result<()>;
    fn savepoint(&mut self) -> Result<()>;
    fn release(&mut self) -> Result<()>;
    fn rollback_to_savepoint(&mut self) -> Result<()>;
    /// Makes intake one at a time over all daemons, until commit: two mailboxes may bring parent and child at once.
    fn lock_intake(&mut self) -> Result<()>;
    /// Whether nobody else counts and claims the outbox just now; holds until commit.
    fn try_lock_outbox(&mut self) -> Result<bool>;
    /// A cheap question to a live database.
    fn ping(&mut self) -> Result<()>;
}

pub trait Keys {
    fn insert_key(&mut self, row: &KeyRow) -> Result<()>;
    fn key(&mut self, id: &[u8]) -> Result<Option<KeyRow>>;
    fn key_for(&mut self, purpose: &str) -> Result<Option<KeyRow>>;
    /// Removes a key that seals nothing any more.
    fn delete_key(&mut self, id: &[u8]) -> Result<()>;
    /// Destroys a key, and with it all that it seals, for good: the journal will name it.
    fn erase_key(&mut self, id: &[u8], at: Moment) -> Result<()>;
    /// Destroyed keys that the journal outside the database does not name yet, oldest first.
    fn unjournalled_erasures(&mut self, limit: i64) -> Result<Vec<(Vec<u8>, Moment)>>;
    fn mark_journalled(&mut self, id: &[u8]) -> Result<()>;
    /// Keys that another generation of the master key wraps.
    fn keys_not_under(&mut self, master: i32, limit: i64) -> Result<Vec<KeyRow>>;
    fn rewrap_key(&mut self, id: &[u8], wrapped: &Sealed, master: i32) -> Result<()>;
    /// How many keys each generation wraps, oldest first.
    fn count_keys(&mut self) -> Result<Vec<(i32, i64)>>;
    /// Oldest first.
    fn master_keys(&mut self) -> Result<Vec<MasterKeyRow>>;
    fn put_master_key(&mut self, row: &MasterKeyRow) -> Result<()>;
    /// Forgets the generations before this one, and what leads to them.
    fn forget_master_keys_before(&mut self, generation: i32) -> Result<()>;
    fn refresh_token(&mut self, name: &str) -> Result<Option<RefreshTokenRow>>;
    /// Inserts or replaces.
    fn put_refresh_token(&mut self, row: &RefreshTokenRow) -> Result<()>;
}

/// Which cases a list shows. Everything given must hold; `visible_to` is who asks.
#[derive(Clone, Debug)]
pub struct CaseFilter {
    pub visible_to: User,
    pub now: Moment,
    pub status: Option<Status>,
    pub category: Option<Category>,
    pub sensitivity: Option<Sensitivity>,
    pub priority: Option<Priority>,
    pub owner: Option<UserId>,
    pub team: Option<String>,
    pub triage: Option<bool>,
    /// Continue after this row: (opened_at, id) of the last one shown.
    pub after: Option<(Moment, CaseId)>,
    pub limit: i64,
}

/// Which cases a search finds, words apart.
#[derive(Clone, Debug)]
pub struct SearchFilter {
    pub base: CaseFilter,
    pub opened_before: Option<Moment>,
    pub opened_from: Option<Moment>,
    /// Each is an address of a party.
    pub from_addresses: Vec<LookupHash>,
}

pub trait Search {
    /// Has the case indexed after commit.
    fn queue_index(&mut self, case: CaseId, at: Moment) -> Result<()>;
    /// Has every case indexed anew; how many.
    fn queue_index_of_all(&mut self, at: Moment) -> Result<usize>;
    fn queued_for_index(&mut self, limit: i64) -> Result<Vec<CaseId>>;
    fn count_queued_for_index(&mut self) -> Result<i64>;
    /// Takes the case off the queue; false when it is no more there.
    fn unqueue_index(&mut self, case: CaseId) -> Result<bool>;
    /// Replaces the case's words.
    fn put_words(&mut self, case: CaseId, hashes: &[i64]) -> Result<()>;
    /// The hashes of a case's words.
    fn words_of(&mut self, case: CaseId) -> Result<Vec<i64>>;
    fn delete_words(&mut self, case: CaseId) -> Result<()>;
    /// The cases under any of these hashes, sorted; `None` when there are more than `most`.
    fn cases_with_any(&mut self, hashes: &[i64], most: i64) -> Result<Option<Vec<CaseId>>>;
    /// Which of these words are there.
    fn which_words(&mut self, words: &[(i64, CaseId)]) -> Result<Vec<(i64, CaseId)>>;
    /// The cases above standard whose content the caller may read, with language and key of each.
    fn guarded_keys(&mut self, filter: &SearchFilter) -> Result<Vec<(CaseId, String, KeyRow)>>;
    /// The newest of these cases that the caller's list shows and that have one of the hashes of each word.
    fn find_among(
        &mut self,
        filter: &SearchFilter,
        ids: &[CaseId],
        words: &[Vec<i64>],
    ) -> Result<Vec<CaseRow>>;
    /// The newest cases that the caller's list shows and that have one of the hashes of each word.
    fn find_newest(&mut self, filter: &SearchFilter, words: &[Vec<i64>]) -> Result<Vec<CaseRow>>;
}

pub trait Cases {
    fn insert_case(&mut self, row: &CaseRow) -> Result<()>;
    fn case(&mut self, id: CaseId) -> Result<Option<CaseRow>>;
    fn case_by_reference(&mut self, reference: Reference) -> Result<Option<CaseRow>>;
    /// Writes the row if the stored version is `row.version - 1`; false when somebody was faster.
    fn update_case(&mut self, row: &CaseRow) -> Result<bool>;
    /// Last received first.
    fn list_cases(&mut self, filter: &CaseFilter) -> Result<Vec<CaseRow>>;
    fn insert_link(&mut self, row: &LinkRow) -> Result<()>;
    fn links_of(&mut self, case: CaseId) -> Result<Vec<LinkRow>>;
}

pub trait Grants {
    fn insert_grant(&mut self, row: &GrantRow) -> Result<()>;
    fn end_grant(&mut self, id: GrantId, at: Moment) -> Result<()>;
    /// Every grant of a case, past ones too, oldest first.
    fn grants_of(&mut self, case: CaseId) -> Result<Vec<GrantRow>>;
    /// The highest level in force for a user.
    fn granted(&mut self, case: CaseId, user: UserId, now: Moment) -> Result<Option<Access>>;
    fn insert_approval(&mut self, row: &ApprovalRow) -> Result<()>;
    fn update_approval(&mut self, row: &ApprovalRow) -> Result<()>;
    fn approval(&mut self, id: ApprovalId) -> Result<Option<ApprovalRow>>;
    /// Newest first, after `(at, id)`.
    fn list_approvals(
        &mut self,
        state: ApprovalState,
        after: Option<(Moment, ApprovalId)>,
        limit: i64,
    ) -> Result<Vec<ApprovalRow>>;
}

pub trait Walls {
    /// Whether the case does not exist for `user`.
    fn walled(&mut self, case: CaseId, user: UserId) -> Result<bool>;
    fn wall(&mut self, case: CaseId, user: UserId) -> Result<Option<WallRow>>;
    fn walls_of(&mut self, case: CaseId) -> Result<Vec<WallRow>>;
    /// Inserts or replaces what keeps this user from this case.
    fn put_wall(&mut self, row: &WallRow) -> Result<()>;
    fn delete_wall(&mut self, case: CaseId, user: UserId) -> Result<()>;
}

pub trait Clocks {
    fn insert_event(&mut self, row: &EventRow) -> Result<()>;
    /// In order.
    fn events_of(&mut self, case: CaseId) -> Result<Vec<EventRow>>;
    /// The earliest deadline that lists show; no new version of the case, for it follows from its events.
    fn set_deadline(&mut self, case: CaseId, at: Option<Moment>) -> Result<()>;
    fn set_timer(&mut self, case: CaseId, at: Option<Moment>) -> Result<()>;
    /// The cases whose timer has run out, longest ago first.
    fn due_timers(&mut self, now: Moment, limit: i64) -> Result<Vec<CaseId>>;
    fn next_timer(&mut self) -> Result<Option<Moment>>;
    /// False when it was done before, by whichever daemon.
    fn remember_reminder(&mut self, case: CaseId, step: &str, due: Moment, at: Moment) -> Result<bool>;
    /// Steps done, each with the deadline it was about.
    fn reminded(&mut self, case: CaseId) -> Result<Vec<(String, Moment)>>;
}

pub trait Parties {
    fn insert_party(&mut self, row: &PartyRow) -> Result<()>;
    fn insert_party_address(&mut self, row: &PartyAddressRow) -> Result<()>;
    fn update_party_address(&mut self, row: &PartyAddressRow) -> Result<()>;
    fn parties_of(&mut self, case: CaseId) -> Result<Vec<PartyRow>>;
    fn party(&mut self, id: PartyId) -> Result<Option<PartyRow>>;
    /// Says who in the directory a party is, where that was not known.
    fn set_party_person(&mut self, id: PartyId, person: PersonId) -> Result<()>;
    fn addresses_of(&mut self, party: PartyId) -> Result<Vec<PartyAddressRow>>;
    /// The parties of `case` with this address.
    fn parties_by_address(&mut self, case: CaseId, hash: LookupHash) -> Result<Vec<PartyAddressRow>>;
    /// Whether the address is a confirmed one of any party anywhere.
    fn address_is_known(&mut self, hash: LookupHash) -> Result<bool>;
    fn insert_conversation(&mut self, row: &ConversationRow) -> Result<()>;
    fn conversation(&mut self, id: ConversationId) -> Result<Option<ConversationRow>>;
    fn conversations_of(&mut self, case: CaseId) -> Result<Vec<ConversationRow>>;
    fn conversation_of_party(&mut self, party: PartyId) -> Result<Option<ConversationRow>>;
    fn conversation_by_reference(&mut self, reference: Reference) -> Result<Option<ConversationRow>>;
}

pub trait Messages {
    /// False when a message of the same identity is already there.
    fn insert_message(&mut self, row: &MessageRow) -> Result<bool>;
    fn update_message(&mut self, row: &MessageRow) -> Result<()>;
    fn message(&mut self, id: MessageId) -> Result<Option<MessageRow>>;
    fn message_by_identity(&mut self, identity: LookupHash) -> Result<Option<MessageRow>>;
    /// Oldest first, after `(at, id)`.
    fn messages_of(
        &mut self,
        case: CaseId,
        after: Option<(Moment, MessageId)>,
        limit: i64,
    ) -> Result<Vec<MessageRow>>;
    /// Unfiled messages of one kind, newest first, after `(at, id)`.
    fn held(&mut self, held: Held, after: Option<(Moment, MessageId)>, limit: i64)
    -> Result<Vec<MessageRow>>;
    fn count_held(&mut self, held: Held) -> Result<i64>;
    fn put_chunk(&mut self, message: MessageId, seq: i32, data: &[u8]) -> Result<()>;
    fn chunk(&mut self, message: MessageId, seq: i32) -> Result<Option<Vec<u8>>>;
}

pub trait Threads {
    fn insert_thread(&mut self, row: &ThreadRow) -> Result<()>;
    fn threads(&mut self, hash: LookupHash, purpose: ThreadPurpose) -> Result<Vec<ThreadRow>>;
    fn threads_of_conversation(
        &mut self,
        conversation: ConversationId,
        purpose: ThreadPurpose,
    ) -> Result<Vec<ThreadRow>>;
    /// Everything that leads to this message leads to another conversation from now on.
    fn move_threads(&mut self, message: MessageId, case: CaseId, conversation: ConversationId) -> Result<()>;
}

pub trait Register {
    fn latest_epoch(&mut self, mailbox: &str, folder: &str) -> Result<Option<FolderRow>>;
    fn insert_folder(&mut self, row: &FolderRow) -> Result<()>;
    fn set_reconciled(&mut self, folder: FolderId, at: Moment) -> Result<()>;
    /// Every UID that has been accounted for in this epoch, with those whose mail could not be had so far.
    fn registered_uids(&mut self, folder: FolderId) -> Result<Vec<i64>>;
    /// The highest of them.
    fn highest_uid(&mut self, folder: FolderId) -> Result<Option<i64>>;
    /// Those whose mail could not be had so far ([`RegisterRow::is_unread`]).
    fn unread(&mut self, folder: FolderId) -> Result<Vec<RegisterRow>>;
    /// How many they are in all folders.
    fn count_unread(&mut self) -> Result<i64>;
    /// Accounted for, but marking, moving or deleting on the server is still to do.
    fn unsettled(&mut self, folder: FolderId) -> Result<Vec<RegisterRow>>;
    /// Of the unsettled, those whose whole mail was committed before `before`.
    fn deletable(&mut self, folder: FolderId, before: Moment) -> Result<Vec<i64>>;
    fn place(&mut self, folder: FolderId, uid: i64) -> Result<Option<RegisterRow>>;
    /// Inserts or replaces the account of one place.
    fn put_place(&mut self, row: &RegisterRow) -> Result<()>;
    fn set_settled(&mut self, folder: FolderId, uids: &[i64], reason: Option<&str>) -> Result<()>;
    fn set_place_state(&mut self, message: MessageId, state: RegisterState, reason: &str) -> Result<()>;
    /// Newest first.
    fn list_register(
        &mut self,
        state: Option<RegisterState>,
        after: Option<(Moment, FolderId, i64)>,
        limit: i64,
    ) -> Result<Vec<(RegisterRow, FolderRow)>>;
    fn maildir_numbers(&mut self, mailbox: &str, folder: &str) -> Result<Vec<(i64, String)>>;
    fn maildir_name(&mut self, mailbox: &str, folder: &str, uid: i64) -> Result<Option<String>>;
    fn insert_maildir_name(&mut self, mailbox: &str, folder: &str, uid: i64, name: &str) -> Result<()>;
}

pub trait Outbox {
    fn insert_outbox(&mut self, row: &OutboxRow) -> Result<()>;
    fn update_outbox(&mut self, row: &OutboxRow) -> Result<()>;
    fn outbox(&mut self, id: OutboxId) -> Result<Option<OutboxRow>>;
    fn outbox_of_message(&mut self, message: MessageId) -> Result<Option<OutboxRow>>;
    /// Leases up to `limit` due mails of these kinds to `by` until `until`, oldest first; nobody else gets them before.
    fn claim_outbox(
        &mut self,
        now: Moment,
        until: Moment,
        by: &str,
        kinds: &[OutboxKind],
        limit: i64,
    ) -> Result<Vec<OutboxRow>>;
    /// How many mails were sent after `since`, all or the automatic ones, and when the oldest of them.
    fn sent_since(&mut self, since: Moment, automatic: bool) -> Result<(i64, Option<Moment>)>;
    /// How many are leased at `now`.
    fn flying(&mut self, now: Moment) -> Result<i64>;
    /// When the next mail falls due.
    fn next_due(&mut self) -> Result<Option<Moment>>;
    /// Automatic mails to one recipient since `since`.
    fn automatic_mails_to(&mut self, recipient: LookupHash, since: Moment) -> Result<i64>;
    /// Newest first.
    fn list_outbox(
        &mut self,
        state: Option<OutboxState>,
        after: Option<(Moment, OutboxId)>,
        limit: i64,
    ) -> Result<Vec<OutboxRow>>;
    fn count_outbox(&mut self, state: OutboxState) -> Result<i64>;
    /// Waiting mails that some daemon is sending at `now`.
    fn count_leased(&mut self, now: Moment) -> Result<i64>;
    fn oldest_waiting(&mut self) -> Result<Option<Moment>>;
}

pub trait Users {
    fn insert_user(&mut self, row: &UserRow) -> Result<bool>;
    fn update_user(&mut self, row: &UserRow) -> Result<()>;
    fn user(&mut self, id: UserId) -> Result<Option<UserRow>>;
    fn user_by_login(&mut self, login: LookupHash) -> Result<Option<UserRow>>;
    /// By identity, after the one given.
    fn users(&mut self, after: Option<UserId>, limit: i64) -> Result<Vec<UserRow>>;
    fn insert_token(&mut self, row: &ApiTokenRow) -> Result<()>;
    fn token_by_hash(&mut self, hash: LookupHash) -> Result<Option<ApiTokenRow>>;
    fn tokens_of(&mut self, user: UserId) -> Result<Vec<ApiTokenRow>>;
    fn touch_token(&mut self, id: TokenId, at: Moment) -> Result<()>;
    fn revoke_token(&mut self, id: TokenId, at: Moment) -> Result<()>;
    /// When the first token that is good at `now` ends; `None` when all last for ever.
    fn next_token_end(&mut self, now: Moment) -> Result<Option<Moment>>;
    fn idempotency(&mut self, user: UserId, key: LookupHash) -> Result<Option<IdempotencyRow>>;
    fn insert_idempotency(&mut self, row: &IdempotencyRow) -> Result<()>;
    fn forget_idempotency(&mut self, before: Moment) -> Result<()>;
}

pub trait Directory {
    fn person_by_employee(&mut self, employee: LookupHash) -> Result<Option<PersonRow>>;
    fn person(&mut self, id: PersonId) -> Result<Option<PersonRow>>;
    fn people_by_address(&mut self, hash: LookupHash) -> Result<Vec<(PersonRow, PersonAddressRow)>>;
    fn people(&mut self) -> Result<Vec<PersonRow>>;
    /// When anybody in it changed last.
    fn directory_changed(&mut self) -> Result<Option<Moment>>;
    fn put_person(&mut self, row: &PersonRow, addresses: &[PersonAddressRow]) -> Result<()>;
}

pub trait Audit {
    /// Adds an entry, and lays it out for the sequencer.
    fn insert_entry(&mut self, row: &EntryRow) -> Result<()>;
    fn entry(&mut self, id: EntryId) -> Result<Option<EntryRow>>;
    /// What changed a case, by version and identity, after the one given.
    fn entries_of_case(
        &mut self,
        case: CaseId,
        after: Option<(i64, EntryId)>,
        limit: i64,
    ) -> Result<Vec<EntryRow>>;
    /// With who read it and who was refused.
    fn all_entries_of_case(&mut self, case: CaseId) -> Result<Vec<EntryRow>>;
    /// Newest first.
    fn entries(&mut self, after: Option<(Moment, EntryId)>, limit: i64) -> Result<Vec<EntryRow>>;
    /// Entries that are in no tree yet; a case's lower versions before its higher ones.
    fn pending_entries(&mut self, limit: i64) -> Result<Vec<EntryRow>>;
    fn has_pending_entries(&mut self) -> Result<bool>;
    /// Adds an entry's place to the tree and takes it off the sequencer's list; false when the place is taken.
    fn append_tree(&mut self, row: &TreeRow) -> Result<bool>;
    fn tree_size(&mut self) -> Result<i64>;
    fn tree_row(&mut self, seq: i64) -> Result<Option<TreeRow>>;
    fn tree_place(&mut self, entry: EntryId) -> Result<Option<TreeRow>>;
    /// The tree from `seq` on with its entries; an entry that is gone is `None`.
    fn tree_page(&mut self, seq: i64, limit: i64) -> Result<Vec<(TreeRow, Option<EntryRow>)>>;
    /// Entries outside the tree, waiting or not. Looks at every entry.
    fn entries_outside_tree(&mut self, limit: i64) -> Result<Vec<EntryRow>>;
    /// A case with a version that no entry tells of.
    fn case_beyond_log(&mut self) -> Result<Option<Reference>>;
    /// Notes that the witnesses get the checkpoint on this day; false when it was noted already.
    fn note_witnessed(&mut self, day: i64, size: i64, at: Moment) -> Result<bool>;
}

/// A lease with its fencing number: it grows with each new holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence(pub i64);

pub trait Leases {
    /// Takes or renews the lease; `None` while another holder's runs. The number stays while nobody else had it.
    fn take_lease(&mut self, name: &str, holder: &str, now: Moment, until: Moment) -> Result<Option<Fence>>;
    /// Whether `holder` still has the lease under this number.
    fn holds_lease(&mut self, name: &str, holder: &str, fence: Fence) -> Result<bool>;
    fn release_lease(&mut self, name: &str, holder: &str) -> Result<()>;
}

pub trait Backups {
    fn insert_backup(&mut self, row: &BackupRow) -> Result<()>;
    fn backup(&mut self, id: BackupId) -> Result<Option<BackupRow>>;
    /// The backup begun last, verified or not.
    fn latest_backup(&mut self) -> Result<Option<BackupRow>>;
    fn set_backup_verified(&mut self, id: BackupId, at: Moment) -> Result<()>;
    /// All that was committed before this moment lies in a backup that was opened and read; `None` without one.
    fn last_verified_backup(&mut self) -> Result<Option<Moment>>;
}
