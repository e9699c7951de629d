//! OAuth 2.0 access tokens for IMAP and SMTP (XOAUTH2): asked for once, kept until shortly before they expire,
//! asked for again. Client credentials (Microsoft 365), refresh tokens and service accounts (RFC 7523, Google).
//! Knows no mail; no error or log line carries a token or what the server said of one.

mod kept;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{Timestamp, civil};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::delivery::{AccessToken, TokenError};
use crate::settings::{Grant, OauthSettings, Secret};
use crate::tls;

pub use kept::KeptInRegister;

/// A token is renewed this long before it ends: clocks differ, and a session must still get in with it.
const AHEAD: i64 = 120;
/// What RFC 6749 section 5.1 leaves open when a server does not say how long a token lasts.
const ASSUMED_LIFE: i64 = 600;
/// The secret's end is announced this many days ahead.
const WARN_DAYS: i64 = 30;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const LARGEST_ANSWER: usize = 64 * 1024;

/// Keeps the refresh token that a server gave in place of the configured one: some take each only once, and then
/// the configured one is worth nothing after a restart.
#[async_trait]
pub trait KeepToken: Send + Sync {
    /// The one that replaced `configured`, if any did.
    async fn kept(&self, configured: &SecretString) -> Result<Option<SecretString>, TokenError>;
    async fn keep(&self, configured: &SecretString, new: &SecretString) -> Result<(), TokenError>;
}

/// The tokens of one [`OauthSettings`] for one user.
pub struct Tokens {
    settings: OauthSettings,
    user: String,
    keeper: Option<Box<dyn KeepToken>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<reqwest::Client>,
    current: Option<(SecretString, Timestamp)>,
    /// The refresh token that replaced the configured one.
    rotated: Option<SecretString>,
    /// The keeper was asked for it.
    recalled: bool,
    /// The keeper has it.
    kept: bool,
}

impl Tokens {
    /// `user` is the mailbox a service account acts for. Reads the secrets once, so that a wrong path shows at
    /// start; asks the token server for nothing.
    pub fn new(
        settings: &OauthSettings,
        user: &str,
        keeper: Option<Box<dyn KeepToken>>,
    ) -> Result<Self, TokenError> {
        let tokens =
            Self { settings: settings.clone(), user: user.to_owned(), keeper, state: Mutex::default() };
        tokens.request(None, Timestamp::UNIX_EPOCH)?;
        Ok(tokens)
    }

    /// A token good for at least two minutes from `now`. Callers that come together cause one request.
    pub async fn access_token(&self, now: Timestamp) -> Result<SecretString, TokenError> {
        let mut state = self.state.lock().await;
        if let Some((token, expires)) = &state.current
            && now.as_second() + AHEAD < expires.as_second()
        {
            return Ok(token.clone());
        }
        self.recall(&mut state).await?;
        let granted = match self.grant(&mut state, now).await {
            // Another daemon may have had the token replaced, or somebody put a new one into the same file.
            Err(TokenError::Refused(_)) if state.rotated.is_some() => {
                let used = state.rotated.take();
                state.recalled = false;
                self.recall(&mut state).await?;
                let same = |kept: &SecretString| {
                    used.as_ref().is_some_and(|used| used.expose_secret() == kept.expose_secret())
                };
                state.rotated = state.rotated.take().filter(|kept| !same(kept));
                self.grant(&mut state, now).await?
            }
            other => other?,
        };
        if let Some(rotated) = granted.refresh_token {
            state.rotated = Some(rotated);
            state.kept = false;
        }
        self.keep(&mut state).await;
        let life = granted.expires_in.unwrap_or(ASSUMED_LIFE).clamp(0, 7 * 24 * 3600);
        let expires = Timestamp::from_second(now.as_second().saturating_add(life)).unwrap_or(now);
        state.current = Some((granted.access_token.clone(), expires));
        Ok(granted.access_token)
    }

    async fn grant(&self, state: &mut State, now: Timestamp) -> Result<Granted, TokenError> {
        let (url, form) = self.request(state.rotated.as_ref(), now)?;
        let url = fit(&url)?;
        let client = match &state.client {
            Some(client) => client.clone(),
            None => state.client.insert(client(&url, self.settings.ca_file.clone()).await?).clone(),
        };
        ask(&client, url, &form).await
    }

