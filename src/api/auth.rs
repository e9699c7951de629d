//! Who asks: a bearer token leads to a user, by its look-up hash. Everything under `/api/v1` passes here first.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};

use super::State;
use super::limit::Key;
use super::problem::Problem;
use crate::case::{Actor, TokenId, User};
use crate::desk::DeskError;
use crate::desk::trace::Trace;
use crate::desk::users::{TouchToken, user_of};

/// The last use of a token is noted no finer than this.
const COARSE: Duration = Duration::from_secs(60);
/// What is recorded of a path, characters: no path of ours is longer.
const LONGEST_ASKED: usize = 200;

/// The user behind a request.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub token: TokenId,
    /// Method and path, for the record of refusals.
    pub asked: String,
}

impl Caller {
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.clone())
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(request.extensions().get::<Self>().cloned().ok_or_else(Problem::unauthorised))
    }
}

/// Middleware: lets only known callers on, and counts them.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<web::Data<State>>().cloned().ok_or_else(Problem::unauthorised)?;
    let caller = match caller(&state, request.headers()).await {
        Ok(caller) => Caller { asked: asked(&request), ..caller },
        Err(problem) => {
            let peer = request.peer_addr().map(|peer| peer.ip());
            state.limiter.check(Key::peer(peer))?;
            if bearer(request.headers()).is_some() {
                let details = serde_json::json!({ "peer": peer.map(|peer| peer.to_string()) });
                let (desk, trace) = (state.api.desk.clone(), Trace::system("token.use.refused", details));
                actix_web::rt::spawn(async move {
                    if let Err(error) = desk.run(trace).await {
                        tracing::error!(%error, "a refusal could not be entered into the audit log");
                    }
                });
            }
            return Err(problem.into());
        }
    };
    state.limiter.check(Key::token(caller.token))?;
    request.extensions_mut().insert(caller);
    next.call(request).await
}

/// Who asks, by the token in the headers.
pub async fn caller(state: &State, headers: &HeaderMap) -> Result<Caller, Problem> {
    let secret = bearer(headers).ok_or_else(Problem::unauthorised)?;
    let hash = state.api.shared.vault.lookup().credential(secret);
    let read = state.api.store.read(move |tx| {
        let Some(token) = tx.token_by_hash(hash)? else { return Ok(None) };
        Ok::<_, DeskError>(tx.user(token.user_id)?.map(|user| (token, user)))
    });
    let (token, user) = read.await?.ok_or_else(Problem::unauthorised)?;
    let now = state.api.shared.now();
    let ended = token.revoked_at.is_some() || token.expires_at.is_some_and(|expires| expires <= now);
    if ended || user.disabled_at.is_some() {
        return Err(Problem::unauthorised());
    }
    if token.last_used_at.is_none_or(|used| used <= now.minus(COARSE)) {
        let (desk, id) = (state.api.desk.clone(), token.id);
        actix_web::rt::spawn(async move {
            if let Err(error) = desk.run(TouchToken { token: id }).await {
                tracing::debug!(%error, token = %id, "the use of a token was not noted");
            }
        });
    }
    Ok(Caller { user: user_of(&user, &state.api.shared), token: token.id, asked: String::new() })
}

fn asked(request: &ServiceRequest) -> String {
    let path: String = request.path().chars().take(LONGEST_ASKED).collect();
    format!("{} {path}", request.method())
}

/// The token that a request shows.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
