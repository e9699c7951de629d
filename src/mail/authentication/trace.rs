//! How far down the header fields our own servers wrote. Servers prepend, so what is ours stands on top: down to
//! the `Received` by which the mail came in from outside, and the fields our server put just below it. The next
//! `Received` beneath, whatever name it bears, was in the mail when it arrived.

use std::net::IpAddr;

use super::Policy;

/// The fields from the top that our own servers wrote or saw to.
pub fn trusted<'a>(headers: &'a [(String, String)], policy: &Policy) -> &'a [(String, String)] {
    let mut entered = false;
    let end = headers.iter().position(|(name, value)| {
        if !name.trim().eq_ignore_ascii_case("Received") {
            return false;
        }
        if entered || !is_own(value, policy) {
            return true;
        }
        entered = !came_from_us(value, policy);
        false
    });
    end.and_then(|end| headers.get(..end)).unwrap_or(headers)
}

/// Whether one of our own servers wrote this `Received`, going by what stands after `by`. The pinned
/// authserv-id is commonly the exchanger's own name.
pub fn is_own(received: &str, policy: &Policy) -> bool {
    after(&words(received), "by").is_some_and(|host| is_ours(host, policy))
}

/// The user in Postfix's `(Authenticated sender: user@firm.test)`.
pub fn authenticated_sender(received: &str) -> Option<String> {
    let comment = comments(received).into_iter().find(|comment| {
        comment.get(..21).is_some_and(|start| start.eq_ignore_ascii_case("Authenticated sender:"))
    })?;
    let sender = comment.split_once(':')?.1.trim().to_owned();
    (sender.contains('@') && !sender.contains(char::is_whitespace)).then_some(sender)
}

/// A hop inside the house: from one of our hosts or the same machine. The name in HELO is the client's claim, so
/// the name or address that the server itself found, in the comment behind it, decides.
fn came_from_us(received: &str, policy: &Policy) -> bool {
    let words = words(received);
    let Some(claimed) = after(&words, "from") else { return true };
    let found: Vec<String> = comments(before_by(received))
        .into_iter()
        .flat_map(|comment| {
            comment.split([' ', '[', ']', '(', ')', ',', '=']).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let addresses: Vec<IpAddr> = found
        .iter()
        .chain(std::iter::once(&claimed.to_owned()))
        .filter_map(|word| word.trim_matches(['[', ']']).trim_start_matches("IPv6:").parse().ok())
        .collect();
    let at_home = |address: &IpAddr| address.is_loopback() || listed_prefix(&address.to_string(), policy);
    let named = found
        .iter()
        .any(|word| word.contains('.') && word.parse::<IpAddr>().is_err() && is_ours(word, policy));
    if addresses.is_empty() {
        named || (found.is_empty() && is_ours(claimed, policy))
    } else {
        addresses.iter().all(at_home) || named
    }
}

fn is_ours(host: &str, policy: &Policy) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
    let same = |own: &str| {
        let own = own.trim().trim_start_matches('.').trim_end_matches('.').to_lowercase();
        !own.is_empty() && (host == own || host.strip_suffix(&own).is_some_and(|sub| sub.ends_with('.')))
    };
    !host.is_empty()
        && (policy.own_hosts.iter().any(|own| same(own))
            || listed_prefix(&host, policy)
            || policy.authserv_id.as_deref().is_some_and(|id| id.trim().eq_ignore_ascii_case(&host)))
}

/// `10.1.` and `2001:db8:` name whole networks.
fn listed_prefix(address: &str, policy: &Policy) -> bool {
    let address = address.to_lowercase();
    policy.own_hosts.iter().map(|own| own.trim().to_lowercase()).any(|own| {
        let prefix =
            own.ends_with(['.', ':']) && own.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':');
        let numeric = own.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
        numeric && ((prefix && address.starts_with(&own)) || address == own)
    })
}

/// What the field says of the client, with its comments.
fn before_by(received: &str) -> &str {
    let mut depth = 0_u32;
    let mut start = 0;
    for (at, character) in received.char_indices().take(8_000) {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (character.is_whitespace() || character == ')') {
            let word = received.get(start..at).unwrap_or_default();
            if word.eq_ignore_ascii_case("by") {
                return received.get(..start).unwrap_or_default();
            }
            start = at + character.len_utf8();
        }
    }
    received
}

/// The words outside comments, up to the date.
fn words(received: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut depth = 0_u32;
    let mut start = None;
    for (at, character) in received.char_indices().take(8_000) {
        let breaks = character.is_whitespace() || matches!(character, '(' | ')' | ';');
        if breaks || depth > 0 {
            if let Some(word) = start.take().and_then(|start| received.get(start..at)) {
                words.push(word);
            }
        } else if start.is_none() {
            start = Some(at);
        }
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return words,
            _ => {}
        }
    }
    words.extend(start.and_then(|start| received.get(start..)));
    words
}

fn comments(received: &str) -> Vec<String> {
    let mut comments = Vec::new();
    let mut depth = 0_u32;
    let mut comment = String::new();
    for character in received.chars().take(8_000) {
        match character {
            '(' => {
                depth += 1;
                if depth == 1 {
                    comment.clear();
                    continue;
                }
            }
            ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && !comment.is_empty() {
                    comments.push(std::mem::take(&mut comment));
                }
            }
            _ => {}
        }
        if depth > 0 {
            comment.push(character);
        }
    }
    comments
}

fn after<'a>(words: &[&'a str], word: &str) -> Option<&'a str> {
    let at = words.iter().position(|one| one.eq_ignore_ascii_case(word))?;
    words.get(at + 1).copied()
}
