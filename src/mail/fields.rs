//! Header fields as raw, unfolded text, by name: what the judges of automatic mail read. They look at fields that
//! no parser of addresses or dates knows, and must see what stands there even when it breaks the grammar.

use mail_parser::{Message, MimeHeaders};

/// No field is read further than this.
const MAX: usize = 4_096;

/// The first field of this name, unfolded and trimmed. Names are compared without case.
pub fn first(message: &Message<'_>, name: &str) -> Option<String> {
    all(message, name).next()
}

/// Every field of this name, top to bottom.
pub fn all(message: &Message<'_>, name: &str) -> impl Iterator<Item = String> {
    message
        .headers_raw()
        .filter(move |(field, _)| field.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| unfold(value))
}

/// Whether there is a field of this name.
pub fn has(message: &Message<'_>, name: &str) -> bool {
    message.headers_raw().any(|(field, _)| field.trim().eq_ignore_ascii_case(name))
}

/// `multipart/report` and the like, in lower case; empty if the message does not say.
pub fn media_type<'x>(part: &impl MimeHeaders<'x>) -> String {
    part.content_type().map_or_else(String::new, |kind| {
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase()
    })
}

/// The `report-type` of a `multipart/report`, in lower case.
pub fn report_type(message: &Message<'_>) -> Option<String> {
    message.content_type()?.attribute("report-type").map(|kind| kind.trim_matches('"').to_ascii_lowercase())
}

/// The address of From, in lower case.
pub fn from(message: &Message<'_>) -> String {
    message
        .from()
        .and_then(|from| from.first())
        .and_then(|from| from.address())
        .unwrap_or_default()
        .to_lowercase()
}

fn unfold(value: &str) -> String {
    let value = value.get(..value.floor_char_boundary(MAX)).unwrap_or_default();
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}
