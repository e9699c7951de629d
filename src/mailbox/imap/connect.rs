//! From settings to a logged-in session: TCP, TLS or STARTTLS, greeting, LOGIN, PLAIN or XOAUTH2. Tells apart
//! what the operator must mend, what the server refuses, and what will pass. Knows no folders.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_imap::imap_proto::{Response, Status};
use async_imap::{Authenticator, Client, Session};
use rustls_pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::transport::{Stream, Transport};
use super::wire::{broken, lost, transient};
use crate::mailbox::MailboxError;
use crate::settings::Tls;
use crate::tls;

/// Time limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// TCP, TLS and login together. Servers answer slowly after failed logins.
    pub connect: Duration,
    /// A read or write must move at least one byte in this time.
    pub progress: Duration,
    /// One command, all in all.
    pub command: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            progress: Duration::from_secs(60),
            command: Duration::from_secs(10 * 60),
        }
    }
}

/// Where to connect and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub ca_file: Option<PathBuf>,
}

/// Who we are.
pub enum Credentials {
    Password { username: String, password: SecretString },
    Token { username: String, token: SecretString },
}

/// Connects and logs in.
pub async fn log_in(
    endpoint: &Endpoint,
    credentials: Credentials,
    timing: Timing,
) -> Result<Session<Transport>, MailboxError> {
    let session = async { authenticate(greet(endpoint, timing.progress).await?, credentials).await };
    timeout(timing.connect, session)
        .await
        .map_err(|_| lost("connecting to the mail server took too long; check host, port and firewall"))?
}

/// A connection that is encrypted as the settings say and waits for the login.
async fn greet(endpoint: &Endpoint, patience: Duration) -> Result<Client<Transport>, MailboxError> {
    let tcp = connect_tcp(endpoint).await?;
    match endpoint.tls {
        Tls::None => greeted(Transport::new(Box::new(tcp), patience)).await,
        Tls::Implicit => {
            let tls = handshake(endpoint, Box::new(tcp)).await?;
            greeted(Transport::new(tls, patience)).await
        }
        Tls::Starttls => {
            let plain = greeted(Transport::new(Box::new(tcp), patience)).await?;
            let tls = handshake(endpoint, start_tls(plain).await?).await?;
            // RFC 3501 section 6.2.1: no second greeting. Nothing that was said before TLS is believed after it.
            Ok(Client::new(Transport::new(tls, patience)))
        }
    }
}

async fn connect_tcp(endpoint: &Endpoint) -> Result<TcpStream, MailboxError> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(|error| {
        lost(&format!("the mail server cannot be reached ({}); check host and port", error.kind()))
    })?;
    // Commands are small and wait for answers: Nagle's algorithm would add 40 ms to each.
    tcp.set_nodelay(true).map_err(|_| lost("the connection to the mail server broke"))?;
    let peer = tcp.peer_addr().map_err(|_| lost("the connection to the mail server broke"))?;
    plain_stays_here(endpoint.tls, peer.ip())?;
    Ok(tcp)
}

fn plain_stays_here(tls: Tls, peer: IpAddr) -> Result<(), MailboxError> {
    if tls != Tls::None || peer.is_loopback() {
        return Ok(());
    }
    Err(MailboxError::Misconfigured(
        "tls = \"none\" is for mail servers on this machine only; set tls = \"implicit\" or \"starttls\""
            .into(),
    ))
}

async fn handshake(endpoint: &Endpoint, plain: Box<dyn Stream>) -> Result<Box<dyn Stream>, MailboxError> {
    let ca_file = endpoint.ca_file.clone();
    let config = tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref()))
        .await
        .map_err(|_| lost("TLS could not be set up"))?
        .map_err(|error| MailboxError::Misconfigured(error.to_string()))?;
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|_| MailboxError::Misconfigured("host is neither a host name nor an IP address".into()))?;
    let stream =
        TlsConnector::from(config).connect(name, plain).await.map_err(|error| tls_refused(&error))?;
    Ok(Box::new(stream))
}

fn tls_refused(error: &std::io::Error) -> MailboxError {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => MailboxError::Misconfigured(format!(
            "the mail server's certificate is not accepted ({why}); if it comes from an own certificate authority, \
             name its PEM file in ca_file, and host as it stands in the certificate"
        )),
        Some(Error::InvalidMessage(_)) => MailboxError::Misconfigured(
            "the mail server does not speak TLS on this port; use port 993, or set tls = \"starttls\"".into(),
        ),
        Some(Error::AlertReceived(_) | Error::PeerIncompatible(_)) => MailboxError::Misconfigured(
            "the mail server and Caseward have no TLS version or cipher in common; it must offer TLS 1.2 or 1.3".into(),
        ),
        _ => lost("the connection to the mail server broke during the TLS handshake"),
    }
}

