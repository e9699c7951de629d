//! The outbox: what waits, what was sent, what was given up. Admins see all of it, others that of their cases.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::input::{id, query};
use super::problem::Problem;
use super::reading::{ReadErrors, Reading, WriteErrors};
use super::{State, on, page, resource};
use crate::case::OutboxId;
use crate::case::access::Access;
use crate::case::actor::Role;
use crate::desk::DeskError;
use crate::desk::outbox::Retry;
use crate::store::rows::{OutboxKind, OutboxRow, OutboxState};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/outbox", [on(Method::GET, list)]))
        .service(resource("/outbox/{id}/retry", [on(Method::POST, retry)]));
}

/// A mail on its way out.
#[derive(Serialize, ToSchema)]
pub struct OutgoingMail {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = "uuid")]
    pub message: String,
    /// The case's reference, if you may know of it.
    pub case: Option<String>,
    pub mailbox: String,
    pub kind: OutboxKind,
    pub state: OutboxState,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The next try.
    #[schema(format = DateTime)]
    pub not_before: String,
    pub attempts: i32,
    #[schema(format = DateTime)]
    pub sent_at: Option<String>,
    pub last_error: Option<String>,
}

impl OutgoingMail {
    /// None when the caller may not see it.
    fn of(reading: &mut Reading<'_>, row: OutboxRow) -> Result<Option<Self>, DeskError> {
        let case = match row.case_id {
            Some(id) => reading.tx.case(id)?,
            None => None,
        };
        let access = case.as_ref().map_or(Ok(Access::None), |case| reading.access(case))?;
        if access < Access::Read && !reading.user.roles.has(Role::Admin) {
            return Ok(None);
        }
        Ok(Some(Self {
            id: row.id.to_string(),
            message: row.message_id.to_string(),
            case: case.filter(|_| access > Access::None).map(|case| case.reference.to_string()),
            mailbox: row.mailbox,
            kind: row.kind,
            state: row.state,
            created_at: row.created_at.to_string(),
            not_before: row.not_before.to_string(),
            attempts: row.attempts,
            sent_at: row.sent_at.map(|at| at.to_string()),
            last_error: row.last_error,
        }))
    }
}

/// Which mails.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    state: Option<OutboxState>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{32}$")]
    cursor: Option<String>,
}

/// Outgoing mail, newest first.
#[utoipa::path(get, path = "/api/v1/outbox", tag = "outbox", params(Filter),
    responses((status = 200, body = page::Page<OutgoingMail>), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Filter = query(&request)?;
    let (limit, after) = (page::limit(asked.limit)?, page::place(asked.cursor.as_deref())?);
    let found = state
        .read(&caller, move |reading| {
            let reading = std::cell::RefCell::new(reading);
            page::collect(
                limit,
                after,
                |after, limit| {
                    let after = after.map(|(at, id)| (at, OutboxId::from_bytes(id)));
                    Ok(reading.borrow_mut().tx.list_outbox(asked.state, after, limit)?)
                },
                |row| (row.created_at, *row.id.as_bytes()),
                |row| OutgoingMail::of(&mut reading.borrow_mut(), row),
            )
        })
        .await?;
    Ok(page::answer(&request, found.items, found.next.as_ref().map(page::cursor)))
}

/// Tries a mail again that was given up.
#[utoipa::path(post, path = "/api/v1/outbox/{id}/retry", tag = "outbox",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = OutgoingMail), WriteErrors))]
async fn retry(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let row = state.api.desk.run(Retry { actor: caller.actor(), id: id(&path)? }).await?;
    let shown = state.read(&caller, move |reading| OutgoingMail::of(reading, row)).await?;
    Ok(HttpResponse::Ok().json(shown.ok_or_else(Problem::not_found)?))
}
