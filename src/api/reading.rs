//! What a caller may read. Access is asked anew at each read: what may not be seen is not found, and of a stub nothing
//! but its outline is given. Notes what was refused and what was opened, for the audit log.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::access::{Access, Sight, access, outgoing, unfiled};
use crate::case::{CaseId, MessageId, Moment, Reference, Sensitivity, User};
use crate::desk::context::{open_record, standing};
use crate::desk::filing::scope_of;
use crate::desk::hold::OPENED_BY;
use crate::desk::trace::Event;
use crate::desk::{DeskError, Shared};
use crate::store::Tx;
use crate::store::rows::{CaseRow, MessageRow, OutboxRow};
use crate::vault::{Record, Sealed};

/// One read, or the end of one change, in somebody's name.
pub struct Reading<'a> {
    pub tx: &'a mut dyn Tx,
    pub shared: &'a Shared,
    pub user: &'a User,
    pub now: Moment,
    /// For the audit log.
    trace: ReadTrace,
}

/// What a read opened and what it was about.
#[derive(Default)]
pub struct ReadTrace {
    /// The case that was asked for last; a refusal names it.
    asked: Option<CaseId>,
    /// Whether the content of a scope must leave an entry when it is read.
    guarded: BTreeMap<[u8; 16], Option<&'static str>>,
    /// The records that were opened under guarded scopes.
    opened: BTreeMap<[u8; 16], BTreeSet<String>>,
}

impl ReadTrace {
    /// The entry of a refused read.
    pub fn refused(&self, error: &DeskError, asked: &str) -> Option<Event> {
        let refused = matches!(error, DeskError::NotFound | DeskError::Refused(_));
        let details = serde_json::json!({ "why": error.to_string(), "asked": asked });
        refused.then_some(Event { action: "content.read.refused", case: self.asked, details })
    }

    /// An entry for each case, or unfiled mail, whose guarded content was opened.
    pub fn read(self) -> Vec<Event> {
        let Self { guarded, opened, .. } = self;
        let event = |(scope, records): ([u8; 16], BTreeSet<String>)| {
            let action = guarded.get(&scope).copied().flatten()?;
            let case = (action == CASE_READ).then(|| CaseId::from_bytes(scope));
            Some(Event { action, case, details: serde_json::json!({ "records": records }) })
        };
        opened.into_iter().filter_map(event).collect()
    }
}

const CASE_READ: &str = "case.read";
const MAIL_READ: &str = "mail.read";

impl<'a> Reading<'a> {
    pub fn new(tx: &'a mut dyn Tx, shared: &'a Shared, user: &'a User, now: Moment) -> Self {
        Self { tx, shared, user, now, trace: ReadTrace::default() }
    }

    /// What is to be entered into the audit log.
    pub fn into_trace(self) -> ReadTrace {
        self.trace
    }
}

