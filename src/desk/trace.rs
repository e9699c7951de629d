//! Entries for what changes nothing: content that was read, what was refused, exports, signing in, settings.

use super::context::{Context, DeskError};
use super::runner::Action;
use crate::case::{Actor, CaseId};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// A dotted word; a refusal ends in `.refused`.
    pub action: &'static str,
    pub case: Option<CaseId>,
    /// Sealed under the case's key, or the directory's.
    pub details: serde_json::Value,
}

/// Enters what happened into the audit log.
pub struct Trace {
    pub actor: Actor,
    pub events: Vec<Event>,
}

impl Trace {
    /// One event of the daemon's own.
    #[must_use]
    pub fn system(action: &'static str, details: serde_json::Value) -> Self {
        Self { actor: Actor::System, events: vec![Event { action, case: None, details }] }
    }
}

impl Action for Trace {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "audit.trace"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        for event in &self.events {
            cx.note(&self.actor, event.action, event.case, &event.details)?;
        }
        Ok(())
    }
}
