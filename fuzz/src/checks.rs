//! What must hold for every byte string, one function for each fuzz target; `tests/fuzz_corpus.rs` runs the same
//! checks over the corpus in every test run. Each panics when something does not hold.

use crate::mail::{
    self, Automatic, Limits, Mail,
    authentication::{self, Policy},
    automatic, bounce,
    quoting::{self, Context},
};
use mail_parser::MessageParser;

/// Any bytes are a mail: clean strings, attachments that can be had by the names they are listed under.
pub fn parsing(data: &[u8]) {
    let mail = mail::parse(data, &Limits::default(), &Policy::default());
    clean(&mail);
    for attachment in &mail.attachments {
        let content = mail::attachment(data, &attachment.part, &Limits::default());
        assert_eq!(content.map(|c| c.len() as u64), Some(attachment.bytes), "{}", attachment.part);
    }
    let tight = Limits {
        max_message_size: 10_000,
        max_parts: 5,
        max_depth: 2,
        max_decoded: 500,
        max_headers: 10,
        max_html_nodes: 20,
        max_text: 300,
    };
    clean(&mail::parse(data, &tight, &Policy::default()));
}

/// New text is never empty when there is text, and consists of lines of it.
pub fn quoting(data: &[u8]) {
    let (is_reply, text) = data.split_first().map_or((false, data), |(first, rest)| (first % 2 == 1, rest));
    let text = String::from_utf8_lossy(text);
    let new = quoting::new_text(&text, Context { is_reply });
    let is_blank = |t: &str| t.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty();
    assert_eq!(is_blank(&new), is_blank(&text));
    let length = |t: &str| t.chars().filter(|c| !c.is_whitespace()).count();
    assert!(length(&new) <= length(&text));
}

/// A verdict is total, its recipients are addresses, and only a bounce has any.
pub fn automatic(data: &[u8]) {
    let Some(message) = MessageParser::default().parse(data) else { return };
    let text = message.body_text(0).unwrap_or_default().into_owned();
    let bounced = bounce::bounced(&message, &text);
    assert!(bounced.len() <= 100);
    for one in &bounced {
        for value in [&one.recipient, &one.status, &one.message_id].into_iter().flatten() {
            assert!(!value.contains(char::is_control), "{value:?}");
        }
        assert!(one.recipient.as_deref().is_none_or(|r| r.contains('@') && r.len() <= 400));
    }
    let verdict = automatic::automatic(&message, &text);
    assert_eq!(verdict == Automatic::Bounce, !bounced.is_empty());
}

/// Nothing that stands below the first `Received` of a stranger proves anything.
pub fn authentication(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut headers = vec![
        ("received".to_owned(), "from evil.test (evil.test [192.0.2.66]) by stranger.test; x".to_owned()),
        ("from".to_owned(), "Ann <ann@firm.test>".to_owned()),
    ];
    let written = text.lines().filter_map(|line| line.split_once(':'));
    let written = written.map(|(name, value)| (name.to_owned(), value.to_owned()));
    headers.extend(written.clone());
    let policy = Policy {
        authserv_id: Some("mx.hr.test".into()),
        anonymous_results: true,
        own_hosts: vec!["hr.test".into(), "10.1.".into()],
        internal_header: Some("X-Internal: yes".into()),
        authenticated_received: true,
        ..Policy::default()
    };
    let judged = authentication::judge(&headers, "firm.test", &policy);
    assert_eq!(judged, mail::Authentication::default(), "{headers:?}");
    // The same fields alone, as if our own server had written them, may say anything but must end.
    let own: Vec<_> = written.collect();
    let judged = authentication::judge(&own, "firm.test", &policy);
    assert_eq!(judged.result == mail::AuthResult::None, judged.evidence.is_none());
}

