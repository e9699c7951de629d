//! Users and their API tokens. A token's secret is answered once and kept nowhere, not even for a repeated request.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::input::{Input, body, id, moment};
use super::page::Page;
use super::problem::Problem;
use super::reading::{ReadErrors, Reading, WriteErrors};
use super::{State, on, resource};
use crate::case::actor::Role;
use crate::desk::DeskError;
use crate::desk::context::DIRECTORY;
use crate::desk::idempotent::Reply;
use crate::desk::users::{AddToken, AddUser, DisableUser, Profile, RevokeToken, administers};
use crate::store::rows::UserRow;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/users", [on(Method::GET, list), on(Method::POST, add)]))
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
            created_at: row.created_at.to_string(),
            disabled_at: row.disabled_at.map(|at| at.to_string()),
        })
    }
}

/// All users. Takes the role admin.
#[utoipa::path(get, path = "/api/v1/users", tag = "users",
    responses((status = 200, body = Page<UserView>), ReadErrors))]
async fn list(state: web::Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    administers(&caller.actor())?;
    let items = state
        .read(&caller, |reading| {
            let rows = reading.tx.users()?;
            rows.iter().map(|row| UserView::of(reading, row)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page { items }))
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
    #[serde(default)]
    teams: Vec<String>,
    #[serde(default)]
    entities: Vec<String>,
}

/// Adds a user. Takes the role admin.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = UserView), WriteErrors))]
async fn add(
    state: web::Data<State>,
    caller: Caller,
    input: Input<NewUser>,
) -> Result<HttpResponse, Problem> {
    let new = &input.value;
    let words = new.teams.iter().chain(&new.entities);
    if words.into_iter().any(|word| word.is_empty() || word.len() > 100 || word.chars().any(char::is_control))
    {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a team or legal entity has 1 to 100 characters, none of them a control character",
        ));
    }
    let action = AddUser {
        actor: caller.actor(),
        profile: Profile { login: new.login.clone(), name: new.name.clone(), email: new.email.clone() },
        roles: new.roles.iter().copied().collect(),
        teams: new.teams.clone(),
        entities: new.entities.clone(),
    };
    state
        .act(&caller, &input, action, |reading, row| {
            Ok(Reply {
                status: StatusCode::CREATED.as_u16(),
                location: None,
                version: None,
                body: body(&UserView::of(reading, &row)?)?,
            })
        })
        .await
}

/// Disables a user; their tokens end at once. Takes the role admin.
#[utoipa::path(post, path = "/api/v1/users/{id}/disable", tag = "users",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 204, description = "They are disabled"), WriteErrors))]
async fn disable(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    state.api.desk.run(DisableUser { actor: caller.actor(), user: id(&path)? }).await?;
    Ok(HttpResponse::NoContent().finish())
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
    /// Shown this once.
    pub secret: String,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// Makes a token, for yourself or, as an admin, for anybody.
#[utoipa::path(post, path = "/api/v1/users/{id}/tokens", tag = "users", request_body = NewToken,
    params(("id" = String, Path, format = "uuid")),
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
    let token = state.api.desk.run(action).await?;
    Ok(HttpResponse::Created().json(Token {
        id: token.id.to_string(),
        secret: token.secret,
        expires_at: token.expires_at.map(|at| at.to_string()),
    }))
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/v1/users/{id}/tokens/{token}", tag = "users",
    params(("id" = String, Path, format = "uuid"), ("token" = String, Path, format = "uuid")),
    responses((status = 204, description = "It is ended"), WriteErrors))]
async fn revoke(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (user, token) = path.into_inner();
    let action = RevokeToken { actor: caller.actor(), user: id(&user)?, token: id(&token)? };
    state.api.desk.run(action).await?;
    Ok(HttpResponse::NoContent().finish())
}
