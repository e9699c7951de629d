//! Address fields (RFC 5322 section 3.4): mailboxes, groups, comments and quotes, and what people write instead.
//! A name may hold anything; an address is a clean token with its domain in lower case.

use super::{
    Address, clean,
    header::{self, decode_words},
};

/// More recipients than this are not kept.
const MAX_ADDRESSES: usize = 5_000;

/// What has been read of one mailbox.
#[derive(Default)]
struct Pending {
    /// Atoms and quoted strings outside of angle brackets; quotes are kept apart from the words around them.
    words: String,
    was_quoted: bool,
    comment: String,
    angle: Option<String>,
}

/// All mailboxes of a field, groups flattened; those without any address are left out.
pub fn parse(field: &str) -> Vec<Address> {
    let mut found = Vec::new();
    let mut pending = Pending::default();
    let mut chars = field.chars().peekable();
    let has_balanced_quotes = field.replace("\\\"", "").matches('"').count().is_multiple_of(2);
    while let Some(c) = chars.next() {
        match c {
            '"' if has_balanced_quotes => {
                let quoted = until(&mut chars, '"', None);
                pending.was_quoted = true;
                // `"a b"@x.test` is an address; everything else in quotes is a name.
                let is_local_part = chars.peek() == Some(&'@') && !is_dot_atom(&quoted);
                pending.words.push_str(&if is_local_part {
                    format!("\"{}\"", clean::token(&quoted))
                } else {
                    quoted
                });
            }
            '"' => {}
            '(' => {
                let comment = until(&mut chars, ')', Some('('));
                if !pending.comment.is_empty() {
                    pending.comment.push(' ');
                }
                pending.comment.push_str(&comment);
            }
            '<' => {
                let inner = until(&mut chars, '>', None);
                if pending.angle.as_deref().is_none_or(|a| !a.contains('@')) {
                    pending.angle = Some(inner);
                }
            }
            ':' if pending.angle.is_none() && is_group(&pending.words) => pending = Pending::default(),
            ',' | ';' => {
                if pending.is_name_before_comma(c) && rest_has_angle(&chars) {
                    pending.words.push(',');
                } else {
                    finish(&mut pending, &mut found);
                }
            }
            c => pending.words.push(c),
        }
        if found.len() >= MAX_ADDRESSES {
            return found;
        }
    }
    finish(&mut pending, &mut found);
    found
}

impl Pending {
    /// `Muster, Erika <e@x.test>` without quotes is one person: words without an address before a comma.
    fn is_name_before_comma(&self, separator: char) -> bool {
        let words = self.words.trim();
        separator == ','
            && self.angle.is_none()
            && !words.is_empty()
            && !words.contains(['@', ','])
            && self.comment.is_empty()
            && !self.was_quoted
    }
}

/// Whether the next mailbox is written `words <address>`, words without `@`.
fn rest_has_angle(rest: &std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let mut rest = rest.clone().take(200);
    rest.find(|c| matches!(c, '<' | '@' | ',' | ';' | ':' | '"')) == Some('<')
}

fn is_group(words: &str) -> bool {
    !words.trim().is_empty() && !words.contains('@')
}

/// Reads up to `close`, honouring backslashes; `open` nests (comments).
fn until(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, close: char, open: Option<char>) -> String {
    let mut out = String::new();
    let mut depth = 1usize;
    while let Some(c) = chars.next() {
        if c == '\\' && close != '>' {
            out.extend(chars.next());
            continue;
        }
        if c == close {
            depth -= 1;
            if depth == 0 {
                break;
            }
        } else if Some(c) == open {
            depth += 1;
        }
        out.push(c);
    }
    out
}

fn finish(pending: &mut Pending, found: &mut Vec<Address>) {
    let Pending { words, comment, angle, .. } = std::mem::take(pending);
    let words = if angle.is_none() { without_obsolete_space(&words) } else { words };
    let decoded = name(&words);
    let written =
        angle.as_deref().map(|a| normalise(&without_idle_quotes(a.trim()))).filter(|a| !a.is_empty());
    let (address, name) = match written {
        Some(address) => (address, decoded.or_else(|| name(&comment))),
        // Without brackets the address is the word with an @, and what stands around it the name.
        None => match words.split_whitespace().find(|w| is_address(w)) {
            Some(word) => {
                let around = words.replacen(word, " ", 1);
                (normalise(word), name(&around).or_else(|| name(&comment)))
            }
            // An encoded word may hold the whole mailbox, brackets and all. A bare address in one is only a name:
            // no server reads it as the author, so nobody has proved it.
            None => match decoded.as_deref().filter(|d| words.contains("=?") && holds_mailbox(d)) {
                Some(text) => return found.extend(parse(&text.replace("=?", ""))),
                None if words.contains("=?") || angle.is_some() => return,
                None if !words.trim().is_empty() && !words.trim().contains(char::is_whitespace) => {
                    (normalise(&words), name(&comment))
                }
                None => return,
            },
        },
    };
    let name = name.filter(|n| !n.eq_ignore_ascii_case(&address));
    if !address.is_empty() {
        found.push(Address { name, address });
    }
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| {
        let is_encoded = local.contains("=?") && local.contains("?=");
        !(local.is_empty() || domain.is_empty() || is_encoded)
    })
}

fn holds_mailbox(text: &str) -> bool {
    let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.is_some_and(|(address, _)| is_address(address))
}

