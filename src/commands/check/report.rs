//! What was looked at, one line each on standard output, and the exit code that comes of it.

use std::process::ExitCode;

/// Lines said so far count for the exit code.
#[derive(Debug, Default)]
pub struct Report {
    fails: bool,
    wrong: bool,
}

impl Report {
    pub fn fine(&mut self, what: &str, text: &str) {
        println!("ok    {what}: {text}");
    }

    /// Right, and worth knowing.
    pub fn note(&mut self, what: &str, text: &str) {
        println!("note  {what}: {text}");
    }

    /// Does not work now; may by itself.
    pub fn fails(&mut self, what: &str, text: &str) {
        self.fails = true;
        println!("FAILS {what}: {text}");
    }

    /// Somebody must correct it.
    pub fn wrong(&mut self, what: &str, text: &str) {
        self.wrong = true;
        println!("WRONG {what}: {text}");
    }

    pub fn exit_code(&self) -> ExitCode {
        match (self.wrong, self.fails) {
            (true, _) => ExitCode::from(2),
            (false, true) => ExitCode::FAILURE,
            (false, false) => ExitCode::SUCCESS,
        }
    }
}
