//! `caseward check`: looks at everything the daemon needs and says what is wrong and how to fix it. It makes and
//! changes nothing, here or on a server, and so can be run before the first start and before an upgrade.

mod register;
mod report;
mod servers;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::calendar::Calendars;
use crate::case::Moment;
use crate::daemon::{Register, StartError};
use crate::desk::{DeskError, coverage};
use crate::intake::classify::Judge;
use crate::letters::Letters;
use crate::settings::{After, Settings};
use report::Report;

/// Checks the settings at `config` and, unless `settings_only`, all that they name. Exit code 0: all is well; 1:
/// something does not work now that may by itself; 2: something must be corrected.
pub fn run(config: Option<&Path>, settings_only: bool) -> ExitCode {
    let settings = match super::settings(config) {
        Ok(settings) => settings,
        Err(error) => return super::failed(&error.into()),
    };
    if settings_only {
        return super::finish(crate::daemon::try_settings(&settings));
    }
    let mut report = Report::default();
    report.fine("settings", "read and consistent");
    let ready = files(&settings, &mut report);
    let found = register::look(&settings, &mut report);
    let made = found.as_ref().is_some_and(|found| found.exists() && found.pending == 0);
    let looked = super::runtime().map(|runtime| {
        if made {
            runtime.block_on(walls(&settings, &mut report));
        }
        runtime.block_on(servers::look(&settings, found.as_ref(), ready, &mut report));
        // A name server that does not answer must not keep the command.
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    });
    if let Err(error) = looked {
        report.fails("servers", &error.to_string());
    }
    notes(&settings, &mut report);
    report.exit_code()
}

/// What the settings name and a start would read; true when all of it can be used.
fn files(settings: &Settings, report: &mut Report) -> bool {
    let mut good = true;
    let mut look = |what: &str, fine: &str, done: Result<(), StartError>| match done {
        Ok(()) => report.fine(what, fine),
        Err(error) => {
            good = false;
            report.wrong(what, &error.to_string());
        }
    };
    look(
        "secrets",
        "every one can be read, by the daemon's user alone",
        settings.try_secrets().map_err(Into::into),
    );
    let letters = Letters::load(settings.templates_dir.as_deref()).map(drop);
    look("templates", "every letter can be written", letters.map_err(Into::into));
    let judge =
        Judge::load(crate::daemon::rules_dir(settings).as_deref(), settings.classifier.point).map(drop);
    look("classifier", "its model and rules can be read", judge.map_err(Into::into));
    let calendars = Calendars::load(settings.config_dir.as_deref()).and_then(|all| all.check(settings));
    look("calendars", "can be read, and every one that is named is there", calendars.map_err(Into::into));
    let certificate = crate::api::try_certificate(&settings.api);
    look("API", "can be served", certificate.map_err(|error| StartError::Other(error.to_string())));
    good
}

/// Whether accusing one person would leave a case to nobody. What keeps the register from being opened is said already.
async fn walls(settings: &Settings, report: &mut Report) {
    let Ok(register) = Register::open(settings, Box::new(Moment::now)) else { return };
    let shared = Arc::clone(&register.shared);
    let warnings = register.store.read(move |tx| -> Result<_, DeskError> {
        let mut warnings = coverage::unknown_offices(tx, &shared)?;
        warnings.extend(coverage::gaps(tx, &shared)?);
        Ok(warnings)
    });
    match warnings.await {
        Ok(warnings) => warnings.iter().for_each(|warning| report.note("conflict walls", warning)),
        Err(error) => report.fails("conflict walls", &error.to_string()),
    }
    register.close().await;
}

fn notes(settings: &Settings, report: &mut Report) {
    for mailbox in &settings.mailboxes {
        let what = format!("mailbox {}", mailbox.name);
        let text = match mailbox.after {
            After::Delete => {
                "originals are deleted on the server once they are in a verified backup; until then they stay readable \
                 by whoever can open the mailbox"
            }
            _ => {
                "originals in the mailbox stay readable by whoever can open it, also those of restricted cases"
            }
        };
        report.note(&what, text);
    }
    for note in settings.notes() {
        report.note("settings", &note);
    }
}
