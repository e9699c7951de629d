//! A mail arrives: one action decides what becomes of it, in order of arrival. What needs no register (parsing,
//! classifying, hashing) was done before and comes as [`Arrived`].

use std::sync::Arc;

use super::automatic;
use super::context::{Context, DeskError};
use super::copy;
use super::filing::NewMessage;
use super::hold::keep_unfiled;
use super::letter::{self, Letter};
use super::register::Lease;
use super::runner::Action;
use super::view::View;
use crate::case::{Actor, CaseId, Channel, FolderId, MessageId, MessageKind, Moment, Trust};
use crate::intake::classify::Verdict;
use crate::intake::thread::evidence;
use crate::intake::trust::{Sender, sender};
use crate::mail::{Automatic, Mail};
use crate::settings::MailboxSettings;
use crate::store::rows::{Held, RegisterRow, RegisterState};
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
    /// Why it goes into quarantine, whatever it says.
    pub quarantine: Option<&'static str>,
}

impl Arrived {
    /// What the log says all along about this mail: where it lies.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        span(&self.mailbox, self.place)
    }
}

/// The span of one mail, before and while it is understood and taken in.
#[must_use]
pub fn span(mailbox: &str, place: Option<Place>) -> tracing::Span {
    let (folder, uid) = (place.map(|place| place.folder), place.map(|place| place.uid));
    tracing::info_span!("mail", mailbox, folder = folder.map(tracing::field::display), uid)
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
    /// What lets this daemon work the mailbox; none for imported mail.
    pub lease: Option<Lease>,
    /// Keep the bytes in quarantine and look at nothing: taking it in the usual way failed.
    pub bare: bool,
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
        let _span = arrived.span().entered();
        cx.tx.lock_intake()?;
        if let Some(lease) = &self.lease {
            lease.check(cx)?;
        }
        let before = match arrived.place {
            Some(place) => cx.tx.place(place.folder, place.uid)?,
            None => None,
        };
        if let Some(row) = before.as_ref().filter(|row| !row.is_unread()) {
            return Ok(Became { state: row.state, message: row.message_id, case: None, opened: false });
        }
        let (became, reason) = match cx.tx.message_by_identity(arrived.identity)? {
            Some(known) if self.bare => (copy::same(&known), None),
            Some(known) => (copy::again(cx, arrived, known)?, None),
            None if self.bare => {
                quarantine(cx, arrived, &View::default(), "this mail could not be taken in")?
            }
            None => file_new(cx, arrived)?,
        };
        let attempts = before.map_or(1, |row| row.attempts.max(1));
        account(cx, arrived, &became, reason, attempts)?;
        Ok(became)
    }

    fn committed(&self, became: &Became) {
        let _span = self.arrived.span().entered();
        let case = became.case.map(tracing::field::display);
        tracing::info!(
            state = became.state.as_str(),
            case,
            opened = became.opened,
            "a mail is accounted for"
        );
    }
}

fn account(
    cx: &mut Context<'_>,
    arrived: &Arrived,
    became: &Became,
    reason: Option<&str>,
    attempts: i32,
) -> Result<(), DeskError> {
    let Some(place) = arrived.place else { return Ok(()) };
    cx.tx.put_place(&RegisterRow {
        folder_id: place.folder,
        uid: place.uid,
        state: became.state,
        reason: reason.map(Into::into),
        message_id: became.message,
        bytes: i64::try_from(arrived.bytes).unwrap_or(i64::MAX),
        received_at: arrived.received_at,
        at: cx.now,
        attempts,
        settled: false,
    })?;
    Ok(())
}

/// What became of it, and why it is not in a case.
type Filed = (Became, Option<&'static str>);

fn file_new(cx: &mut Context<'_>, arrived: &Arrived) -> Result<Filed, DeskError> {
    let (mail, verdict) = match &arrived.understood {
        Ok(understood) => understood,
        Err(why) => return quarantine(cx, arrived, &View::default(), why),
    };
    let view = View::of(mail);
    if let Some(why) = arrived.quarantine {
        return quarantine(cx, arrived, &view, why);
    }
    let from = sender(cx.tx, cx.shared.vault.lookup(), mail)?;
    let evidence = evidence(cx.tx, cx.shared.vault.lookup(), cx.settings, mail, cx.now)?;
    match route(cx, mail, &from) {
        Route::Quarantine(why) => quarantine(cx, arrived, &view, why),
        Route::Aside(why) => {
            let became = keep_unfiled(cx, arrived, &view, Held::Automatic, why, word(mail.automatic))?;
            Ok((became, Some(why)))
        }
        Route::Automatic => Ok((automatic::record(cx, arrived, mail, &view, &from, &evidence)?, None)),
        Route::Letter(address) => {
            let letter = Letter { arrived, mail, verdict, view: &view, from: &from, address };
            Ok((letter::file(cx, &letter, &evidence)?, None))
        }
    }
}

fn quarantine(
    cx: &mut Context<'_>,
    arrived: &Arrived,
    view: &View,
    why: &'static str,
) -> Result<Filed, DeskError> {
    let automatic = arrived.understood.as_ref().map_or("none", |(mail, _)| word(mail.automatic));
    Ok((keep_unfiled(cx, arrived, view, Held::Quarantined, why, automatic)?, Some(why)))
}

/// Which way a mail goes.
pub(super) enum Route<'a> {
    Quarantine(&'static str),
    /// Recorded outside any case.
    Aside(&'static str),
    Automatic,
    /// A person wrote it, from this address.
    Letter(&'a str),
}

pub(super) fn route<'a>(cx: &Context<'_>, mail: &'a Mail, from: &Sender) -> Route<'a> {
    let address = mail.from.as_ref().map(|from| from.address.as_str()).filter(|address| !address.is_empty());
    let Some(address) = address else { return Route::Quarantine("no sender can be told from this mail") };
    if cx.settings.mailboxes.iter().any(|mailbox| is_address_of(mailbox, address)) {
        return Route::Aside("our own mail came back");
    }
    match mail.automatic {
        Automatic::Bounce | Automatic::AutoReply | Automatic::FeedbackReport => Route::Automatic,
        // A list that a known employee writes to us through is still that employee's mail.
        Automatic::Bulk if from.trust < Trust::Known => Route::Aside("bulk mail"),
        Automatic::Bulk | Automatic::None => Route::Letter(address),
    }
}

pub(super) fn plain_message<'a>(
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

pub(super) const fn word(automatic: Automatic) -> &'static str {
    match automatic {
        Automatic::None => "none",
        Automatic::AutoReply => "auto-reply",
        Automatic::Bounce => "bounce",
        Automatic::Bulk => "bulk",
        Automatic::FeedbackReport => "feedback-report",
    }
}
