//! Messages: read, answer, note, move.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::cases::{Case, case_id};
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, body, id, id_given, query, said};
use super::page::{Page, Paging, Place, Range};
use super::problem::Problem;
use super::reading::Reading;
use super::{State, on, resource};
use crate::case::access::Access;
use crate::case::{MessageId, MessageKind, PartyId, Trust};
use crate::desk::DeskError;
use crate::desk::answer::{Answer, WriteNote};
use crate::desk::change::Move;
use crate::desk::idempotent::{About, Reply};
use crate::desk::view::View;
use crate::mail::compose::OutgoingAttachment;
use crate::store::rows::{Held, MessageRow};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/cases/{reference}/messages", [on(Method::GET, list), on(Method::POST, answer)]))
        .service(resource("/cases/{reference}/notes", [on(Method::POST, note)]))
        .service(resource("/messages/{id}", [on(Method::GET, show)]))
        .service(resource("/messages/{id}/move", [on(Method::POST, relocate)]));
}

/// A mail, a note or a phone call.
#[derive(Serialize, ToSchema)]
pub struct Message {
    #[schema(format = "uuid")]
    pub id: String,
    /// The case's reference; none while it is unfiled.
    pub case: Option<String>,
    #[schema(format = "uuid")]
    pub conversation: Option<String>,
    pub kind: MessageKind,
    /// Receipt for mail that came, making for what we wrote.
    #[schema(format = DateTime)]
    pub at: String,
    /// The user who wrote it.
    #[schema(format = "uuid")]
    pub author: Option<String>,
    pub mailbox: String,
    /// How far the sender is known.
    pub trust: Option<Trust>,
    #[schema(example = "none")]
    pub automatic: String,
    pub held: Option<Held>,
    /// Why it is held, or deserves a second look.
    pub reason: Option<String>,
    /// For mail that went out: `waiting`, `sent`, `bounced`, `failed`.
    pub delivery: Option<String>,
    /// The case's version it came with.
    pub version: i64,
    pub raw_bytes: i64,
    /// False when only the head was taken in.
    pub raw_complete: bool,
    pub view: View,
    /// What the classifier said and why.
    #[schema(value_type = Option<Object>)]
    pub verdict: Option<serde_json::Value>,
}

impl Message {
    pub fn of(reading: &mut Reading<'_>, row: &MessageRow) -> Result<Self, DeskError> {
        let record = reading.open_message(row)?;
        let case = match row.case_id {
            Some(case) => reading.reference(case)?,
            None => None,
        };
        let verdict = row.verdict.as_ref().map(|sealed| record.read("verdict", sealed)).transpose()?;
        Ok(Self {
            id: row.id.to_string(),
            case,
            conversation: row.conversation_id.map(|id| id.to_string()),
            kind: row.kind,
            at: row.at.to_string(),
            author: row.author_id.map(|id| id.to_string()),
            mailbox: row.mailbox.clone(),
            trust: row.trust,
            automatic: row.automatic.clone(),
            held: row.held,
            reason: row.reason.clone(),
            delivery: row.delivery.clone(),
            version: row.case_version,
            raw_bytes: row.raw_bytes,
            raw_complete: row.raw_complete,
            view: View::open(&record, &row.view)?,
            verdict: verdict.and_then(|json| serde_json::from_slice(&json).ok()),
        })
    }

    fn reply(reading: &mut Reading<'_>, message: MessageId) -> Result<Reply, DeskError> {
        let row = reading.message(message)?;
        Ok(Reply {
            status: StatusCode::CREATED.as_u16(),
            location: Some(format!("/api/v1/messages/{message}")),
            body: body(&Self::of(reading, &row)?)?,
            about: row.case_id.map(|case| About::new(case, Access::Read)),
            ..Reply::default()
        })
    }
}