    async fn recall(&self, state: &mut State) -> Result<(), TokenError> {
        if let (Some(keeper), Some(configured), false) = (&self.keeper, self.configured()?, state.recalled) {
            state.rotated = keeper.kept(&configured).await?;
            state.kept = true;
        }
        state.recalled = true;
        Ok(())
    }

    /// What cannot be kept now is kept with the next token.
    async fn keep(&self, state: &mut State) {
        let (Some(keeper), Some(rotated), false) = (&self.keeper, &state.rotated, state.kept) else { return };
        let kept = match self.configured() {
            Ok(Some(configured)) => keeper.keep(&configured, rotated).await,
            _ => return,
        };
        match kept {
            Ok(()) => state.kept = true,
            Err(error) => {
                tracing::error!(%error, "a refresh token that was replaced could not be kept; a restart would lose it");
            }
        }
    }

    /// The refresh token in the settings.
    fn configured(&self) -> Result<Option<SecretString>, TokenError> {
        match &self.settings.grant {
            Grant::RefreshToken { refresh_token, .. } => read(refresh_token).map(Some),
            _ => Ok(None),
        }
    }

    /// Forgets the current token: a server refused it before its time.
    pub async fn forget(&self) {
        self.state.lock().await.current = None;
    }

    /// Days until the client secret ends, when they are 30 or fewer; negative once it has ended.
    pub fn expires_soon(&self, now: Timestamp) -> Option<i64> {
        let Grant::ClientCredentials { secret_expires: Some(date), .. } = &self.settings.grant else {
            return None;
        };
        let ends = end_of(date)?;
        let days = (ends.as_second() - now.as_second()).div_euclid(24 * 3600);
        (days <= WARN_DAYS).then_some(days)
    }

    fn request(&self, rotated: Option<&SecretString>, now: Timestamp) -> Result<(String, Form), TokenError> {
        match &self.settings.grant {
            Grant::ClientCredentials { token_url, client_id, client_secret, scope, .. } => Ok((
                token_url.clone(),
                vec![
                    ("grant_type", "client_credentials".into()),
                    ("client_id", client_id.clone().into()),
                    ("client_secret", read(client_secret)?),
                    ("scope", scope.clone().into()),
                ],
            )),
            Grant::RefreshToken { token_url, client_id, client_secret, refresh_token } => {
                let refresh = rotated.map_or_else(|| read(refresh_token), |token| Ok(token.clone()))?;
                let mut form = vec![
                    ("grant_type", "refresh_token".into()),
                    ("client_id", client_id.clone().into()),
                    ("refresh_token", refresh),
                ];
                if let Some(secret) = client_secret {
                    form.push(("client_secret", read(secret)?));
                }
                Ok((token_url.clone(), form))
            }
            Grant::ServiceAccount { key_file, scope, token_url } => {
                let text = read(&Secret::File(key_file.clone()))?;
                let key: ServiceKey = serde_json::from_str(text.expose_secret()).map_err(|_| bad_key())?;
                let url = token_url.clone().unwrap_or_else(|| key.token_uri.clone());
                let assertion = key.assertion(&self.user, scope, &url, now)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
                Ok((url, vec![("grant_type", grant.into()), ("assertion", assertion)]))
            }
        }
    }
}

/// The same tokens serve SMTP.
#[async_trait]
impl AccessToken for Tokens {
    async fn access_token(&self) -> Result<SecretString, TokenError> {
        Self::access_token(self, Timestamp::now()).await
    }

    async fn refused(&self) {
        self.forget().await;
    }
}

