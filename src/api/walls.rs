//! The conflict wall of a case: who is kept from it and why, stepping back, raising and lifting.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, id, id_given, said};
use super::page::Page;
use super::problem::Problem;
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::access::Access;
use crate::case::wall::{Bar, Reason, Why};
use crate::case::{CaseId, Reference};
use crate::desk::DeskError;
use crate::desk::idempotent::Reply;
use crate::desk::walls::{Lift, Recuse, Wall, decides};
use crate::store::rows::{CaseRow, WallRow};
use crate::vault::SealError;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/cases/{reference}/walls", [on(Method::GET, list), on(Method::POST, raise)]))
        .service(resource("/cases/{reference}/recuse", [on(Method::POST, recuse)]))
        .service(resource("/cases/{reference}/walls/{user}/lift", [on(Method::POST, lift)]));
}

/// Somebody who is kept from a case.
#[derive(Serialize, ToSchema)]
pub struct WallView {
    #[schema(format = "uuid")]
    pub user: String,
    /// `suggested` waits for you; `last` and `unassigned` say who is to own it; `held` and `walled` see nothing.
    pub bar: Bar,
    #[schema(format = DateTime)]
    pub at: String,
    /// To those who may read the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The words of the mail, or what a colleague wrote; to those who may read the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// The case, if the caller may know of it or decides on its walls; whether they decide.
fn case_of(reading: &mut Reading<'_>, reference: &str) -> Result<(CaseRow, Access, bool), DeskError> {
    let known = match reference.parse::<Reference>() {
        Ok(reference) => reading.tx.case_by_reference(reference)?,
        Err(_) => None,
    };
    if let Some(case) = known
        && decides(reading.tx, reading.user, &case, reading.now)?
    {
        let access = reading.access(&case)?;
        return Ok((case, access, true));
    }
    let (case, access) = reading.visible(reference)?;
    Ok((case, access, false))
}

/// Who is kept from a case. Suggestions are shown to those who decide on them.
#[utoipa::path(get, path = "/api/v1/cases/{reference}/walls", tag = "access",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$")),
    responses((status = 200, body = Page<WallView>), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let reference = path.into_inner();
    let items = state
        .read(&caller, move |reading| {
            let (case, access, decides) = case_of(reading, &reference)?;
            let mut items = Vec::new();
            for row in reading.tx.walls_of(case.id)? {
                if row.bar == Bar::Suggested && !decides {
                    continue;
                }
                let reason = if access >= Access::Read { Some(reason_of(reading, &row)?) } else { None };
                items.push(WallView {
                    user: row.user_id.to_string(),
                    bar: row.bar,
                    at: row.at.to_string(),
                    why: reason.as_ref().map(|reason| reason.why),
                    words: reason.map(|reason| reason.words).filter(|words| !words.is_empty()),
                });
            }
            Ok(items)
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page { items }))
}

fn reason_of(reading: &mut Reading<'_>, row: &WallRow) -> Result<Reason, DeskError> {
    let record = reading.open(row.case_id.as_bytes(), "walls", row.user_id.as_bytes(), &row.key)?;
    Ok(serde_json::from_slice(&record.read("reason", &row.reason)?).map_err(|_| SealError)?)
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WallReason {
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    reason: String,
}

/// Steps back from a case: it does not exist for you any more.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/recuse", tag = "access", request_body = WallReason,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "You see it no more"), WriteErrors))]
async fn recuse(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<WallReason>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.reason, "the reason")?;
    let case = known(&state, &caller, path.into_inner()).await?;
    let action = Recuse { actor: caller.actor(), case, reason: input.value.reason.clone() };
    state.act(&caller, &input.terms, action, |_, ()| Ok(done())).await
}

/// Somebody to be walled off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWall {
    #[schema(format = "uuid")]
    user: String,
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    reason: String,
}

/// Walls somebody off: on a suggestion, of somebody held out, or on what you know. Takes a lead of the team, who
/// manages the case, or the guardian; none of them behind a wall.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/walls", tag = "access", request_body = NewWall,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "It does not exist for them any more"), WriteErrors))]
async fn raise(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<NewWall>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.reason, "the reason")?;
    let case = known(&state, &caller, path.into_inner()).await?;
    let user = id_given(&input.value.user)?;
    let action = Wall { actor: caller.actor(), case, user, reason: input.value.reason.clone() };
    state.act(&caller, &input.terms, action, |_, ()| Ok(done())).await
}

/// Lifts what keeps somebody from a case, or dismisses a suggestion. Takes what raising takes.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/walls/{user}/lift", tag = "access",
    request_body = WallReason,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("user" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "It is lifted"), WriteErrors))]
async fn lift(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(String, String)>,
    input: Input<WallReason>,
) -> Result<HttpResponse, Problem> {
    let (reference, user) = path.into_inner();
    said(&input.value.reason, "the reason")?;
    let case = known(&state, &caller, reference).await?;
    let action = Lift { actor: caller.actor(), case, user: id(&user)?, reason: input.value.reason.clone() };
    state.act(&caller, &input.terms, action, |_, ()| Ok(done())).await
}

async fn known(state: &State, caller: &Caller, reference: String) -> Result<CaseId, Problem> {
    state.read(caller, move |reading| Ok(case_of(reading, &reference)?.0.id)).await
}

fn done() -> Reply {
    Reply { status: StatusCode::NO_CONTENT.as_u16(), ..Reply::default() }
}
