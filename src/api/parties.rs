//! The parties of a case.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::cases::case_id;
use super::errors::{ReadErrors, WriteErrors};
use super::input::{Input, body, id};
use super::page::Page;
use super::problem::Problem;
use super::reading::{Reading, text};
use super::{State, on, resource};
use crate::case::access::Access;
use crate::case::{CaseId, Part, PartyId};
use crate::desk::DeskError;
use crate::desk::idempotent::{About, Reply};
use crate::desk::parties::{AddAddress, AddParty};
use crate::store::rows::PartyRow;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/cases/{reference}/parties", [on(Method::GET, list), on(Method::POST, add)]))
        .service(resource("/cases/{reference}/parties/{party}/addresses", [on(Method::POST, add_address)]));
}

/// Somebody with a part in a case.
#[derive(Serialize, ToSchema)]
pub struct Party {
    #[schema(format = "uuid")]
    pub id: String,
    pub part: Part,
    pub name: String,
    pub addresses: Vec<PartyAddress>,
    /// The reference in their conversation.
    pub reference: Option<String>,
    #[schema(format = "uuid")]
    pub conversation: Option<String>,
    /// Known from the directory.
    #[schema(format = "uuid")]
    pub person: Option<String>,
}

/// An address of a party.
#[derive(Serialize, ToSchema)]
pub struct PartyAddress {
    pub address: String,
    /// Mail from here counts as theirs.
    pub confirmed: bool,
    pub preferred: bool,
}

impl Party {
    fn of(reading: &mut Reading<'_>, case: CaseId, row: &PartyRow) -> Result<Self, DeskError> {
        let record = reading.open(case.as_bytes(), "parties", row.id.as_bytes(), &row.key)?;
        let mut addresses = Vec::new();
        for one in reading.tx.addresses_of(row.id)? {
            let address = text(&record, "address", &one.address)?;
            addresses.push(PartyAddress { address, confirmed: one.confirmed, preferred: one.preferred });
        }
        let conversation = reading.tx.conversation_of_party(row.id)?;
        Ok(Self {
            id: row.id.to_string(),
            part: row.part,
            name: text(&record, "name", &row.name)?,
            addresses,
            reference: conversation.as_ref().map(|one| one.reference.to_string()),
            conversation: conversation.map(|one| one.id.to_string()),
            person: row.person_id.map(|id| id.to_string()),
        })
    }
}

/// The parties of a case.
#[utoipa::path(get, path = "/api/v1/cases/{reference}/parties", tag = "parties",
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$")),
    responses((status = 200, body = Page<Party>), ReadErrors))]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let reference = path.into_inner();
    let items = state
        .read(&caller, move |reading| {
            let case = reading.readable(&reference)?.id;
            let rows = reading.tx.parties_of(case)?;
            rows.iter().map(|row| Party::of(reading, case, row)).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(HttpResponse::Ok().json(Page { items }))
}

/// A party to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewParty {
    part: Part,
    name: String,
    /// Without it nothing can be written to them.
    #[schema(pattern = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}([.][A-Za-z0-9-]{1,63})+$")]
    email: Option<String>,
}

/// Adds a party, with a conversation of its own.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/parties", tag = "parties", request_body = NewParty,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("If-Match" = Option<String>, Header, pattern = "^\"[0-9]{1,15}\"$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Party), WriteErrors))]
async fn add(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<String>,
    input: Input<NewParty>,
) -> Result<HttpResponse, Problem> {
    let action = AddParty {
        actor: caller.actor(),
        case: case_id(&state, &caller, path.into_inner()).await?,
        version: input.terms.version(),
        part: input.value.part,
        name: input.value.name.clone(),
        email: input.value.email.clone(),
    };
    state.act(&caller, &input.terms, action, |reading, (case, party)| reply(reading, case.id, party)).await
}

/// Another address of a party.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    #[schema(pattern = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}([.][A-Za-z0-9-]{1,63})+$")]
    email: String,
    /// Write to them there from now on.
    #[serde(default)]
    preferred: bool,
}

/// Adds an address of a party, or confirms one: mail from there counts as theirs, and joins their conversation.
#[utoipa::path(post, path = "/api/v1/cases/{reference}/parties/{party}/addresses", tag = "parties",
    request_body = NewAddress,
    params(("reference" = String, Path, pattern = "^HR-[0-9A-Z]{4}-[0-9A-Z]{4}$"),
        ("party" = String, Path, format = "uuid"),
        ("If-Match" = Option<String>, Header, pattern = "^\"[0-9]{1,15}\"$"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses((status = 201, body = Party), WriteErrors))]
async fn add_address(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(String, String)>,
    input: Input<NewAddress>,
) -> Result<HttpResponse, Problem> {
    let (reference, party) = path.into_inner();
    let action = AddAddress {
        actor: caller.actor(),
        case: case_id(&state, &caller, reference).await?,
        version: input.terms.version(),
        party: id(&party)?,
        email: input.value.email.clone(),
        preferred: input.value.preferred,
    };
    state.act(&caller, &input.terms, action, |reading, (case, party)| reply(reading, case.id, party)).await
}

fn reply(reading: &mut Reading<'_>, case: CaseId, party: PartyId) -> Result<Reply, DeskError> {
    let row = reading.tx.party(party)?.ok_or(DeskError::NotFound)?;
    Ok(Reply {
        status: StatusCode::CREATED.as_u16(),
        body: body(&Party::of(reading, case, &row)?)?,
        about: Some(About::new(case, Access::Read)),
        ..Reply::default()
    })
}
