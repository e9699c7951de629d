//! Bounces that no standard describes: qmail, Exim, Exchange, Notes, providers and the long tail. Two things must
//! agree before a mail is one: it comes from a program that delivers mail, and it says that delivery failed.

use std::sync::LazyLock;

use mail_parser::{Message, PartType};
use regex::Regex;

use super::super::fields;
use super::report;

/// A bounce says what it has to say at its beginning; the rest is the mail that came back.
const MAX_TEXT: usize = 64 * 1024;

fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

fn hit(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

static DAEMON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|post[-_.]?master|post[-_.]office|mail[-_.]?delivery[\w.-]*|maildelivery|double-?bounce|bounces?|bounced?-?mail|mailadmin|mail-administrator|administrator|system[-_.]?administrator|mailrobot|undeliverable|delivery|mailgateway|smtp|mail[-_.]?system|mta[-_.]?\w*|uucp|microsoftexchange[0-9a-f]{8,}|info-mdr|non?e?-?deliver\w*|ndr|e?mail-?error|mailerror|listserv)(?:\+[^@]*)?(?:@|$)",
    )
});
static SENDER_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)mail(?:er)?[- ]?daemon|mail delivery (?:system|subsystem|service)|microsoft outlook|postmaster|system administrator|systemadministrator|mail administrator|internet mail (?:service|delivery)|delivery subsystem|administrateur système|administrador del sistema|mail system",
    )
});
static SUBJECT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)^\W*(?:(?:warning|error|fatal|notice|failed|automatic)\W+)?(?:undeliver(?:able|ed)|un-?deliverable|undelivered mail|mail delivery (?:fail|problem|error|system error)|mail delivery system|mail could not be delivered|mail fail(?:ure|ed)|delivery (?:status notification|failure|failed|notification|error|report|problem|has failed|unsuccessful)|delivery .{0,40}fail|failure notice|failure delivery|failed (?:mail|delivery)|returned mail|returned to sender|return to sender|mail (?:not|un)delivered|mail system error|mail error|message (?:not delivered|delivery failure|undeliverable|could not)|message status - undeliverable|nondeliver|non[- ]?deliver|non remis|unable to deliver|could not (?:send|deliver)|unzustellbar|nicht zustellbar|nachricht (?:nicht|unzustellbar)|zustellung|unzugestellt|rückläufer|mail konnte nicht|fehler bei der nachrichten|échec|remise impossible|courrier non|message non|avis de non|no se (?:puede|pudo|ha podido)|no entregado|error (?:al|de) entreg|mensaje (?:no|devuelto)|notificación de (?:error|estado|entrega)|non recapitabile|mancat[oa]|não (?:entregue|é possível)|onbestelbaar|niet afgeleverd|ej levererat|kan inte levereras|nie dostarcz|zwrot|не доставлено|недоставленное|退信|无法投递|系统退信|配信不能|配信エラー|送信エラー|メール不達|メールエラー|メール送信エラー|user unknown|unknown (?:user|recipient|address)|bounce(?:d)?\b|host unknown|address not found|mailbox (?:full|unavailable)|there was an error sending your mail|problème de remise|we could not deliver|rejected (?:mail|mesage|message)|your (?:message|mail|e-mail) (?:could|was|can)|email (?:could not|delivery|error)|e-mail delivery)",
    )
});
static FAILED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)qmail-send program|wasn't able to deliver|an error has occurred while|delivery? .{0,60}aborted|service unavailable|unable to deliver|not able to deliver|cannot deliver|can't deliver|couldn't deliver|could not deliver|failed to deliver|could not be (?:delivered|sent|reached|forwarded|relayed)|couldn't be (?:delivered|found|sent)|cannot be (?:delivered|sent)|can not be delivered|can't be delivered|was(?: not|n't) (?:successfully )?delivered|were not delivered|has not been delivered|not been delivered|been returned|(?:been|was|is) undeliver|undeliverable|undelivered|delivery (?:has |was |to .{1,80} )?(?:failed|failure|aborted|been aborted|is impossible|permanently)|delivery status: failed|(?:permanent|fatal|permanently) (?:fatal |delivery )?(?:error|fail)|address(?:es)? (?:has |have )?(?:failed|not found)|address couldn't be found|unknown user|user (?:is )?unknown|no such (?:user|address|mailbox|recipient|person)|unknown (?:recipient|address|local)|user .{0,80}not (?:found|listed|exist|known)|(?:recipient|mailbox|account|address|e-mail account|user).{0,80} (?:does not exist|doesn't exist|not exist|not found|is full|is disabled|unavailable|is inactive|rejected)|over (?:quota|its limit)|quota exceeded|exceed.{0,40}quota|mailbox (?:full|unavailable|is full)|did(?: not|n't) reach|recipient.{0,20} (?:rejected|refused)|returned to (?:the )?sender|(?:malformed|invalid|illegal|bad) (?:recipient|address)|message (?:was )?(?:not delivered|rejected|refused)|relay(?:ing)? (?:access )?denied|unrouteable|host (?:unknown|not found|.{0,60}said:)|not a (?:known|valid) (?:user|recipient|address)|invalid recipient|giving up|error delivering|delivery error|rejected your message|was aborted|returned mail:|unsent message|cannot send message|no valid recipients|unknown host|no longer (?:works|employed|available|valid|in use|active)|bounce|non[- ]?deliver|554 |550 |553 |552 |nicht zu?gestellt|nicht (?:erfolgreich )?zugestellt|nicht zustellbar|unzustellbar|konnten? nicht|nicht erreicht|nicht ausgeliefert|fehlgeschlagen|zustellung|pas pu être|n'a pas été (?:remis|distribué)|échec|non remis|impossible de remettre|n'ont pas|no se (?:pudo|ha podido|pudieron|han podido|puede|entregó|ha entregado)|no (?:fue|ha sido) (?:posible )?entreg|imposible entregar|error de entrega|non è stato (?:possibile|recapitato|consegnato)|mancat[oa] (?:recapito|consegna)|não (?:pôde|foi|pode|é) |kon(?:den)? niet|niet (?:worden )?(?:afgeleverd|bezorgd)|kunde inte|kunne ikke|nie (?:można|została|mogła)|не удалось|не доставлено|не может быть|недоставлен|退信|无法|投递失败|被退回|配信でき|配信不能|送信できません|お届けでき|届けることができ|見つかりません|配達でき|宛先不明|エラー",
    )
});
static DELAYED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)warning message only|this is a warning|do(?:n't| not) need to (?:resend|re-send)|no action is required|has(?: not|n't) (?:yet )?been delivered|not yet been delivered|still (?:being retried|trying|be attempted)|will (?:be retried|keep (?:on )?trying|continue (?:to|trying)|retry|try again|be attempted)|keep trying|delivery (?:has been |is |was )?delayed|noch nicht zugestellt|zustellung verzögert|retardé|se ha retrasado|se retrasó",
    )
});
static DELAY_SUBJECT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)delayed|\bdelay\b|warning: (?:could not send|message .{0,60}delayed)|still be(?:ing)? (?:retried|attempted)|verzögert|verzögerung|retard|retras|ritard|atras|vertraag",
    )
});
static FINAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)giving up|given up|permanent|(?:was|been) returned|could not be delivered for|no longer be retried|retry timeout|too long in (?:the )?queue|message expired|after which|endgültig|will not (?:be )?retr|expired|\b5\.\d\.\d",
    )
});
/// Here the mail that came back begins.
static COPY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?im)^\W*(?:this is a copy of|below this line is a copy|(?:the )?(?:original|returned|unsent|undelivered|rejected|your) (?:message|mail|e-mail)(?: (?:follows|header|text|below|is|attached|information|content)|\W*$)|(?:the )?(?:header|body|text|content|copy) of (?:the |your )?(?:original|returned|message|mail)|message header|original header|(?:ursprüngliche|originale?) nachricht|message d'origine|mensaje original|forwarded message|returned message|return-path:|received: (?:from|by|\())",
    )
});
/// No counted repetitions here: `address` looks at the length.
static AT_LINE_START: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r#"(?im)^[\s*>|•·-]*(?:[45]\d\d[ -](?:[45]\.\d+\.\d+ )?)?(?:(?-u:[\w ()/.-]*?)(?:recipients?|user|mailbox|address|rcpt to|to|empfänger|destinataire|destinatario|smtp|e-?mail|for|à|宛先)[ \t()'"=:-]*(?:smtp|rfc822|tcp)?[:;= ][ '"<(\[]*)?[\[<'"(]*(?:smtp:|mailto:|rfc822;\s?|tcp:)?([^\s<>@'"\[\]():;,]+@[a-z0-9\[][a-z0-9._-]*\]?)"#,
    )
});
/// What comes next is the list of those who did not get it.
static FOLLOWING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:following (?:recipient|address|e-?mail|user|mailbox)|folgende[nr]? (?:empfänger|adresse)|destinataires? suivants?|(?:destinatarios?|direcciones) siguientes|siguientes? destinatarios?)[^\n]*\n",
    )
});
static ANYWHERE: LazyLock<Option<Regex>> =
    LazyLock::new(|| compiled(r#"(?i)([^\s<>@'"\[\]():;,=/?]+@[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)"#));
static TO_FIELD: LazyLock<Option<Regex>> =
    LazyLock::new(|| compiled(r"(?im)^[ \t>|*]*to:[^\n<@]*<?([^\s<>@]+@[a-z0-9][a-z0-9._-]*)"));
static MESSAGE_ID: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?im)^[ \t>|*]*(?:original[ -])?(?:message-id|messageid|message id|nachrichten-id|id du message)\s*[:：]\s*<?([^<>\s@]+@[^<>\s]+)>?",
    )
});

