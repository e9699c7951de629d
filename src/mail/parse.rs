//! From bytes to a [`Mail`]. Total: what cannot be understood is said in `problems`, and the rest is read as well
//! as it can be. The parts and their text come from our own capped reading; what is judged of the message as
//! a whole (automatic, bounced) looks at it through `mail-parser`, at a bounded start of it.

use super::{
    Address, Automatic, Bounced, Mail, address, authentication, automatic, body, bounce, clean,
    header::{self, Block},
    ids, language, quoting, sanitise, structure,
};
use jiff::Timestamp;
use mail_parser::{DateTime, Message, MessageParser, PartType};
use regex::Regex;
use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

/// What one message may cost. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Above this, only the header is read.
    pub max_message_size: u64,
    pub max_parts: usize,
    /// Multiparts within multiparts.
    pub max_depth: usize,
    /// All parts decoded together.
    pub max_decoded: u64,
    /// Header fields of all parts together.
    pub max_headers: usize,
    /// Tags and texts of an HTML body; above, it is shown as text.
    pub max_html_nodes: usize,
    /// The text parts together, and the HTML parts together; what is longer stays in the original.
    pub max_text: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_message_size: 50 * 1024 * 1024,
            max_parts: 1_000,
            max_depth: 40,
            max_decoded: 100 * 1024 * 1024,
            max_headers: 5_000,
            max_html_nodes: 50_000,
            max_text: 2 * 1024 * 1024,
        }
    }
}

/// How much of the message is looked at to tell bounces and automatic mail; a report comes before the mail
/// that it returns.
const JUDGED: usize = 512 * 1024;

/// Understands a message. Never fails and never panics; empty input gives an empty mail with a problem.
pub fn parse(raw: &[u8], limits: &Limits, policy: &authentication::Policy) -> Mail {
    let prepared = prepared(raw, limits);
    let (root, odd) = structure::cut(&prepared, limits);
    let content = body::read(&prepared, &root, limits);
    let mut mail = Mail { text: content.text, attachments: content.attachments, ..Mail::default() };
    mail.problems = structural_problems(raw, &root.header, odd, limits);
    mail.problems.extend(content.problems.into_iter().map(str::to_owned));

    let fields = Fields { raw: &prepared, header: &root.header, charset: root.content_type.get("charset") };
    read_fields(&fields, &mut mail);

    if let Some(html) = content.html {
        mail.html = sanitise::sanitise(&html, limits.max_html_nodes);
        if mail.html.is_none() {
            mail.problems.push("The HTML is too complex to show; only its text is.".into());
        }
    }
    let is_reply =
        !mail.in_reply_to.is_empty() || !mail.references.is_empty() || REPLY.is_match(&mail.subject);
    mail.reply = quoting::new_text(&mail.text, quoting::Context { is_reply });
    mail.language = language::of(&mail.reply);
    (mail.automatic, mail.bounced) = judge(&prepared, &mail.text);
    // Of several authors nobody knows which one is shown, so none is proved.
    let from_domain = match fields.addresses("from").as_slice() {
        [author] => author.address.rsplit_once('@').map(|(_, domain)| domain.to_owned()),
        _ => None,
    };
    let from_domain = from_domain.unwrap_or_default();
    mail.authentication = authentication::judge(&fields.decoded(), &from_domain, policy);
    mail
}

/// Subjects that say "this answers you"; forwards do not.
static REPLY: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"(?i)^\s*(\[[^\]]{1,40}\]\s*)?(re|aw|antw|antwort|sv|vs|res|rif|odp|r[ée]f|réponse|respuesta|回复|答复)\s*(\[\d{1,3}\]|\(\d{1,3}\))?\s*[:：]";
    #[expect(clippy::expect_used, reason = "a constant, compiled by every test")]
    Regex::new(words).expect("the pattern is valid")
});

/// The bytes as they are cut: only the header of a message beyond the cap; line ends of old Macs made `\n`.
pub(super) fn prepared<'r>(raw: &'r [u8], limits: &Limits) -> Cow<'r, [u8]> {
    if raw.len() as u64 > limits.max_message_size {
        let start = raw.get(..1024 * 1024).unwrap_or(raw);
        let block = Block::cut(start, 0, start.len(), limits.max_headers);
        return Cow::Borrowed(start.get(..block.body).unwrap_or_default());
    }
    let start = raw.get(..64 * 1024).unwrap_or(raw);
    if start.contains(&b'\r') && !start.contains(&b'\n') {
        return Cow::Owned(raw.iter().map(|&b| if b == b'\r' { b'\n' } else { b }).collect());
    }
    Cow::Borrowed(raw)
}

fn structural_problems(raw: &[u8], header: &Block, odd: structure::Oddities, limits: &Limits) -> Vec<String> {
    let is_blank = raw.iter().all(u8::is_ascii_whitespace);
    [
        (is_blank, "The message is empty."),
        (!is_blank && header.fields.is_empty(), "The message has no header."),
        (raw.len() as u64 > limits.max_message_size, "The message is too large; only its header was read."),
        (odd.too_many_parts, "The message has too many parts; the rest of them are only in the original."),
        (odd.too_deep, "The parts are nested too deeply; the inner ones are only in the original."),
        (odd.too_many_headers, "The message has too many header fields; the rest of them were not read."),
        (odd.no_boundary, "A part that should hold others holds none; it was read as text."),
        (odd.no_closing_boundary, "The message ends in the middle; something may be missing."),
    ]
    .into_iter()
    .filter(|(is_so, _)| *is_so)
    .map(|(_, words)| words.to_owned())
    .collect()
}

