//! What a caller may read, and the errors that all routes share in the document. Access is asked anew at each read:
//! what may not be seen is not found, and of a stub nothing but its outline is given.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::case::access::Access;
use crate::case::{CaseId, MessageId, Moment, Reference, Sensitivity, User};
use crate::desk::context::{access_to, open_record};
use crate::desk::filing::scope_of;
use crate::desk::hold::may_see_unfiled;
use crate::desk::trace::Event;
use crate::desk::{DeskError, Shared};
use crate::store::Tx;
use crate::store::rows::{CaseRow, MessageRow};
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
    pub fn refused(&self, error: &DeskError) -> Option<Event> {
        let refused = matches!(error, DeskError::NotFound | DeskError::Refused(_));
        let details = serde_json::json!({ "why": error.to_string() });
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

    /// The access the caller has to a case.
    pub fn access(&mut self, case: &CaseRow) -> Result<Access, DeskError> {
        access_to(self.tx, self.user, case, self.now)
    }

    /// The case of a reference, at least as a stub.
    pub fn visible(&mut self, reference: &str) -> Result<(CaseRow, Access), DeskError> {
        let reference: Reference = reference.parse().map_err(|_| DeskError::NotFound)?;
        let case = self.tx.case_by_reference(reference)?.ok_or(DeskError::NotFound)?;
        self.trace.asked = Some(case.id);
        match self.access(&case)? {
            Access::None => Err(DeskError::NotFound),
            access => Ok((case, access)),
        }
    }

    /// The case of a reference, if its content may be read.
    pub fn readable(&mut self, reference: &str) -> Result<CaseRow, DeskError> {
        let (case, access) = self.visible(reference)?;
        may_read(access)?;
        Ok(case)
    }

    /// The reference of a case, if the caller may know of it.
    pub fn reference(&mut self, case: CaseId) -> Result<Option<String>, DeskError> {
        let Some(case) = self.tx.case(case)? else { return Ok(None) };
        Ok((self.access(&case)? > Access::None).then(|| case.reference.to_string()))
    }

    /// A message whose content may be read: of a readable case, or unfiled and the caller a lead.
    pub fn message(&mut self, id: MessageId) -> Result<MessageRow, DeskError> {
        let row = self.tx.message(id)?.ok_or(DeskError::NotFound)?;
        match row.case_id {
            Some(case) => {
                let case = self.tx.case(case)?.ok_or(DeskError::NotFound)?;
                self.trace.asked = Some(case.id);
                match self.access(&case)? {
                    Access::None => return Err(DeskError::NotFound),
                    access => may_read(access)?,
                }
            }
            None => may_see_unfiled(&crate::case::Actor::User(self.user.clone()))?,
        }
        Ok(row)
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

fn may_read(access: Access) -> Result<(), DeskError> {
    if access >= Access::Read {
        Ok(())
    } else {
        Err(DeskError::Refused("your access to this case does not reach its content"))
    }
}

/// The problems that any read may answer with.
pub struct ReadErrors;
/// The problems that any change may answer with.
pub struct WriteErrors;

const READ: [(&str, &str); 7] = [
    ("400", "The request is not as described"),
    ("401", "No valid token"),
    ("403", "Seen, but not allowed"),
    ("404", "There is no such thing here, or none that you may know of"),
    ("429", "Too many requests; see Retry-After"),
    ("500", "Failed inside"),
    ("503", "The register cannot be reached, or it took too long"),
];
const WRITE: [(&str, &str); 4] = [
    ("412", "Changed by somebody else meanwhile"),
    ("413", "The body is too large"),
    ("415", "The body is not JSON"),
    ("422", "Understood, but makes no sense"),
];

fn problems<'a>(of: impl Iterator<Item = &'a (&'a str, &'a str)>) -> BTreeMap<String, RefOr<Response>> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    of.map(|(status, says)| {
        let response =
            ResponseBuilder::new().description(*says).content("application/problem+json", content.clone());
        ((*status).to_owned(), RefOr::T(response.build()))
    })
    .collect()
}

impl utoipa::IntoResponses for ReadErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(READ.iter())
    }
}
impl utoipa::IntoResponses for WriteErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(READ.iter().chain(&WRITE))
    }
}