/// The recipients that failed with their status; one without a name when the text names none.
pub fn read(message: &Message<'_>, text: &str) -> Vec<(Option<String>, Option<String>)> {
    let Some(said) = failure(message, text) else { return Vec::new() };
    let named = recipients(message, text);
    if named.is_empty() {
        return vec![(None, report::status(&said))];
    }
    // What is said once holds for the one; of several, each has a line of its own.
    let whole = report::status(&said).filter(|_| named.len() == 1);
    named
        .into_iter()
        .map(|recipient| {
            let near = said.find(&recipient).and_then(|at| said.get(at..)).map(|rest| clip(rest, 800));
            let status = near.and_then(report::status).or_else(|| whole.clone());
            (Some(recipient), status)
        })
        .collect()
}

/// Whether a delivering program says that a mail is late.
pub fn is_delay(message: &Message<'_>) -> bool {
    from_program(message) && hit(&DELAY_SUBJECT, message.subject().unwrap_or_default())
}

/// The addresses that the bounce is about.
pub fn recipients(message: &Message<'_>, text: &str) -> Vec<String> {
    let listed: Vec<String> = ["X-Failed-Recipients", "X-Failed-Recipient"]
        .iter()
        .flat_map(|name| fields::all(message, name))
        .flat_map(|value| value.split([',', ' ', ';']).map(str::to_owned).collect::<Vec<_>>())
        .filter(|value| value.contains('@'))
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let own = own_addresses(message);
    let said = said(message, text);
    let listed =
        FOLLOWING.as_ref().and_then(|f| f.find(&said)).and_then(|f| said.get(f.end()..)).unwrap_or_default();
    // Then those who wrote to themselves, and a postmaster who got a mail; last, whom the returned mail was to.
    for (pattern, said, own, daemons) in [
        (&AT_LINE_START, listed, own.as_slice(), false),
        (&AT_LINE_START, &said, &own, false),
        (&ANYWHERE, &said, &own, false),
        (&AT_LINE_START, &said, &[], false),
        (&ANYWHERE, &said, &[], true),
        (&TO_FIELD, clip(text, MAX_TEXT), &[], true),
    ] {
        let found = pattern.as_ref().map_or_else(Vec::new, |pattern| named(pattern, said, own, daemons));
        if !found.is_empty() {
            return found;
        }
    }
    // Nothing in the text: the enclosed mail was sent to somebody.
    let enclosed = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => {
            let mut to = inner.all_to();
            let only = to.next()?.first()?.address()?.to_owned();
            (inner.all_to().map(|to| to.iter().count()).sum::<usize>() == 1).then_some(only)
        }
        _ => None,
    });
    enclosed.into_iter().collect()
}

