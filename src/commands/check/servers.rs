//! The servers that `caseward check` talks to as the daemon would: names, mail servers in and out, token servers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::register::compare;
use super::report::Report;
use crate::case::Moment;
use crate::daemon::{Register, look_at, open_transport};
use crate::delivery::SendError;
use crate::mailbox::MailboxError;
use crate::settings::{Grant, OauthSettings, Settings, Source};
use crate::store::found::Found;

/// For one answer of a name server or a token server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at every server that the settings name. `ready`: the files they need can be used.
pub async fn look(settings: &Settings, found: Option<&Found>, ready: bool, report: &mut Report) {
    address(settings, report);
    names(settings, report).await;
    clocks(settings, report).await;
    if !ready {
        return report.note("mail servers", "not looked at until the above is mended");
    }
    // A register that lasts as long as this command serves as well and leaves the real one alone; unless refresh
    // tokens are used, whose newest are kept there.
    let scratch = tempfile::tempdir();
    let Ok(scratch) = scratch else {
        return report.fails("mail servers", "no temporary directory can be made; make room in /tmp");
    };
    let mut used = settings.clone();
    if !refreshes(settings) || found.is_none_or(|found| !found.exists() || found.pending > 0) {
        used.database = crate::settings::Database {
            url: format!("sqlite:{}", scratch.path().join("register.db").display()),
            ..Default::default()
        };
    }
    let opened = used.clone();
    let register = tokio::task::spawn_blocking(move || Register::open(&opened, Box::new(Moment::now))).await;
    let register = match register {
        Ok(Ok(register)) => register,
        Ok(Err(error)) => return report.wrong("register", &error.to_string()),
        Err(_) => return report.fails("register", "opening it failed inside"),
    };
    mailboxes(&used, &register, report).await;
    smtp(&used, &register, report).await;
    register.close().await;
}

/// Whether the API can listen, or something does already.
fn address(settings: &Settings, report: &mut Report) {
    let listen = settings.api.listen;
    match std::net::TcpListener::bind(listen) {
        Ok(_) => report.fine("API", &format!("{listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            report.note("API", &format!("something listens on {listen} already: the daemon, if it runs"));
        }
        Err(error) => report.wrong("API", &format!("{listen}: {error}; choose an address of this machine")),
    }
}

/// Every host that the settings name.
fn hosts(settings: &Settings) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    let url_host = |text: &str| reqwest::Url::parse(text).ok()?.host_str().map(str::to_owned);
    hosts.extend(url_host(&settings.database.url).filter(|_| !settings.database.url.starts_with("sqlite:")));
    if settings.smtp.directory.is_none() {
        hosts.insert(settings.smtp.host.clone());
    }
    hosts.extend(token_urls(settings).iter().filter_map(|url| url_host(url)));
    for mailbox in &settings.mailboxes {
        if let Source::Imap { host, .. } = &mailbox.source {
            hosts.insert(host.clone());
        }
    }
    hosts
}

fn oauth(settings: &Settings) -> impl Iterator<Item = &OauthSettings> {
    let of_mailboxes = settings.mailboxes.iter().filter_map(|mailbox| match &mailbox.source {
        Source::Imap { oauth, .. } => oauth.as_ref(),
        Source::Maildir { .. } => None,
    });
    of_mailboxes.chain(&settings.smtp.oauth)
}

fn refreshes(settings: &Settings) -> bool {
    oauth(settings).any(|oauth| matches!(oauth.grant, Grant::RefreshToken { .. }))
}

fn token_urls(settings: &Settings) -> BTreeSet<String> {
    let urls = oauth(settings).filter_map(|oauth| match &oauth.grant {
        Grant::ClientCredentials { token_url, .. } | Grant::RefreshToken { token_url, .. } => {
            Some(token_url.clone())
        }
        Grant::ServiceAccount { token_url, .. } => token_url.clone(),
    });
    urls.collect()
}

async fn names(settings: &Settings, report: &mut Report) {
    for host in hosts(settings) {
        let what = format!("name {host}");
        match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), 0))).await {
            Ok(Ok(addresses)) => report.fine(&what, &format!("leads to {} addresses", addresses.count())),
            Ok(Err(_)) => {
                report.fails(&what, "leads nowhere; check its spelling and this machine's name server");
            }
            Err(_) => report.fails(&what, "the name server does not answer; check /etc/resolv.conf"),
        }
    }
}

/// Tokens are refused by clocks that differ; token servers tell theirs with every answer.
async fn clocks(settings: &Settings, report: &mut Report) {
    let own = oauth(settings).find_map(|oauth| oauth.ca_file.as_deref());
    for url in token_urls(settings) {
        let what = format!("token server {url}");
        match date_of(&url, own).await {
            Ok(Some(theirs)) => compare(&what, theirs, Moment::now(), report),
            Ok(None) => report.note(&what, "answers, and does not tell its time"),
            Err(why) => report.fails(&what, &why),
        }
    }
}

async fn date_of(url: &str, ca_file: Option<&Path>) -> Result<Option<Moment>, String> {
    let tls = crate::tls::client_config(ca_file).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder()
        .use_preconfigured_tls(tls.as_ref().clone())
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| "TLS cannot be set up".to_owned())?;
    let unreachable = "cannot be reached; check token_url and the firewall";
    let answer = client.get(url).send().await.map_err(|_| unreachable.to_owned())?;
    let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    Ok(date.map(|date| date.timestamp().into()))
}

async fn mailboxes(settings: &Settings, register: &Register, report: &mut Report) {
    for mailbox in &settings.mailboxes {
        let what = format!("mailbox {}", mailbox.name);
        match look_at(settings, mailbox, register).await {
            Ok(said) => report.fine(&what, &said),
            Err(MailboxError::Lost(why)) => report.fails(&what, &why),
            Err(error) => report.wrong(&what, &error.to_string()),
        }
    }
}

async fn smtp(settings: &Settings, register: &Register, report: &mut Report) {
    let tried = match open_transport(settings, register) {
        Ok(transport) => transport.try_login().await,
        Err(error) => return report.wrong("SMTP", &error.to_string()),
    };
    match tried {
        Ok(()) if settings.smtp.directory.is_some() => report.fine("SMTP", "mails are written as files"),
        Ok(()) => report.fine("SMTP", "login works; nothing was sent"),
        Err(error @ (SendError::Authentication | SendError::Misconfigured(_))) => {
            report.wrong("SMTP", &error.to_string());
        }
        Err(error) => report.fails("SMTP", &error.to_string()),
    }
}
