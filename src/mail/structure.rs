//! The tree of parts, cut from the bytes in one pass and under caps: nothing is decoded or copied here, so the
//! caps hold before a hostile message can cost memory or time. An attached message (message/rfc822) is one leaf.

use super::{
    Limits,
    header::{Block, Parametrised, next_line},
    transfer::Encoding,
};
use std::ops::Range;

/// One part: its header, and where its body lies in the message.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// `1`, `2.1`: its place among its siblings, counted from the bytes; the top part of a plain mail is `1`.
    pub number: String,
    pub header: Block,
    /// Lower case, `type/subtype`; what is missing or malformed is text/plain (RFC 2045 section 5.2).
    pub media_type: String,
    pub content_type: Parametrised,
    pub disposition: Parametrised,
    pub encoding: Encoding,
    pub body: Range<usize>,
    pub children: Vec<Part>,
}

/// What was found odd while cutting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Oddities {
    pub too_many_parts: bool,
    pub too_deep: bool,
    pub too_many_headers: bool,
    pub no_closing_boundary: bool,
    pub no_boundary: bool,
}

/// Cuts the message. Total and linear in the size of the message times the depth it is cut to.
pub fn cut(raw: &[u8], limits: &Limits) -> (Part, Oddities) {
    let start = start_of_header(raw);
    let mut cutter =
        Cutter { raw, limits, boundaries: Vec::new(), parts: 0, headers: 0, odd: Oddities::default() };
    let (mut root, _) = cutter.part(start, String::new(), "text/plain");
    if root.children.is_empty() {
        root.number = "1".into();
    }
    (root, cutter.odd)
}

/// Blank lines, a byte order mark or an mbox separator before the first field are no empty header.
fn start_of_header(raw: &[u8]) -> usize {
    let bare = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let blank = bare.iter().take_while(|b| b.is_ascii_whitespace()).count();
    raw.len() - bare.len() + blank
}

/// A delimiter line that ended a body: whose boundary it is, and whether it closes it.
#[derive(Clone, Copy)]
struct Delimiter {
    level: usize,
    closes: bool,
    after: usize,
}

struct Cutter<'r> {
    raw: &'r [u8],
    limits: &'r Limits,
    boundaries: Vec<Vec<u8>>,
    parts: usize,
    headers: usize,
    odd: Oddities,
}

