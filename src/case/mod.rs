//! The domain, pure: no I/O, no SQL, no clock. What a case is, who its parties are, how it is named, and who may
//! see it. Knows neither mail formats nor databases; the other parts speak in these words.

pub mod access;
pub mod actor;
pub mod clock;
pub mod id;
pub mod kinds;
pub mod model;
pub mod moment;
pub mod reference;
pub mod wall;
pub mod working_time;

pub use actor::{Actor, Roles, User};
pub use id::{
    ApprovalId, BackupId, CaseId, ConversationId, EntryId, FolderId, GrantId, MessageId, OutboxId, PartyId,
    PersonId, TokenId, UserId,
};
pub use kinds::{Category, Priority, Sensitivity};
pub use model::{Channel, MessageKind, Part, Status, Trust};
pub use moment::Moment;
pub use reference::Reference;
