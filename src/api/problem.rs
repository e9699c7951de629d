//! Errors as clients see them (RFC 9457). What stands in a problem is meant for outside; what the database said goes
//! to the log alone.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::desk::DeskError;
use crate::store::StoreError;

/// An error on its way out.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// The body of every error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    /// One sentence with the remedy.
    pub detail: String,
}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
    /// What the framework refused before anything of ours saw it.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        Self::new(
            status,
            match status {
                StatusCode::NOT_FOUND => "there is no such thing here",
                StatusCode::NOT_ACCEPTABLE => "no encoding is acceptable; send another Accept-Encoding",
                StatusCode::PAYLOAD_TOO_LARGE => "the body is too large; send less at once",
                status if status.is_server_error() => "this failed inside; the operator's log has the reason",
                _ => "the request could not be read; see /api/docs",
            },
        )
    }
    /// The same whether a thing is missing or hidden.
    #[must_use]
    pub fn not_found() -> Self {
        DeskError::NotFound.into()
    }
    #[must_use]
    pub fn unauthorised() -> Self {
        let mut problem =
            Self::new(StatusCode::UNAUTHORIZED, "this takes a valid API token as `Authorization: Bearer …`");
        problem.header = Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        problem
    }
    #[must_use]
    pub fn unconditional() -> Self {
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "say which version you change: send its ETag as `If-Match`",
        )
    }
    #[must_use]
    pub fn too_many(seconds: u64) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; wait a little");
        problem.header = Some((header::RETRY_AFTER, HeaderValue::from(seconds)));
        problem
    }
    #[must_use]
    pub fn not_allowed(allow: &str) -> Self {
        let mut problem =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here; see the header Allow");
        problem.header = HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow));
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        let status = match &error {
            DeskError::NotFound => StatusCode::NOT_FOUND,
            DeskError::Refused(_) => StatusCode::FORBIDDEN,
            DeskError::Conflict => StatusCode::PRECONDITION_FAILED,
            DeskError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            DeskError::Store(StoreError::Unavailable(_) | StoreError::Unwritable(_)) => {
                tracing::warn!(%error, "a request waits for the database");
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the register cannot be reached; try again",
                );
            }
            DeskError::Store(store) => {
                tracing::error!(error = %store, source = ?std::error::Error::source(store).map(ToString::to_string), "a request failed");
                return Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "this failed inside; the operator's log has the reason",
                );
            }
        };
        Self::new(status, error.to_string())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        for (name, value) in SAFE {
            response.insert_header((name, value));
        }
        if let Some((name, value)) = &self.header {
            response.insert_header((name.clone(), value.clone()));
        }
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
        };
        response.body(serde_json::to_string(&body).unwrap_or_default())
    }
}

/// What every answer says to browsers and proxies.
pub const SAFE: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];
