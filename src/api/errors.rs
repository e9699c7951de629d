//! The problems that all operations share, as the document describes them.

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// The problems that any read may answer with.
pub struct ReadErrors;
/// The problems that any change may answer with.
pub struct WriteErrors;
/// Described of every operation, those without a token too.
pub struct Everywhere;

struct Described {
    status: &'static str,
    says: &'static str,
    header: Option<(&'static str, &'static str, Type)>,
}

const fn described(status: &'static str, says: &'static str) -> Described {
    Described { status, says, header: None }
}

const READ: [Described; 6] = [
    described("400", "The request is not as described"),
    Described {
        status: "401",
        says: "No valid token",
        header: Some(("WWW-Authenticate", "how to sign in", Type::String)),
    },
    described("403", "Seen, but not allowed"),
    described("404", "There is no such thing here, or none that you may know of"),
    Described {
        status: "429",
        says: "Too many requests",
        header: Some(("Retry-After", "seconds to wait", Type::Integer)),
    },
    described("500", "Failed inside"),
];
const WRITE: [Described; 5] = [
    described("412", "Changed by somebody else meanwhile"),
    described("413", "The body is too large"),
    described("415", "The body is not JSON"),
    described("422", "Understood, but makes no sense"),
    described("428", "It must be said which version is changed: If-Match is missing"),
];
const EVERYWHERE: [Described; 3] = [
    Described {
        status: "405",
        says: "This cannot be done here",
        header: Some(("Allow", "what can be done", Type::String)),
    },
    described("406", "No encoding that the client takes"),
    described("503", "The register cannot be reached, or it took too long"),
];

fn problem(described: &Described) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(described.says).content(PROBLEM, content);
    let Some((name, says, kind)) = &described.header else { return response.build() };
    let header = HeaderBuilder::new()
        .schema(ObjectBuilder::new().schema_type(kind.clone()))
        .description(Some(*says))
        .build();
    response.header(*name, header).build()
}

const PROBLEM: &str = "application/problem+json";

fn problems<'a>(of: impl Iterator<Item = &'a Described>) -> BTreeMap<String, RefOr<Response>> {
    of.map(|one| (one.status.to_owned(), RefOr::T(problem(one)))).collect()
}

impl utoipa::IntoResponses for ReadErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(READ.iter())
    }
}
impl utoipa::IntoResponses for WriteErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(READ.iter().chain(&WRITE))
    }
}

impl utoipa::Modify for Everywhere {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                describe(operation);
            }
        }
    }
}

fn describe(operation: &mut Operation) {
    for one in &EVERYWHERE {
        match operation.responses.responses.get_mut(one.status) {
            // An answer of its own, and the problem besides.
            Some(RefOr::T(response)) => {
                response.content.extend(problem(one).content);
            }
            _ => {
                operation.responses.responses.insert(one.status.into(), RefOr::T(problem(one)));
            }
        }
    }
}