/// The display name, decoded and without the quotes that some programs put around it twice.
pub fn name(words: &str) -> Option<String> {
    let decoded = clean::line(&decode_words(words));
    let decoded = decoded.trim_matches(|c: char| c == '"' || c.is_whitespace());
    let decoded = decoded.strip_prefix('\'').and_then(|d| d.strip_suffix('\'')).unwrap_or(decoded).trim();
    (!decoded.is_empty()).then(|| clean::prefix(decoded, 1_000).to_owned())
}

/// A clean address: no route, no `mailto:`, no white space, domain in lower case.
pub fn normalise(address: &str) -> String {
    let decoded = if address.contains("=?") { decode_words(address) } else { address.to_owned() };
    let decoded = header::without_comments(decoded.trim());
    let bare = clean::token(decoded.rsplit_once('<').map_or(decoded.as_str(), |(_, inner)| inner));
    let bare = bare.trim_matches(['<', '>', ',', ';', '\'']);
    let bare = bare.strip_prefix("mailto:").or_else(|| bare.strip_prefix("MAILTO:")).unwrap_or(bare);
    // Source routes of RFC 822: @relay.test:user@host.test.
    let bare = if bare.starts_with('@') { bare.split_once(':').map_or(bare, |(_, user)| user) } else { bare };
    match bare.rsplit_once('@') {
        _ if bare.len() > 998 => String::new(),
        // Behind a decoded word a second `@` is a trick.
        Some((local, _)) if address.contains("=?") && local.contains('@') => String::new(),
        Some((local, domain)) => {
            format!("{local}@{}", domain.to_lowercase().trim_end_matches('.'))
        }
        None => bare.to_owned(),
    }
}

/// RFC 822 allowed white space around the dots of a domain: `erika@x . test`.
fn without_obsolete_space(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    let (mut previous, mut has_at) = ("", false);
    for word in words.split_whitespace() {
        let joins = has_at && (word.starts_with('.') || previous.ends_with('.'));
        out.push_str(if out.is_empty() || joins { "" } else { " " });
        out.push_str(word);
        has_at = word.contains('@') || (joins && has_at);
        previous = word;
    }
    out
}

/// Needs no quotes to be a local part: `"erika"@x.test` and `erika@x.test` are one mailbox (RFC 5321 section 4.1.2).
fn is_dot_atom(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
}

fn without_idle_quotes(address: &str) -> String {
    let quoted = address.strip_prefix('"').and_then(|rest| rest.split_once("\"@"));
    match quoted {
        Some((local, domain)) if is_dot_atom(local) => format!("{local}@{domain}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_of_every_kind() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("erika@x.test", &[("", "erika@x.test")]),
            ("Erika Muster <Erika@X.TEST>", &[("Erika Muster", "Erika@x.test")]),
            ("\"Muster, Erika\" <e@x.test>, b@x.test", &[("Muster, Erika", "e@x.test"), ("", "b@x.test")]),
            ("Muster, Erika <e@x.test>", &[("Muster, Erika", "e@x.test")]),
            ("e@x.test (Erika)", &[("Erika", "e@x.test")]),
            ("=?utf-8?q?J=C3=B6rg?= <j@x.test>", &[("Jörg", "j@x.test")]),
            ("\"=?utf-8?q?M=2C_J=C3=B6rg?=\" <j@x.test>", &[("M, Jörg", "j@x.test")]),
            (
                "Team: a@x.test, B <b@x.test>;, c@x.test",
                &[("", "a@x.test"), ("B", "b@x.test"), ("", "c@x.test")],
            ),
            ("undisclosed-recipients:;", &[]),
            ("<a@x.test> <a@x.test>", &[("", "a@x.test")]),
            ("a@x.test <a@x.test>", &[("", "a@x.test")]),
            ("MAILER-DAEMON (Mail Delivery System)", &[("Mail Delivery System", "MAILER-DAEMON")]),
            ("\"a b\"@x.test", &[("", "\"ab\"@x.test")]),
            ("Erika <e@x.test", &[("Erika", "e@x.test")]),
            ("\"Erika <e@x.test>", &[("Erika", "e@x.test")]),
            ("<@relay.test:a@x.test>", &[("", "a@x.test")]),
            ("<mailto:a@x.test>", &[("", "a@x.test")]),
            ("a@x.test; b@x.test", &[("", "a@x.test"), ("", "b@x.test")]),
            ("'Erika' <e@x.test>", &[("Erika", "e@x.test")]),
            ("Erika", &[("", "Erika")]),
            ("Pete <pete(his account)@silly.test(his host)>", &[("Pete", "pete@silly.test")]),
            ("<>", &[]),
            ("Erika <>", &[]),
            ("\"erika\"@x.test", &[("", "erika@x.test")]),
            ("erika@x . test", &[("", "erika@x.test")]),
            ("=?utf-8?q?eve=40evil.test?=", &[]),
            ("=?utf-8?q?=40evil.test?=@x.test", &[]),
            ("=?utf-8?q?=22Eve=22_=3Ceve=40x=2Etest=3E?=", &[("Eve", "eve@x.test")]),
            ("eve%evil.test@x.test", &[("", "eve%evil.test@x.test")]),
        ];
        for (field, expected) in cases {
            let got: Vec<_> = parse(field);
            let got: Vec<_> =
                got.iter().map(|a| (a.name.as_deref().unwrap_or(""), a.address.as_str())).collect();
            assert_eq!(got, *expected, "{field}");
        }
    }
}
