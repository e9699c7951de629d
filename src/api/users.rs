//! Users and their API tokens. A token's secret is answered once and kept nowhere, not even for a repeated request.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approvals::Approval;
use super::auth::Caller;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, Terms, body, etag, id, moment, query};
use super::page::{Page, Paging, Place, Range};
use super::problem::Problem;
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::actor::{Office, Role};
use crate::case::{Actor, UserId};
use crate::desk::DeskError;
use crate::desk::context::DIRECTORY;
use crate::desk::idempotent::Reply;
use crate::desk::rights::{ChangeRights, Changed, Rights};
use crate::desk::users::{AddToken, AddUser, DisableUser, Profile, RevokeToken, administers, user_of};
use crate::store::rows::UserRow;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/users", [on(Method::GET, list), on(Method::POST, add)]))
        .service(resource("/users/{id}", [on(Method::GET, show), on(Method::PATCH, change)]))
        .service(resource("/users/{id}/disable", [on(Method::POST, disable)]))
        .service(resource("/users/{id}/tokens", [on(Method::POST, add_token)]))
        .service(resource("/users/{id}/tokens/{token}", [on(Method::DELETE, revoke)]));
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    #[schema(format = "uuid")]
    pub id: String,
    pub login: String,
    pub name: String,
    pub email: Option<String>,
    pub roles: Vec<Role>,
    pub teams: Vec<String>,
    /// Legal entities whose standard cases they may read.
    pub entities: Vec<String>,
    /// Named in the settings.
    pub office: Option<Office>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub disabled_at: Option<String>,
}

impl UserView {
    fn of(reading: &mut Reading<'_>, row: &UserRow) -> Result<Self, DeskError> {
        let record = reading.open(DIRECTORY, "users", row.id.as_bytes(), &row.key)?;
        let profile: Profile = serde_json::from_slice(&record.read("profile", &row.profile)?)
            .map_err(|_| crate::vault::SealError)?;
        Ok(Self {
            id: row.id.to_string(),
            login: profile.login,
            name: profile.name,
            email: profile.email,
            roles: row.roles.iter().collect(),
            teams: row.teams.0.clone(),
            entities: row.entities.0.clone(),
            office: user_of(row, reading.shared).office,
            created_at: row.created_at.to_string(),
            disabled_at: row.disabled_at.map(|at| at.to_string()),
        })
    }
}

/// All users. Takes the role admin.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(Paging),
    responses((status = 200, body = Page<UserView>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Paging = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    state
        .page(&caller, &request, move |reading| {
            administers(&Actor::User(reading.user.clone()))?;
            range.collect(
                reading,
                |reading, after, limit| {
                    Ok(reading.tx.users(after.map(|place| UserId::from_bytes(place.id)), limit)?)
                },
                |row| Place { id: *row.id.as_bytes(), ..Place::default() },
                |reading, row| UserView::of(reading, &row).map(Some),
            )
        })
        .await
}

/// One user: yourself, or as an admin anybody.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = UserView, headers(("ETag" = String, description = "what a change is made upon"))),
        ReadErrors))]
async fn show(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let user: UserId = id(&path)?;
    let (version, shown) = state
        .read(&caller, move |reading| {
            if user != reading.user.id {
                administers(&Actor::User(reading.user.clone()))?;
            }
            let row = reading.tx.user(user)?.ok_or(DeskError::NotFound)?;
            Ok((row.version, UserView::of(reading, &row)?))
        })
        .await?;
    let mut response = HttpResponse::Ok();
    etag(&mut response, &version.to_string());
    Ok(response.json(shown))
}

/// What is to be changed; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChanges {
    roles: Option<Vec<Role>>,
    #[schema(schema_with = super::input::names)]
    teams: Option<Vec<String>>,
    #[schema(schema_with = super::input::names)]
    entities: Option<Vec<String>>,
}

/// Changes a user's rights. Takes the role admin; what widens somebody's sight waits for a second person.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", request_body = UserChanges,
    params(("id" = String, Path, format = "uuid"),
        ("If-Match" = String, Header, pattern = "^\"[0-9]{1,15}\"$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 200, body = UserView, headers(("ETag" = String, description = "what the next change is made upon"))),
        (status = 202, body = Approval, description = "It waits for a second person"), WriteErrors))]
