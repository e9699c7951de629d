//! The mail register: what became of every mail. Metadata alone.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::input::query;
use super::problem::Problem;
use super::reading::ReadErrors;
use super::{State, on, page, resource};
use crate::case::actor::Role;
use crate::case::{FolderId, User};
use crate::desk::DeskError;
use crate::store::rows::RegisterState;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/register", [on(Method::GET, list)]));
}

/// Whoever answers for intake as a whole.
pub fn oversees(user: &User) -> Result<(), DeskError> {
    if [Role::Lead, Role::Admin, Role::Auditor].into_iter().any(|role| user.roles.has(role)) {
        Ok(())
    } else {
        Err(DeskError::Refused("this takes the role lead, admin or auditor"))
    }
}

/// The account of one mail.
#[derive(Serialize, ToSchema)]
pub struct Account {
    pub mailbox: String,
    pub folder: String,
    /// Counts how often the server numbered the folder anew.
    pub epoch: i32,
    pub uid: i64,
    pub state: RegisterState,
    pub reason: Option<String>,
    #[schema(format = "uuid")]
    pub message: Option<String>,
    pub bytes: i64,
    #[schema(format = DateTime)]
    pub received_at: String,
    #[schema(format = DateTime)]
    pub at: String,
    /// Nothing is left to do on the server.
    pub settled: bool,
}

/// Which accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    state: Option<RegisterState>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    cursor: Option<String>,
}

/// What became of every mail, newest first. Takes the role lead, admin or auditor.
#[utoipa::path(get, path = "/api/v1/register", tag = "intake", params(Filter),
    responses((status = 200, body = page::Page<Account>), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    oversees(&caller.user)?;
    let asked: Filter = query(&request)?;
    let (limit, after) = (page::limit(asked.limit)?, page::register_place(asked.cursor.as_deref())?);
    let rows = state
        .read(&caller, move |reading| {
            let after = after.map(|(at, folder, uid)| (at, FolderId::from_bytes(folder), uid));
            Ok(reading.tx.list_register(asked.state, after, limit + 1)?)
        })
        .await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let last = if rows.len() > shown { shown.checked_sub(1).and_then(|at| rows.get(at)) } else { None };
    let next = last.map(|(row, _)| page::register_cursor(row.at, row.folder_id.as_bytes(), row.uid));
    let items = rows.into_iter().take(shown).map(|(row, folder)| Account {
        mailbox: folder.mailbox,
        folder: folder.folder,
        epoch: folder.epoch,
        uid: row.uid,
        state: row.state,
        reason: row.reason,
        message: row.message_id.map(|id| id.to_string()),
        bytes: row.bytes,
        received_at: row.received_at.to_string(),
        at: row.at.to_string(),
        settled: row.settled,
    });
    Ok(page::answer(&request, items.collect(), next))
}
