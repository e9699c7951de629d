//! One SMTP session: login once, then one transaction after another. It knows at every step whether the mail can
//! have been accepted, which lettre's own `send` does not tell.

use std::sync::atomic::{AtomicBool, Ordering};

use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use secrecy::ExposeSecret;

use super::stream::{Endpoint, Stream};
use super::{Accepted, Envelope, Login, ReplyCode, SendError, TokenError};
use crate::mail::compose::checked_address;

/// A connection that is greeted, secured and logged in.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    features: Features,
}

/// What lettre does not keep of the answer to EHLO.
#[derive(Debug, Default, PartialEq, Eq)]
struct Features {
    size: bool,
    /// Bytes; `None` when unlimited or unsaid.
    largest: Option<u64>,
    eight_bit: bool,
    utf8: bool,
}

/// An envelope whose addresses are safe to write into a command.
pub(super) struct Route {
    from: Option<Address>,
    to: Address,
    ascii: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Opening,
    Login,
    Sender { null: bool },
    Before,
    Dot,
}

impl Route {
    pub fn new(envelope: &Envelope) -> Result<Self, SendError> {
        let from = match &envelope.from {
            None => None,
            Some(from) => Some(checked_address(from).ok_or_else(|| {
                SendError::Misconfigured(
                    "the envelope sender is no mail address; check the mailbox's address".into(),
                )
            })?),
        };
        // RFC 3463: 5.1.3 is bad destination address syntax.
        let to = checked_address(&envelope.to).ok_or_else(|| refusal(553, "5.1.3"))?;
        let ascii = envelope.to.is_ascii() && envelope.from.as_deref().is_none_or(str::is_ascii);
        Ok(Self { from, to, ascii })
    }
}

impl Session {
    pub async fn open(endpoint: &Endpoint, login: &Login) -> Result<Self, SendError> {
        let stream = Stream::connect(endpoint).await?;
        let hello = ClientId::Domain(endpoint.hello.clone());
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)
            .await
            .map_err(|error| failure(&error, Step::Opening))?;
        log_in(&mut connection, login).await?;
        // Once more: servers offer other limits to who is logged in, and lettre keeps no SIZE.
        let answer =
            connection.command(Ehlo::new(hello)).await.map_err(|error| failure(&error, Step::Opening))?;
        Ok(Self { connection, features: Features::of(&answer) })
    }

    /// One mail to one recipient. `handed_over` is set before the first byte of content leaves.
    pub async fn transact(
        &mut self,
        route: &Route,
        raw: &[u8],
        handed_over: &AtomicBool,
    ) -> Result<Accepted, SendError> {
        let parameters = self.features.parameters(route, raw)?;
        let sender = Step::Sender { null: route.from.is_none() };
        let connection = &mut self.connection;
        connection
            .command(Mail::new(route.from.clone(), parameters))
            .await
            .map_err(|e| failure(&e, sender))?;
        connection
            .command(Rcpt::new(route.to.clone(), Vec::new()))
            .await
            .map_err(|e| failure(&e, Step::Before))?;
        let go = connection.command(Data).await.map_err(|e| failure(&e, Step::Before))?;
        if !go.has_code(354) {
            return Err(SendError::Unreachable("it does not keep to the protocol".into()));
        }
        handed_over.store(true, Ordering::Relaxed);
        // lettre ends every mail with CRLF of its own.
        let content = raw.strip_suffix(b"\r\n").unwrap_or(raw);
        let answer = connection.message(content).await.map_err(|e| failure(&e, Step::Dot))?;
        if answer.has_code(354) {
            return Err(SendError::Unknown);
        }
        Ok(Accepted { line: printable(&answer) })
    }

    pub async fn quit(mut self) {
        // Nobody waits for the answer: whatever it is, the session is over.
        if self.connection.quit().await.is_err() {
            self.connection.abort().await;
        }
    }
}

async fn log_in(connection: &mut AsyncSmtpConnection, login: &Login) -> Result<(), SendError> {
    match login {
        Login::None => Ok(()),
        Login::Password { username, password } => {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            offered(connection, &mechanisms, "a password")?;
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            connection
                .auth(&mechanisms, &credentials)
                .await
                .map(drop)
                .map_err(|error| failure(&error, Step::Login))
        }
        Login::Xoauth2 { username, token } => {
            offered(connection, &[Mechanism::Xoauth2], "XOAUTH2")?;
            let access = token.access_token().await.map_err(|error| match error {
                TokenError::Refused(reason) => SendError::Misconfigured(reason),
                TokenError::Unavailable(reason) => SendError::Unreachable(reason),
            })?;
            let credentials = Credentials::new(username.clone(), access.expose_secret().to_owned());
            let outcome = xoauth2(connection, credentials).await;
            if outcome == Err(SendError::Authentication) {
                token.refused().await;
            }
            outcome
        }
    }
}

