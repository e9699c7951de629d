//! The description of the interface: the OpenAPI document, and a page made of it that loads nothing from outside.

use actix_web::http::Method;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpResponse, web};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::errors::Everywhere;
use super::{
    approvals, attachments, cases, grants, health, messages, metrics, on, outbox, parties, problem,
    quarantine, register, resource, search, timeline, users, walls,
};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/openapi.json", [on(Method::GET, document)]))
        .service(resource("/api/docs", [on(Method::GET, page)]));
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Caseward",
        description = "Cases out of an HR mailbox. Errors are problems (RFC 9457); lists are paged by the header Link; \
            changes take If-Match and Idempotency-Key; times are RFC 3339 in UTC."
    ),
    paths(
        cases::list, cases::open, cases::show, cases::change, timeline::timeline, timeline::links,
        messages::list, messages::answer, messages::note, messages::show, messages::relocate,
        attachments::raw, attachments::attachment, parties::list, parties::add, parties::add_address,
        grants::list, grants::give, grants::end, grants::break_glass,
        search::search, register::list, quarantine::list, quarantine::show, quarantine::release, quarantine::discard,
        outbox::list, outbox::retry, users::list, users::add, users::show, users::change, approvals::list, approvals::decide, users::disable, users::add_token, users::revoke,
        walls::list, walls::raise, walls::recuse, walls::lift,
        health::alive, health::ready, metrics::metrics
    ),
    components(schemas(problem::ProblemBody)),
    modifiers(&Bearer, &Everywhere),
    security(("token" = []))
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().json(openapi())
}

async fn page() -> HttpResponse {
    let document = serde_json::to_value(openapi()).unwrap_or_default();
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .body(html(&document))
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#8881;padding:.7rem;overflow:auto}\
details{border:1px solid #8885;border-radius:.3rem;margin:.4rem 0;padding:.4rem .7rem}\
summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem}\
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}\
:root{color-scheme:light dark}";

fn html(document: &Value) -> String {
    let mut out = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Caseward API</title><style>{STYLE}</style><h1>Caseward API</h1><p>{}</p>\
         <p><a href=\"/api/openapi.json\">OpenAPI document</a></p>\
         <pre>curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8480/api/v1/cases</pre>",
        text(document.pointer("/info/description"))
    );
    for (path, operations) in entries(document.get("paths")) {
        for (method, operation) in entries(Some(operations)) {
            out.push_str(&describe(path, method, operation));
        }
    }
    out.push_str("<h2>Schemas</h2>");
    for (name, schema) in entries(document.pointer("/components/schemas")) {
        let json = serde_json::to_string_pretty(schema).unwrap_or_default();
        let name = escape(name);
        out.push_str(&format!(
            "<details id=\"{name}\"><summary><code>{name}</code></summary><pre>{}</pre></details>",
            escape(&json)
        ));
    }
    out
}

fn describe(path: &str, method: &str, operation: &Value) -> String {
    let mut out = format!(
        "<details><summary><b>{}</b><code>{}</code> {}</summary><table>",
        escape(&method.to_uppercase()),
        escape(path),
        text(operation.get("summary"))
    );
    for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let schema = parameter.get("schema").map(Value::to_string).unwrap_or_default();
        out.push_str(&format!(
            "<tr><td><code>{}</code><td>{}<td>{} <code>{}</code>",
            text(parameter.get("name")),
            text(parameter.get("in")),
            text(parameter.get("description")),
            escape(&schema)
        ));
    }
    if let Some(name) = entries(operation.pointer("/requestBody/content")).find_map(|(_, one)| reference(one))
    {
        out.push_str(&format!("<tr><td>body<td><td><a href=\"#{0}\"><code>{0}</code></a>", escape(name)));
    }
    for (status, response) in entries(operation.get("responses")) {
        let name = entries(response.get("content")).find_map(|(_, one)| reference(one)).unwrap_or_default();
        out.push_str(&format!(
            "<tr><td>{}<td><a href=\"#{1}\"><code>{1}</code></a><td>{2}",
            escape(status),
            escape(name),
            text(response.get("description"))
        ));
    }
    out.push_str("</table></details>");
    out
}

fn reference(content: &Value) -> Option<&str> {
    content.pointer("/schema/$ref")?.as_str()?.rsplit('/').next()
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn text(value: Option<&Value>) -> String {
    escape(value.and_then(Value::as_str).unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
