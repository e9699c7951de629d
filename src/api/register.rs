//! The mail register: what became of every mail. Metadata alone.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::errors::ReadErrors;
use super::input::query;
use super::page::{Page, Place, Range};
use super::problem::Problem;
use super::{State, on, resource};
use crate::case::FolderId;
use crate::store::rows::{FolderRow, RegisterRow, RegisterState};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/register", [on(Method::GET, list)]));
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

impl Account {
    fn of(row: RegisterRow, folder: FolderRow) -> Self {
        Self {
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
        }
    }
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

/// What became of every mail, newest first. Takes the role lead or admin, or the office of guardian.
#[utoipa::path(get, path = "/api/v1/register", tag = "intake", params(Filter),
    responses((status = 200, body = Page<Account>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Filter = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    state
        .page(&caller, &request, move |reading| {
            reading.oversees()?;
            range.collect(
                reading,
                |reading, after, limit| {
                    let after =
                        after.map(|place| (place.moment(), FolderId::from_bytes(place.id), place.number));
                    Ok(reading.tx.list_register(asked.state, after, limit)?)
                },
                |(row, _)| Place { number: row.uid, ..Place::at(row.at, row.folder_id.as_bytes()) },
                |_, (row, folder)| Ok(Some(Account::of(row, folder))),
            )
        })
        .await
}
