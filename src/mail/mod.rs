//! What a mail is: one [`Mail`] is how Caseward understands a message, and [`parse`] makes it
//! from bytes. Pure functions, no network, no clock, no I/O. Knows nothing of cases, people or settings files.

mod address;
mod attachments;
pub mod authentication;
pub mod automatic;
mod body;
pub mod bounce;
mod charset;
pub mod clean;
pub mod compose;
pub mod dkim;
mod fields;
mod header;
mod html;
mod html_text;
mod ids;
mod language;
mod parse;
pub mod quoting;
mod sanitise;
mod structure;
mod text;
mod transfer;
mod uuencode;
mod winmail;

pub use attachments::attachment;
pub use parse::{Limits, parse};

use jiff::Timestamp;
use serde::Serialize;

/// A mailbox address with its display name, as written but decoded and cleaned of control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Address {
    pub name: Option<String>,
    pub address: String,
}

/// How this mail is understood. Everything here is a view: the bytes that came are kept beside it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mail {
    /// Without angle brackets.
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    pub from: Option<Address>,
    pub reply_to: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    /// The Date header; a claim of the sender, never the receipt.
    pub date: Option<Timestamp>,
    pub subject: String,
    /// The whole readable text (from text/plain, else from HTML).
    pub text: String,
    /// The new text alone: no quotes, no signature.
    pub reply: String,
    /// Sanitised HTML, if the mail had an HTML body.
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    pub automatic: Automatic,
    pub bounced: Vec<Bounced>,
    pub authentication: Authentication,
    /// ISO 639-1 code of the new text's language, when it can be told.
    pub language: Option<String>,
    /// What is odd about the message; words for a person, never content of the mail.
    pub problems: Vec<String>,
}

/// One attachment; `part` names it within the message for ever (it is counted from the bytes that are kept).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Stable name of the part within the message, e.g. `2` or `2.1`.
    pub part: String,
    /// A safe file name: no path, no control characters, no bidi overrides. Never empty.
    pub name: String,
    pub media_type: String,
    /// Decoded size.
    pub bytes: u64,
    pub inline: bool,
    /// The Content-ID without brackets, for `cid:` images.
    #[serde(skip)]
    pub content_id: Option<String>,
}

/// Whether a program wrote this mail (RFC 3834, RFC 3464 and the dialects).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automatic {
    #[default]
    None,
    AutoReply,
    Bounce,
    Bulk,
    FeedbackReport,
}

/// One recipient whose mail came back for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bounced {
    pub recipient: Option<String>,
    /// Enhanced status code (RFC 3463), e.g. `5.1.1`.
    pub status: Option<String>,
    /// The Message-ID of the mail that bounced, without brackets.
    pub message_id: Option<String>,
}

/// What is known of the sender's authenticity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Authentication {
    pub result: AuthResult,
    /// What decided: `authentication-results`, `dkim`, `internal-header`, `trusted-received`, or none.
    pub evidence: Option<String>,
}

/// Whether the From address is authenticated (aligned with what was proved).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthResult {
    /// Proved for the domain of From.
    Pass,
    /// An explicit failure for the domain of From.
    Fail,
    /// Nothing usable was found.
    #[default]
    None,
}
