//! What happened to a case, and which cases it is linked with.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::errors::ReadErrors;
use super::input::query;
use super::page::{Page, Paging, Place, Range};
use super::problem::Problem;
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::EntryId;
use crate::desk::DeskError;
use crate::desk::context::entry_details;
use crate::store::rows::EntryRow;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/cases/{reference}/timeline", [on(Method::GET, timeline)]))
        .service(resource("/cases/{reference}/links", [on(Method::GET, links)]));
}

/// One thing that happened to a case.
#[derive(Serialize, ToSchema)]
pub struct Entry {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = DateTime)]
    pub at: String,
    #[schema(example = "case.changed")]
    pub action: String,
    /// The user; none when the system did it.
    #[schema(format = "uuid")]
    pub actor: Option<String>,
    /// The case's version after it.
    pub version: Option<i64>,
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
}

/// A case that this one may belong to, or the other way round.
#[derive(Serialize, ToSchema)]
pub struct Link {
    pub reference: String,
    pub kind: String,
    #[schema(format = DateTime)]
    pub at: String,
}

/// What changed the case, oldest first.
#[utoipa::path(get, path = "/api/v1/cases/{reference}/timeline", tag = "cases",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"), Paging),
    responses((status = 200, body = Page<Entry>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn timeline(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Paging = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    let reference = path.into_inner();
    state
        .page(&caller, &request, move |reading| {
            let case = reading.readable(&reference)?.id;
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.order, EntryId::from_bytes(place.id)));
                    Ok(reading.tx.entries_of_case(case, after, limit)?)
                },
                |row| Place {
                    order: row.case_version.unwrap_or_default(),
                    id: *row.id.as_bytes(),
                    number: 0,
                },
                |reading, row| entry(reading, case.as_bytes(), &row).map(Some),
            )
        })
        .await
}

fn entry(reading: &mut Reading<'_>, scope: &[u8], row: &EntryRow) -> Result<Entry, DeskError> {
    let mut details =
        entry_details(&crate::desk::context::scope(reading.tx, &reading.shared.vault, scope)?, row)?;
    if let Some(other) = details.get("other").and_then(|other| other.as_str()) {
        let reference = match other.parse() {
            Ok(id) => reading.reference(id)?,
            Err(_) => None,
        };
        if let Some(map) = details.as_object_mut() {
            map.remove("other");
            map.extend(reference.map(|text| ("other".to_owned(), text.into())));
        }
    }
    Ok(Entry {
        id: row.id.to_string(),
        at: row.at.to_string(),
        action: row.action.clone(),
        actor: row.actor_id.map(|id| id.to_string()),
        version: row.case_version,
        details,
    })
}

/// The cases this one may belong to; those you may not read are left out.
#[utoipa::path(get, path = "/api/v1/cases/{reference}/links", tag = "cases",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$")),
    responses((status = 200, body = Page<Link>), ReadErrors))]
async fn links(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let reference = path.into_inner();
    let items = state
        .read(&caller, move |reading| {
            let case = reading.readable(&reference)?;
            let mut items = Vec::new();
            for row in reading.tx.links_of(case.id)? {
                let other = if row.from_case == case.id { row.to_case } else { row.from_case };
                let Some(reference) = reading.reference(other)? else { continue };
                items.push(Link { reference, kind: row.kind, at: row.at.to_string() });
            }
            Ok(items)
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page { items }))
}
