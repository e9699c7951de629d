//! Delivery status notifications: the `message/delivery-status` part of RFC 3464 (and its relatives). Reads the
//! groups of fields, one for the message and one for each recipient; lenient about everything but the action.

use std::sync::LazyLock;

use mail_parser::{Message, MessagePart, PartType};
use regex::Regex;

use super::super::fields;

/// What a report says of one recipient.
pub struct Recipient {
    pub recipient: Option<String>,
    pub status: Option<String>,
    /// Delivery failed for good, as opposed to delayed, relayed, delivered or expanded.
    pub failed: bool,
}

static STATUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?:[^\d.]|\.?$|\.\D)").ok());

/// The recipients of the report; nothing if the message encloses none.
pub fn read(message: &Message<'_>) -> Option<Vec<Recipient>> {
    let parts: Vec<&MessagePart<'_>> = message
        .parts
        .iter()
        .filter(|part| {
            let kind = fields::media_type(*part);
            kind == "message/delivery-status"
                || kind == "message/global-delivery-status"
                || kind == "text/delivery-status"
        })
        .collect();
    if parts.is_empty() {
        return None;
    }
    let mut recipients = Vec::new();
    for part in parts {
        let content = match &part.body {
            PartType::Message(inner) => String::from_utf8_lossy(inner.raw_message()).into_owned(),
            _ => String::from_utf8_lossy(part.contents()).into_owned(),
        };
        recipients.extend(groups(&content).iter().filter_map(recipient));
    }
    Some(recipients)
}

/// The first enhanced status code of RFC 3463 in `text`; address literals such as 5.1.1.2 are none.
pub fn status(text: &str) -> Option<String> {
    STATUS.as_ref()?.captures(text)?.get(1).map(|code| code.as_str().to_owned())
}

type Group = Vec<(String, String)>;

fn groups(content: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![Vec::new()];
    for line in content.lines().take(20_000) {
        let group = groups.last_mut();
        if line.trim().is_empty() {
            if group.is_some_and(|group| !group.is_empty()) {
                groups.push(Vec::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) =
                group.and_then(|group| group.last_mut()).filter(|(_, value)| value.len() < 4_000)
            {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim().to_ascii_lowercase();
            // Some leave out the blank line between two recipients.
            let next = name == "final-recipient"
                && group.as_ref().is_some_and(|group| has(group, "final-recipient"));
            if next {
                let belongs = group.and_then(|group| group.pop_if(|(name, _)| name == "original-recipient"));
                groups.push(belongs.into_iter().collect());
            }
            if let Some(group) = groups.last_mut() {
                group.push((name, value.trim().to_owned()));
            }
        }
    }
    groups
}

fn has(group: &Group, name: &str) -> bool {
    group.iter().any(|(field, _)| field == name)
}

fn recipient(group: &Group) -> Option<Recipient> {
    let field = |name: &str| group.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let named = ["final-recipient", "original-recipient", "x-actual-recipient", "action", "status"];
    if !named.iter().any(|name| has(group, name)) {
        return None;
    }
    // The address after `rfc822;`. A forwarding server's own name for the mailbox helps nobody: what was
    // written to comes first.
    let recipient = ["original-recipient", "final-recipient", "x-actual-recipient"]
        .iter()
        .filter_map(|name| field(name))
        .map(typed)
        .find(|value| value.contains('@'))
        .map(str::to_owned);
    let diagnostic = field("diagnostic-code").unwrap_or_default();
    let written = field("status").and_then(|written| status(written.split('(').next().unwrap_or(written)));
    // `5.0.0` says nothing; the server's own words often say more.
    let told = status(diagnostic);
    let status = match (written, told) {
        (Some(written), Some(told)) if written.ends_with(".0.0") && told.get(..1) == written.get(..1) => {
            Some(told)
        }
        (None, told) => told,
        (written, _) => written,
    };
    let action = field("action")
        .unwrap_or_default()
        .split(['(', ' ', ';'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let failed = match action.as_str() {
        "failed" | "failure" | "fail" | "error" | "bounced" | "expired" => true,
        "delayed" | "relayed" | "delivered" | "expanded" | "deliverable" | "sent" => false,
        _ => {
            !status.as_deref().is_some_and(|status| status.starts_with('2'))
                && (recipient.is_some() || status.is_some())
        }
    };
    Some(Recipient { recipient, status, failed })
}

fn typed(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, address)) if !kind.contains('@') => address.trim(),
        _ => value.trim(),
    }
}
