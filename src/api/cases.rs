//! Cases: list, open by hand, read, change.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, body, etag, id_given, moment, query, said};
use super::page::{Page, Place, Range};
use super::problem::Problem;
use super::reading::{Reading, text};
use super::{State, on, resource};
use crate::case::access::Access;
use crate::case::{CaseId, Category, Channel, Priority, Sensitivity, Status, UserId};
use crate::desk::DeskError;
use crate::desk::answer::OpenByHand;
use crate::desk::change::{Change, Changes, outline_mark};
use crate::desk::idempotent::{About, Reply};
use crate::store::rows::CaseRow;
use crate::store::tx::CaseFilter;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/cases", [on(Method::GET, list), on(Method::POST, open)]))
        .service(resource("/cases/{reference}", [on(Method::GET, show), on(Method::PATCH, change)]));
}

/// A case. Somebody with access `stub` sees its outline alone, without `version` and `content`.
#[derive(Serialize, ToSchema)]
pub struct Case {
    #[schema(example = "HR-7K3M-9QXD")]
    pub reference: String,
    /// Counts its changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// What you may do with it.
    pub access: Access,
    pub status: Status,
    pub sensitivity: Sensitivity,
    pub team: String,
    #[schema(format = "uuid")]
    pub owner: Option<String>,
    /// Receipt of the first message.
    #[schema(format = DateTime)]
    pub opened_at: String,
    #[schema(format = DateTime)]
    pub next_deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<CaseContent>,
}

/// What a case is about.
#[derive(Serialize, ToSchema)]
pub struct CaseContent {
    pub subject: String,
    pub category: String,
    pub priority: Priority,
    /// The classifier was unsure: look at the category.
    pub triage: bool,
    pub channel: Channel,
    pub language: String,
    pub legal_entity: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
    #[schema(format = DateTime)]
    pub closed_at: Option<String>,
}

impl Case {
    pub fn of(reading: &mut Reading<'_>, row: &CaseRow, access: Access) -> Result<Self, DeskError> {
        let reads = access >= Access::Read;
        let content = if reads { Some(content(reading, row)?) } else { None };
        Ok(Self {
            reference: row.reference.to_string(),
            version: reads.then_some(row.version),
            access,
            status: row.status,
            sensitivity: row.sensitivity,
            team: row.team.clone(),
            owner: row.owner_id.map(|id| id.to_string()),
            opened_at: row.opened_at.to_string(),
            next_deadline: row.next_deadline.map(|at| at.to_string()),
            content,
        })
    }

    /// The answer after a change: as the caller sees the case now. Who does not see it any more gets no answer but
    /// that it is done: what one may not see does not exist.
    pub fn reply(reading: &mut Reading<'_>, row: &CaseRow, status: StatusCode) -> Result<Reply, DeskError> {
        let access = reading.access(row)?;
        if access == Access::None {
            return Ok(Reply { status: StatusCode::NO_CONTENT.as_u16(), ..Reply::default() });
        }
        let created = status == StatusCode::CREATED;
        Ok(Reply {
            status: status.as_u16(),
            location: created.then(|| format!("/api/v1/cases/{}", row.reference)),
            version: Some(tag(reading, row, access)),
            body: body(&Self::of(reading, row, access)?)?,
            about: Some(About::new(row.id, if access >= Access::Read { Access::Read } else { Access::Stub })),
            secret: None,
        })
    }
}

/// What a change of the case is made upon, as its ETag says it.
fn tag(reading: &Reading<'_>, row: &CaseRow, access: Access) -> String {
    if access >= Access::Read { row.version.to_string() } else { outline_mark(&reading.shared.vault, row) }
}

fn content(reading: &mut Reading<'_>, row: &CaseRow) -> Result<CaseContent, DeskError> {
    let record = reading.open(row.id.as_bytes(), "cases", row.id.as_bytes(), &row.key)?;
    Ok(CaseContent {
        subject: text(&record, "subject", &row.subject)?,
        category: row.category.to_string(),
        priority: row.priority,
        triage: row.triage,
        channel: row.channel,
        language: row.language.clone(),
        legal_entity: row.legal_entity.clone(),
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
        closed_at: row.closed_at.map(|at| at.to_string()),
    })
}

/// Which cases; everything given must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    status: Option<Status>,
    sensitivity: Option<Sensitivity>,
    #[param(pattern = "^[a-z0-9-]{1,40}$")]
    category: Option<String>,
    priority: Option<Priority>,
    /// A user, or `me`.
    #[param(pattern = "^(me|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$")]
    owner: Option<String>,
    /// The name of one in the settings.
    team: Option<String>,
    triage: Option<bool>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// From the header `Link`.
    #[param(pattern = "^[A-Za-z0-9_-]{40}$")]
    cursor: Option<String>,
}

/// Cases, last received first.
#[utoipa::path(get, path = "/api/v1/cases", tag = "cases", params(Filter),
    responses((status = 200, body = Page<Case>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Filter = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    let filter = filter(&caller, &asked)?;
    // These would tell of a stub what it does not show.
    let by_content = asked.category.is_some() || asked.priority.is_some() || asked.triage.is_some();
    let least = if by_content { Access::Read } else { Access::Stub };
    state
        .page(&caller, &request, move |reading| {
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.moment(), CaseId::from_bytes(place.id)));
                    let filter = CaseFilter { after, limit, now: reading.now, ..filter.clone() };
                    Ok(reading.tx.list_cases(&filter)?)
                },
                |row| Place::at(row.opened_at, row.id.as_bytes()),
                |reading, row| {
                    let access = reading.access(&row)?;
                    if access < least { Ok(None) } else { Case::of(reading, &row, access).map(Some) }
                },
            )
        })
        .await
}

