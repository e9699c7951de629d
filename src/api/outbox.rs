//! The outbox: what waits, what was sent, what was given up. Metadata alone; the content is the message.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Terms, body, id, query};
use super::page::{Page, Place, Range};
use super::problem::Problem;
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::OutboxId;
use crate::case::access::Sight;
use crate::desk::DeskError;
use crate::desk::idempotent::Reply;
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
    /// None when the caller may not know of it.
    fn of(reading: &mut Reading<'_>, row: OutboxRow) -> Result<Option<Self>, DeskError> {
        let (sight, case) = reading.outgoing(&row)?;
        if sight == Sight::None {
            return Ok(None);
        }
        Ok(Some(Self {
            id: row.id.to_string(),
            message: row.message_id.to_string(),
            case,
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
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    cursor: Option<String>,
}

/// Outgoing mail, newest first.
#[utoipa::path(get, path = "/api/v1/outbox", tag = "outbox", params(Filter),
    responses((status = 200, body = Page<OutgoingMail>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Filter = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    state
        .page(&caller, &request, move |reading| {
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.moment(), OutboxId::from_bytes(place.id)));
                    Ok(reading.tx.list_outbox(asked.state, after, limit)?)
                },
                |row| Place::at(row.created_at, row.id.as_bytes()),
                OutgoingMail::of,
            )
        })
        .await
}

/// Tries a mail again that was given up. Takes work on its case, or the role admin.
#[utoipa::path(post, path = "/api/v1/outbox/{id}/retry", tag = "outbox",
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 200, body = OutgoingMail), WriteErrors))]
async fn retry(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    terms: Terms,
) -> Result<HttpResponse, Problem> {
    let action = Retry { actor: caller.actor(), id: id(&path)? };
    state
        .act(&caller, &terms, action, |reading, row| {
            let shown = OutgoingMail::of(reading, row)?.ok_or(DeskError::NotFound)?;
            Ok(Reply { status: StatusCode::OK.as_u16(), body: body(&shown)?, ..Reply::default() })
        })
        .await
}