impl Reading<'_> {
    /// The access the caller has to a case.
    pub fn access(&mut self, case: &CaseRow) -> Result<Access, DeskError> {
        Ok(access(self.user, &standing(self.tx, self.user, case, self.now)?))
    }

    /// The case of a reference, at least as a stub.
    pub fn visible(&mut self, reference: &str) -> Result<(CaseRow, Access), DeskError> {
        let reference: Reference = reference.parse().map_err(|_| DeskError::NotFound)?;
        let case = self.tx.case_by_reference(reference)?.ok_or(DeskError::NotFound)?;
        let access = self.admit(&case, Access::Stub)?;
        Ok((case, access))
    }

    /// The case of a reference, if its content may be read.
    pub fn readable(&mut self, reference: &str) -> Result<CaseRow, DeskError> {
        let (case, _) = self.visible(reference)?;
        self.admit(&case, Access::Read)?;
        Ok(case)
    }

    /// Lets the caller on to a case with at least this access.
    fn admit(&mut self, case: &CaseRow, least: Access) -> Result<Access, DeskError> {
        self.trace.asked = Some(case.id);
        let have = self.access(case)?;
        if have >= least && have > Access::None {
            return Ok(have);
        }
        Err(match have {
            Access::None => DeskError::NotFound,
            _ => DeskError::Refused("your access to this case does not reach its content"),
        })
    }

    /// Reads without noting it: for what is looked at and not given out.
    pub fn aside<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let opened = self.trace.opened.clone();
        let done = read(self);
        self.trace.opened = opened;
        done
    }

    /// The reference of a case, if the caller may read it: that two cases have to do with each other is content.
    pub fn reference(&mut self, case: CaseId) -> Result<Option<String>, DeskError> {
        let Some(case) = self.tx.case(case)? else { return Ok(None) };
        Ok((self.access(&case)? >= Access::Read).then(|| case.reference.to_string()))
    }

    /// A message whose content may be read: of a readable case, or unfiled and for the caller to open.
    pub fn message(&mut self, id: MessageId) -> Result<MessageRow, DeskError> {
        let row = self.tx.message(id)?.ok_or(DeskError::NotFound)?;
        match row.case_id {
            Some(case) => {
                let case = self.tx.case(case)?.ok_or(DeskError::NotFound)?;
                self.admit(&case, Access::Read)?;
            }
            // A notice belongs to whom it was sent.
            None if row.held.is_none() => return Err(DeskError::NotFound),
            None => match unfiled(self.user) {
                Sight::Content => {}
                Sight::Metadata => return Err(DeskError::Refused(OPENED_BY)),
                Sight::None => return Err(DeskError::NotFound),
            },
        }
        Ok(row)
    }

    /// Lets on whoever may know of unfiled mail and the mail register.
    pub fn oversees(&self) -> Result<(), DeskError> {
        match unfiled(self.user) {
            Sight::None => {
                Err(DeskError::Refused("this takes the role lead or admin, or the office of guardian"))
            }
            Sight::Metadata | Sight::Content => Ok(()),
        }
    }

    /// What the caller may know of a mail on its way out, and its case's reference.
    pub fn outgoing(&mut self, row: &OutboxRow) -> Result<(Sight, Option<String>), DeskError> {
        let Some(case) = row.case_id.map(|id| self.tx.case(id)).transpose()?.flatten() else {
            return Ok((outgoing(self.user, None), None));
        };
        let standing = standing(self.tx, self.user, &case, self.now)?;
        let known = access(self.user, &standing) > Access::None;
        Ok((outgoing(self.user, Some(&standing)), known.then(|| case.reference.to_string())))
    }

    /// Opens a message's key.
    pub fn open_message(&mut self, row: &MessageRow) -> Result<Record, DeskError> {
        self.open(&scope_of(row), "messages", row.id.as_bytes(), &row.key)
    }

    /// Opens a record of a scope. What is read of confidential and restricted cases and of unfiled mail is noted.
    pub fn open(
        &mut self,
        scope: &[u8],
        table: &'static str,
        id: &[u8],
        key: &Sealed,
    ) -> Result<Record, DeskError> {
        if let Ok(scope) = <[u8; 16]>::try_from(scope) {
            self.note(scope, table, id)?;
        }
        open_record(self.tx, &self.shared.vault, scope, table, id, key)
    }

    fn note(&mut self, scope: [u8; 16], table: &str, id: &[u8]) -> Result<(), DeskError> {
        let action = match self.trace.guarded.get(&scope) {
            Some(action) => *action,
            None => {
                let action = match self.tx.case(CaseId::from_bytes(scope))? {
                    Some(case) if case.sensitivity > Sensitivity::Standard => Some(CASE_READ),
                    Some(_) => None,
                    None => Some(MAIL_READ),
                };
                self.trace.guarded.insert(scope, action);
                action
            }
        };
        if action.is_some() {
            let id = <[u8; 16]>::try_from(id).map(|id| MessageId::from_bytes(id).to_string());
            let record = format!("{table}:{}", id.unwrap_or_default());
            self.trace.opened.entry(scope).or_default().insert(record);
        }
        Ok(())
    }
}

/// A text that was sealed.
pub fn text(record: &Record, column: &'static str, sealed: &Sealed) -> Result<String, DeskError> {
    Ok(String::from_utf8_lossy(&record.read(column, sealed)?).into_owned())
}