fn filter(caller: &Caller, asked: &Filter) -> Result<CaseFilter, Problem> {
    let category = asked.category.as_deref().map(category).transpose()?;
    let owner = match asked.owner.as_deref() {
        Some("me") => Some(caller.user.id),
        other => other.map(id_given).transpose()?,
    };
    if asked.team.as_deref().is_some_and(|team| team.contains('\0')) {
        return Err(Problem::bad_request("a team is the name of one in the settings"));
    }
    Ok(CaseFilter {
        visible_to: caller.user.clone(),
        now: crate::case::Moment::default(),
        status: asked.status,
        category,
        sensitivity: asked.sensitivity,
        priority: asked.priority,
        owner,
        team: asked.team.clone(),
        triage: asked.triage,
        after: None,
        limit: 0,
    })
}

fn category(text: &str) -> Result<Category, Problem> {
    text.parse().map_err(|_| Problem::bad_request("a category is a word such as `payroll`"))
}

/// One case.
#[utoipa::path(get, path = "/api/v1/cases/{reference}", tag = "cases",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$")),
    responses((status = 200, body = Case, headers(("ETag" = String, description = "what a change of it is made upon"))), ReadErrors))]
async fn show(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let reference = path.into_inner();
    let (tag, case) = state
        .read(&caller, move |reading| {
            let (row, access) = reading.visible(&reference)?;
            Ok((tag(reading, &row, access), Case::of(reading, &row, access)?))
        })
        .await?;
    let mut response = HttpResponse::Ok();
    etag(&mut response, &tag);
    Ok(response.json(case))
}

/// A case for what came by phone, letter or in person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCase {
    channel: Channel,
    /// When it reached HR; not in the future.
    #[schema(format = DateTime)]
    received_at: String,
    subject: String,
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    text: String,
    #[schema(pattern = "^[a-z0-9-]{1,40}$")]
    category: String,
    sensitivity: Sensitivity,
    /// `normal` when not given.
    priority: Option<Priority>,
    /// Of the reporter.
    name: String,
    email: Option<String>,
    /// `en`, `de`, `fr` or `es`.
    #[schema(pattern = "^(en|de|fr|es)$")]
    language: Option<String>,
}

/// Opens a case by hand; you own it.
#[utoipa::path(post, path = "/api/v1/cases", tag = "cases", request_body = NewCase,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Case, headers(("Location" = String, description = "the case"),
        ("ETag" = String, description = "what a change of it is made upon"))), WriteErrors))]
async fn open(
    state: web::Data<State>,
    caller: Caller,
    input: Input<NewCase>,
) -> Result<HttpResponse, Problem> {
    let new = &input.value;
    said(&new.text, "the text")?;
    if new.language.as_deref().is_some_and(|tag| !crate::settings::LANGUAGES.contains(&tag)) {
        return Err(Problem::bad_request("a language is en, de, fr or es"));
    }
    let action = OpenByHand {
        actor: caller.actor(),
        channel: new.channel,
        received_at: moment(&new.received_at)?,
        subject: new.subject.clone(),
        text: new.text.clone(),
        category: category(&new.category)?,
        sensitivity: new.sensitivity,
        priority: new.priority.unwrap_or(Priority::Normal),
        name: new.name.clone(),
        email: new.email.clone(),
        language: new.language.clone(),
    };
    state
        .act(&caller, &input.terms, action, |reading, row| Case::reply(reading, &row, StatusCode::CREATED))
        .await
}

/// What is to be changed; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseChanges {
    status: Option<Status>,
    #[schema(pattern = "^[a-z0-9-]{1,40}$")]
    category: Option<String>,
    sensitivity: Option<Sensitivity>,
    priority: Option<Priority>,
    /// `null` takes the owner away.
    #[serde(default, deserialize_with = "super::input::given")]
    #[schema(value_type = Option<String>, format = "uuid")]
    owner: Option<Option<String>>,
    /// Lowering the sensitivity takes one.
    reason: Option<String>,
}

/// Changes a case that is still at the version in `If-Match`.
#[utoipa::path(patch, path = "/api/v1/cases/{reference}", tag = "cases", request_body = CaseChanges,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("If-Match" = String, Header, pattern = "^\"([0-9]{1,15}|[a-z2-7]{52})\"$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 200, body = Case, headers(("ETag" = String, description = "what the next change is made upon"))),
        (status = 204, description = "It is changed, and yours to see no more"), WriteErrors))]
async fn change(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<CaseChanges>,
) -> Result<HttpResponse, Problem> {
    let base = input.terms.base()?;
    let changes = Changes {
        status: input.value.status,
        category: input.value.category.as_deref().map(category).transpose()?,
        sensitivity: input.value.sensitivity,
        priority: input.value.priority,
        owner: match &input.value.owner {
            Some(Some(owner)) => Some(Some(id_given::<UserId>(owner)?)),
            Some(None) => Some(None),
            None => None,
        },
        reason: input.value.reason.clone(),
    };
    let case = case_id(&state, &caller, path.into_inner()).await?;
    let action = Change { actor: caller.actor(), case, base, changes };
    state.act(&caller, &input.terms, action, |reading, row| Case::reply(reading, &row, StatusCode::OK)).await
}

/// The identity of a case that the caller may know of.
pub async fn case_id(state: &State, caller: &Caller, reference: String) -> Result<CaseId, Problem> {
    state.read(caller, move |reading| Ok(reading.visible(&reference)?.0.id)).await
}