/// Sanitised HTML has no element or attribute that runs, loads or submits.
pub fn html(data: &[u8]) {
    let mut raw = b"From: a@x.test\r\nContent-Type: text/html; charset=utf-8\r\n\r\n".to_vec();
    raw.extend_from_slice(data);
    let mail = mail::parse(&raw, &Limits::default(), &Policy::default());
    clean(&mail);
    let html = mail.html.unwrap_or_default();
    for tag in tags(&html) {
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let name = name.trim_matches('/').to_ascii_lowercase();
        let forbidden = [
            "script", "style", "iframe", "object", "embed", "form", "input", "button", "svg", "math", "base",
            "meta", "link", "template", "video", "audio", "source", "frame", "frameset", "applet",
            "noscript", "textarea",
        ];
        assert!(!forbidden.contains(&name.as_str()), "{tag:?}");
        for (key, value) in attribute_pairs(attributes) {
            let value = value.trim().to_ascii_lowercase();
            assert!(!key.starts_with("on") && key != "style" && key != "srcset" && key != "id", "{tag:?}");
            match key.as_str() {
                "src" => assert!(name == "img" && value.starts_with("cid:"), "{tag:?}"),
                "href" => assert!(
                    name == "a" && ["http:", "https:", "mailto:"].iter().any(|s| value.starts_with(s)),
                    "{tag:?}"
                ),
                _ => {}
            }
        }
    }
}

/// Ids are tokens, few and short, whatever stands in the fields.
pub fn references(data: &[u8]) {
    let field: Vec<u8> = data.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let raw =
        [b"Message-ID: ", &*field, b"\r\nIn-Reply-To: ", &field, b"\r\nReferences: ", &field, b"\r\n\r\nx"]
            .concat();
    let mail = mail::parse(&raw, &Limits::default(), &Policy::default());
    assert!(mail.references.len() <= 200 && mail.in_reply_to == mail.references);
    for id in mail.references.iter().chain(&mail.message_id) {
        assert!(!id.is_empty() && id.len() <= 500);
        assert!(
            !id.contains(|c: char| c.is_whitespace() || c.is_control() || c == '<' || c == '>'),
            "{id:?}"
        );
    }
}

/// What holds for every mail: no control characters, no overrides of writing direction, no paths, one JSON line.
fn clean(mail: &Mail) {
    let is_bad = |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let mut lines: Vec<&str> = vec![&mail.subject];
    for person in mail.from.iter().chain(&mail.reply_to).chain(&mail.to).chain(&mail.cc) {
        lines.push(&person.address);
        lines.extend(person.name.as_deref());
        assert!(!person.address.is_empty() && !person.address.contains(char::is_whitespace));
    }
    lines.extend(mail.message_id.iter().chain(&mail.in_reply_to).chain(&mail.references).map(String::as_str));
    for attachment in &mail.attachments {
        lines.extend([attachment.name.as_str(), &attachment.part, &attachment.media_type]);
        let name = attachment.name.as_str();
        assert!(
            !name.is_empty() && !name.contains(['/', '\\']) && name != ".." && name.len() < 256,
            "{name:?}"
        );
    }
    for bounced in &mail.bounced {
        lines.extend(
            [&bounced.recipient, &bounced.status, &bounced.message_id]
                .into_iter()
                .flatten()
                .map(String::as_str),
        );
    }
    for line in lines {
        assert!(!line.contains(is_bad), "{line:?}");
    }
    for text in [&mail.text, &mail.reply, mail.html.as_ref().unwrap_or(&String::new())] {
        assert!(!text.contains(|c| is_bad(c) && c != '\n' && c != '\t'));
    }
    assert!(mail.reply.is_empty() || !mail.text.is_empty());
    let json = serde_json::to_string(mail).unwrap_or_default();
    assert!(!json.is_empty() && !json.contains(['\n', '\r', '\0']));
}

/// The insides of all tags; `>` in a quoted value does not end one.
fn tags(html: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let mut quoted = false;
        let end = after
            .char_indices()
            .find(|&(_, c)| {
                quoted ^= c == '"';
                c == '>' && !quoted
            })
            .map_or(after.len(), |(at, _)| at);
        found.push(after.get(..end).unwrap_or_default());
        rest = after.get(end..).unwrap_or_default();
    }
    found
}

/// Names in lower case and values, as the sanitiser writes them: `name="value"`.
fn attribute_pairs(attributes: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut rest = attributes;
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap_or((after, ""));
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = after;
    }
    found
}
