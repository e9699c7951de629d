//! From the tree of parts to what a person reads: the text, the HTML, and the attachments beside them. Which of
//! several parts is the body follows what mail programs do, not only what the RFCs say.

use super::{
    Attachment, Limits, attachments, charset, clean, html_text, structure::Part, text, transfer::Encoding,
    uuencode, winmail,
};

/// What was read of a message's parts.
#[derive(Default)]
pub struct Content {
    pub text: String,
    /// Not sanitised.
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    pub problems: Vec<&'static str>,
}

/// The readable content of one part: plain text and HTML where it has them.
#[derive(Default)]
struct Readable {
    plain: Option<String>,
    html: Option<String>,
}

/// Where a part stands; decides whether it is body or attachment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Alternative,
    Sequence,
}

/// Reads all parts; decodes no more than the limits allow.
pub fn read(raw: &[u8], root: &Part, limits: &Limits) -> Content {
    let mut reader = Reader {
        raw,
        limits,
        decoded: 0,
        room_for_text: limits.max_text,
        room_for_html: limits.max_text,
        has_body: false,
        content: Content::default(),
    };
    let readable = reader.part(root, Place::Top);
    let mut content = reader.content;
    let plain = readable.plain.filter(|text| !text.trim().is_empty());
    content.html = readable.html.filter(|html| !html.trim().is_empty());
    let whole = plain.or_else(|| content.html.as_deref().map(html_text::to_text)).unwrap_or_default();
    content.text = clean::text(whole.trim_end().trim_start_matches('\n'));
    if content.text.contains("-----BEGIN PGP MESSAGE-----") {
        content.problems.push("The text is encrypted (PGP) and cannot be read here.");
    }
    if let Some(html) = &content.html {
        for attachment in &mut content.attachments {
            attachment.inline |=
                attachment.content_id.as_ref().is_some_and(|id| html.contains(&format!("cid:{id}")));
        }
    }
    content
}

struct Reader<'r> {
    raw: &'r [u8],
    limits: &'r Limits,
    decoded: u64,
    /// What the text parts may still add to the text, and the HTML ones to the HTML.
    room_for_text: usize,
    room_for_html: usize,
    /// A text part was already taken as body: later ones with a file name are attachments.
    has_body: bool,
    content: Content,
}

