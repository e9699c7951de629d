//! Exceptions to who sees a case: grants, and break-glass.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::cases::{Case, case_id};
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, Terms, body, id, id_given, moment, said};
use super::page::Page;
use super::problem::Problem;
use super::reading::{Reading, text};
use super::{State, on, resource};
use crate::case::access::Access;
use crate::case::{CaseId, UserId};
use crate::desk::DeskError;
use crate::desk::grants::{BreakGlass, EndGrant, Grant as Give};
use crate::desk::idempotent::Reply;
use crate::store::rows::{GrantKind, GrantRow};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/cases/{reference}/grants", [on(Method::GET, list), on(Method::POST, give)]))
        .service(resource("/cases/{reference}/grants/{grant}", [on(Method::DELETE, end)]))
        .service(resource("/cases/{reference}/break-glass", [on(Method::POST, break_glass)]));
}

/// Access to a case that somebody was given.
#[derive(Serialize, ToSchema)]
pub struct Grant {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = "uuid")]
    pub user: String,
    pub level: Access,
    pub kind: GrantKind,
    #[schema(format = "uuid")]
    pub granted_by: String,
    #[schema(format = DateTime)]
    pub at: String,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// It was taken back.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    pub reason: String,
}

impl Grant {
    fn of(reading: &mut Reading<'_>, case: CaseId, row: &GrantRow) -> Result<Self, DeskError> {
        let record = reading.open(case.as_bytes(), "grants", row.id.as_bytes(), &row.key)?;
        Ok(Self {
            id: row.id.to_string(),
            user: row.user_id.to_string(),
            level: row.level,
            kind: row.kind,
            granted_by: row.granted_by.to_string(),
            at: row.at.to_string(),
            expires_at: row.expires_at.map(|at| at.to_string()),
            ended_at: row.ended_at.map(|at| at.to_string()),
            reason: text(&record, "reason", &row.reason)?,
        })
    }
}

/// Who was given access to a case, past grants too, oldest first.
#[utoipa::path(get, path = "/api/v1/cases/{reference}/grants", tag = "access",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$")),
    responses((status = 200, body = Page<Grant>), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let reference = path.into_inner();
    let items = state
        .read(&caller, move |reading| {
            let case = reading.readable(&reference)?.id;
            let rows = reading.tx.grants_of(case)?;
            rows.iter().map(|row| Grant::of(reading, case, row)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page { items }))
}

/// Access to be given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    #[schema(format = "uuid")]
    user: String,
    level: Access,
    /// Stands with the grant and in the audit log.
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    reason: String,
    /// Until it is taken back when not given.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Gives somebody else access. For who manages the case, and for a lead of its team also without reading it.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/grants", tag = "access", request_body = NewGrant,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Grant), WriteErrors))]
async fn give(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<NewGrant>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.reason, "the reason")?;
    let action = Give {
        actor: caller.actor(),
        to: id_given::<UserId>(&input.value.user)?,
        level: input.value.level,
        reason: input.value.reason.clone(),
        expires_at: input.value.expires_at.as_deref().map(moment).transpose()?,
        case: case_id(&state, &caller, path.into_inner()).await?,
    };
    state
        .act(&caller, &input.terms, action, |reading, row| {
            let body = body(&Grant::of(reading, row.case_id, &row)?)?;
            Ok(Reply { status: StatusCode::CREATED.as_u16(), body, ..Reply::default() })
        })
        .await
}

/// Takes a grant back, or gives up one's own.
#[utoipa::path(delete, path = "/api/v1/cases/{reference}/grants/{grant}", tag = "access",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("grant" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "It is taken back"), WriteErrors))]
async fn end(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(String, String)>,
    terms: Terms,
) -> Result<HttpResponse, Problem> {
    let (reference, grant) = path.into_inner();
    let case = case_id(&state, &caller, reference).await?;
    let action = EndGrant { actor: caller.actor(), case, grant: id(&grant)? };
    let done = Reply { status: StatusCode::NO_CONTENT.as_u16(), ..Reply::default() };
    state.act(&caller, &terms, action, move |_, ()| Ok(done.clone())).await
}

/// An emergency.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    /// At least 20 characters; stands in the audit log.
    #[schema(min_length = 20, pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    reason: String,
    /// Eight when not given.
    #[serde(default, deserialize_with = "super::input::whole")]
    #[schema(minimum = 1, maximum = 8)]
    hours: Option<i64>,
}

/// Opens a case to you for at most eight hours. For leads and auditors who know of it; the owner and a guardian are
/// told at once.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/break-glass", tag = "access", request_body = Emergency,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Case, headers(("Location" = String, description = "the case"),
        ("ETag" = String, description = "what a change of it is made upon"))), WriteErrors))]
async fn break_glass(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<Emergency>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.reason, "the reason")?;
    let hours = input.value.hours.unwrap_or(8);
    let hours = u64::try_from(hours).ok().filter(|hours| (1..=8).contains(hours));
    let hours = hours.ok_or_else(|| Problem::bad_request("hours is a number from 1 to 8"))?;
    let action = BreakGlass {
        actor: caller.actor(),
        case: case_id(&state, &caller, path.into_inner()).await?,
        reason: input.value.reason.clone(),
        span: Duration::from_secs(hours * 3600),
    };
    state
        .act(&caller, &input.terms, action, |reading, (case, _)| {
            Case::reply(reading, &case, StatusCode::CREATED)
        })
        .await
}
