//! `caseward check`: looks at everything the daemon needs and says what is wrong and how to fix it.

use std::path::Path;
use std::process::ExitCode;

use crate::case::Moment;
use crate::daemon::{Register, StartError};
use crate::settings::After;

/// Checks the settings at `config` and what they name. Exit code 2 when something would keep the daemon from working.
pub fn run(config: Option<&Path>) -> ExitCode {
    let settings = match super::settings(config) {
        Ok(settings) => settings,
        Err(error) => return super::failed(&error.into()),
    };
    let mut bad = false;
    let mut say = |what: &str, result: Result<String, String>| match result {
        Ok(fine) => println!("ok    {what}: {fine}"),
        Err(why) => {
            bad = true;
            println!("WRONG {what}: {why}");
        }
    };
    say("settings", Ok("read and consistent".into()));
    let register = Register::open(&settings, Box::new(Moment::now));
    say(
        "register",
        register
            .as_ref()
            .map(|_| "key, database, templates and rules fit".into())
            .map_err(ToString::to_string),
    );
    for mailbox in &settings.mailboxes {
        let what = format!("mailbox {}", mailbox.name);
        let looked = register
            .as_ref()
            .map_err(|_| "not looked at: the register does not open".to_owned())
            .and_then(|register| {
                super::runtime()
                    .map_err(|error| error.to_string())?
                    .block_on(crate::daemon::look_at(&settings, mailbox, register))
                    .map_err(|error: StartError| error.to_string())
            });
        say(&what, looked);
        if mailbox.after != After::Delete {
            println!("note  {what}: originals in the mailbox stay readable by whoever can open it");
        }
    }
    for note in settings.notes() {
        println!("note  {note}");
    }
    if bad { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