impl Reader<'_> {
    fn part(&mut self, part: &Part, place: Place) -> Readable {
        if !part.children.is_empty() {
            return self.multipart(part);
        }
        let body = self.raw.get(part.body.clone()).unwrap_or_default();
        let is_text = matches!(
            part.media_type.as_str(),
            "text/plain"
                | "text/html"
                | "text/enriched"
                | "text/richtext"
                | "text/markdown"
                | "text/x-markdown"
        );
        if place == Place::Alternative
            && matches!(part.media_type.as_str(), "text/x-amp-html" | "text/watch-html")
        {
            return Readable::default();
        }
        if !is_text || self.is_attached(part, place) {
            return self.attach(part, body);
        }
        if place == Place::Sequence && part.disposition.get("filename").is_some() {
            // The first text, shown inline, is what the sender says; that it is also a file is not lost.
            let size = part.encoding.decode(body).len() as u64;
            self.content.attachments.push(attachments::describe(self.raw, part, size));
        }
        self.has_body = true;
        let room =
            if part.media_type == "text/html" { &mut self.room_for_html } else { &mut self.room_for_text };
        let (text, is_cut) = text::read(part, body, *room);
        *room = room.saturating_sub(text.len());
        self.decoded += text.len() as u64;
        if is_cut {
            self.problem("The text is very long; the end of it is only in the original.");
        }
        match part.media_type.as_str() {
            "text/html" => Readable { plain: None, html: Some(text) },
            "text/enriched" | "text/richtext" => Readable {
                plain: Some(html_text::to_text(&text.replace("<<", "&lt;").replace('\n', "<br>"))),
                html: None,
            },
            _ => Readable { plain: Some(self.take_uuencoded(part, &text)), html: None },
        }
    }

    fn is_attached(&self, part: &Part, place: Place) -> bool {
        let has_name = attachments::declared_name(part).is_some();
        match part.disposition.value.as_str() {
            "attachment" => has_name || place != Place::Top,
            _ if place != Place::Sequence => false,
            "inline" => has_name && self.has_body,
            _ => part.disposition.get("filename").is_some() || (has_name && self.has_body),
        }
    }

    fn multipart(&mut self, part: &Part) -> Readable {
        match part.media_type.as_str() {
            "multipart/encrypted" => self.problem("The message is encrypted and cannot be read here."),
            "multipart/signed" => self.problem("The message carries a signature that was not checked."),
            _ => {}
        }
        let is_alternative = part.media_type == "multipart/alternative";
        let place = if is_alternative { Place::Alternative } else { Place::Sequence };
        let read: Vec<Readable> = part.children.iter().map(|child| self.part(child, place)).collect();
        if is_alternative { best_of(read) } else { in_order(read) }
    }

    fn attach(&mut self, part: &Part, body: &[u8]) -> Readable {
        if self.decoded.saturating_add(body.len() as u64) > self.limits.max_decoded {
            self.problem("The attachments are larger than what is decoded; they are only in the original.");
            self.content.attachments.push(attachments::describe(self.raw, part, 0));
            return Readable::default();
        }
        let decoded = part.encoding.decode(body);
        self.decoded += decoded.len() as u64;
        let described = attachments::describe(self.raw, part, decoded.len() as u64);
        let is_winmail =
            part.media_type.ends_with("ms-tnef") || described.name.eq_ignore_ascii_case("winmail.dat");
        match part.media_type.as_str() {
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                let is_signed = part
                    .content_type
                    .get("smime-type")
                    .is_some_and(|t| t.eq_ignore_ascii_case("signed-data"));
                self.problem(if is_signed {
                    "The message is wrapped in a signature (S/MIME) and cannot be read here."
                } else {
                    "The message is encrypted (S/MIME) and cannot be read here."
                });
            }
            "message/partial" => self.problem("The message is one piece of several."),
            _ => {}
        }
        self.content.attachments.push(described);
        if is_winmail { self.open_winmail(part, &decoded) } else { Readable::default() }
    }

    fn open_winmail(&mut self, part: &Part, decoded: &[u8]) -> Readable {
        let Some(found) = winmail::read(decoded, attachments::MAX_FILES_IN_PART) else {
            self.problem("The winmail.dat cannot be read.");
            return Readable::default();
        };
        for (index, file) in found.files.iter().enumerate() {
            let media_type = file.media_type.as_deref().map(|t| clean::token(t).to_ascii_lowercase());
            let media_type = media_type.filter(|t| t.contains('/') && t.len() < 200);
            self.content.attachments.push(Attachment {
                part: format!("{}.w{}", part.number, index + 1),
                name: clean::file_name(&file.name).unwrap_or_else(|| format!("file-{}.bin", index + 1)),
                media_type: media_type.unwrap_or_else(|| "application/octet-stream".into()),
                bytes: file.content.len() as u64,
                ..Attachment::default()
            });
        }
        if self.has_body {
            return Readable::default();
        }
        Readable {
            plain: found.text,
            html: found.html.map(|html| clean::text(&charset::decode(&html, None))),
        }
    }

    fn take_uuencoded(&mut self, part: &Part, text: &str) -> String {
        if part.encoding == Encoding::Uuencode {
            return text.to_owned();
        }
        let (left, found) = uuencode::extract(text);
        for (index, file) in found.iter().take(attachments::MAX_FILES_IN_PART).enumerate() {
            self.content.attachments.push(Attachment {
                part: format!("{}.u{}", part.number, index + 1),
                name: clean::file_name(&file.name).unwrap_or_else(|| format!("file-{}.bin", index + 1)),
                media_type: "application/octet-stream".into(),
                bytes: file.content.len() as u64,
                ..Attachment::default()
            });
        }
        left
    }

    fn problem(&mut self, words: &'static str) {
        if !self.content.problems.contains(&words) {
            self.content.problems.push(words);
        }
    }
}

/// Of alternatives: the first plain text that says something, and the last HTML (RFC 2046 section 5.1.4).
fn best_of(parts: Vec<Readable>) -> Readable {
    let mut best = Readable::default();
    for part in parts {
        if best.plain.as_ref().is_none_or(|text| text.trim().is_empty()) {
            best.plain = part.plain.or(best.plain);
        }
        best.html = part.html.or(best.html);
    }
    best
}

/// Of parts one after the other: all of them. Apple Mail writes text, picture, text; lists add a footer.
fn in_order(parts: Vec<Readable>) -> Readable {
    let any_plain = parts.iter().any(|p| p.plain.as_ref().is_some_and(|text| !text.trim().is_empty()));
    let any_html = parts.iter().any(|p| p.html.is_some());
    let (mut plain, mut html) = (String::new(), String::new());
    for part in parts {
        if any_plain {
            let text = part
                .plain
                .clone()
                .or_else(|| part.html.as_deref().map(html_text::to_text))
                .unwrap_or_default();
            if !text.trim().is_empty() {
                if !plain.is_empty() && !plain.ends_with('\n') {
                    plain.push('\n');
                }
                plain.push_str(&text);
            }
        }
        if any_html {
            let own =
                part.html.or_else(|| part.plain.filter(|t| !t.trim().is_empty()).map(|t| text::to_html(&t)));
            html.push_str(&own.unwrap_or_default());
        }
    }
    Readable { plain: any_plain.then_some(plain), html: any_html.then_some(html) }
}
