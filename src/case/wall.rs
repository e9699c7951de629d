//! The conflict wall: how far somebody is kept from a case, and why.

use serde::{Deserialize, Serialize};

use super::kinds::words;

words! {
    /// How far somebody is kept from a case; each includes those before it but the first: somebody is to decide;
    /// assigned only when nobody else is there; never assigned; sees nothing until somebody whom it cannot concern
    /// decides; sees nothing.
    Bar { Suggested = "suggested", Last = "last", Unassigned = "unassigned", Held = "held", Walled = "walled" }
}
words! {
    /// Why somebody is kept from a case: in To or Cc alone; the source of something said; a name that may mean
    /// somebody else; in the line of somebody named, or their deputy or assistant; named; it is their own case; they
    /// recused themselves; raised by a lead or the guardian.
    Why {
        Copied = "copied", Source = "source", Ambiguous = "ambiguous", Line = "line", Named = "named", Party = "party",
        Recused = "recused", ByHand = "by-hand",
    }
}

impl Bar {
    /// Whether the case does not exist for whom it concerns.
    #[must_use]
    pub const fn shuts_out(self) -> bool {
        matches!(self, Self::Held | Self::Walled)
    }
    /// Whether whom it concerns may own the case.
    #[must_use]
    pub const fn may_own(self) -> bool {
        matches!(self, Self::Suggested | Self::Last)
    }
}

/// A reason for people: the words of the mail, or what a colleague wrote. Sealed where it is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    pub why: Why,
    pub words: String,
}