/// The enhanced status code on the line that names `recipient`.
pub fn status_of(recipient: &str, text: &str) -> Option<String> {
    let text = clip(text, MAX_TEXT);
    text.match_indices(recipient).take(20).find_map(|(at, _)| {
        let line = text.get(at..)?.lines().next()?;
        report::status(clip(line, 800))
    })
}

/// The Message-ID that stands in a text as a header line.
pub fn message_id(text: &str) -> Option<String> {
    MESSAGE_ID.as_ref()?.captures(clip(text, MAX_TEXT))?.get(1).map(|id| id.as_str().to_owned())
}

fn named(pattern: &Regex, said: &str, own: &[String], daemons: bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for captures in pattern.captures_iter(said).take(1_000) {
        let Some(address) = captures.get(1).and_then(|one| super::address(one.as_str())) else { continue };
        let lower = address.to_lowercase();
        let message_id = lower.len() > 60 && lower.chars().filter(char::is_ascii_digit).count() > 15;
        let is_daemon = !daemons && hit(&DAEMON, &lower);
        if !own.contains(&lower) && !is_daemon && !message_id && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// What the program says of a failure, if it is a program and does.
fn failure(message: &Message<'_>, text: &str) -> Option<String> {
    let subject = message.subject().unwrap_or_default();
    let listed = fields::has(message, "X-Failed-Recipients");
    let program = from_program(message);
    let said = said(message, text);
    let plain = said.to_lowercase();
    let titled = hit(&SUBJECT, subject);
    // Absence replies and answers of robots also come with a null return path.
    let told = titled && hit(&FAILED, &said) && !answered(message);
    if !(program || listed || told) {
        return None;
    }
    let late = hit(&DELAY_SUBJECT, subject) || (hit(&DELAYED, &said) && !hit(&FINAL, &said));
    if late {
        return None;
    }
    let told = hit(&FAILED, &said) || hit(&FAILED, subject);
    let qmail = plain.contains("this is the qmail-send program");
    // Carriers name neither themselves nor what happened; that they return the mail says it.
    let returns = || message.parts.iter().any(|part| matches!(part.body, PartType::Message(_)));
    (listed || qmail || (told && (titled || named_daemon(message) || (returns() && !answered(message)))))
        .then_some(said)
}

fn from_program(message: &Message<'_>) -> bool {
    let null = fields::first(message, "Return-Path")
        .is_some_and(|path| path == "<>" || path == "< >" || path == "<\"\">");
    null || named_daemon(message)
}

fn named_daemon(message: &Message<'_>) -> bool {
    let from = message.from().and_then(|from| from.first());
    let raw = fields::first(message, "From").unwrap_or_default();
    let address = from.and_then(|from| from.address()).unwrap_or(&raw);
    let name = from.and_then(|from| from.name()).unwrap_or_default();
    hit(&DAEMON, address.trim_start_matches(['<', '"'])) || hit(&SENDER_NAME, name)
}

/// A person's answer to a bounce, or a bounce handed on.
fn answered(message: &Message<'_>) -> bool {
    static ANSWER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        compiled(r"(?i)^\s*(?:re|aw|antw|antwort|sv|vs|fwd?|wg|tr|rv|enc|i|r)\s*(?:\[\d+\])?\s*[:：]")
    });
    hit(&ANSWER, message.subject().unwrap_or_default()) || fields::has(message, "In-Reply-To")
}

