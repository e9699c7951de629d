//! The rules that one mailbox keeps, and its ways of logging in. Part of `check`.

use std::collections::HashSet;

use super::check::{Checked, ensure, host, is_loopback, lasts, line, plain_only_here, slug};
use super::{After, Grant, MailboxSettings, OauthSettings, Since, Source, TrustSettings};

const DAY: u64 = 86_400;

/// `key` is how errors name this mailbox.
pub(super) fn mailbox(key: &str, mailbox: &MailboxSettings) -> Checked {
    let at = |field: &str| format!("{key}.{field}");
    slug(&at("name"), &mailbox.name)?;
    address(&at("address"), &mailbox.address)?;
    if let Some(name) = &mailbox.display_name {
        line(&at("display_name"), name)?;
    }
    for alias in &mailbox.aliases {
        address(&at("aliases"), alias)?;
    }
    source(&at("source"), &mailbox.source)?;
    folders(key, mailbox)?;
    if let Since::Date(date) = mailbox.since {
        ensure((1990..=2100).contains(&date.year()), at("since"), || {
            "must be a date between 1990 and 2100, \"now\" or \"all\"".into()
        })?;
    }
    lasts(&at("acknowledge_within"), mailbox.acknowledge_within, 0..=90 * DAY)?;
    lasts(&at("poll"), mailbox.poll, 5..=DAY)?;
    lasts(&at("alarm_after"), mailbox.alarm_after, 60..=7 * DAY)?;
    ensure(mailbox.alarm_after > mailbox.poll, at("alarm_after"), || {
        "must be longer than `poll`, or the alarm sounds between two looks".into()
    })?;
    trust(&at("trust"), &mailbox.trust)
}

fn address(key: &str, text: &str) -> Checked {
    ensure(text.parse::<lettre::Address>().is_ok(), key, || {
        "must be a mail address alone, such as \"hr@company.example\"".into()
    })
}

fn source(key: &str, source: &Source) -> Checked {
    let at = |field: &str| format!("{key}.{field}");
    match source {
        Source::Maildir { path } => {
            ensure(!path.as_os_str().is_empty(), at("path"), || "must not be empty".into())
        }
        Source::Imap { host: name, port, tls, username, password, oauth: grant, .. } => {
            host(&at("host"), name)?;
            ensure(*port != Some(0), at("port"), || "must not be 0; leave it out for the usual one".into())?;
            plain_only_here(&at("tls"), *tls, name)?;
            line(&at("username"), username)?;
            match (password, grant) {
                (Some(_), None) => Ok(()),
                (None, Some(grant)) => oauth(&at("oauth"), grant),
                (Some(_), Some(_)) => {
                    ensure(false, at("oauth"), || "and `password` exclude each other; keep one".into())
                }
                (None, None) => ensure(false, key, || {
                    "needs a way to log in; add `password = { file = \"PATH\" }` or an `oauth` table".into()
                }),
            }
        }
    }
}

/// The rules of OAuth settings, of IMAP and SMTP alike.
pub(super) fn oauth(key: &str, settings: &OauthSettings) -> Checked {
    let at = |field: &str| format!("{key}.{field}");
    match &settings.grant {
        Grant::ClientCredentials { token_url, client_id, scope, secret_expires, .. } => {
            endpoint(&at("token_url"), token_url)?;
            line(&at("client_id"), client_id)?;
            line(&at("scope"), scope)?;
            let date = secret_expires.as_ref().is_none_or(|date| date.parse::<jiff::civil::Date>().is_ok());
            ensure(date, at("secret_expires"), || "must be a date such as \"2027-01-31\"".into())
        }
        Grant::RefreshToken { token_url, client_id, .. } => {
            endpoint(&at("token_url"), token_url)?;
            line(&at("client_id"), client_id)
        }
        Grant::ServiceAccount { scope, token_url, key_file } => {
            ensure(!key_file.as_os_str().is_empty(), at("key_file"), || "must not be empty".into())?;
            line(&at("scope"), scope)?;
            token_url.as_ref().map_or(Ok(()), |url| endpoint(&at("token_url"), url))
        }
    }
}

/// A token endpoint gets our secrets: TLS, or this machine.
fn endpoint(key: &str, text: &str) -> Checked {
    let valid = reqwest::Url::parse(text).is_ok_and(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => url.host_str().is_some_and(|host| is_loopback(host.trim_matches(['[', ']']))),
        _ => false,
    });
    ensure(valid, key, || "must be an https address".into())
}

fn folders(key: &str, mailbox: &MailboxSettings) -> Checked {
    let at = |field: &str| format!("{key}.{field}");
    ensure(!mailbox.folders.is_empty(), at("folders"), || {
        "must name at least one, usually \"INBOX\"".into()
    })?;
    let mut seen = HashSet::new();
    for folder in &mailbox.folders {
        line(&at("folders"), folder)?;
        ensure(seen.insert(folder_name(folder)), at("folders"), || {
            format!("names `{folder}` twice; remove one")
        })?;
    }
    for (field, target) in
        [("processed_folder", &mailbox.processed_folder), ("quarantine_folder", &mailbox.quarantine_folder)]
    {
        line(&at(field), target)?;
        // Mail moved into a folder that is read would come back for ever.
        let read = mailbox.after == After::Move && seen.contains(&folder_name(target));
        ensure(!read, at(field), || {
            "is one of `folders`; mail would be moved to where it is read again".into()
        })?;
    }
    Ok(())
}

/// INBOX alone is compared without case (RFC 9051 section 5.1).
fn folder_name(folder: &str) -> String {
    if folder.eq_ignore_ascii_case("INBOX") { "INBOX".into() } else { folder.into() }
}

fn trust(key: &str, trust: &TrustSettings) -> Checked {
    if let Some(id) = &trust.authserv_id {
        line(&format!("{key}.authserv_id"), id)?;
    }
    for host in &trust.own_hosts {
        line(&format!("{key}.own_hosts"), host)?;
    }
    if let Some(header) = &trust.internal_header {
        let pair = header.split_once(':').is_some_and(|(name, value)| {
            let plain = |c: char| c.is_ascii_graphic();
            !name.is_empty()
                && name.chars().all(plain)
                && !value.trim().is_empty()
                && !value.contains(char::is_control)
        });
        ensure(pair, format!("{key}.internal_header"), || {
            "must be a header with its value, such as \"X-MS-Exchange-Organization-AuthAs: Internal\"".into()
        })?;
    }
    // Without the names of our hosts anybody could write such a Received line.
    ensure(
        !trust.authenticated_received || !trust.own_hosts.is_empty(),
        format!("{key}.authenticated_received"),
        || "believes the `Received` lines of `own_hosts`, of which there are none; name them".into(),
    )
}