/// The messages of a case, oldest first.
#[utoipa::path(get, path = "/api/v1/cases/{reference}/messages", tag = "messages",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"), Paging),
    responses((status = 200, body = Page<Message>, headers(("Link" = String, description = "the next page"))), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked: Paging = query(&request)?;
    let range = Range::of(asked.limit, asked.cursor.as_deref())?;
    let reference = path.into_inner();
    state
        .page(&caller, &request, move |reading| {
            let case = reading.readable(&reference)?.id;
            range.collect(
                reading,
                |reading, after, limit| {
                    let after = after.map(|place| (place.moment(), MessageId::from_bytes(place.id)));
                    Ok(reading.tx.messages_of(case, after, limit)?)
                },
                |row| Place::at(row.at, row.id.as_bytes()),
                |reading, row| Message::of(reading, &row).map(Some),
            )
        })
        .await
}

/// One message; an unfiled one is shown to leads and the guardian.
#[utoipa::path(get, path = "/api/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Message), ReadErrors))]
async fn show(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let message: MessageId = id(&path)?;
    let found = state
        .read(&caller, move |reading| {
            let row = reading.message(message)?;
            Message::of(reading, &row)
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}

/// What is written to a party.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    text: String,
    /// None: the reporter.
    #[schema(format = "uuid")]
    party: Option<String>,
    #[serde(default)]
    attachments: Vec<NewAttachment>,
}

/// A file that goes along.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    name: String,
    #[schema(example = "application/pdf")]
    media_type: String,
    /// Base64 (RFC 4648, padded).
    #[schema(format = Byte, pattern = "^([A-Za-z0-9+/]{4})*$")]
    content: String,
}

impl NewAttachment {
    fn decoded(&self) -> Result<OutgoingAttachment, Problem> {
        let bytes = STANDARD
            .decode(&self.content)
            .map_err(|_| Problem::bad_request("the content of an attachment is base64 (RFC 4648)"))?;
        Ok(OutgoingAttachment { name: self.name.clone(), media_type: self.media_type.clone(), bytes })
    }
}

/// Writes to a party, by mail from the HR address.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/messages", tag = "messages", request_body = NewAnswer,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("If-Match" = Option<String>, Header, pattern = "^\"[0-9]{1,15}\"$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Message, headers(("Location" = String, description = "the message"))), WriteErrors))]
async fn answer(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<NewAnswer>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.text, "the text")?;
    let attachments = input.value.attachments.iter().map(NewAttachment::decoded).collect::<Result<_, _>>()?;
    let party = input.value.party.as_deref().map(id_given::<PartyId>).transpose()?;
    let action = Answer {
        actor: caller.actor(),
        case: case_id(&state, &caller, path.into_inner()).await?,
        version: input.terms.version(),
        party,
        text: input.value.text.clone(),
        attachments,
    };
    state.act(&caller, &input.terms, action, |reading, (_, message)| Message::reply(reading, message)).await
}

/// An internal note.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    #[schema(pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    text: String,
}

/// Writes a note, which no party ever sees.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/notes", tag = "messages", request_body = NewNote,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("If-Match" = Option<String>, Header, pattern = "^\"[0-9]{1,15}\"$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Message, headers(("Location" = String, description = "the message"))), WriteErrors))]
async fn note(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<NewNote>,
) -> Result<HttpResponse, Problem> {
    said(&input.value.text, "the text")?;
    let action = WriteNote {
        actor: caller.actor(),
        case: case_id(&state, &caller, path.into_inner()).await?,
        version: input.terms.version(),
        text: input.value.text.clone(),
    };
    state.act(&caller, &input.terms, action, |reading, (_, message)| Message::reply(reading, message)).await
}

/// Where a message belongs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// A case's reference; `null` opens a new case. Never left out, so that no case is opened by mistake.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    to: Option<String>,
}

/// Moves a message to another case, or to a new one; answers with that case.
#[utoipa::path(post, path = "/api/v1/messages/{id}/move", tag = "messages", request_body = Destination,
    params(("id" = String, Path, format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 200, body = Case, headers(("ETag" = String, description = "what a change of it is made upon"))),
        (status = 204, description = "It is moved, to a case that is not yours to see"), WriteErrors))]
async fn relocate(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<Destination>,
) -> Result<HttpResponse, Problem> {
    let message = id(&path)?;
    let to = match &input.value.to {
        Some(reference) => Some(case_id(&state, &caller, reference.clone()).await?),
        None => None,
    };
    let action = Move { actor: caller.actor(), message, to };
    state.act(&caller, &input.terms, action, |reading, row| Case::reply(reading, &row, StatusCode::OK)).await
}
