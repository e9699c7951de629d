//! Changes of users that wait for a second person.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, body, id, query};
use super::page::{Page, Place, Range};
use super::problem::Problem;
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::ApprovalId;
use crate::case::access::sees_approvals;
use crate::desk::DeskError;
use crate::desk::context::DIRECTORY;
use crate::desk::idempotent::Reply;
use crate::desk::rights::Decide;
use crate::store::rows::{ApprovalRow, ApprovalState};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/approvals", [on(Method::GET, list)]))
        .service(resource("/approvals/{id}/decision", [on(Method::POST, decide)]));
}

/// A change of a user that takes a second person.
#[derive(Serialize, ToSchema)]
pub struct Approval {
    #[schema(format = "uuid")]
    pub id: String,
    /// Who is changed.
    #[schema(format = "uuid")]
    pub user: String,
    #[schema(format = "uuid")]
    pub asked_by: String,
    #[schema(format = DateTime)]
    pub at: String,
    pub state: ApprovalState,
    #[schema(format = "uuid")]
    pub decided_by: Option<String>,
    #[schema(format = DateTime)]
    pub decided_at: Option<String>,
    /// What is to be changed: `roles`, `teams`, `entities`; what is null stays.
    #[schema(value_type = Object)]
    pub change: serde_json::Value,
}

impl Approval {
    pub fn of(reading: &mut Reading<'_>, row: &ApprovalRow) -> Result<Self, DeskError> {
        let record = reading.open(DIRECTORY, "approvals", row.id.as_bytes(), &row.key)?;
        let change = serde_json::from_slice(&record.read("change", &row.change)?)
            .map_err(|_| crate::vault::SealError)?;
        Ok(Self {
            id: row.id.to_string(),
            user: row.user_id.to_string(),
            asked_by: row.asked_by.to_string(),
            at: row.at.to_string(),
            state: row.state,
            decided_by: row.decided_by.map(|id| id.to_string()),
            decided_at: row.decided_at.map(|at| at.to_string()),
            change,
        })
    }
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `pending` when not given.
    state: Option<ApprovalState>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    cursor: Option<String>,
}

/// Changes that take a second person, newest first. For admins and the guardian.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "users", params(Filter),
    responses((status = 200, body = Page<Approval>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Filter = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    let which = asked.state.unwrap_or(ApprovalState::Pending);
    state
        .page(&caller, &request, move |reading| {
            if !sees_approvals(reading.user) {
                return Err(DeskError::Refused("this takes the role admin, or the office of guardian"));
            }
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.moment(), ApprovalId::from_bytes(place.id)));
                    Ok(reading.tx.list_approvals(which, after, limit)?)
                },
                |row| Place::at(row.at, row.id.as_bytes()),
                |reading, row| Approval::of(reading, &row).map(Some),
            )
        })
        .await
}

/// Yes or no.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    approve: bool,
}

/// Says yes or no. A yes takes somebody who neither asked nor gains by it.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/decision", tag = "users", request_body = Decision,
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 200, body = Approval), WriteErrors))]
async fn decide(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<Decision>,
) -> Result<HttpResponse, Problem> {
    let action = Decide { actor: caller.actor(), approval: id(&path)?, approve: input.value.approve };
    state
        .act(&caller, &input.terms, action, |reading, row| {
            let body = body(&Approval::of(reading, &row)?)?;
            Ok(Reply { status: StatusCode::OK.as_u16(), body, ..Reply::default() })
        })
        .await
}