/// A bad token is first answered with a challenge that explains it in JSON; the refusal comes after an empty line.
async fn xoauth2(connection: &mut AsyncSmtpConnection, credentials: Credentials) -> Result<(), SendError> {
    let failed = |error: SmtpError| failure(&error, Step::Login);
    let answer = connection
        .command(Auth::new(Mechanism::Xoauth2, credentials, None).map_err(failed)?)
        .await
        .map_err(failed)?;
    if answer.has_code(334) {
        connection.command("\r\n").await.map_err(failed)?;
        return Err(SendError::Authentication);
    }
    Ok(())
}

fn offered(connection: &AsyncSmtpConnection, mechanisms: &[Mechanism], what: &str) -> Result<(), SendError> {
    match connection.server_info().get_auth_mechanism(mechanisms) {
        Some(_) => Ok(()),
        None => Err(SendError::Misconfigured(format!(
            "the mail server offers no login with {what} on this connection; check smtp.port, smtp.tls and the login"
        ))),
    }
}

impl Features {
    fn of(answer: &Response) -> Self {
        let mut features = Self::default();
        for line in answer.message().skip(1) {
            let mut words = line.split_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "SIZE" => {
                    features.size = true;
                    features.largest = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                }
                "8BITMIME" => features.eight_bit = true,
                "SMTPUTF8" => features.utf8 = true,
                _ => {}
            }
        }
        features
    }

    /// What MAIL FROM must say of this mail, or why this server cannot take it.
    fn parameters(&self, route: &Route, raw: &[u8]) -> Result<Vec<MailParameter>, SendError> {
        let mut parameters = Vec::new();
        if self.largest.is_some_and(|largest| raw.len() as u64 > largest) {
            return Err(refusal(552, "5.3.4"));
        }
        if self.size {
            parameters.push(MailParameter::Size(raw.len()));
        }
        if !route.ascii {
            if !self.utf8 {
                return Err(refusal(553, "5.6.7"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !raw.is_ascii() {
            if !self.eight_bit {
                return Err(refusal(554, "5.6.3"));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }
}

/// What we refuse ourselves, in the server's terms.
fn refusal(basic: u16, enhanced: &str) -> SendError {
    SendError::Permanent { code: ReplyCode { basic, enhanced: Some(enhanced.to_owned()) } }
}

fn failure(error: &SmtpError, step: Step) -> SendError {
    let Some(code) = error.status() else {
        return match step {
            Step::Dot => SendError::Unknown,
            // lettre's word for a challenge that it cannot answer.
            Step::Login if error.is_client() => SendError::Authentication,
            _ => SendError::Unreachable("the connection broke".into()),
        };
    };
    let basic = u16::from(code);
    let code = ReplyCode { basic, enhanced: enhanced(error, basic) };
    match (step, basic) {
        (Step::Login, 500..) | (_, 530 | 534 | 535 | 538) => SendError::Authentication,
        // Nothing to do with this mail: it must not end as refused.
        (Step::Opening, 500..) => SendError::Misconfigured(format!(
            "the mail server refuses this machine with {code}; check smtp.host and what the server allows"
        )),
        (Step::Sender { null: true }, 500..) if basic != 552 => SendError::NullSenderRefused,
        (_, 500..) => SendError::Permanent { code },
        _ => SendError::Temporary { code },
    }
}

/// lettre gives the text of a refusal only inside its error. The first word alone is used, if it is a code.
fn enhanced(error: &SmtpError, basic: u16) -> Option<String> {
    let text = std::error::Error::source(error)?.to_string();
    let word = text.split_whitespace().next()?;
    let mut numbers = word.split('.');
    let class = numbers.next()?;
    let is_number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let rest: Vec<&str> = numbers.collect();
    (class == (basic / 100).to_string() && rest.len() == 2 && rest.iter().all(|part| is_number(part)))
        .then(|| word.to_owned())
}

fn printable(answer: &Response) -> String {
    let text = answer.first_line().unwrap_or_default();
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect()
}
