//! A mail arrives: one action decides what becomes of it, in order of arrival. What needs no register (parsing,
//! classifying, hashing) was done before and comes as [`Arrived`].

use std::sync::Arc;

use super::change::moved;
use super::context::{Context, DeskError};
use super::filing::{NewCase, NewMessage, NewParty, Shelf};
use super::posting::Post;
use super::runner::Action;
use super::view::View;
use crate::case::{
    Actor, CaseId, Channel, ConversationId, FolderId, MessageId, MessageKind, Moment, Part, Status, Trust,
};
use crate::intake::classify::Verdict;
use crate::intake::thread::{Evidence, evidence};
use crate::intake::trust::{Sender, sender};
use crate::letters::{Kind, Values};
use crate::mail::{AuthResult, Automatic, Mail};
use crate::settings::MailboxSettings;
use crate::store::rows::{
    CaseRow, ConversationRow, Held, LinkRow, MessageRow, OutboxKind, RegisterRow, RegisterState,
    ThreadPurpose, ThreadRow,
};
use crate::vault::LookupHash;

/// Where a mail lies on its server.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub folder: FolderId,
    pub uid: i64,
}

/// A mail that was fetched, understood and classified.
pub struct Arrived {
    /// None for imported mail.
    pub place: Option<Place>,
    pub mailbox: String,
    /// INTERNALDATE; never after now.
    pub received_at: Moment,
    /// The size on the server.
    pub bytes: u64,
    pub raw: Vec<u8>,
    /// False when only the head was fetched.
    pub complete: bool,
    pub identity: LookupHash,
    /// What was understood, or why nothing could be.
    pub understood: Result<(Mail, Verdict), &'static str>,
    /// History and imports are not acknowledged.
    pub acknowledge: bool,
    pub channel: Channel,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Became {
    pub state: RegisterState,
    pub message: Option<MessageId>,
    pub case: Option<CaseId>,
    pub opened: bool,
}

/// Takes one mail in.
pub struct Receive {
    pub arrived: Arc<Arrived>,
}

impl Action for Receive {
    type Output = Became;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "mail.receive"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Became, DeskError> {
        let arrived = &*self.arrived;
        cx.tx.lock_intake()?;
        if let Some(place) = arrived.place
            && let Some(row) = cx.tx.place(place.folder, place.uid)?
            && row.state != RegisterState::Pending
        {
            return Ok(Became { state: row.state, message: row.message_id, case: None, opened: false });
        }
        let became = match cx.tx.message_by_identity(arrived.identity)? {
            Some(known) => duplicate(cx, arrived, known)?,
            None => file_new(cx, arrived)?,
        };
        account(cx, arrived, &became)?;
        Ok(became)
    }
}

fn account(cx: &mut Context<'_>, arrived: &Arrived, became: &Became) -> Result<(), DeskError> {
    let Some(place) = arrived.place else { return Ok(()) };
    let reason = arrived.understood.as_ref().err().map(|why| (*why).to_owned());
    cx.tx.put_place(&RegisterRow {
        folder_id: place.folder,
        uid: place.uid,
        state: became.state,
        reason,
        message_id: became.message,
        bytes: i64::try_from(arrived.bytes).unwrap_or(i64::MAX),
        received_at: arrived.received_at,
        at: cx.now,
        attempts: 1,
        settled: false,
    })?;
    Ok(())
}

/// The same mail again: one effect. A better authenticated copy raises the message's trust.
fn duplicate(cx: &mut Context<'_>, arrived: &Arrived, known: MessageRow) -> Result<Became, DeskError> {
    let became = Became {
        state: RegisterState::Duplicate,
        message: Some(known.id),
        case: known.case_id,
        opened: false,
    };
    let Ok((mail, _)) = &arrived.understood else { return Ok(became) };
    let better = sender(cx.tx, cx.shared.vault.lookup(), mail)?.trust;
    if known.trust.is_some_and(|trust| trust < better) {
        cx.tx.update_message(&MessageRow { trust: Some(better), ..known })?;
    }
    Ok(became)
}

fn file_new(cx: &mut Context<'_>, arrived: &Arrived) -> Result<Became, DeskError> {
    let (mail, verdict) = match &arrived.understood {
        Ok(understood) => understood,
        Err(why) => return hold(cx, arrived, &View::default(), Held::Quarantined, why, "none"),
    };
    let from = sender(cx.tx, cx.shared.vault.lookup(), mail)?;
    let view = View::of(mail);
    let Some(address) =
        mail.from.as_ref().map(|from| from.address.as_str()).filter(|address| !address.is_empty())
    else {
        return hold(
            cx,
            arrived,
            &view,
            Held::Quarantined,
            "no sender can be told from this mail",
            word(mail.automatic),
        );
    };
    let ours = cx.settings.mailboxes.iter().any(|mailbox| is_address_of(mailbox, address));
    if ours {
        return hold(cx, arrived, &view, Held::Automatic, "our own mail came back", word(mail.automatic));
    }
    let evidence = evidence(cx.tx, cx.shared.vault.lookup(), cx.settings, mail, cx.now)?;
    match mail.automatic {
        Automatic::Bounce | Automatic::AutoReply | Automatic::FeedbackReport => {
            return automatic(cx, arrived, mail, &view, &from, &evidence);
        }
        // A list that a known employee writes to us through is still that employee's mail.
        Automatic::Bulk if from.trust < Trust::Known => {
            return hold(cx, arrived, &view, Held::Automatic, "bulk mail", word(mail.automatic));
        }
        Automatic::Bulk | Automatic::None => {}
    }
    let letter = Letter { arrived, mail, verdict, view: &view, from: &from, address };
    match conversation_for(cx, &letter, &evidence)? {
        Some((case, conversation, doubt)) => join(cx, &letter, case, &conversation, doubt),
        None => open(cx, &letter, &evidence),
    }
}

/// A mail that a person wrote, with all that is known of it.
struct Letter<'a> {
    arrived: &'a Arrived,
    mail: &'a Mail,
    verdict: &'a Verdict,
    view: &'a View,
    from: &'a Sender,
    address: &'a str,
}

