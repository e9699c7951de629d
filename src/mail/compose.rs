//! Makes the bytes of an outgoing mail (RFC 5322, MIME) from its parts. The same parts always give the same bytes,
//! so that a repeated delivery is the same mail. Knows no cases and no servers; whatever stands in a field, it
//! cannot add a header, a line or a recipient.

use std::time::SystemTime;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MessageBuilder, MultiPart, SinglePart};

use super::Address;

/// RFC 5322 section 2.1.1 allows 998 characters a line; a longer Message-ID could not be folded.
const LONGEST_ID: usize = 250;
/// Besides the first, which names the thread.
const LATEST_REFERENCES: usize = 20;
/// Some servers drop mails whose headers grow beyond a few KB.
const LONGEST_REFERENCES: usize = 1_900;
const LONGEST_SUBJECT: usize = 250;
const LONGEST_NAME: usize = 120;

/// Everything a mail is made of.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub from: Address,
    pub to: Address,
    pub reply_to: Option<Address>,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    pub attachments: Vec<OutgoingAttachment>,
    /// Without angle brackets, as [`minted_message_id`] gives it.
    pub message_id: String,
    /// The mail answered, without brackets.
    pub in_reply_to: Option<String>,
    /// The thread so far, oldest first, without brackets.
    pub references: Vec<String>,
    pub date: Timestamp,
    /// A program answers (RFC 3834): other programs must not answer back.
    pub automatic: bool,
}

/// One file that goes along.
#[derive(Clone, Debug)]
pub struct OutgoingAttachment {
    pub name: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// Why a mail cannot be written. Names the field, never what stands in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error("the {0} address cannot be written into a mail: correct it and try again")]
    Address(&'static str),
    #[error("the mail has no usable Message-ID: mint one before composing")]
    MessageId,
    #[error("the parts do not make a mail: this is a defect, please report it")]
    Parts,
}

/// The mail's bytes: ASCII unless an address is not (SMTPUTF8), CRLF line ends, no line above 998 characters.
pub fn compose(mail: &Outgoing) -> Result<Vec<u8>, ComposeError> {
    let message_id = clean_id(&mail.message_id).ok_or(ComposeError::MessageId)?;
    let to = mailbox(&mail.to, "To")?;
    let mut builder = lettre::Message::builder()
        // Dates before 1970 make lettre panic.
        .date(SystemTime::from(mail.date.max(Timestamp::UNIX_EPOCH)))
        .from(mailbox(&mail.from, "From")?)
        .to(to.clone());
    // Else lettre reads the recipient back from the header and refuses what RFC 5321 does not allow.
    if let Ok(envelope) = lettre::address::Envelope::new(None, vec![to.email]) {
        builder = builder.envelope(envelope);
    }
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(mailbox(reply_to, "Reply-To")?);
    }
    builder = builder
        .subject(clean_line(&mail.subject, LONGEST_SUBJECT))
        .message_id(Some(format!("<{message_id}>")));
    builder = thread(builder, mail);
    if mail.automatic {
        builder = raw(builder, "Auto-Submitted", "auto-replied");
        // Exchange and Outlook answer automatic mail unless told so in their own words ([MS-OXCMAIL] 2.2.3.2.14).
        builder = raw(builder, "X-Auto-Response-Suppress", "All");
    }
    let message = body(builder, mail, &message_id).map_err(|_| ComposeError::Parts)?;
    Ok(message.formatted())
}

/// A Message-ID with 128 random bits, without angle brackets: 26 characters of lower-case base32, `@domain`.
pub fn minted_message_id(random: [u8; 16], domain: &str) -> String {
    format!("{}@{domain}", BASE32_NOPAD.encode(&random).to_ascii_lowercase())
}

/// The mailbox's address with the token as its detail: `hr+TOKEN@company.example`.
pub fn reply_address(mailbox: &str, token: &str) -> String {
    match mailbox.rsplit_once('@') {
        Some((local, domain)) => format!("{local}+{token}@{domain}"),
        None => mailbox.to_owned(),
    }
}

/// The token (lower-case) that an address of this mailbox carries; the other way round of [`reply_address`].
pub fn token_of(address: &str, mailbox: &str) -> Option<String> {
    let (address, mailbox) = (address.trim().to_lowercase(), mailbox.trim().to_lowercase());
    let (local, domain) = address.rsplit_once('@')?;
    let (own_local, own_domain) = mailbox.rsplit_once('@')?;
    let token = local.strip_prefix(own_local)?.strip_prefix('+')?;
    let is_token =
        !token.is_empty() && token.len() <= 64 && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (domain == own_domain && is_token).then(|| token.to_owned())
}

/// An address that is safe in a header and in an SMTP command.
pub(crate) fn checked_address(address: &str) -> Option<lettre::Address> {
    if address.len() > 320 || address.chars().any(|c| c.is_control() || is_invisible(c)) {
        return None;
    }
    if let Ok(address) = address.parse() {
        return Some(address);
    }
    // Addresses that RFC 5321 does not allow and people have all the same: `a..b@`, `a.@` (Japanese carriers).
    let (local, domain) = address.rsplit_once('@')?;
    let plain = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>()[]\\,;:\"@".contains(c))
    };
    (plain(local) && plain(domain)).then(|| lettre::Address::new_dangerous(local, domain))
}