async fn greeted(transport: Transport) -> Result<Client<Transport>, MailboxError> {
    let no_imap = || {
        MailboxError::Misconfigured(
            "what answers on this port is no IMAP server; check host, port and tls".into(),
        )
    };
    let mut client = Client::new(transport);
    let greeting = match client.read_response().await {
        Ok(Some(greeting)) => greeting,
        Ok(None) => return Err(lost("the mail server closed the connection without a greeting")),
        Err(error) if error.kind() == std::io::ErrorKind::Other => return Err(no_imap()),
        Err(error) => return Err(broken(async_imap::error::Error::Io(error))),
    };
    match greeting.parsed() {
        Response::Data { status: Status::Ok, .. } => Ok(client),
        Response::Data { status: Status::Bye, .. } => Err(lost("the mail server turned the connection away (BYE)")),
        // Before STARTTLS this would be an attack that keeps the session in plain text.
        Response::Data { status: Status::PreAuth, .. } => Err(MailboxError::Misconfigured(
            "the mail server takes us for logged in already (PREAUTH); point host and port to its ordinary IMAP service"
                .into(),
        )),
        _ => Err(no_imap()),
    }
}

async fn start_tls(mut client: Client<Transport>) -> Result<Box<dyn Stream>, MailboxError> {
    use async_imap::error::Error;
    match client.run_command_and_check_ok("STARTTLS", None).await {
        Ok(()) => Ok(client.into_inner().into_inner()),
        Err(Error::No(_) | Error::Bad(_)) => Err(MailboxError::Misconfigured(
            "the mail server does not offer STARTTLS; set tls = \"implicit\" and its port (usually 993)"
                .into(),
        )),
        Err(error) => Err(broken(error)),
    }
}

async fn authenticate(
    client: Client<Transport>,
    credentials: Credentials,
) -> Result<Session<Transport>, MailboxError> {
    let (result, remedy) = match credentials {
        Credentials::Password { username, password } => {
            let secret = password.expose_secret();
            let result = if username.is_ascii() && secret.is_ascii() {
                client.login(&username, secret).await
            } else {
                // LOGIN carries ASCII only; PLAIN is UTF-8 (RFC 4616).
                let answer = SecretString::from(format!("\0{username}\0{secret}"));
                client.authenticate("PLAIN", Answer(Some(answer))).await
            };
            (result, "check username and password, and that the server allows password logins")
        }
        Credentials::Token { username, token } => {
            let answer = SecretString::from(format!(
                "user={username}\x01auth=Bearer {}\x01\x01",
                token.expose_secret()
            ));
            let result = client.authenticate("XOAUTH2", Answer(Some(answer))).await;
            (result, "check username, scope and that the application may open this mailbox")
        }
    };
    result.map_err(|(error, _client)| refused(error, remedy))
}

fn refused(error: async_imap::error::Error, remedy: &str) -> MailboxError {
    use async_imap::error::Error;
    match error {
        Error::No(text) if transient(&text) => lost("the mail server cannot log anybody in just now"),
        Error::No(_) => MailboxError::Refused(format!("the mail server refused the login; {remedy}")),
        Error::Bad(_) => MailboxError::Misconfigured(
            "the mail server does not support this way of logging in; check tls, and whether it wants a password or \
             OAuth 2.0"
                .into(),
        ),
        Error::Validate(_) => {
            MailboxError::Misconfigured("username or password contains a line break; write it on one line".into())
        }
        error => broken(error),
    }
}

/// Answers the first challenge with the credentials. Any further one is the server's account of why it says no
/// (XOAUTH2 sends JSON) and gets the empty line it waits for.
struct Answer(Option<SecretString>);

impl Authenticator for Answer {
    type Response = String;
    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().map(|answer| answer.expose_secret().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        for (tls, peer, fine) in [
            (Tls::None, "127.0.0.1", true),
            (Tls::None, "::1", true),
            (Tls::None, "192.0.2.1", false),
            (Tls::None, "10.0.0.1", false),
            (Tls::Starttls, "192.0.2.1", true),
            (Tls::Implicit, "192.0.2.1", true),
        ] {
            assert_eq!(plain_stays_here(tls, peer.parse().unwrap()).is_ok(), fine, "{tls:?} {peer}");
        }
    }
}
