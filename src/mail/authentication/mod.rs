//! Whether the From address of a mail is proved, by what our own servers wrote above what the sender wrote. Reads
//! header fields only; what a sender claims counts for nothing. The servers must strip fields that carry their own
//! name from mail that comes in, as RFC 8601 section 5 demands; where they also wrote their own, the stricter wins.

mod alignment;
mod results;
mod trace;

use super::{AuthResult, Authentication};
pub use alignment::aligned;
use results::{MethodResult, Results};

/// What proves a sender in a mailbox.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The authserv-id of our own mail exchanger; only its results count.
    pub authserv_id: Option<String>,
    /// Count results that carry no authserv-id (Microsoft 365).
    pub anonymous_results: bool,
    /// Host names, domains or address prefixes of our own servers, as they stand after `by` in `Received`.
    pub own_hosts: Vec<String>,
    /// `Name: value` of the field that proves internal mail.
    pub internal_header: Option<String>,
    /// Count an authenticated sender noted in a `Received` of our own servers (Postfix).
    pub authenticated_received: bool,
    /// Everything here was authenticated on submission.
    pub all_internal: bool,
}

/// The verdict on mail from `from_domain`; `headers` are all its fields, top to bottom, as names and raw values.
pub fn judge(headers: &[(String, String)], from_domain: &str, policy: &Policy) -> Authentication {
    if policy.all_internal {
        return verdict(AuthResult::Pass, "all-internal");
    }
    // Of two From fields nobody knows which one is shown.
    if from_domain.trim().is_empty() || named(headers, "From").count() != 1 {
        return Authentication::default();
    }
    let trusted = trace::trusted(headers, policy);
    if is_internal(trusted, policy) {
        return verdict(AuthResult::Pass, "internal-header");
    }
    if policy.authenticated_received && submitted_by_author(headers, trusted, policy) {
        return verdict(AuthResult::Pass, "trusted-received");
    }
    match results_say(trusted, from_domain, policy) {
        AuthResult::None => Authentication::default(),
        result => verdict(result, "authentication-results"),
    }
}

fn verdict(result: AuthResult, evidence: &str) -> Authentication {
    Authentication { result, evidence: Some(evidence.to_owned()) }
}

fn named<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(field, _)| field.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Exchange removes its `X-MS-Exchange-Organization-…` fields from mail that comes in from outside, and writes them
/// below the `Received` fields; so they count only while every `Received` above them is our own.
fn is_internal(trusted: &[(String, String)], policy: &Policy) -> bool {
    let Some((name, value)) = policy.internal_header.as_deref().and_then(|header| header.split_once(':'))
    else {
        return false;
    };
    let (name, value) = (name.trim(), value.trim());
    // Twice and different is nobody's proof.
    !name.is_empty()
        && !value.is_empty()
        && named(trusted, name).next().is_some()
        && named(trusted, name).all(|found| found.trim().eq_ignore_ascii_case(value))
}

fn submitted_by_author(headers: &[(String, String)], trusted: &[(String, String)], policy: &Policy) -> bool {
    let Some(author) = author(headers) else { return false };
    named(trusted, "Received")
        .filter(|received| trace::is_own(received, policy))
        .filter_map(trace::authenticated_sender)
        .any(|sender| sender.eq_ignore_ascii_case(&author))
}

/// The one address of From.
fn author(headers: &[(String, String)]) -> Option<String> {
    let from = named(headers, "From").next()?.replace(['\r', '\n'], " ");
    let field = format!("From: {from}\r\n\r\n");
    let message = mail_parser::MessageParser::default().parse(field.as_bytes())?;
    let mut addresses = message.from()?.iter().filter_map(|one| one.address());
    let author = addresses.next()?.to_owned();
    addresses.next().is_none().then_some(author)
}

fn results_say(trusted: &[(String, String)], from_domain: &str, policy: &Policy) -> AuthResult {
    let counted: Vec<Results> = named(trusted, "Authentication-Results")
        .take(50)
        .filter_map(results::parse)
        .filter(|results| match (&results.authserv_id, &policy.authserv_id) {
            (Some(written), Some(pinned)) => written.eq_ignore_ascii_case(pinned.trim()),
            (None, _) => policy.anonymous_results,
            (Some(_), None) => false,
        })
        .collect();
    combine(&counted, from_domain)
}

/// DMARC failed: fail. DMARC, an aligned signature or an aligned envelope passed: pass, unless another of the
/// counted fields speaks of the same method and knows of no such pass. A broken signature and a forbidden
/// envelope together: fail.
fn combine(counted: &[Results], from_domain: &str) -> AuthResult {
    let all = || counted.iter().flat_map(|results| &results.methods);
    let failed = |method: &str| {
        all().any(|one| one.method == method && matches!(one.result.as_str(), "fail" | "hardfail"))
    };
    let dmarc_failed = all().any(|one| {
        one.method == "dmarc"
            && one.result == "fail"
            && one
                .property("header.from")
                .is_none_or(|domain| aligned(alignment::domain(domain), from_domain))
    });
    if dmarc_failed {
        return AuthResult::Fail;
    }
    let passed = |method: &str| {
        let mut spoke = counted
            .iter()
            .filter(|results| results.methods.iter().any(|one| one.method == method))
            .peekable();
        spoke.peek().is_some()
            && spoke.all(|results| {
                results.methods.iter().any(|one| one.method == method && proves(one, from_domain))
            })
    };
    if ["dmarc", "dkim", "spf"].into_iter().any(passed) {
        AuthResult::Pass
    } else if failed("dkim") && failed("spf") {
        AuthResult::Fail
    } else {
        AuthResult::None
    }
}

fn proves(one: &MethodResult, from_domain: &str) -> bool {
    let proved: &[&str] = match one.method.as_str() {
        "dmarc" => &["header.from"],
        "dkim" => &["header.d", "header.i"],
        "spf" => &["smtp.mailfrom"],
        _ => return false,
    };
    // header.i may be narrower than header.d, never wider: where both stand, both must be aligned.
    let mut domains = proved.iter().filter_map(|name| one.property(name)).map(alignment::domain).peekable();
    one.result == "pass" && domains.peek().is_some() && domains.all(|domain| aligned(domain, from_domain))
}

#[cfg(test)]
mod tests;