fn mailbox(address: &Address, field: &'static str) -> Result<Mailbox, ComposeError> {
    let email = checked_address(&address.address).ok_or(ComposeError::Address(field))?;
    let name =
        address.name.as_deref().map(|name| clean_line(name, LONGEST_NAME)).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, email))
}

fn raw(builder: MessageBuilder, name: &'static str, value: &str) -> MessageBuilder {
    builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()))
}

fn thread(builder: MessageBuilder, mail: &Outgoing) -> MessageBuilder {
    let parent = mail.in_reply_to.as_deref().and_then(clean_id);
    let mut ids: Vec<String> = Vec::new();
    for id in mail.references.iter().filter_map(|id| clean_id(id)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if let Some(parent) = &parent {
        // RFC 5322 section 3.6.4: the parent comes last, wherever it stood before.
        ids.retain(|id| id != parent);
        ids.push(parent.clone());
    }
    let references = capped(ids);
    let builder = match parent {
        Some(parent) => builder.in_reply_to(format!("<{parent}>")),
        None => builder,
    };
    if references.is_empty() { builder } else { builder.references(references) }
}

/// First and last ones as a header value below the limit.
fn capped(mut ids: Vec<String>) -> String {
    let length = |ids: &[String]| ids.iter().map(|id| id.len() + 3).sum::<usize>();
    while ids.len() > 2 && (ids.len() > LATEST_REFERENCES + 1 || length(&ids) > LONGEST_REFERENCES) {
        ids.remove(1);
    }
    ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join(" ")
}

fn body(
    builder: MessageBuilder,
    mail: &Outgoing,
    message_id: &str,
) -> Result<lettre::Message, lettre::error::Error> {
    let text = SinglePart::plain(clean_text(&mail.text));
    let html = mail.html.as_ref().map(|html| SinglePart::html(clean_text(html)));
    if mail.attachments.is_empty() {
        return match html {
            None => builder.singlepart(text),
            Some(html) => builder.multipart(alternative(text, html, message_id)),
        };
    }
    let mixed = MultiPart::mixed().boundary(boundary("m", message_id));
    let mixed = match html {
        None => mixed.singlepart(text),
        Some(html) => mixed.multipart(alternative(text, html, message_id)),
    };
    builder.multipart(mail.attachments.iter().map(attachment).fold(mixed, MultiPart::singlepart))
}

fn alternative(text: SinglePart, html: SinglePart, message_id: &str) -> MultiPart {
    MultiPart::alternative().boundary(boundary("a", message_id)).singlepart(text).singlepart(html)
}

/// `=_` occurs in neither quoted-printable nor base64, the rest in no other mail.
fn boundary(kind: &str, message_id: &str) -> String {
    let unique: String = message_id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("=_{kind}_{unique}")
}

fn attachment(attachment: &OutgoingAttachment) -> SinglePart {
    let name = clean_line(&attachment.name, LONGEST_NAME).replace(['/', '\\'], "_");
    let name = if name.is_empty() { "attachment".to_owned() } else { name };
    // Base64 always: the bytes must arrive as they are, line ends included.
    let body = Body::dangerous_pre_encoded(base64_lines(&attachment.bytes), ContentTransferEncoding::Base64);
    Attachment::new(name).body(body, media_type(&attachment.media_type))
}

/// RFC 2046 section 5 forbids base64 for composite types.
fn media_type(written: &str) -> ContentType {
    let lower = written.trim().to_ascii_lowercase();
    let essence = lower.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let usable = essence.split_once('/').is_some_and(|(kind, sub)| {
        is_token(kind) && is_token(sub) && kind != "multipart" && kind != "message"
    });
    usable
        .then(|| ContentType::parse(essence).ok())
        .flatten()
        .or_else(|| ContentType::parse("application/octet-stream").ok())
        .unwrap_or(ContentType::TEXT_PLAIN)
}

/// RFC 2045 section 6.8: lines of at most 76 characters. 57 bytes make 76.
fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len() / 57 * 78 + 80);
    for line in bytes.chunks(57) {
        encoded.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        encoded.extend_from_slice(b"\r\n");
    }
    encoded
}

/// Printable ASCII between the brackets, or nothing.
fn clean_id(id: &str) -> Option<String> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let usable = !id.is_empty()
        && id.len() <= LONGEST_ID
        && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>');
    usable.then(|| id.to_owned())
}

/// One line: control characters become blanks, invisible ones vanish, runs of blanks shrink to one.
fn clean_line(text: &str, longest: usize) -> String {
    let visible: String =
        text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest - 1).chain(['…']).collect()
}

/// Text with line feeds alone; other control characters would be shown as garbage or refused (RFC 5321 4.5.2).
fn clean_text(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// Line separators and bidi overrides: they make a line read differently from what it is.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