type Form = Vec<(&'static str, SecretString)>;

#[derive(Deserialize)]
struct Answer {
    access_token: SecretText,
    #[serde(default)]
    refresh_token: Option<SecretText>,
    /// Seconds; some servers write the number as text.
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

struct Granted {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Answer> for Granted {
    fn from(granted: Answer) -> Self {
        let seconds = |value: &serde_json::Value| {
            value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        };
        Self {
            access_token: granted.access_token.0,
            refresh_token: granted.refresh_token.map(|token| token.0),
            expires_in: granted.expires_in.as_ref().and_then(seconds),
        }
    }
}

/// Secrets travel encrypted, or not at all off this machine.
fn fit(url: &str) -> Result<reqwest::Url, TokenError> {
    let url = reqwest::Url::parse(url).map_err(|_| TokenError::Refused("token_url is not a URL".into()))?;
    if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) {
        return Ok(url);
    }
    Err(TokenError::Refused("token_url must begin with https://".into()))
}

async fn client(url: &reqwest::Url, ca_file: Option<PathBuf>) -> Result<reqwest::Client, TokenError> {
    let misconfigured = |error: String| TokenError::Refused(error);
    let tls = tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref()))
        .await
        .map_err(|_| misconfigured("TLS could not be set up".into()))?
        .map_err(|error| misconfigured(error.to_string()))?;
    let builder = reqwest::Client::builder()
        .use_preconfigured_tls(rustls::ClientConfig::clone(&tls))
        .timeout(ANSWER_WITHIN)
        // A token server has no reason to send our secrets elsewhere.
        .redirect(reqwest::redirect::Policy::none());
    // A proxy would get to see what is not encrypted.
    let builder = if url.scheme() == "http" { builder.no_proxy() } else { builder };
    builder.build().map_err(|_| misconfigured("the client for token requests could not be set up".into()))
}

async fn ask(client: &reqwest::Client, url: reqwest::Url, form: &Form) -> Result<Granted, TokenError> {
    let pairs: Vec<(&str, &str)> = form.iter().map(|(key, value)| (*key, value.expose_secret())).collect();
    let unreachable =
        |_| TokenError::Unavailable("the token server cannot be reached; check token_url".into());
    let mut response = client.post(url).form(&pairs).send().await.map_err(unreachable)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            return Err(TokenError::Unavailable(
                "the token server's answer is too long; check token_url".into(),
            ));
        }
    }
    if status.is_success() {
        let granted: Answer = serde_json::from_slice(&body).map_err(|_| {
            TokenError::Unavailable(
                "the token server answered without an access token; check token_url".into(),
            )
        })?;
        return Ok(granted.into());
    }
    if status.is_server_error() || status.as_u16() == 429 || status.as_u16() == 408 {
        return Err(TokenError::Unavailable(format!(
            "the token server has troubles (HTTP {})",
            status.as_u16()
        )));
    }
    Err(refused(&body, status.as_u16()))
}

/// The error codes of RFC 6749 section 5.2 are fit to be shown; the description beside them may name accounts.
fn refused(body: &[u8], status: u16) -> TokenError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let answer: Option<Refusal> = serde_json::from_slice(body).ok();
    match answer.as_ref().map(|answer| answer.error.as_str()) {
        Some("invalid_client" | "unauthorized_client") => TokenError::Refused(
            "the token server does not accept the client; check client_id and whether its secret has expired".into(),
        ),
        Some("invalid_grant") => TokenError::Refused(
            "the token server does not accept the grant; the refresh token or key is revoked or expired, make a new one"
                .into(),
        ),
        Some("invalid_scope") => {
            TokenError::Refused("the token server does not know the scope; check scope".into())
        }
        Some("temporarily_unavailable") => TokenError::Unavailable("the token server has troubles".into()),
        _ => TokenError::Refused(format!("the token server refused the request (HTTP {status}); check the oauth settings")),
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn read(secret: &Secret) -> Result<SecretString, TokenError> {
    secret.read().map_err(|error| TokenError::Refused(error.to_string()))
}

fn end_of(date: &str) -> Option<Timestamp> {
    date.parse::<Timestamp>().ok().or_else(|| {
        let day: civil::Date = date.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// The key file that Google hands out for a service account.
#[derive(Deserialize)]
struct ServiceKey {
    client_email: String,
    private_key: SecretText,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default = "google")]
    token_uri: String,
}

fn google() -> String {
    "https://oauth2.googleapis.com/token".into()
}

impl ServiceKey {
    /// The signed JWT (RFC 7523): this service account, for `user`, one hour.
    fn assertion(
        &self,
        user: &str,
        scope: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<SecretString, TokenError> {
        let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": self.private_key_id });
        let claims = serde_json::json!({
            "iss": self.client_email, "sub": user, "scope": scope, "aud": audience,
            "iat": now.as_second(), "exp": now.as_second() + 3600,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let der = PrivatePkcs8KeyDer::from_pem_slice(self.private_key.0.expose_secret().as_bytes())
            .map_err(|_| bad_key())?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| bad_key())?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| bad_key())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

fn bad_key() -> TokenError {
    TokenError::Refused(
        "key_file is not a service account's key; download it anew as JSON from the Google Cloud console"
            .into(),
    )
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
