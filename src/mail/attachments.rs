//! Attachments: what a part is called, which part is one, and its bytes by its name. A part's number comes from
//! the bytes; files within a part (uuencode, winmail.dat) are named after it: `1.u1`, `2.w1`.

use super::{
    Attachment, Limits, clean, header, header::Block, ids, parse::prepared, structure, structure::Part, text,
    uuencode, winmail,
};

/// Files taken out of one part.
pub const MAX_FILES_IN_PART: usize = 200;

/// The decoded bytes of the attachment named `part`; `None` when there is no such part or it exceeds the caps.
pub fn attachment(raw: &[u8], part: &str, limits: &Limits) -> Option<Vec<u8>> {
    let raw = prepared(raw, limits);
    let (root, _) = structure::cut(&raw, limits);
    if let Some(found) = find(&root, part) {
        return Some(found.encoding.decode(bytes_of(&raw, found, limits)?).into_owned());
    }
    let (outer, inner) = part.rsplit_once('.')?;
    let found = find(&root, outer)?;
    let body = bytes_of(&raw, found, limits)?;
    if let Some(index) = inner.strip_prefix('u') {
        let (text, _) = text::read(found, body, limits.max_text);
        return nth(uuencode::extract(&text).1, index).map(|f| f.content);
    }
    let index = inner.strip_prefix('w')?;
    let winmail = winmail::read(&found.encoding.decode(body), MAX_FILES_IN_PART)?;
    nth(winmail.files, index).map(|f| f.content)
}

fn nth<T>(items: Vec<T>, index: &str) -> Option<T> {
    items.into_iter().nth(index.parse::<usize>().ok()?.checked_sub(1)?)
}

fn find<'p>(part: &'p Part, number: &str) -> Option<&'p Part> {
    if part.children.is_empty() {
        return (part.number == number).then_some(part);
    }
    part.children.iter().find_map(|child| find(child, number))
}

fn bytes_of<'r>(raw: &'r [u8], part: &Part, limits: &Limits) -> Option<&'r [u8]> {
    raw.get(part.body.clone()).filter(|body| body.len() as u64 <= limits.max_decoded)
}

/// The file name that the header gives, if any.
pub fn declared_name(part: &Part) -> Option<&str> {
    part.disposition.get("filename").or_else(|| part.content_type.get("name"))
}

/// Describes a part whose decoded size is known.
pub fn describe(raw: &[u8], part: &Part, bytes: u64) -> Attachment {
    let content_id = part.header.first(raw, "content-id").and_then(ids::single);
    let is_attached = part.disposition.value == "attachment";
    let inline = !is_attached && (part.disposition.value == "inline" || content_id.is_some());
    let media_type = clean::prefix(&part.media_type, 200).to_owned();
    Attachment { part: part.number.clone(), name: name(raw, part), media_type, bytes, inline, content_id }
}

/// A name for every part: as declared, else from what the part is.
fn name(raw: &[u8], part: &Part) -> String {
    // Some senders put the whole name in raw 8-bit bytes; the header guessed it, the rest is cleaning.
    if let Some(name) = declared_name(part).and_then(clean::file_name) {
        return name;
    }
    if part.media_type == "message/rfc822" || part.media_type == "message/global" {
        let body = raw.get(part.body.clone()).unwrap_or_default();
        let start = body.get(..64 * 1024).unwrap_or(body);
        let decoded = part.encoding.decode(start);
        let header = Block::cut(&decoded, 0, decoded.len(), 200);
        let subject =
            header.first(&decoded, "subject").map(|v| header::unstructured(v, None)).unwrap_or_default();
        let safe = clean::file_name(&subject.replace(['/', '\\'], "_"));
        return safe.map_or_else(|| "message.eml".to_owned(), |s| format!("{s}.eml"));
    }
    let described = part.header.first(raw, "content-description").map(|v| header::unstructured(v, None));
    if let Some(name) = described.as_deref().filter(|d| has_extension(d)).and_then(clean::file_name) {
        return name;
    }
    let located = part.header.first(raw, "content-location").map(|v| header::unstructured(v, None));
    if let Some(name) =
        located.as_deref().filter(|l| has_extension(l) && !l.contains('?')).and_then(clean::file_name)
    {
        return name;
    }
    format!("{}{}", default_stem(part), extension(&part.media_type))
}

fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, e)| {
        !stem.is_empty() && (2..=5).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn default_stem(part: &Part) -> String {
    match part.media_type.as_str() {
        "text/calendar" => "invite".into(),
        "application/pgp-signature" => "signature".into(),
        "application/pgp-encrypted" => "version".into(),
        "application/pkcs7-signature"
        | "application/x-pkcs7-signature"
        | "application/pkcs7-mime"
        | "application/x-pkcs7-mime" => "smime".into(),
        "application/ms-tnef" | "application/vnd.ms-tnef" => "winmail".into(),
        "message/delivery-status" | "message/global-delivery-status" => "delivery-status".into(),
        "text/rfc822-headers" => "headers".into(),
        kind if kind.starts_with("image/") => "image".into(),
        kind if kind.starts_with("audio/") => "audio".into(),
        kind if kind.starts_with("video/") => "video".into(),
        "text/html" => "document".into(),
        _ => format!("part-{}", part.number),
    }
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "text/plain"
        | "message/delivery-status"
        | "message/global-delivery-status"
        | "text/rfc822-headers"
        | "message/disposition-notification"
        | "message/feedback-report"
        | "application/pgp-encrypted" => ".txt",
        "text/html" => ".html",
        "text/calendar" => ".ics",
        "text/csv" => ".csv",
        "text/vcard" | "text/x-vcard" | "text/directory" => ".vcf",
        "text/xml" | "application/xml" => ".xml",
        "application/json" => ".json",
        "image/jpeg" | "image/jpg" | "image/pjpeg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "image/bmp" => ".bmp",
        "image/tiff" => ".tiff",
        "image/svg+xml" => ".svg",
        "image/webp" => ".webp",
        "image/heic" => ".heic",
        "application/pdf" => ".pdf",
        "application/zip" | "application/x-zip-compressed" => ".zip",
        "application/rtf" | "text/rtf" => ".rtf",
        "application/msword" => ".doc",
        "application/vnd.ms-excel" => ".xls",
        "application/vnd.ms-powerpoint" => ".ppt",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => ".docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => ".xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => ".pptx",
        "application/ms-tnef" | "application/vnd.ms-tnef" => ".dat",
        "application/pgp-signature" => ".asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => ".p7s",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => ".p7m",
        "audio/mpeg" => ".mp3",
        "audio/wav" | "audio/x-wav" => ".wav",
        "video/mp4" => ".mp4",
        "video/quicktime" => ".mov",
        "message/rfc822" => ".eml",
        _ => ".bin",
    }
}
