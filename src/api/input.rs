//! What comes in: paths, queries, headers and JSON bodies, each refused by a problem that says what was expected.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_MATCH, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::State;
use super::auth::Caller;
use super::page::{self, Found};
use super::problem::Problem;
use super::reading::{ReadTrace, Reading};
use crate::case::Moment;
use crate::desk::change::Base;
use crate::desk::idempotent::{Claim, Once, Reply};
use crate::desk::trace::Trace;
use crate::desk::{Action, DeskError};
use crate::vault::LookupHash;

/// What a change needs besides its body.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The tag in `If-Match`, if given, without its quotes.
    tag: Option<String>,
    claim: Option<Claim>,
}

impl Terms {
    /// The version that a change is made upon, if it says so. What is no version of ours matches none.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        self.tag.as_deref().map(|tag| tag.parse().unwrap_or(-1))
    }

    /// The version that a change is made upon.
    pub fn required_version(&self) -> Result<i64, Problem> {
        self.version().ok_or_else(Problem::unconditional)
    }

    /// What a change of a case is made upon.
    pub fn base(&self) -> Result<Base, Problem> {
        let tag = self.tag.as_deref().ok_or_else(Problem::unconditional)?;
        Ok(tag.parse().map_or_else(|_| Base::Outline(tag.to_owned()), Base::Version))
    }
}

/// For changes without a body.
impl FromRequest for Terms {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(terms(request, &[]))
    }
}

fn terms(request: &HttpRequest, body: &[u8]) -> Result<Terms, Problem> {
    let tag = request.headers().get(IF_MATCH).map(|value| {
        let text = value.to_str().unwrap_or_default().trim();
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
    });
    let claim = claim(request, tag.as_deref(), body)?;
    Ok(Terms { tag, claim })
}

/// A JSON body, and what a change needs besides.
pub struct Input<T> {
    pub value: T,
    pub terms: Terms,
}

impl<T: DeserializeOwned + 'static> FromRequest for Input<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let bytes = web::Bytes::from_request(&request, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| unread(&error))?;
            let media_type = request.headers().get("content-type").and_then(|value| value.to_str().ok());
            let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "the body is JSON; send it with `Content-Type: application/json`",
                ));
            }
            let value = serde_json::from_slice(&bytes).map_err(|error| {
                Problem::bad_request(format!("the body is not as described: {}", place(&error)))
            })?;
            Ok(Self { value, terms: terms(&request, &bytes)? })
        })
    }
}

fn unread(error: &actix_web::Error) -> Problem {
    let status = error.as_response_error().status_code();
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "the body is too large; send less at once"),
        _ => Problem::bad_request("the body could not be read; send it again"),
    }
}

/// Where JSON went wrong; serde's own words may repeat what was sent.
fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing, unknown or of another type",
        _ => "it is no JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn claim(request: &HttpRequest, tag: Option<&str>, body: &[u8]) -> Result<Option<Claim>, Problem> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    if key.is_empty() || key.len() > 255 {
        return Err(Problem::bad_request("an Idempotency-Key has 1 to 255 characters"));
    }
    let Some(state) = request.app_data::<web::Data<State>>() else { return Ok(None) };
    let hash =
        |purpose, parts: &[&[u8]]| -> LookupHash { state.api.shared.vault.lookup().hash(purpose, parts) };
    let method = request.method().as_str().as_bytes();
    // Upon another version it is another request.
    let (conditional, tag) = (&[u8::from(tag.is_some())], tag.unwrap_or_default().as_bytes());
    Ok(Some(Claim {
        key: hash("idempotency-key", &[key.as_bytes()]),
        request: hash("request", &[method, request.path().as_bytes(), conditional, tag, body]),
    }))
}

/// Reads the query string.
pub fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    web::Query::<T>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .map_err(|_| Problem::bad_request("a query parameter is unknown or of another form; see /api/docs"))
}

/// Reads an identity in a path; what is none names nothing.
pub fn id<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// Reads an identity in a query or a body.
pub fn id_given<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::bad_request("an identity is a UUID"))
}

/// Tells `null` from nothing.
pub fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// A whole number, however it is written: JSON tells 5 from 5.0, its schemas do not.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits.parse().map(Some).map_err(|_| serde::de::Error::custom("not a whole number"))
}

/// How a list of teams or legal entities is described.
pub fn names() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9 _.-]{1,100}$"));
    utoipa::openapi::Schema::Array(ArrayBuilder::new().items(name).build()).into()
}

