//! The closed sets of words a case is described with, each with the one spelling that is stored and shown.

use super::kinds::words;

words! {
    /// Where a case stands.
    Status { New = "new", Open = "open", Waiting = "waiting", Resolved = "resolved", Closed = "closed" }
}
words! {
    /// How a matter reached us.
    Channel { Mail = "mail", Phone = "phone", WalkIn = "walk-in", Letter = "letter", Portal = "portal", Import = "import" }
}
words! {
    /// A person's part in a case.
    Part { Reporter = "reporter", Subject = "subject", Witness = "witness", Companion = "companion", Observer = "observer" }
}
words! {
    /// What kind of thing was said.
    MessageKind { MailIn = "mail-in", MailOut = "mail-out", Acknowledgement = "acknowledgement", Note = "note", Notice = "notice", Portal = "portal" }
}
words! {
    /// How far a sender is known. Ordered: more trust is greater.
    Trust { Stranger = "stranger", Unverified = "unverified", Known = "known", Employee = "employee" }
}

impl Status {
    /// Nothing more is expected of HR unless the employee writes again.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Resolved | Self::Closed)
    }
}
