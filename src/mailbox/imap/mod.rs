//! The IMAP mailbox (RFC 3501, with MOVE, UIDPLUS and IDLE where offered). Every answer is complete or an error:
//! a UID that was asked for and not received is asked about again before it counts as gone.

mod connect;
mod folder;
mod receive;
mod transport;
mod uid_set;
mod wire;

use std::time::Duration;

use async_imap::imap_proto::{AttributeValue, Capability, MailboxDatum, Response};
use async_trait::async_trait;
use secrecy::ExposeSecret;

pub use connect::Timing;
use connect::{Credentials, Endpoint};
use wire::{Wire, lost};

use super::{Fetched, FolderState, Listed, Mailbox, MailboxError, Settle, Uid, Woken};
use crate::delivery::TokenError;
use crate::oauth::Tokens;
use crate::settings::{After, MailboxSettings, Source, Tls};

/// RFC 2177 allows 29 minutes; firewalls forget sooner.
const IDLE_AT_MOST: Duration = Duration::from_secs(20 * 60);

/// One session with an IMAP server.
pub struct Imap {
    wire: Wire,
    can: Abilities,
    /// Never write: `after = "keep"`.
    read_only: bool,
    /// The open folder takes changes.
    writable: bool,
    idle: bool,
    timing: Timing,
}

/// What the server offers, as far as it matters here.
#[derive(Clone, Copy, Debug, Default)]
struct Abilities {
    idle: bool,
    moving: bool,
    uidplus: bool,
    /// Between the levels of folder names; `None` where names have no levels.
    delimiter: Option<char>,
}

impl Imap {
    /// Connects and logs in. `tokens` is needed where the settings say OAuth 2.0; a token that the server refuses
    /// is renewed once.
    pub async fn connect(
        settings: &MailboxSettings,
        tokens: Option<&Tokens>,
        timing: Timing,
    ) -> Result<Self, MailboxError> {
        let endpoint = endpoint(settings)?;
        let session = match connect::log_in(&endpoint, credentials(settings, tokens).await?, timing).await {
            Err(MailboxError::Refused(_)) if tokens.is_some() => {
                if let Some(tokens) = tokens {
                    tokens.forget().await;
                }
                connect::log_in(&endpoint, credentials(settings, tokens).await?, timing).await?
            }
            other => other?,
        };
        let mut imap = Self {
            wire: Wire::new(session, timing.command),
            can: Abilities::default(),
            read_only: settings.after == After::Keep,
            writable: false,
            idle: settings.idle,
            timing,
        };
        imap.can = imap.abilities().await?;
        Ok(imap)
    }

