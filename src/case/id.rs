//! Identities of the things that are kept: UUID v7, one type for each kind so that they cannot be confused.

use std::fmt;
use std::str::FromStr;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new identity, ordered after those made before (UUID v7).
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7().into_bytes())
            }
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                uuid::Uuid::try_parse(text).map(|id| Self(id.into_bytes()))
            }
        }
    )*};
}

ids! {
    CaseId,
    ConversationId,
    PartyId,
    /// Names a message for ever, also while it is not filed in a case.
    MessageId,
    OutboxId,
    UserId,
    TokenId,
    /// One grant of access to one case.
    GrantId,
    /// A change that waits for a second person.
    ApprovalId,
    /// Somebody in the directory.
    PersonId,
    /// An entry of the audit log.
    EntryId,
    /// One epoch of one folder of one mailbox.
    FolderId,
    /// A copy of the register.
    BackupId,
}