/// The fields of the top header, decoded on demand.
struct Fields<'r> {
    raw: &'r [u8],
    header: &'r Block,
    charset: Option<&'r str>,
}

impl Fields<'_> {
    fn addresses(&self, name: &str) -> Vec<Address> {
        self.header
            .all(self.raw, name)
            .flat_map(|v| address::parse(&header::raw_text(v, self.charset)))
            .collect()
    }

    fn ids(&self, name: &str) -> Vec<String> {
        self.header.all(self.raw, name).flat_map(ids::list).collect()
    }

    fn first(&self, name: &str) -> Option<&[u8]> {
        self.header.first(self.raw, name)
    }

    fn count(&self, name: &str) -> usize {
        self.header.all(self.raw, name).count()
    }

    /// Every field as name (lower case) and unfolded value, in order.
    fn decoded(&self) -> Vec<(String, String)> {
        let value = |f: &header::Field| self.raw.get(f.value.clone()).unwrap_or_default();
        self.header
            .fields
            .iter()
            .map(|f| (f.name.clone(), clean::line(&String::from_utf8_lossy(value(f)))))
            .collect()
    }
}

fn read_fields(fields: &Fields<'_>, mail: &mut Mail) {
    mail.subject =
        fields.first("subject").map(|v| header::unstructured(v, fields.charset)).unwrap_or_default();
    mail.message_id = fields.first("message-id").and_then(ids::single);
    mail.in_reply_to = fields.ids("in-reply-to");
    mail.references = fields.ids("references");
    mail.to = fields.addresses("to");
    mail.cc = fields.addresses("cc");
    mail.reply_to = fields.addresses("reply-to");
    // The first mailbox that has a real address wins.
    let from = fields.addresses("from");
    mail.from = from.iter().find(|a| a.address.contains('@')).or(from.first()).cloned();
    for (name, words) in [
        ("from", "There are several From fields; the first usable one counts."),
        ("subject", "There are several Subject fields; the first one counts."),
        ("message-id", "There are several Message-ID fields; the first one counts."),
    ] {
        if fields.count(name) > 1 {
            mail.problems.push(words.into());
        }
    }
    if from.len() > 1 && fields.count("from") == 1 {
        mail.problems.push("From names several people; the first one counts.".into());
    }
    if mail.from.is_none() {
        let other = ["reply-to", "sender", "return-path"];
        mail.from = other.iter().find_map(|name| fields.addresses(name).into_iter().next());
        let shown = fields.first("from").map(|v| header::unstructured(v, fields.charset));
        if let (Some(from), Some(shown)) = (&mut mail.from, shown) {
            // A name without an address is still what the sender calls themselves.
            from.name = address::name(shown.split('<').next().unwrap_or_default()).or(from.name.take());
        }
        mail.problems.push(match mail.from {
            Some(_) => "There is no usable From; the sender comes from another field.".into(),
            None => "There is no sender.".into(),
        });
    }
    if fields.first("message-id").is_some() && mail.message_id.is_none() {
        mail.problems.push("The Message-ID is unusable.".into());
    }
    if let Some(value) = fields.first("date") {
        mail.date = date(value);
        if mail.date.is_none() {
            mail.problems.push("The date is unusable.".into());
        }
    }
}

/// A date between the first mail ever and the end of the century; anything else is a mistake or a trick.
fn date(value: &[u8]) -> Option<Timestamp> {
    let text = clean::line(&String::from_utf8_lossy(value));
    let parsed = DateTime::parse_rfc822(&text).or_else(|| DateTime::parse_rfc3339(&text))?;
    let is_plausible = parsed.is_valid() && (1970..=2100).contains(&parsed.year);
    is_plausible.then(|| Timestamp::from_second(parsed.to_timestamp()).ok()).flatten()
}

fn judge(raw: &[u8], text: &str) -> (Automatic, Vec<Bounced>) {
    let start = raw.get(..JUDGED).unwrap_or(raw);
    // A panic in the library must not cost the mail: it would only be judged as no automatic one.
    let parsed = catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(start))).ok().flatten();
    let Some(message) = parsed else { return (Automatic::None, Vec::new()) };
    let judged = (automatic::automatic(&message, text), bounce::bounced(&message, text));
    dismantle(message);
    judged
}

/// Drops messages within messages one by one: dropped as a whole, thousands of them overflow the stack.
fn dismantle(message: Message<'_>) {
    let mut waiting = vec![message];
    while let Some(message) = waiting.pop() {
        waiting.extend(message.parts.into_iter().filter_map(|part| match part.body {
            PartType::Message(inner) => Some(inner),
            _ => None,
        }));
    }
}
