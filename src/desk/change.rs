//! Changing a case by hand: its status, category, sensitivity, owner, priority; and moving a message elsewhere.

use super::context::{Context, DeskError};
use super::filing::{NewCase, NewParty};
use super::runner::Action;
use super::view::View;
use crate::case::access::{Access, names_owner};
use crate::case::clock::{Happening, What};
use crate::case::{Actor, CaseId, Category, Channel, MessageId, Part, Priority, Sensitivity, Status, UserId};
use crate::letters::Kind;
use crate::store::rows::{CaseRow, MessageRow};
use crate::vault::{Record, Vault};

/// What is to be changed; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub status: Option<Status>,
    pub category: Option<Category>,
    pub sensitivity: Option<Sensitivity>,
    pub priority: Option<Priority>,
    /// `Some(None)` takes the owner away.
    pub owner: Option<Option<UserId>>,
    pub reason: Option<String>,
}

/// What a change is made upon: the version, or for who sees the outline alone, the outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    Version(i64),
    Outline(String),
}

impl Base {
    fn holds(&self, vault: &Vault, case: &CaseRow) -> bool {
        match self {
            Self::Version(version) => *version == case.version,
            Self::Outline(mark) => *mark == outline_mark(vault, case),
        }
    }
}

/// Tells one outline of a case from another, and nothing else: a version would count what a stub does not show.
#[must_use]
pub fn outline_mark(vault: &Vault, case: &CaseRow) -> String {
    let owner = case.owner_id.map(|id| id.to_string()).unwrap_or_default();
    let deadline = case.next_deadline.map(|at| at.to_string()).unwrap_or_default();
    let parts = [case.team.as_str(), &owner, case.status.as_str(), case.sensitivity.as_str(), &deadline];
    let mut bytes = vec![case.id.as_bytes().as_slice()];
    bytes.extend(parts.iter().map(|part| part.as_bytes()));
    let hash = vault.lookup().hash("outline", &bytes);
    data_encoding::BASE32_NOPAD.encode(hash.as_stored()).to_ascii_lowercase()
}

/// Changes a case that is still as `base` says.
pub struct Change {
    pub actor: Actor,
    pub case: CaseId,
    pub base: Base,
    pub changes: Changes,
}

impl Change {
    /// The case, if the actor may make all of these changes.
    fn permitted(&self, cx: &mut Context<'_>) -> Result<CaseRow, DeskError> {
        let Changes { status, category, sensitivity, priority, owner, reason: _ } = &self.changes;
        let beyond = status.is_some() || category.is_some() || sensitivity.is_some() || priority.is_some();
        let user = match &self.actor {
            Actor::User(user) => user.clone(),
            Actor::System => return cx.case_for(&self.actor, self.case, Access::Work),
        };
        cx.case_if(&self.actor, self.case, |have, standing| {
            let named = owner.is_none_or(|owner| names_owner(&user, standing, owner));
            named && (have >= Access::Work || (owner.is_some() && !beyond))
        })
    }
}

impl Action for Change {
    type Output = CaseRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "case.change"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<CaseRow, DeskError> {
        let mut case = self.permitted(cx)?;
        if !self.base.holds(cx.vault(), &case) {
            return Err(DeskError::Conflict);
        }
        let before = describe(&case);
        let was = case.clone();
        apply(cx, &mut case, &self.changes)?;
        cx.advance(&mut case)?;
        let whats = moved(&was, &case);
        cx.happened(&mut case, &whats)?;
        let details =
            serde_json::json!({ "before": before, "after": describe(&case), "reason": self.changes.reason });
        cx.record(&self.actor, "case.changed", Some(&case), &details)?;
        if let Some(Some(owner)) = self.changes.owner
            && self.actor.user_id() != Some(owner)
        {
            cx.notify(owner, Kind::Notification, Some(&case))?;
        }
        Ok(case)
    }
}

fn apply(cx: &mut Context<'_>, case: &mut CaseRow, changes: &Changes) -> Result<(), DeskError> {
    if let Some(sensitivity) = changes.sensitivity {
        let reasoned = changes.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
        if sensitivity < case.sensitivity && !reasoned {
            return Err(DeskError::Invalid(
                "lowering the sensitivity takes a reason; give one in `reason`".into(),
            ));
        }
        case.sensitivity = sensitivity;
    }
    if let Some(category) = &changes.category {
        if !cx.settings.all_categories().any(|known| known == category.as_str()) {
            return Err(DeskError::Invalid(
                "this category is not known; it must be one of the settings".into(),
            ));
        }
        case.category = category.clone();
        case.team = cx.team_of(category);
        case.triage = false;
    }
    if let Some(priority) = changes.priority {
        case.priority = priority;
    }
    if let Some(owner) = changes.owner {
        if let Some(owner) = owner {
            let row = cx.tx.user(owner)?.filter(|row| row.disabled_at.is_none());
            let barred = cx.tx.wall(case.id, owner)?.is_some_and(|wall| !wall.bar.may_own());
            if row.is_none() || barred {
                return Err(DeskError::Invalid("this user cannot own this case; choose another".into()));
            }
        }
        case.owner_id = owner;
        if owner.is_some() && case.status == Status::New {
            case.status = Status::Open;
        }
    }
    if let Some(status) = changes.status {
        if status == Status::New {
            return Err(DeskError::Invalid("a case is new only once; use open".into()));
        }
        case.status = status;
        case.closed_at = status.is_done().then_some(cx.now);
    }
    Ok(())
}

