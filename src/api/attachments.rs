//! Raw mail and its attachments, streamed. They are strangers' bytes: always offered as a download, never under the
//! media type that the sender chose, and never run.

use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::auth::Caller;
use super::errors::ReadErrors;
use super::input::id;
use super::problem::Problem;
use super::{State, on, resource};
use crate::case::MessageId;
use crate::desk::DeskError;
use crate::desk::filing::{CHUNK, read_chunk, read_raw, scope_of};
use crate::desk::view::View;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/messages/{id}/raw", [on(Method::GET, raw)]))
        .service(resource("/messages/{id}/attachments/{part}", [on(Method::GET, attachment)]));
}

/// The mail as it came, byte for byte.
#[utoipa::path(get, path = "/api/v1/messages/{id}/raw", tag = "messages",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Vec<u8>, content_type = "message/rfc822",
        headers(("Content-Disposition" = String, description = "always a download"))), ReadErrors))]
async fn raw(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let message: MessageId = id(&path)?;
    let row = state
        .read(&caller, move |reading| {
            let row = reading.message(message)?;
            reading.open_message(&row)?;
            if row.raw_chunks == 0 { Err(DeskError::NotFound) } else { Ok(row) }
        })
        .await?;
    let size = u64::try_from(row.raw_bytes).unwrap_or_default();
    let pieces = stream::iter(0..row.raw_chunks).then(move |seq| {
        let (state, caller) = (state.clone(), caller.clone());
        async move {
            let piece = state.read_on(&caller, move |reading| {
                let row = reading.message(message)?;
                let record = reading.open_message(&row)?;
                Ok(Bytes::copy_from_slice(&read_chunk(reading.tx, &record, &row, seq)?))
            });
            piece.await.map_err(actix_web::Error::from)
        }
    });
    Ok(download("message.eml")
        .content_type("message/rfc822")
        .body(SizedStream::new(size, pieces.boxed_local())))
}

/// One attachment. Its media type stands in the message; here it is bytes.
#[utoipa::path(get, path = "/api/v1/messages/{id}/attachments/{part}", tag = "messages",
    params(("id" = String, Path, format = "uuid"), ("part" = String, Path, pattern = "^[0-9]{1,4}(\\.[a-z]?[0-9]{1,4}){0,8}$")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream",
        headers(("Content-Disposition" = String, description = "always a download"))), ReadErrors))]
async fn attachment(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (message, part) = path.into_inner();
    let (message, wanted) = (id::<MessageId>(&message)?, part.clone());
    let (name, raw) = state
        .read(&caller, move |reading| {
            let row = reading.message(message)?;
            let view = View::open(&reading.open_message(&row)?, &row.view)?;
            let listed = view.attachments.into_iter().find(|one| one.part == wanted);
            let name = listed.ok_or(DeskError::NotFound)?.name;
            let scope = crate::desk::context::scope(reading.tx, &reading.shared.vault, &scope_of(&row))?;
            Ok((name, read_raw(reading.tx, &scope, &row)?))
        })
        .await?;
    let preparation = std::sync::Arc::clone(&state.api.preparation);
    let decoded = web::block(move || crate::mail::attachment(&raw, &part, &preparation.limits)).await;
    let bytes = Bytes::from(decoded.ok().flatten().ok_or_else(Problem::not_found)?);
    let size = bytes.len();
    let pieces = (0..size).step_by(CHUNK).map(move |at| Ok(bytes.slice(at..size.min(at + CHUNK))));
    let body = SizedStream::new(size as u64, stream::iter(pieces).map_err(|error: std::io::Error| error));
    Ok(download(&name).content_type("application/octet-stream").body(body))
}

fn download(name: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{}", encoded(name))))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
    response
}

/// RFC 8187: everything but its attr-char is percent-encoded.
fn encoded(name: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else if write!(text, "%{byte:02X}").is_err() {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_leave_the_header() {
        assert_eq!(super::encoded("a\"; x=\r\nü.pdf"), "a%22%3B%20x%3D%0D%0A%C3%BC.pdf");
    }
}
