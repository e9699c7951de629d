//! Search: words of sealed texts and what a case shows in its lists, newest first.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::Caller;
use super::cases::Case;
use super::errors::ReadErrors;
use super::input::query;
use super::page::{Found, Page, Place, Range};
use super::problem::{Problem, ProblemBody};
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::access::Access;
use crate::case::{CaseId, UserId};
use crate::desk::DeskError;
use crate::desk::search::{find, guarded, holds};
use crate::desk::trace::{Event, Trace};
use crate::search::{Query, QueryError};
use crate::store::tx::{CaseFilter, SearchFilter};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/search", [on(Method::GET, search)]));
}

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Words that must all be there; `"words together"`; `over*` for how a word begins (standard cases); `from:` a name
    /// or an address; `owner:` a login or `me`; `status:`; `category:`; `before:` and `after:` a day on which it was opened.
    #[param(example = "overtime from:anna after:2026-01-31", min_length = 2, max_length = 500)]
    q: String,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    cursor: Option<String>,
}

/// Cases whose content you may read and that hold what is asked for, newest first. The search is entered
/// into the audit log.
#[utoipa::path(get, path = "/api/v1/search", tag = "cases", params(Asked),
    responses((status = 200, body = Page<Case>),
        (status = 422, description = "Nothing to look for", body = ProblemBody, content_type = "application/problem+json"),
        ReadErrors))]
async fn search(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Asked = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    let wanted: Query = asked
        .q
        .parse()
        .map_err(|error: QueryError| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let events = vec![Event { action: "search", case: None, details: serde_json::json!({ "q": asked.q }) }];
    state.api.desk.run(Trace { actor: caller.actor(), events }).await?;
    state
        .page(&caller, &request, move |reading| {
            let Some(filter) = filter(reading, &wanted)? else {
                return Ok(Found { items: Vec::new(), next: None });
            };
            let guarded = guarded(reading.tx, &reading.shared.vault, &wanted, &filter)?;
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.moment(), CaseId::from_bytes(place.id)));
                    let base = CaseFilter { after, limit, ..filter.base.clone() };
                    let filter = SearchFilter { base, ..filter.clone() };
                    find(reading.tx, &reading.shared.vault, &wanted, &filter, &guarded)
                },
                |row| Place::at(row.opened_at, row.id.as_bytes()),
                |reading, row| {
                    let access = reading.access(&row)?;
                    if access < Access::Read || !holds(reading.tx, &reading.shared.vault, &wanted, &row)? {
                        return Ok(None);
                    }
                    Case::of(reading, &row, access).map(Some)
                },
            )
        })
        .await
}

/// `None` when nothing can be found, such as cases of an owner whom nobody knows.
fn filter(reading: &mut Reading<'_>, wanted: &Query) -> Result<Option<SearchFilter>, DeskError> {
    let lookup = reading.shared.vault.lookup();
    let owner: Option<UserId> = match wanted.owner.as_deref() {
        None => None,
        Some("me") => Some(reading.user.id),
        Some(login) => match reading.tx.user_by_login(lookup.hash("login", &[login.as_bytes()]))? {
            Some(user) => Some(user.id),
            None => return Ok(None),
        },
    };
    Ok(Some(SearchFilter {
        base: CaseFilter {
            visible_to: reading.user.clone(),
            now: reading.now,
            status: wanted.status,
            category: wanted.category.clone(),
            sensitivity: None,
            priority: None,
            owner,
            team: None,
            triage: None,
            after: None,
            limit: 0,
        },
        opened_before: wanted.before,
        opened_from: wanted.after,
        from_addresses: wanted.from_address.iter().map(|address| lookup.address(address)).collect(),
    }))
}