impl Letter<'_> {
    fn message(&self, id: MessageId, reason: Option<String>) -> NewMessage<'_> {
        NewMessage {
            id,
            kind: MessageKind::MailIn,
            at: self.arrived.received_at,
            author: None,
            mailbox: &self.arrived.mailbox,
            trust: Some(self.from.trust),
            automatic: word(self.mail.automatic),
            reason,
            identity: Some(self.arrived.identity),
            raw: &self.arrived.raw,
            raw_complete: self.arrived.complete,
            view: self.view,
            verdict: serde_json::to_string(self.verdict).ok(),
        }
    }

    fn state(&self) -> RegisterState {
        if self.arrived.complete { RegisterState::TakenIn } else { RegisterState::TooLarge }
    }
}

/// A case to join, the sender's own conversation in it, and what is doubtful about that.
type Joined = (CaseRow, ConversationRow, Option<&'static str>);

/// The sender's own conversation in the case that the evidence names, if this sender may join by it (promise 8).
fn conversation_for(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    evidence: &[Evidence],
) -> Result<Option<Joined>, DeskError> {
    let result = letter.mail.authentication.result;
    if result == AuthResult::Fail {
        return Ok(None);
    }
    for one in evidence {
        let strong = matches!(one.purpose, Some(ThreadPurpose::Token | ThreadPurpose::Minted));
        if result != AuthResult::Pass && !strong {
            continue;
        }
        let Some(conversation) = own_conversation(cx, one.case, letter.from)? else { continue };
        let Some(case) = cx.tx.case(one.case)? else { continue };
        let doubt =
            (result != AuthResult::Pass).then_some("the sender is not proved; joined by our own token");
        return Ok(Some((case, conversation, doubt)));
    }
    Ok(None)
}

/// The conversation of this sender in a case: by a confirmed address, or as the same person of the directory.
fn own_conversation(
    cx: &mut Context<'_>,
    case: CaseId,
    from: &Sender,
) -> Result<Option<ConversationRow>, DeskError> {
    if let Some(hash) = from.hash {
        for party in cx.tx.parties_by_address(case, hash)? {
            if party.confirmed
                && let Some(conversation) = cx.tx.conversation_of_party(party.party_id)?
            {
                return Ok(Some(conversation));
            }
        }
    }
    let Some(person) = from.person.as_ref() else { return Ok(None) };
    for party in cx.tx.parties_of(case)? {
        if party.person_id == Some(person.id) {
            return Ok(cx.tx.conversation_of_party(party.id)?);
        }
    }
    Ok(None)
}

fn join(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    mut case: CaseRow,
    conversation: &ConversationRow,
    doubt: Option<&'static str>,
) -> Result<Became, DeskError> {
    let was = case.clone();
    let raised = case.sensitivity.max(letter.verdict.sensitivity);
    case.sensitivity = raised;
    case.priority = case.priority.max(letter.verdict.priority);
    if case.status != Status::New {
        case.status = Status::Open;
        case.closed_at = None;
    }
    cx.advance(&mut case)?;
    let whats = moved(&was, &case);
    cx.happened(&mut case, &whats)?;
    let id = MessageId::new();
    let new = letter.message(id, doubt.map(Into::into));
    cx.file(&new, &Shelf::Case(&case, Some(conversation.id)))?.ok_or(DeskError::Conflict)?;
    remember(cx, letter, id, &case, conversation.id)?;
    let details =
        serde_json::json!({ "message": id.to_string(), "trust": letter.from.trust, "doubt": doubt });
    cx.record(&Actor::System, "message.received", Some(&case), &details)?;
    if let Some(owner) = case.owner_id {
        cx.notify(owner, Kind::Notification, Some(&case))?;
    }
    Ok(Became { state: letter.state(), message: Some(id), case: Some(case.id), opened: false })
}

fn open(cx: &mut Context<'_>, letter: &Letter<'_>, evidence: &[Evidence]) -> Result<Became, DeskError> {
    let language = language(cx, letter);
    let name = letter.mail.from.as_ref().and_then(|from| from.name.clone()).unwrap_or_default();
    let case = cx.open_case(&NewCase {
        subject: &letter.mail.subject,
        category: letter.verdict.category.clone(),
        sensitivity: letter.verdict.sensitivity,
        priority: letter.verdict.priority,
        triage: letter.verdict.triage,
        channel: letter.arrived.channel,
        language: &language,
        legal_entity: letter
            .from
            .person
            .as_ref()
            .map(|person| person.legal_entity.clone())
            .unwrap_or_default(),
        received_at: letter.arrived.received_at,
    })?;
    let party = NewParty {
        part: Part::Reporter,
        person: letter.from.person.as_ref().map(|person| person.id),
        name: &name,
        address: Some(letter.address),
        confirmed: true,
    };
    let conversation = cx.add_party(&case, &party, &letter.mail.subject, &letter.arrived.mailbox)?;
    let id = MessageId::new();
    cx.file(&letter.message(id, None), &Shelf::Case(&case, Some(conversation.id)))?
        .ok_or(DeskError::Conflict)?;
    remember(cx, letter, id, &case, conversation.id)?;
    for one in evidence.iter().filter(|one| one.case != case.id) {
        let link =
            LinkRow { from_case: case.id, to_case: one.case, kind: "may-belong-to".into(), at: cx.now };
        cx.tx.insert_link(&link)?;
    }
    let details = serde_json::json!({
        "message": id.to_string(), "trust": letter.from.trust, "category": letter.verdict.category,
        "sensitivity": letter.verdict.sensitivity, "priority": letter.verdict.priority,
        "rules": letter.verdict.rules, "because": letter.verdict.because,
    });
    cx.record(&Actor::System, "case.opened", Some(&case), &details)?;
    acknowledge(cx, letter, &case, &conversation, &language)?;
    Ok(Became { state: letter.state(), message: Some(id), case: Some(case.id), opened: true })
}

/// What later mails may refer to, and what this one refers to that has not arrived yet.
fn remember(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    message: MessageId,
    case: &CaseRow,
    conversation: ConversationId,
) -> Result<(), DeskError> {
    let row = |hash, purpose| ThreadRow {
        hash,
        purpose,
        message_id: message,
        case_id: case.id,
        conversation_id: conversation,
        recipient: None,
        expires_at: None,
    };
    let hash = |id: &String| cx.shared.vault.lookup().message_id(id);
    let own = letter.mail.message_id.iter().map(|id| row(hash(id), ThreadPurpose::Stored));
    let referred = letter.mail.in_reply_to.iter().chain(&letter.mail.references).take(30);
    let awaited: Vec<_> = own.chain(referred.map(|id| row(hash(id), ThreadPurpose::Awaited))).collect();
    for row in &awaited {
        let arrived = row.purpose == ThreadPurpose::Awaited
            && !(cx.tx.threads(row.hash, ThreadPurpose::Stored)?.is_empty()
                && cx.tx.threads(row.hash, ThreadPurpose::Minted)?.is_empty());
        if !arrived {
            cx.tx.insert_thread(row)?;
        }
    }
    Ok(())
}

fn acknowledge(
    cx: &mut Context<'_>,
    letter: &Letter<'_>,
    case: &CaseRow,
    conversation: &ConversationRow,
    language: &str,
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
    let day = cx.now.minus(std::time::Duration::from_secs(86_400));
    let sent = cx.tx.automatic_mails_to(recipient, day)?;
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
        .render(kind, language, &values)
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
fn language(cx: &Context<'_>, letter: &Letter<'_>) -> String {
    let known =
        letter.from.person.as_ref().map(|person| person.language.clone()).filter(|tag| !tag.is_empty());
    let shipped = |tag: &String| crate::settings::LANGUAGES.contains(&tag.as_str());
    known
        .filter(shipped)
        .or_else(|| letter.mail.language.clone().filter(shipped))
        .unwrap_or_else(|| cx.settings.organisation.language.clone())
}

/// Automatic mail is recorded, never acknowledged, and opens nothing. A bounce shows on the mail that bounced.
fn automatic(
    cx: &mut Context<'_>,
    arrived: &Arrived,
    mail: &Mail,
    view: &View,
    from: &Sender,
    evidence: &[Evidence],
) -> Result<Became, DeskError> {
    let kind = word(mail.automatic);
    let bounced = mail.automatic == Automatic::Bounce;
    let mut shelf = None;
    for one in
        evidence.iter().filter(|one| one.purpose.is_some_and(|purpose| purpose != ThreadPurpose::Stored))
    {
        if bounced {
            shelf = Some((one.case, one.conversation));
            mark_bounced(cx, one)?;
        } else if let Some(conversation) = own_conversation(cx, one.case, from)? {
            shelf = Some((one.case, Some(conversation.id)));
        }
        if shelf.is_some() {
            break;
        }
    }
    let Some((case, conversation)) = shelf else {
        return hold(cx, arrived, view, Held::Automatic, "automatic mail", kind);
    };
    let mut case = cx.tx.case(case)?.ok_or(DeskError::NotFound)?;
    cx.advance(&mut case)?;
    let new = plain_message(arrived, view, kind, Some(from.trust), None);
    let id = new.id;
    cx.file(&new, &Shelf::Case(&case, conversation))?.ok_or(DeskError::Conflict)?;
    let action = if bounced { "message.bounced" } else { "message.automatic" };
    cx.record(&Actor::System, action, Some(&case), &serde_json::json!({ "message": id.to_string() }))?;
    Ok(Became { state: RegisterState::Automatic, message: Some(id), case: Some(case.id), opened: false })
}

fn mark_bounced(cx: &mut Context<'_>, evidence: &Evidence) -> Result<(), DeskError> {
    if let Some(message) = evidence.message
        && let Some(row) = cx.tx.message(message)?
    {
        cx.tx.update_message(&MessageRow { delivery: Some("bounced".into()), ..row })?;
    }
    Ok(())
}

/// Keeps a mail outside any case.
fn hold(
    cx: &mut Context<'_>,
    arrived: &Arrived,
    view: &View,
    held: Held,
    reason: &str,
    kind: &str,
) -> Result<Became, DeskError> {
    let new = plain_message(arrived, view, kind, None, Some(reason.into()));
    let id = new.id;
    cx.file(&new, &Shelf::Unfiled(held))?.ok_or(DeskError::Conflict)?;
    let state = match held {
        Held::Quarantined => RegisterState::Quarantined,
        Held::Automatic => RegisterState::Automatic,
        Held::Discarded => RegisterState::Discarded,
    };
    if held == Held::Quarantined {
        tracing::error!(message = %id, reason, "a mail was put into quarantine; look at it");
    }
    let details = serde_json::json!({ "message": id.to_string(), "reason": reason });
    cx.record(&Actor::System, "mail.held", None, &details)?;
    Ok(Became { state, message: Some(id), case: None, opened: false })
}

fn plain_message<'a>(
    arrived: &'a Arrived,
    view: &'a View,
    automatic: &'a str,
    trust: Option<Trust>,
    reason: Option<String>,
) -> NewMessage<'a> {
    NewMessage {
        id: MessageId::new(),
        kind: MessageKind::MailIn,
        at: arrived.received_at,
        author: None,
        mailbox: &arrived.mailbox,
        trust,
        automatic,
        reason,
        identity: Some(arrived.identity),
        raw: &arrived.raw,
        raw_complete: arrived.complete,
        view,
        verdict: None,
    }
}

/// Whether `address` is this mailbox's own, plus addressing included.
#[must_use]
pub fn is_address_of(mailbox: &MailboxSettings, address: &str) -> bool {
    let own = std::iter::once(&mailbox.address).chain(&mailbox.aliases);
    let plain = |address: &str| {
        let (local, domain) = address.rsplit_once('@')?;
        let local = local.split_once('+').map_or(local, |(local, _)| local);
        Some(format!("{local}@{domain}").to_lowercase())
    };
    let wanted = plain(address);
    wanted.is_some() && own.into_iter().any(|own| plain(own) == wanted)
}

const fn word(automatic: Automatic) -> &'static str {
    match automatic {
        Automatic::None => "none",
        Automatic::AutoReply => "auto-reply",
        Automatic::Bounce => "bounce",
        Automatic::Bulk => "bulk",
        Automatic::FeedbackReport => "feedback-report",
    }
}
