//! `caseward probe`, hidden: understands the mail on standard input and says nothing. The daemon calls it for mails
//! that were in hand when it died; that this process lives is the answer.

use std::io::Read;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::desk::view::View;
use crate::intake::classify::{Judge, OperatingPoint};
use crate::intake::prepare::classify;
use crate::mail::{self, Limits, authentication::Policy};

const MEMORY: u64 = 2 << 30;
const SECONDS: u64 = 20;

/// Reads, understands, classifies.
pub fn run() -> ExitCode {
    // No core file: it would hold the mail.
    for (resource, most) in [(Resource::Core, 0), (Resource::As, MEMORY), (Resource::Cpu, SECONDS)] {
        if setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).is_err() {
            return ExitCode::FAILURE;
        }
    }
    let mut raw = Vec::new();
    let (Ok(_), Ok(classifier)) =
        (std::io::stdin().read_to_end(&mut raw), Judge::load(None, OperatingPoint::default()))
    else {
        return ExitCode::FAILURE;
    };
    let limits = Limits::default();
    let mail = mail::parse(&raw, &limits, &Policy::default());
    let verdict = classify(&classifier, &raw, &mail, &limits);
    let view = View::of(&mail);
    // What was computed must not be computed away.
    std::hint::black_box((verdict, view));
    ExitCode::SUCCESS
}
