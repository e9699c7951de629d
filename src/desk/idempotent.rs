//! A request that is repeated under the same key does nothing twice: the answer is kept with the change, in the same
//! savepoint, and given again. Answers are sealed under the directory's key and forgotten after a day.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::{Context, DIRECTORY, DeskError};
use super::runner::Action;
use crate::case::access::Access;
use crate::case::{Actor, CaseId, UserId};
use crate::store::rows::IdempotencyRow;
use crate::vault::{LookupHash, Record, SealError};

const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What is answered to a request that changed something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    pub location: Option<String>,
    /// The version of what is answered, as its ETag says it.
    pub version: Option<String>,
    pub body: serde_json::Value,
    /// The case that the answer is about. A repeated request gets it only while the case may still be seen so far.
    #[serde(default)]
    pub about: Option<About>,
    /// Answered once as the body's `secret`, and never kept.
    #[serde(skip)]
    pub secret: Option<String>,
}

/// A case, and the access that an answer about it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    case: [u8; 16],
    least: Access,
}

impl About {
    #[must_use]
    pub fn new(case: CaseId, least: Access) -> Self {
        Self { case: *case.as_bytes(), least }
    }
}

/// The key a client gave, and what it asked for under it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub key: LookupHash,
    pub request: LookupHash,
}

/// Does `action` unless it was done under the same claim before; `reply` says what to answer.
pub struct Once<A, F> {
    pub action: A,
    pub claim: Option<Claim>,
    pub reply: F,
}

impl<A, F> Action for Once<A, F>
where
    A: Action,
    F: Fn(&mut Context<'_>, A::Output) -> Result<Reply, DeskError> + Send + 'static,
{
    type Output = Reply;

    fn actor(&self) -> &Actor {
        self.action.actor()
    }
    fn name(&self) -> &'static str {
        self.action.name()
    }
    fn leaves_entry(&self) -> bool {
        self.action.leaves_entry()
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Reply, DeskError> {
        let (Some(claim), Some(user)) = (self.claim, self.action.actor().user_id()) else {
            let output = self.action.run(cx)?;
            return (self.reply)(cx, output);
        };
        cx.tx.forget_idempotency(cx.now.minus(KEPT))?;
        if let Some(row) = cx.tx.idempotency(user, claim.key)? {
            let reply = repeated(cx, self.action.actor(), &row, claim)?;
            let action = format!("{}.repeated", self.action.name());
            cx.note(self.action.actor(), &action, None, &serde_json::json!({}))?;
            return Ok(reply);
        }
        let output = self.action.run(cx)?;
        let reply = (self.reply)(cx, output)?;
        keep(cx, user, claim, &reply)?;
        Ok(reply)
    }
}

fn repeated(
    cx: &mut Context<'_>,
    actor: &Actor,
    row: &IdempotencyRow,
    claim: Claim,
) -> Result<Reply, DeskError> {
    if row.request != claim.request {
        return Err(DeskError::Invalid(
            "this Idempotency-Key was used for another request; make a new key".into(),
        ));
    }
    let scope = cx.scope(DIRECTORY)?;
    let record = Record::open(&scope, "idempotency", row.key_hash.as_stored(), &row.key)?;
    let reply: Reply = serde_json::from_slice(&record.read("body", &row.body)?).map_err(|_| SealError)?;
    if let Some(about) = reply.about {
        cx.case_for(actor, CaseId::from_bytes(about.case), about.least)?;
    }
    Ok(reply)
}

fn keep(cx: &mut Context<'_>, user: UserId, claim: Claim, reply: &Reply) -> Result<(), DeskError> {
    let scope = cx.scope(DIRECTORY)?;
    let (record, key) = Record::create(&scope, "idempotency", claim.key.as_stored())?;
    let row = IdempotencyRow {
        user_id: user,
        key_hash: claim.key,
        request: claim.request,
        at: cx.now,
        status: i32::from(reply.status),
        key,
        body: record.seal("body", &serde_json::to_vec(reply).map_err(|_| SealError)?)?,
    };
    cx.tx.insert_idempotency(&row)?;
    // Another writer may have committed the same key since we looked; ours is then undone.
    let kept = cx.tx.idempotency(user, claim.key)?;
    if kept.is_some_and(|kept| kept.key == row.key) { Ok(()) } else { Err(DeskError::Conflict) }
}
