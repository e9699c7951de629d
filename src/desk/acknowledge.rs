//! Telling the sender at once that their mail has arrived: whether, in which words, in which language. A mail is
//! acknowledged at most once, whatever else comes of it.

use super::context::{Context, DeskError};
use super::letter::Letter;
use super::posting::Post;
use crate::case::Trust;
use crate::letters::{Kind, Values};
use crate::mail::{AuthResult, Automatic};
use crate::store::rows::{CaseRow, ConversationRow, OutboxKind};

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Lays the acknowledgement of `letter` into the outbox, unless it is one that gets none.
pub(super) fn acknowledge(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    case: &CaseRow,
    conversation: &ConversationRow,
) -> Result<(), DeskError> {
    let proved = letter.from.trust >= Trust::Known;
    // Answering a forged From would make us the forger's tool (backscatter).
    let silent = !letter.arrived.acknowledge
        || letter.mail.automatic != Automatic::None
        || letter.mail.authentication.result == AuthResult::Fail
        || (!proved && !cx.settings.smtp.acknowledge_unverified);
    if silent {
        return Ok(());
    }
    // Ends loops with programs that answer everything and hide it.
    let recipient = cx.vault().lookup().address(letter.address);
    let sent = cx.tx.automatic_mails_to(recipient, cx.now.minus(DAY))?;
    if sent >= i64::from(cx.settings.smtp.automatic_per_recipient_per_day) {
        tracing::warn!(case = %case.reference, "no acknowledgement: this recipient had too many today");
        return Ok(());
    }
    let kind = if proved { Kind::Acknowledgement } else { Kind::AcknowledgementUnverified };
    let reference = conversation.reference.to_string();
    let values = Values {
        organisation: &cx.settings.organisation.name,
        organisation_language: &cx.settings.organisation.language,
        reference: &reference,
        ..Values::default()
    };
    let rendered = cx
        .shared
        .letters
        .render(kind, &conversation.language, &values)
        .map_err(|error| DeskError::Invalid(error.to_string()))?;
    let post = Post {
        kind: OutboxKind::Acknowledgement,
        to: letter.address,
        letter: &rendered,
        text: None,
        attachments: Vec::new(),
        in_reply_to: letter.mail.message_id.clone(),
        author: None,
    };
    match cx.post(case, conversation, &post) {
        Ok(_) => Ok(()),
        // An address that cannot be written to must not keep the mail from being taken in.
        Err(DeskError::Invalid(_)) => {
            tracing::warn!(case = %case.reference, "no acknowledgement: the sender's address cannot be written to");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Directory first, then what was detected, then the organisation's.
pub(super) fn language(cx: &Context<'_>, letter: &Letter<'_>) -> String {
    let known =
        letter.from.person.as_ref().map(|person| person.language.clone()).filter(|tag| !tag.is_empty());
    let shipped = |tag: &String| crate::settings::LANGUAGES.contains(&tag.as_str());
    known
        .filter(shipped)
        .or_else(|| letter.mail.language.clone().filter(shipped))
        .unwrap_or_else(|| cx.settings.organisation.language.clone())
}