/// Reads a time.
pub fn moment(text: &str) -> Result<Moment, Problem> {
    text.parse::<jiff::Timestamp>()
        .map(Moment::from)
        .map_err(|_| Problem::bad_request("a time is written as in RFC 3339, such as 2026-03-01T09:30:00Z"))
}

/// Reads a line or text that says something; `what` names it.
pub fn said<'a>(text: &'a str, what: &str) -> Result<&'a str, Problem> {
    if text.chars().any(|c| !c.is_whitespace() && !c.is_control()) {
        Ok(text)
    } else {
        Err(Problem::bad_request(format!("{what} is empty; write something")))
    }
}

impl State {
    /// Reads in the caller's name. What was read of confidential content is in the audit log before it is answered,
    /// and what was refused soon after: a refusal takes no longer for what exists than for what does not.
    pub async fn read<T, F>(&self, caller: &Caller, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reading<'_>) -> Result<T, DeskError> + Send + 'static,
    {
        let (done, trace) = self.look(caller, read).await?;
        let (refused, done) = match done {
            Ok(done) => (None, Ok(done)),
            Err(error) => (trace.refused(&error, &caller.asked), Err(error)),
        };
        if let Some(event) = refused {
            let (desk, trace) = (self.api.desk.clone(), Trace { actor: caller.actor(), events: vec![event] });
            actix_web::rt::spawn(async move {
                if let Err(error) = desk.run(trace).await {
                    tracing::error!(%error, "a refusal could not be entered into the audit log");
                }
            });
        }
        let done = done?;
        let events = trace.read();
        if !events.is_empty() {
            self.api.desk.run(Trace { actor: caller.actor(), events }).await?;
        }
        Ok(done)
    }

    /// Goes on with what [`State::read`] began, such as the next piece of a mail: the log has it already.
    pub async fn read_on<T, F>(&self, caller: &Caller, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reading<'_>) -> Result<T, DeskError> + Send + 'static,
    {
        Ok(self.look(caller, read).await?.0?)
    }

    async fn look<T, F>(&self, caller: &Caller, read: F) -> Result<(Result<T, DeskError>, ReadTrace), Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reading<'_>) -> Result<T, DeskError> + Send + 'static,
    {
        let (shared, user) = (std::sync::Arc::clone(&self.api.shared), caller.user.clone());
        let done = self.api.store.read(move |tx| {
            let now = shared.now();
            let mut reading = Reading::new(tx, &shared, &user, now);
            let done = read(&mut reading);
            Ok::<_, DeskError>((done, reading.into_trace()))
        });
        Ok(done.await?)
    }

    /// Reads a page in the caller's name.
    pub async fn page<T, F>(
        &self,
        caller: &Caller,
        request: &HttpRequest,
        read: F,
    ) -> Result<HttpResponse, Problem>
    where
        T: serde::Serialize + Send + 'static,
        F: FnOnce(&mut Reading<'_>) -> Result<Found<T>, DeskError> + Send + 'static,
    {
        Ok(page::answer(request, self.read(caller, read).await?))
    }

    /// Has the desk do it, once for each `Idempotency-Key`; `reply` makes the answer.
    pub async fn act<A, F>(
        &self,
        caller: &Caller,
        terms: &Terms,
        action: A,
        reply: F,
    ) -> Result<HttpResponse, Problem>
    where
        A: Action,
        F: Fn(&mut Reading<'_>, A::Output) -> Result<Reply, DeskError> + Send + 'static,
    {
        let user = caller.user.clone();
        let once = Once {
            action,
            claim: terms.claim,
            reply: move |cx: &mut crate::desk::Context<'_>, output| {
                reply(&mut Reading::new(cx.tx, cx.shared, &user, cx.now), output)
            },
        };
        Ok(respond(self.api.desk.run(once).await?))
    }
}

fn respond(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    if let Some(location) = &reply.location {
        response.insert_header((LOCATION, location.as_str()));
    }
    if let Some(version) = &reply.version {
        etag(&mut response, version);
    }
    let mut reply = reply;
    if let (Some(secret), Some(body)) = (reply.secret.take(), reply.body.as_object_mut()) {
        body.insert("secret".into(), secret.into());
    }
    if status == StatusCode::NO_CONTENT { response.finish() } else { response.json(reply.body) }
}

/// Says the version of what is answered.
pub fn etag(response: &mut HttpResponseBuilder, version: &str) {
    response.insert_header((ETAG, format!("\"{version}\"")));
}

/// An answer's body.
pub fn body<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, DeskError> {
    serde_json::to_value(value).map_err(|_| crate::vault::SealError.into())
}
