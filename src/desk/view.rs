//! The sealed view of a message: what people read of it. Derived from the raw bytes and kept beside them, so that
//! a list of messages need not parse mail.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::mail::{Address, Mail};
use crate::vault::{Record, SealError, Sealed};

/// What a message says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct View {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Person>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Person>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<Person>,
    pub subject: String,
    /// The whole text.
    pub text: String,
    /// The new text alone.
    pub reply: String,
    /// Sanitised HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What is odd about the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A name and an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub address: String,
}

/// An attachment as listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachmentView {
    /// Names the part within the message.
    pub part: String,
    pub name: String,
    pub media_type: String,
    pub bytes: u64,
    pub inline: bool,
}

impl View {
    pub fn of(mail: &Mail) -> Self {
        let people = |addresses: &[Address]| addresses.iter().map(Person::from).collect();
        Self {
            from: mail.from.as_ref().map(Person::from),
            to: people(&mail.to),
            cc: people(&mail.cc),
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            reply: mail.reply.clone(),
            html: mail.html.clone(),
            attachments: mail
                .attachments
                .iter()
                .map(|one| AttachmentView {
                    part: one.part.clone(),
                    name: one.name.clone(),
                    media_type: one.media_type.clone(),
                    bytes: one.bytes,
                    inline: one.inline,
                })
                .collect(),
            message_id: mail.message_id.clone(),
            problems: mail.problems.clone(),
        }
    }

    pub fn seal(&self, record: &Record) -> Result<Sealed, SealError> {
        record.seal("view", &serde_json::to_vec(self).map_err(|_| SealError)?)
    }

    pub fn open(record: &Record, sealed: &Sealed) -> Result<Self, SealError> {
        serde_json::from_slice(&record.read("view", sealed)?).map_err(|_| SealError)
    }
}

impl From<&Address> for Person {
    fn from(address: &Address) -> Self {
        Self { name: address.name.clone(), address: address.address.clone() }
    }
}
