//! `caseward user add`: makes a user, and with `--token` their first API token.

use std::path::Path;
use std::process::ExitCode;

use crate::case::{Actor, Roles, actor::Role};
use crate::daemon::{Register, StartError};
use crate::desk::users::{AddToken, AddUser, Profile};
use crate::settings::Settings;

/// Who is added.
pub struct New {
    pub login: String,
    pub name: String,
    pub email: Option<String>,
    pub roles: Vec<Role>,
    /// Empty: every team of the settings.
    pub teams: Vec<String>,
    pub entities: Vec<String>,
    pub token: bool,
}

/// Adds a user to the register of the settings at `config`.
pub fn add(config: Option<&Path>, new: New) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let token = super::with_register(&settings, async |register| {
            let token = add_to(&register, &settings, new).await;
            (register, token)
        })?;
        if let Some(token) = token {
            println!("{token}");
        }
        Ok(())
    });
    super::finish(done)
}

/// Adds a user; the secret of their token, when one was wished.
pub async fn add_to(
    register: &Register,
    settings: &Settings,
    new: New,
) -> Result<Option<String>, StartError> {
    let all = || settings.teams.iter().map(|team| team.name.clone());
    let teams: Vec<String> = if new.teams.is_empty() { all().collect() } else { new.teams };
    let teams = if teams.is_empty() { vec!["hr".to_owned()] } else { teams };
    let entities = if new.entities.is_empty() { vec![String::new()] } else { new.entities };
    let row = register
        .desk
        .run(AddUser {
            actor: Actor::System,
            profile: Profile { login: new.login, name: new.name, email: new.email },
            roles: new.roles.into_iter().collect::<Roles>(),
            teams,
            entities,
        })
        .await?;
    if !new.token {
        return Ok(None);
    }
    let token = AddToken { actor: Actor::System, user: row.id, label: "first".into(), expires_at: None };
    Ok(Some(register.desk.run(token).await?.secret))
}