async fn change(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<UserChanges>,
) -> Result<HttpResponse, Problem> {
    let version = Some(input.terms.required_version()?);
    let new = &input.value;
    named(new.teams.iter().chain(&new.entities).flatten())?;
    let action = ChangeRights {
        actor: caller.actor(),
        user: id(&path)?,
        version,
        rights: Rights {
            roles: new.roles.as_ref().map(|roles| roles.iter().copied().collect()),
            teams: new.teams.clone(),
            entities: new.entities.clone(),
        },
    };
    state
        .act(&caller, &input.terms, action, |reading, changed| match changed {
            Changed::Done(row) => Ok(Reply {
                status: StatusCode::OK.as_u16(),
                version: Some(row.version.to_string()),
                body: body(&UserView::of(reading, &row)?)?,
                ..Reply::default()
            }),
            Changed::Waits(row) => Ok(Reply {
                status: StatusCode::ACCEPTED.as_u16(),
                body: body(&Approval::of(reading, &row)?)?,
                ..Reply::default()
            }),
        })
        .await
}

/// Names of teams and legal entities.
fn named<'a>(mut words: impl Iterator<Item = &'a String>) -> Result<(), Problem> {
    if words.any(|word| word.is_empty() || word.len() > 100 || word.chars().any(char::is_control)) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a team or legal entity has 1 to 100 characters, none of them a control character",
        ));
    }
    Ok(())
}

/// A user to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    #[schema(min_length = 1, max_length = 100)]
    login: String,
    name: String,
    email: Option<String>,
    roles: Vec<Role>,
    /// Each 1 to 100 characters.
    #[serde(default)]
    #[schema(schema_with = super::input::names)]
    teams: Vec<String>,
    #[serde(default)]
    #[schema(schema_with = super::input::names)]
    entities: Vec<String>,
}

/// Adds a user. Takes the role admin; what lets them see cases waits for a second person.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = UserView), WriteErrors))]
async fn add(
    state: web::Data<State>,
    caller: Caller,
    input: Input<NewUser>,
) -> Result<HttpResponse, Problem> {
    let new = &input.value;
    named(new.teams.iter().chain(&new.entities))?;
    let action = AddUser {
        actor: caller.actor(),
        profile: Profile { login: new.login.clone(), name: new.name.clone(), email: new.email.clone() },
        roles: new.roles.iter().copied().collect(),
        teams: new.teams.clone(),
        entities: new.entities.clone(),
    };
    state
        .act(&caller, &input.terms, action, |reading, row| {
            let (body, version) = (body(&UserView::of(reading, &row)?)?, Some(row.version.to_string()));
            Ok(Reply { status: StatusCode::CREATED.as_u16(), version, body, ..Reply::default() })
        })
        .await
}

/// Disables a user; their tokens end at once. Takes the role admin.
#[utoipa::path(post, path = "/api/v1/users/{id}/disable", tag = "users",
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "They are disabled"), WriteErrors))]
async fn disable(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    terms: Terms,
) -> Result<HttpResponse, Problem> {
    let action = DisableUser { actor: caller.actor(), user: id(&path)? };
    state.act(&caller, &terms, action, |_, ()| Ok(done())).await
}

fn done() -> Reply {
    Reply { status: StatusCode::NO_CONTENT.as_u16(), ..Reply::default() }
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    label: String,
    /// It never expires when not given.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub struct Token {
    #[schema(format = "uuid")]
    pub id: String,
    /// Shown once: a repeated request gets none.
    pub secret: Option<String>,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// Makes a token, for yourself or, as an admin, for anybody.
#[utoipa::path(post, path = "/api/v1/users/{id}/tokens", tag = "users", request_body = NewToken,
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Token), WriteErrors))]
async fn add_token(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<NewToken>,
) -> Result<HttpResponse, Problem> {
    let action = AddToken {
        actor: caller.actor(),
        user: id(&path)?,
        label: input.value.label.clone(),
        expires_at: input.value.expires_at.as_deref().map(moment).transpose()?,
    };
    state
        .act(&caller, &input.terms, action, |_, token| {
            let shown = Token {
                id: token.id.to_string(),
                secret: None,
                expires_at: token.expires_at.map(|at| at.to_string()),
            };
            Ok(Reply {
                status: StatusCode::CREATED.as_u16(),
                body: body(&shown)?,
                secret: Some(token.secret),
                ..Reply::default()
            })
        })
        .await
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/v1/users/{id}/tokens/{token}", tag = "users",
    params(("id" = String, Path, format = "uuid"), ("token" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 204, description = "It is ended"), WriteErrors))]
async fn revoke(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(String, String)>,
    terms: Terms,
) -> Result<HttpResponse, Problem> {
    let (user, token) = path.into_inner();
    let action = RevokeToken { actor: caller.actor(), user: id(&user)?, token: id(&token)? };
    state.act(&caller, &terms, action, |_, ()| Ok(done())).await
}
