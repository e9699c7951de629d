//! Unfiled mail: look, release into a case, discard with a reason.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::cases::Case;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, id, query, said};
use super::messages::Message;
use super::page::{Page, Place, Range};
use super::problem::Problem;
use super::{State, on, resource};
use crate::case::MessageId;
use crate::desk::DeskError;
use crate::desk::hold::{Discard, Release};
use crate::desk::idempotent::Reply;
use crate::store::rows::{Held, MessageRow};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/quarantine", [on(Method::GET, list)]))
        .service(resource("/quarantine/{id}", [on(Method::GET, show)]))
        .service(resource("/quarantine/{id}/release", [on(Method::POST, release)]))
        .service(resource("/quarantine/{id}/discard", [on(Method::POST, discard)]));
}

/// An unfiled mail, from outside.
#[derive(Serialize, ToSchema)]
pub struct HeldMail {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = DateTime)]
    pub at: String,
    pub held: Option<Held>,
    pub reason: Option<String>,
    pub automatic: String,
    pub mailbox: String,
    pub bytes: i64,
}

impl HeldMail {
    fn of(row: MessageRow) -> Self {
        Self {
            id: row.id.to_string(),
            at: row.at.to_string(),
            held: row.held,
            reason: row.reason,
            automatic: row.automatic,
            mailbox: row.mailbox,
            bytes: row.raw_bytes,
        }
    }
}

/// Which mails.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `quarantined` when not given.
    held: Option<Held>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    cursor: Option<String>,
}

/// Mail that is in no case, newest first. Takes the role lead or admin, or the office of guardian.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "intake", params(Filter),
    responses((status = 200, body = Page<HeldMail>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Filter = query(&request)?;
    let held = asked.held.unwrap_or(Held::Quarantined);
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    state
        .page(&caller, &request, move |reading| {
            reading.oversees()?;
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.moment(), MessageId::from_bytes(place.id)));
                    Ok(reading.tx.held(held, after, limit)?)
                },
                |row| Place::at(row.at, row.id.as_bytes()),
                |_, row| Ok(Some(HeldMail::of(row))),
            )
        })
        .await
}

/// One unfiled mail, opened. Takes the role lead, or the office of guardian.
#[utoipa::path(get, path = "/api/v1/quarantine/{id}", tag = "intake",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Message), ReadErrors))]
async fn show(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let message: MessageId = id(&path)?;
    let found = state
        .read(&caller, move |reading| {
            let row = reading.message(message)?;
            if row.held.is_none() { Err(DeskError::NotFound) } else { Message::of(reading, &row) }
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stands in the audit log.
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    reason: String,
}

/// Puts it into a new case, and answers with that case. Takes the role lead, or the office of guardian.
#[utoipa::path(post, path = "/api/v1/quarantine/{id}/release", tag = "intake", request_body = Reason,
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Case, headers(("Location" = String, description = "the case"),
        ("ETag" = String, description = "what a change of it is made upon"))),
        (status = 204, description = "It is in a case that is not yours to see"), WriteErrors))]
async fn release(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<Reason>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.reason, "the reason")?;
    let action = Release { actor: caller.actor(), message: id(&path)?, reason: input.value.reason.clone() };
    state
        .act(&caller, &input.terms, action, |reading, case| {
            let row = reading.tx.case(case)?.ok_or(DeskError::NotFound)?;
            Case::reply(reading, &row, StatusCode::CREATED)
        })
        .await
}

/// Erases it; its account stays. Takes the role lead, or the office of guardian.
#[utoipa::path(post, path = "/api/v1/quarantine/{id}/discard", tag = "intake", request_body = Reason,
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "It is erased"), WriteErrors))]
async fn discard(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<Reason>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.reason, "the reason")?;
    let action = Discard { actor: caller.actor(), message: id(&path)?, reason: input.value.reason.clone() };
    let done = Reply { status: StatusCode::NO_CONTENT.as_u16(), ..Reply::default() };
    state.act(&caller, &input.terms, action, move |_, ()| Ok(done.clone())).await
}
