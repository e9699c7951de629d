//! Mail that came back: which recipients, why, and which mail of ours. Standard reports (RFC 3464) are read as
//! they are; the many other dialects are recognised by who sends them and what they say. Being delayed, relayed
//! or delivered is no failure, and a person who forwards or discusses a bounce has not sent one.

mod prose;
mod report;

use mail_parser::{Message, MessageParser, PartType};

use super::{Bounced, clean, fields};

/// A report may name many recipients; a hostile one, any number.
const MAX_RECIPIENTS: usize = 100;

/// How much of a body is searched as it stands.
const MAX_UNREAD: usize = 64 * 1024;

/// The recipients for whom this mail reports a final failure; empty if it reports none. `text` is the readable
/// text of the message.
pub fn bounced(message: &Message<'_>, text: &str) -> Vec<Bounced> {
    let found = match report::read(message) {
        Some(recipients) if !recipients.is_empty() => {
            let mut failed: Vec<Bounced> = recipients
                .into_iter()
                .filter(|one| one.failed)
                .map(|one| bounce(one.recipient, one.status))
                .collect();
            // Exchange and others name no recipient in the report; the text or a header does.
            if failed.iter().all(|one| one.recipient.is_none()) && !failed.is_empty() {
                let named = prose::recipients(message, text);
                if !named.is_empty() {
                    let status = failed.first().and_then(|one| one.status.clone());
                    failed =
                        named.into_iter().map(|recipient| bounce(Some(recipient), status.clone())).collect();
                }
            }
            failed.iter_mut().for_each(|one| sharpen(one, text));
            failed
        }
        _ => prose::read(message, text)
            .into_iter()
            .map(|(recipient, status)| bounce(recipient, status))
            .collect(),
    };
    tie(found, original(message, text))
}

/// Whether this is a report about delivery of any outcome.
pub fn is_delivery_report(message: &Message<'_>) -> bool {
    fields::report_type(message).is_some_and(|kind| kind == "delivery-status" || kind == "delivery")
        || report::read(message).is_some()
        || prose::is_delay(message)
}

fn bounce(recipient: Option<String>, status: Option<String>) -> Bounced {
    Bounced { recipient: recipient.as_deref().and_then(address), status, message_id: None }
}

/// `5.0.0` says nothing; what the text says beside the recipient often says more.
fn sharpen(one: &mut Bounced, text: &str) {
    let (Some(recipient), Some(status)) = (&one.recipient, &one.status) else { return };
    let class = status.strip_suffix(".0.0");
    let told = class.and_then(|class| {
        prose::status_of(recipient, text).filter(|told| told.split('.').next() == Some(class))
    });
    if told.is_some() {
        one.status = told;
    }
}

fn tie(found: Vec<Bounced>, message_id: Option<String>) -> Vec<Bounced> {
    let mut kept: Vec<Bounced> = Vec::new();
    for mut one in found.into_iter().take(10 * MAX_RECIPIENTS) {
        if kept.len() < MAX_RECIPIENTS && !kept.iter().any(|seen| seen.recipient == one.recipient) {
            one.message_id.clone_from(&message_id);
            kept.push(one);
        }
    }
    kept
}

/// An address as it was written, with its domain in lower case; nothing if there is none in `written`.
fn address(written: &str) -> Option<String> {
    let written = written.trim().trim_matches(|c: char| c.is_whitespace() || "<>\"'`()[]{},;:".contains(c));
    let (local, domain) = written.rsplit_once('@')?;
    let domain = domain.trim_end_matches('.').to_lowercase();
    let sound = !local.is_empty()
        && !domain.is_empty()
        && written.len() <= 320
        && !written.contains(|c: char| c.is_control() || "<>".contains(c))
        && (local.starts_with('"') || !local.contains(char::is_whitespace))
        && domain.chars().all(|c| c.is_alphanumeric() || "-._[]:".contains(c));
    sound.then(|| clean::token(&format!("{local}@{domain}")))
}

/// The Message-ID of the mail that came back: of the enclosed message, of its enclosed headers, or in the text.
fn original(message: &Message<'_>, text: &str) -> Option<String> {
    let enclosed = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => inner.message_id().map(str::to_owned),
        _ => match fields::media_type(part).as_str() {
            "text/rfc822-headers"
            | "message/rfc822"
            | "message/global"
            | "message/global-headers"
            | "text/rfc822"
            | "message/rfc822-headers" => {
                MessageParser::default().parse(part.contents())?.message_id().map(str::to_owned)
            }
            _ => None,
        },
    });
    let texts = message.parts.iter().filter_map(|part| match &part.body {
        PartType::Text(text) => Some(text.as_ref()),
        _ => None,
    });
    enclosed
        .or_else(|| prose::message_id(text))
        .or_else(|| texts.filter_map(prose::message_id).next())
        .or_else(|| prose::message_id(&unread(message)))
        .map(|id| clean::token(&id).trim_matches(['<', '>']).to_owned())
        .filter(|id| !id.is_empty() && id.len() < 1_000)
}

/// The body as it stands, for what broken MIME hides.
fn unread(message: &Message<'_>) -> String {
    let raw = message.raw_message();
    let start = raw
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .or_else(|| raw.windows(4).position(|four| four == b"\r\n\r\n"));
    let body = start.and_then(|start| raw.get(start..)).unwrap_or_default();
    String::from_utf8_lossy(body.get(..MAX_UNREAD).unwrap_or(body)).replace("\r\n", "\n")
}

#[cfg(test)]
mod tests;