/// What a change means to the clocks.
pub(super) fn moved(was: &CaseRow, is: &CaseRow) -> Vec<What> {
    let happening = match (was.status, is.status) {
        (was, is) if was == is => None,
        (was, Status::Open | Status::Waiting) if was.is_done() => Some(Happening::Reopened),
        (_, Status::Waiting) => Some(Happening::Waiting),
        (Status::Waiting, Status::Open) => Some(Happening::Resumed),
        (_, Status::Resolved) => Some(Happening::Resolved),
        (_, Status::Closed) => Some(Happening::Closed),
        (_, Status::New | Status::Open) => None,
    };
    let sorted = was.category != is.category || was.priority != is.priority;
    let sorted = sorted.then(|| What::Sorted { category: is.category.clone(), priority: is.priority });
    happening.map(What::Happened).into_iter().chain(sorted).collect()
}

fn describe(case: &CaseRow) -> serde_json::Value {
    serde_json::json!({
        "status": case.status, "category": case.category, "sensitivity": case.sensitivity,
        "priority": case.priority, "owner": case.owner_id.map(|id| id.to_string()), "team": case.team,
    })
}

/// Moves a message of the reporter's kind to another case, or to a new one of its own.
pub struct Move {
    pub actor: Actor,
    pub message: MessageId,
    /// None opens a new case.
    pub to: Option<CaseId>,
}

impl Action for Move {
    type Output = CaseRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "message.move"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<CaseRow, DeskError> {
        let row = cx.tx.message(self.message)?.ok_or(DeskError::NotFound)?;
        let from = row.case_id.ok_or(DeskError::NotFound)?;
        let mut source = cx.case_for(&self.actor, from, Access::Work)?;
        let scope = cx.scope(source.id.as_bytes())?;
        let record = Record::open(&scope, "messages", row.id.as_bytes(), &row.key)?;
        let (mut target, conversation) = match self.to {
            Some(id) if id == source.id => {
                return Err(DeskError::Invalid("the message is in this case already".into()));
            }
            Some(id) => existing(cx, &self.actor, id, &row)?,
            None => split(cx, &source, &row, &record)?,
        };
        target.sensitivity = target.sensitivity.max(source.sensitivity);
        super::walls::carry(cx, &source, &target, self.to.is_none())?;
        cx.advance(&mut source)?;
        cx.advance(&mut target)?;
        cx.refile(row, &target, conversation)?;
        let details = |other: CaseId| serde_json::json!({ "message": self.message.to_string(), "other": other.to_string() });
        cx.record(&self.actor, "message.moved-away", Some(&source), &details(target.id))?;
        cx.record(&self.actor, "message.moved-here", Some(&target), &details(source.id))?;
        Ok(target)
    }
}

type Place = (CaseRow, crate::case::ConversationId);

/// Into a case that is there: into the conversation of the same person, never another's.
fn existing(cx: &mut Context<'_>, actor: &Actor, id: CaseId, row: &MessageRow) -> Result<Place, DeskError> {
    let target = cx.case_for(actor, id, Access::Work)?;
    let from = row
        .conversation_id
        .ok_or_else(|| DeskError::Invalid("only a mail of a party can be moved".into()))?;
    let from = cx.tx.conversation(from)?.ok_or(DeskError::NotFound)?;
    for address in cx.tx.addresses_of(from.party_id)? {
        for party in cx.tx.parties_by_address(target.id, address.hash)? {
            if let Some(conversation) = cx.tx.conversation_of_party(party.party_id)? {
                return Ok((target, conversation.id));
            }
        }
    }
    Err(DeskError::Invalid(
        "its sender is no party of that case; add them first or move it to a new case".into(),
    ))
}

/// Into a new case with the same reporter.
fn split(
    cx: &mut Context<'_>,
    source: &CaseRow,
    row: &MessageRow,
    record: &Record,
) -> Result<Place, DeskError> {
    let view = View::open(record, &row.view)?;
    let target = cx.open_case(&NewCase {
        subject: &view.subject,
        category: source.category.clone(),
        sensitivity: source.sensitivity,
        priority: source.priority,
        triage: true,
        channel: Channel::Mail,
        language: &source.language,
        legal_entity: source.legal_entity.clone(),
        received_at: row.at,
    })?;
    let from = view.from.as_ref();
    let party = NewParty {
        part: Part::Reporter,
        person: None,
        name: from.and_then(|from| from.name.as_deref()).unwrap_or_default(),
        address: from.map(|from| from.address.as_str()),
        confirmed: true,
    };
    let conversation = cx.add_party(&target, &party, &view.subject, &row.mailbox)?;
    Ok((target, conversation.id))
}
