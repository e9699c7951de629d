//! Users and their API tokens. Names are sealed under the directory's key; tokens are kept as look-up hashes only.

use serde::{Deserialize, Serialize};

use super::context::{Context, DIRECTORY, DeskError, Shared};
use super::random;
use super::rights::{self, Changed, Rights};
use super::runner::Action;
use crate::case::access;
use crate::case::actor::Office;
use crate::case::{Actor, Moment, Roles, TokenId, User, UserId};
use crate::store::Words;
use crate::store::rows::{ApiTokenRow, UserRow};
use crate::vault::{LookupHash, Record, SealError, Vault};

/// What is sealed of a user.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Profile {
    pub login: String,
    pub name: String,
    pub email: Option<String>,
}

/// Adds a user.
pub struct AddUser {
    pub actor: Actor,
    pub profile: Profile,
    pub roles: Roles,
    pub teams: Vec<String>,
    pub entities: Vec<String>,
}

impl Action for AddUser {
    type Output = UserRow;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "user.add"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<UserRow, DeskError> {
        administers(&self.actor)?;
        let login = self.profile.login.trim().to_lowercase();
        if login.is_empty() || login.len() > 100 {
            return Err(DeskError::Invalid("a login has 1 to 100 characters".into()));
        }
        let id = UserId::new();
        let scope = cx.scope(DIRECTORY)?;
        let (record, key) = Record::create(&scope, "users", id.as_bytes())?;
        let profile = Profile { login: login.clone(), ..self.profile.clone() };
        let row = UserRow {
            id,
            login: login_hash(cx.vault(), &login),
            roles: Roles::default(),
            teams: Words::default(),
            entities: Words::default(),
            created_at: cx.now,
            disabled_at: None,
            version: 1,
            key,
            profile: record.seal("profile", &serde_json::to_vec(&profile).map_err(|_| SealError)?)?,
        };
        if !cx.tx.insert_user(&row)? {
            return Err(DeskError::Invalid("this login is taken; choose another".into()));
        }
        cx.record(&self.actor, "user.added", None, &serde_json::json!({ "user": id.to_string() }))?;
        // What sees nothing takes one person; the rest may have to wait for a second.
        let rights = Rights {
            roles: Some(self.roles.clone()),
            teams: Some(self.teams.clone()),
            entities: Some(self.entities.clone()),
        };
        match rights::change(cx, &self.actor, row.clone(), &rights)? {
            Changed::Done(row) => Ok(row),
            Changed::Waits(_) => Ok(row),
        }
    }
}

/// How a user is found by login.
#[must_use]
pub fn login_hash(vault: &Vault, login: &str) -> LookupHash {
    vault.lookup().hash("login", &[login.trim().to_lowercase().as_bytes()])
}

/// Disables a user: their tokens end at once.
pub struct DisableUser {
    pub actor: Actor,
    pub user: UserId,
}

impl Action for DisableUser {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "user.disable"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        administers(&self.actor)?;
        if self.actor.user_id() == Some(self.user) {
            return Err(DeskError::Invalid("nobody disables themselves; ask another admin".into()));
        }
        let row = cx.tx.user(self.user)?.ok_or(DeskError::NotFound)?;
        if row.disabled_at.is_some() {
            return Ok(());
        }
        cx.tx.update_user(&UserRow { disabled_at: Some(cx.now), version: row.version + 1, ..row })?;
        cx.record(&self.actor, "user.disabled", None, &serde_json::json!({ "user": self.user.to_string() }))
    }
}

/// Makes an API token; the secret is returned once and kept nowhere.
pub struct AddToken {
    pub actor: Actor,
    pub user: UserId,
    pub label: String,
    pub expires_at: Option<Moment>,
}

/// A new token with its secret.
pub struct NewToken {
    pub id: TokenId,
    pub secret: String,
    pub expires_at: Option<Moment>,
}

impl Action for AddToken {
    type Output = NewToken;

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "token.add"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<NewToken, DeskError> {
        if self.actor.user_id() != Some(self.user) {
            administers(&self.actor)?;
        }
        let user =
            cx.tx.user(self.user)?.filter(|row| row.disabled_at.is_none()).ok_or(DeskError::NotFound)?;
        let secret =
            format!("cw_{}", data_encoding::BASE32_NOPAD.encode(&random::<32>()?).to_ascii_lowercase());
        let id = TokenId::new();
        cx.tx.insert_token(&ApiTokenRow {
            id,
            user_id: user.id,
            hash: cx.vault().lookup().credential(&secret),
            label: self.label.chars().filter(|c| !c.is_control()).take(80).collect(),
            created_at: cx.now,
            expires_at: self.expires_at,
            last_used_at: None,
            revoked_at: None,
        })?;
        let details = serde_json::json!({ "token": id.to_string(), "user": self.user.to_string() });
        cx.record(&self.actor, "token.added", None, &details)?;
        Ok(NewToken { id, secret, expires_at: self.expires_at })
    }
}

/// Ends a token.
pub struct RevokeToken {
    pub actor: Actor,
    pub user: UserId,
    pub token: TokenId,
}

impl Action for RevokeToken {
    type Output = ();

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "token.revoke"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        if self.actor.user_id() != Some(self.user) {
            administers(&self.actor)?;
        }
        if !cx.tx.tokens_of(self.user)?.iter().any(|token| token.id == self.token) {
            return Err(DeskError::NotFound);
        }
        cx.tx.revoke_token(self.token, cx.now)?;
        cx.record(&self.actor, "token.revoked", None, &serde_json::json!({ "token": self.token.to_string() }))
    }
}

/// Notes the last use of a token; coarse, so that reading does not write all the time.
pub struct TouchToken {
    pub token: TokenId,
}

impl Action for TouchToken {
    type Output = ();

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "token.touch"
    }

    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        Ok(cx.tx.touch_token(self.token, cx.now)?)
    }
}

/// Refuses whoever does not administer.
pub fn administers(actor: &Actor) -> Result<(), DeskError> {
    match actor {
        Actor::User(user) if !access::administers(user) => {
            Err(DeskError::Refused("this takes the role admin"))
        }
        _ => Ok(()),
    }
}

/// The part of a user that access depends on.
#[must_use]
pub fn user_of(row: &UserRow, shared: &Shared) -> User {
    let settings = shared.settings();
    let holds = |office: &Office| {
        settings.access.login_of(*office).is_some_and(|login| login_hash(&shared.vault, login) == row.login)
    };
    User {
        id: row.id,
        roles: row.roles.clone(),
        teams: row.teams.0.clone(),
        entities: row.entities.0.clone(),
        office: Office::ALL.iter().copied().find(holds),
    }
}

/// Who holds an office, unless disabled.
pub(super) fn holder(cx: &mut Context<'_>, office: Office) -> Result<Option<UserRow>, DeskError> {
    let Some(login) = cx.settings.access.login_of(office) else { return Ok(None) };
    let hash = login_hash(cx.vault(), login);
    Ok(cx.tx.user_by_login(hash)?.filter(|row| row.disabled_at.is_none()))
}