impl Cutter<'_> {
    /// Cuts the part whose header starts at `start`; returns it with the delimiter that ended it, if any did.
    fn part(&mut self, start: usize, number: String, default_type: &str) -> (Part, Option<Delimiter>) {
        self.parts += 1;
        let room = self.limits.max_headers.saturating_sub(self.headers);
        let header = Block::cut(self.raw, start, self.raw.len(), room);
        self.headers += header.fields.len();
        self.odd.too_many_headers |= header.truncated;

        let mut part = described(self.raw, header, default_type);
        part.number = number;
        let body = part.header.body;
        if !part.media_type.starts_with("multipart/") {
            return self.leaf(part, body);
        }
        if self.boundaries.len() >= self.limits.max_depth {
            self.odd.too_deep = true;
            return self.leaf(part, body);
        }
        let declared = part.content_type.get("boundary").map(|b| b.trim_end().as_bytes().to_vec());
        let Some(boundary) = declared.or_else(|| self.guess_boundary(body)) else {
            return self.boundless(part, body);
        };
        let ended = self.children(&mut part, boundary, body);
        if !part.children.is_empty() {
            return (part, ended);
        }
        // The declared boundary never came: perhaps another one did. Only at the top, or it could cost too much.
        if let Some(boundary) = self.guess_boundary(body).filter(|_| self.boundaries.is_empty()) {
            let ended = self.children(&mut part, boundary, body);
            if !part.children.is_empty() {
                return (part, ended);
            }
        }
        self.boundless(part, body)
    }

    /// A multipart without parts is read as the text it is.
    fn boundless(&mut self, mut part: Part, body: usize) -> (Part, Option<Delimiter>) {
        self.odd.no_boundary = true;
        part.media_type = "text/plain".into();
        part.encoding = declared_encoding(self.raw, &part.header);
        self.leaf(part, body)
    }

    fn leaf(&self, mut part: Part, body: usize) -> (Part, Option<Delimiter>) {
        let (end, delimiter) = match self.find_delimiter(body) {
            Some((begin, delimiter)) => (self.without_line_end(body, begin), Some(delimiter)),
            None => (self.raw.len(), None),
        };
        part.body = body..end;
        (part, delimiter)
    }

    /// Cuts what lies between the delimiters of `boundary`; the preamble and the epilogue are no parts.
    fn children(&mut self, part: &mut Part, boundary: Vec<u8>, body: usize) -> Option<Delimiter> {
        let level = self.boundaries.len();
        self.boundaries.push(boundary);
        let mut delimiter = self.find_delimiter(body).map(|(_, d)| d);
        let default_type =
            if part.media_type == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        let mut index = 0usize;
        while let Some(Delimiter { level: of, closes: false, after }) = delimiter
            && of == level
        {
            if self.parts >= self.limits.max_parts {
                self.odd.too_many_parts = true;
                self.boundaries.truncate(level);
                return self.find_delimiter(after).map(|(_, d)| d);
            }
            index += 1;
            let number =
                if part.number.is_empty() { index.to_string() } else { format!("{}.{index}", part.number) };
            let (child, ended) = self.part(after, number, default_type);
            // Two delimiters in a row, or a delimiter at the very end, hold no part.
            if !(child.header.fields.is_empty() && child.body.is_empty() && child.children.is_empty()) {
                part.children.push(child);
            }
            delimiter = ended;
        }
        self.boundaries.truncate(level);
        match delimiter {
            Some(d) if d.level == level => self.find_delimiter(d.after).map(|(_, outer)| outer),
            None => {
                self.odd.no_closing_boundary |= index > 0;
                None
            }
            outer => outer,
        }
    }

    /// The next line at or after `from` that is a delimiter of any open boundary: where it begins, what it is.
    fn find_delimiter(&self, from: usize) -> Option<(usize, Delimiter)> {
        if self.boundaries.is_empty() {
            return None;
        }
        let mut position = from;
        while position < self.raw.len() {
            let line = next_line(self.raw, position, self.raw.len());
            let content = self.raw.get(line.clone()).unwrap_or_default();
            if let Some(rest) = content.strip_prefix(b"--") {
                let rest = rest.trim_ascii_end();
                for (level, boundary) in self.boundaries.iter().enumerate().rev() {
                    let closes = match rest.strip_prefix(boundary.as_slice()) {
                        Some(b"") => false,
                        Some(b"--") => true,
                        _ => continue,
                    };
                    return Some((line.start, Delimiter { level, closes, after: line.end }));
                }
            }
            position = line.end;
        }
        None
    }

    /// The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
    fn without_line_end(&self, start: usize, end: usize) -> usize {
        let body = self.raw.get(start..end).unwrap_or_default();
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        start + body.strip_suffix(b"\r").unwrap_or(body).len()
    }

    /// A body that opens with `--something` shows its boundary even when the header does not.
    fn guess_boundary(&self, body: usize) -> Option<Vec<u8>> {
        let mut position = body;
        for _ in 0..20 {
            let line = next_line(self.raw, position, self.raw.len());
            position = line.end;
            let content = self.raw.get(line).unwrap_or_default().trim_ascii_end();
            if let Some(boundary) = content.strip_prefix(b"--").filter(|b| !b.is_empty() && b.len() < 200) {
                return (!boundary.trim_ascii_start().is_empty() && !boundary.contains(&b' '))
                    .then(|| boundary.to_vec());
            }
        }
        None
    }
}

/// A part with what its header says of it.
fn described(raw: &[u8], header: Block, default_type: &str) -> Part {
    let content_type =
        header.first(raw, "content-type").map(|v| Parametrised::parse(v, None)).unwrap_or_default();
    let disposition =
        header.first(raw, "content-disposition").map(|v| Parametrised::parse(v, None)).unwrap_or_default();
    let media_type = match content_type.value.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => content_type.value.clone(),
        _ if content_type.value == "multipart" => "multipart/mixed".into(),
        _ if content_type.value == "html" => "text/html".into(),
        // `application-x-gzip; name=a.gz`: no type, but no text either.
        _ if content_type.get("name").is_some() && !content_type.value.starts_with("text") => {
            "application/octet-stream".into()
        }
        _ => default_type.into(),
    };
    // A multipart is never encoded (RFC 2045 section 6.4); some programs claim it all the same.
    let is_multipart = media_type.starts_with("multipart/");
    let encoding = if is_multipart { Encoding::Identity } else { declared_encoding(raw, &header) };
    Part { header, media_type, content_type, disposition, encoding, ..Part::default() }
}

fn declared_encoding(raw: &[u8], header: &Block) -> Encoding {
    let written = header.first(raw, "content-transfer-encoding");
    written.map(|v| Encoding::from_header(&String::from_utf8_lossy(v))).unwrap_or_default()
}

fn is_token(text: &str) -> bool {
    (1..=127).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*%'~".contains(&b))
}