/// The text above the mail that came back, and the report's parts that are text of their own.
fn said(message: &Message<'_>, text: &str) -> String {
    let mut text = clip(text, MAX_TEXT).to_owned();
    if text.trim().is_empty() {
        // Broken MIME leaves no text; what stands in the message is still there to read.
        let raw = message.raw_message();
        let raw = raw.get(..raw.len().min(MAX_TEXT)).unwrap_or_default();
        text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
        text = text.split_once("\n\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    }
    // A copy at the very start leaves nothing to read above it.
    let copy =
        COPY.as_ref().and_then(|copy| copy.find_iter(&text).map(|found| found.start()).find(|at| *at > 40));
    match copy.and_then(|at| text.get(..at)) {
        Some(above) if hit(&ANYWHERE, above) || hit(&FAILED, above) => above.to_owned(),
        _ => text,
    }
}

fn own_addresses(message: &Message<'_>) -> Vec<String> {
    let fields = [message.to(), message.from(), message.sender(), message.reply_to()];
    fields
        .iter()
        .flatten()
        .flat_map(|list| list.iter())
        .filter_map(|one| one.address())
        .map(str::to_lowercase)
        .collect()
}

fn clip(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
pub(super) fn every_pattern_compiles() -> bool {
    [
        &DAEMON,
        &SENDER_NAME,
        &SUBJECT,
        &FAILED,
        &DELAYED,
        &DELAY_SUBJECT,
        &FINAL,
        &COPY,
        &AT_LINE_START,
        &ANYWHERE,
        &FOLLOWING,
        &TO_FIELD,
        &MESSAGE_ID,
    ]
    .iter()
    .all(|pattern| pattern.is_some())
}
