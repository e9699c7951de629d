//! The HTTP interface: reads go to the store, changes to the desk, and every answer is described in the OpenAPI
//! document. Decides nothing itself: who may do what is `case::access` and the desk's business.

mod approvals;
mod attachments;
mod auth;
mod cases;
mod docs;
mod errors;
mod grants;
mod health;
mod input;
mod limit;
mod messages;
mod metrics;
mod outbox;
mod page;
mod parties;
mod problem;
mod quarantine;
mod reading;
mod register;
mod search;
#[cfg(test)]
mod tests;
mod timeline;
mod users;
mod walls;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::{
    App, Error, FromRequest, Handler, HttpServer, Resource, Responder, ResponseError, Route, web,
};

use secrecy::{ExposeSecret, SecretString};

pub use docs::openapi;
pub use health::{Health, MailboxHealth};

use crate::desk::{Desk, Shared};
use crate::intake::prepare::Preparation;
use crate::settings;
use crate::store::Store;
use crate::vault::LookupHash;
use problem::{Problem, SAFE};

/// What the interface works with.
pub struct Api {
    pub store: Store,
    pub desk: Desk,
    pub shared: Arc<Shared>,
    pub preparation: Arc<Preparation>,
    /// How the mailboxes are; asked at each look at the health.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
}

/// What all requests share.
pub struct State {
    api: Api,
    limiter: limit::Limiter,
    timeout: std::time::Duration,
    max_body: usize,
    /// What a scraper shows; as a hash.
    metrics_token: Option<LookupHash>,
}

impl State {
    fn new(api: Api, settings: &settings::Api, metrics_token: Option<&SecretString>) -> Self {
        let lookup = api.shared.vault.lookup();
        Self {
            metrics_token: metrics_token.map(|secret| lookup.credential(secret.expose_secret())),
            api,
            limiter: limit::Limiter::new(settings.per_minute),
            timeout: settings.timeout,
            max_body: usize::try_from(settings.max_body).unwrap_or(usize::MAX),
        }
    }
}

/// Requests in hand get this long when the daemon stops; seconds.
const SHUTDOWN: u64 = 4;

/// Looks whether certificate and key can be used.
///
/// # Errors
/// What is wrong with them.
pub fn try_certificate(settings: &settings::Api) -> std::io::Result<()> {
    tls(settings).map(drop)
}

/// Serves the interface on `listener`; the caller runs and stops the server.
///
/// # Errors
/// When certificate or key cannot be used, or no thread can be started.
pub fn serve(api: Api, listener: TcpListener, settings: &settings::Api) -> std::io::Result<Server> {
    let tls = tls(settings)?;
    let timeout = settings.timeout;
    let token = settings.metrics_token.as_ref().map(settings::Secret::read).transpose();
    let token = token.map_err(std::io::Error::other)?;
    let state = web::Data::new(State::new(api, settings, token.as_ref()));
    let server = HttpServer::new(move || app(state.clone()))
        .workers(2)
        .disable_signals()
        .shutdown_timeout(timeout.as_secs().min(SHUTDOWN))
        .client_request_timeout(timeout);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

fn tls(settings: &settings::Api) -> std::io::Result<Option<rustls::ServerConfig>> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
    let refuse = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        std::io::Error::other(format!("{}: {error}; it takes a PEM file", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| refuse(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| refuse(key, &error))?;
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map(Some)
        .map_err(|error| refuse(certificate, &error))
}

fn app(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(web::PayloadConfig::new(state.max_body))
        .app_data(state)
        .wrap(Compress::default())
        .wrap(from_fn(bounds))
        .configure(health::routes)
        .configure(metrics::routes)
        .configure(docs::routes)
        .service(
            web::scope("/api/v1")
                .wrap(from_fn(auth::guard))
                .configure(cases::routes)
                .configure(timeline::routes)
                .configure(search::routes)
                .configure(messages::routes)
                .configure(attachments::routes)
                .configure(parties::routes)
                .configure(register::routes)
                .configure(quarantine::routes)
                .configure(outbox::routes)
                .configure(grants::routes)
                .configure(users::routes)
                .configure(approvals::routes)
                .configure(walls::routes)
                .default_service(web::to(nothing_here)),
        )
        .default_service(web::to(nothing_here))
}

async fn nothing_here() -> Problem {
    Problem::not_found()
}

impl Responder for Problem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &actix_web::HttpRequest) -> actix_web::HttpResponse {
        self.error_response()
    }
}

/// Bounds the time of a request, and says on each answer what browsers and proxies must not do with it.
async fn bounds(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let timeout =
        request.app_data::<web::Data<State>>().map_or(std::time::Duration::MAX, |state| state.timeout);
    let answered = tokio::time::timeout(timeout, next.call(request)).await.map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this took too long; ask for less or try again")
    })?;
    // The framework's own words are no problem of ours.
    let mut response = answered.map_err(|error| {
        let ours = error.as_error::<Problem>().is_some();
        if ours { error } else { Problem::of_status(error.as_response_error().status_code()).into() }
    })?;
    let media_type = response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_vec());
    let problem = media_type.is_some_and(|text| {
        text.starts_with(b"application/problem+json") || text.starts_with(b"application/json")
    });
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && !problem {
        return Err(Problem::of_status(status).into());
    }
    for (name, value) in SAFE {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// A resource that answers other methods with what it takes.
fn resource<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let allow = routes.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ");
    routes
        .into_iter()
        .fold(web::resource(path), |resource, (_, route)| resource.route(route))
        .default_service(web::to(move || {
            let problem = Problem::not_allowed(&allow);
            async move { problem }
        }))
}

fn on<F, Args>(method: Method, handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (method.clone(), web::method(method).to(handler))
}