    async fn abilities(&mut self) -> Result<Abilities, MailboxError> {
        let mut can = Abilities::default();
        // What was announced before the login may be incomplete, and before TLS it may be forged.
        let note = |response: &Response<'_>| {
            if let Response::Capabilities(capabilities) = response {
                let has = |name: &str| {
                    capabilities
                        .iter()
                        .any(|capability| matches!(capability, Capability::Atom(atom) if atom.eq_ignore_ascii_case(name)))
                };
                (can.idle, can.moving, can.uidplus) = (has("IDLE"), has("MOVE"), has("UIDPLUS"));
            }
        };
        self.wire.run("CAPABILITY", note).await.map_err(|failure| failure.lost("CAPABILITY"))?;
        let note = |response: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::List(list)) = response {
                can.delimiter = list.delimiter.as_deref().and_then(|delimiter| delimiter.chars().next());
            }
        };
        self.wire.run("LIST \"\" \"\"", note).await.map_err(|failure| failure.lost("LIST"))?;
        Ok(can)
    }

    /// Asks for `items` of `uids` and hands every answer for one of them to `on`.
    async fn fetch_items(
        &mut self,
        set: &str,
        items: &str,
        mut on: impl FnMut(Uid, &[AttributeValue<'_>]) + Send,
    ) -> Result<(), wire::Failure> {
        let command = format!("UID FETCH {set} ({items})");
        self.wire
            .run(&command, |response| {
                if let Response::Fetch(_, attributes) = response {
                    let uid = attributes.iter().find_map(|attribute| match attribute {
                        AttributeValue::Uid(uid) => Some(Uid(*uid)),
                        _ => None,
                    });
                    if let Some(uid) = uid {
                        on(uid, attributes);
                    }
                }
            })
            .await
    }

    async fn noop(&mut self) -> Result<(), MailboxError> {
        self.wire.run("NOOP", |_| {}).await.map_err(|failure| failure.lost("NOOP"))
    }
}

#[async_trait]
impl Mailbox for Imap {
    async fn open(&mut self, folder: &str) -> Result<FolderState, MailboxError> {
        self.open_folder(folder).await
    }

    async fn list(&mut self, above: Option<Uid>) -> Result<Vec<Uid>, MailboxError> {
        self.list_uids(above).await
    }

    async fn size(&mut self, uids: &[Uid]) -> Result<Vec<Listed>, MailboxError> {
        self.sizes(uids).await
    }

    async fn fetch(&mut self, uids: &[Uid], limit: u64) -> Result<Vec<Fetched>, MailboxError> {
        self.bodies(uids, limit).await
    }

    async fn head(&mut self, uid: Uid) -> Result<Option<Fetched>, MailboxError> {
        self.head_of(uid).await
    }

    async fn settle(&mut self, uids: &[Uid], how: &Settle) -> Result<(), MailboxError> {
        self.settle_all(uids, how).await
    }

    async fn wait(&mut self, at_most: Duration) -> Result<Woken, MailboxError> {
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            // News may have come with the answer to any earlier command.
            if std::mem::take(&mut self.wire.news) {
                return Ok(Woken::Changed);
            }
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Ok(Woken::Elapsed);
            }
            if self.idle && self.can.idle {
                self.can.idle = self.wire.idle(left.min(IDLE_AT_MOST), self.timing.progress).await?;
            } else {
                tokio::time::sleep(left).await;
            }
            self.noop().await?;
        }
    }

    async fn close(self: Box<Self>) {
        self.wire.log_out().await;
    }
}

fn endpoint(settings: &MailboxSettings) -> Result<Endpoint, MailboxError> {
    match &settings.source {
        Source::Imap { host, port, tls, ca_file, .. } => Ok(Endpoint {
            host: host.clone(),
            port: port.unwrap_or(if *tls == Tls::Implicit { 993 } else { 143 }),
            tls: *tls,
            ca_file: ca_file.clone(),
        }),
        Source::Maildir { .. } => {
            Err(MailboxError::Misconfigured("this mailbox is a Maildir, not IMAP".into()))
        }
    }
}

async fn credentials(
    settings: &MailboxSettings,
    tokens: Option<&Tokens>,
) -> Result<Credentials, MailboxError> {
    let Source::Imap { username, password, .. } = &settings.source else {
        return Err(MailboxError::Misconfigured("this mailbox is a Maildir, not IMAP".into()));
    };
    let username = username.clone();
    match (tokens, password) {
        (Some(tokens), _) => {
            let token = tokens.access_token(jiff::Timestamp::now()).await.map_err(|error| match error {
                TokenError::Refused(reason) => MailboxError::Refused(reason),
                TokenError::Unavailable(reason) => lost(&reason),
            })?;
            Ok(Credentials::Token { username, token })
        }
        (None, Some(secret)) => {
            let password = secret.read().map_err(|error| MailboxError::Misconfigured(error.to_string()))?;
            if password.expose_secret().is_empty() {
                return Err(MailboxError::Misconfigured(
                    "the password file is empty; write the password into it".into(),
                ));
            }
            Ok(Credentials::Password { username, password })
        }
        (None, None) => Err(MailboxError::Misconfigured(
            "the mailbox has neither password nor oauth; add password = { file = \"…\" }".into(),
        )),
    }
}
