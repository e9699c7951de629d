//! Header fields: cutting a header block into fields, and decoding what a field says (encoded words of RFC 2047,
//! parameters of RFC 2231) with the mistakes that senders make. Knows no single field by name.

use super::{charset, clean, transfer};
use std::ops::Range;

/// A field longer than this is cut; a real `To` of a thousand people is a tenth of it.
const MAX_FIELD: usize = 512 * 1024;

/// One field: its name in lower case and where its value lies in the message.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub value: Range<usize>,
}

/// A header block: its fields, where the body starts, and whether fields beyond the cap were left out.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub fields: Vec<Field>,
    pub body: usize,
    pub truncated: bool,
}

impl Block {
    /// Cuts the block that starts at `start`; at most `max` fields are kept, and no line at or after `end` is read.
    pub fn cut(raw: &[u8], start: usize, end: usize, max: usize) -> Block {
        let mut block = Block { body: start, ..Block::default() };
        let mut position = start;
        while position < end {
            let line = next_line(raw, position, end);
            let bytes = raw.get(line.clone()).unwrap_or_default();
            let content = bytes.trim_ascii_end();
            if content.is_empty() {
                block.body = line.end;
                // A line of blanks among the fields is a sloppy fold; the true end is an empty line.
                let is_fold =
                    bytes.iter().any(|&b| b == b' ' || b == b'\t') && fields_follow(raw, line.end, end);
                if !is_fold {
                    return block;
                }
            } else if bytes.first().is_some_and(|&b| b == b' ' || b == b'\t') && !block.fields.is_empty() {
                block.extend_last(line.end);
            } else if let Some((name, value)) = field_name(bytes) {
                if block.fields.len() < max {
                    block.fields.push(Field { name, value: line.start + value..line.end });
                } else {
                    block.truncated = true;
                }
            } else if bytes.starts_with(b"--")
                && !(block.fields.is_empty() && starts_fields(raw, line.end, end))
            {
                // The delimiter of a part that lacks its empty line.
                block.body = line.start;
                return block;
            } else if !is_mbox_line(bytes) {
                // A fold without its blank is followed by another field; anything else is text.
                let next = raw.get(next_line(raw, line.end, end)).unwrap_or_default();
                let fold_end = if block.fields.is_empty() {
                    starts_fields(raw, line.end, end).then_some(line.end)
                } else if field_name(next).is_some() {
                    Some(line.end)
                } else {
                    next_well_known(raw, line.end, end)
                };
                let Some(fold_end) = fold_end else {
                    block.body = line.start;
                    return block;
                };
                block.extend_last(fold_end);
                position = fold_end;
                block.body = position;
                continue;
            }
            position = line.end;
            block.body = position;
        }
        block
    }

    fn extend_last(&mut self, end: usize) {
        if let Some(field) = self.fields.last_mut().filter(|_| !self.truncated) {
            field.value.end = end;
        }
    }

    /// The raw bytes of every field of that name, in order.
    pub fn all<'r>(&self, raw: &'r [u8], name: &str) -> impl Iterator<Item = &'r [u8]> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| value_of(raw, f))
    }

    /// The first field of that name.
    pub fn first<'r>(&self, raw: &'r [u8], name: &str) -> Option<&'r [u8]> {
        self.fields.iter().find(|f| f.name == name).map(|f| value_of(raw, f))
    }
}

fn value_of<'r>(raw: &'r [u8], field: &Field) -> &'r [u8] {
    let end = field.value.end.min(field.value.start.saturating_add(MAX_FIELD));
    raw.get(field.value.start..end).unwrap_or_default().trim_ascii()
}

/// The line that starts at `position`, its line end included.
pub fn next_line(raw: &[u8], position: usize, end: usize) -> Range<usize> {
    let rest = raw.get(position..end).unwrap_or_default();
    let length = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
    position..position + length
}

/// `Name:` with the name in lower case and where the value starts; `None` when this is no field.
fn field_name(line: &[u8]) -> Option<(String, usize)> {
    let colon = line.iter().take(128).position(|&b| b == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let valid = !name.is_empty() && !name.starts_with(b"--") && name.iter().all(|b| b.is_ascii_graphic());
    valid.then(|| (String::from_utf8_lossy(name).to_ascii_lowercase(), colon + 1))
}

/// The separator of an mbox file that was left in front, quoted or not.
fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// Whether a header starts at `position` after all: two well-known fields side by side.
fn starts_fields(raw: &[u8], position: usize, end: usize) -> bool {
    let first = next_line(raw, position, end);
    let second = next_line(raw, first.end, end);
    [first, second].into_iter().all(|line| is_well_known(raw.get(line).unwrap_or_default()))
}

/// Where a field that every mail has begins before the next blank line: what stands up to it is a field whose
/// folds lost their blanks (some filters write kilobytes of base64 so).
fn next_well_known(raw: &[u8], mut position: usize, end: usize) -> Option<usize> {
    for _ in 0..64 {
        let line = next_line(raw, position, end);
        let bytes = raw.get(line.clone()).unwrap_or_default();
        if bytes.trim_ascii().is_empty() || bytes.starts_with(b"--") {
            return None;
        }
        if is_well_known(bytes) {
            return Some(position);
        }
        position = line.end;
    }
    None
}

fn is_well_known(line: &[u8]) -> bool {
    let known = [
        "received",
        "return-path",
        "delivered-to",
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "reply-to",
        "dkim-signature",
        "references",
        "in-reply-to",
    ];
    field_name(line).is_some_and(|(name, _)| known.contains(&name.as_str()) || name.starts_with("x-"))
}

/// Whether the lines at `position` are folds and then a field.
fn fields_follow(raw: &[u8], mut position: usize, end: usize) -> bool {
    for _ in 0..20 {
        let line = next_line(raw, position, end);
        let bytes = raw.get(line.clone()).unwrap_or_default();
        if !bytes.starts_with(b" ") && !bytes.starts_with(b"\t") || bytes.trim_ascii().is_empty() {
            return field_name(bytes).is_some();
        }
        position = line.end;
    }
    false
}

/// The raw value as text: 8-bit bytes by `charset` (the one the body declares) or by guess, folds still in.
pub fn raw_text(value: &[u8], charset: Option<&str>) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !value.contains(&0x1b) => text.to_owned(),
        _ => charset::decode(value, charset),
    }
}

/// An unstructured field as one clean line.
pub fn unstructured(value: &[u8], charset: Option<&str>) -> String {
    clean::line(&decode_words(&raw_text(value, charset)))
}

/// One `=?charset?encoding?data?=`, and what follows it.
struct Word<'t> {
    charset: &'t str,
    is_base64: bool,
    data: &'t str,
    rest: &'t str,
}

/// Reads an encoded word at the start of `text`, tolerating blanks and question marks within its data.
fn word(text: &str) -> Option<Word<'_>> {
    let (charset, after) = text.strip_prefix("=?")?.split_once('?')?;
    let valid = charset.len() <= 64
        && !charset.is_empty()
        && !charset.contains(|c: char| c.is_whitespace() || c == '=');
    let mut chars = after.chars();
    let is_base64 = match chars.next()? {
        'b' | 'B' => true,
        'q' | 'Q' => false,
        _ => return None,
    };
    let after = chars.as_str().strip_prefix('?').filter(|_| valid)?;
    // "?=" may also be a literal question mark before an escape: "…warum?=20=?utf-8?…" of a careless encoder. A
    // blank between it and the next "?=" says that it was the end after all.
    let window = clean::prefix(after, 8 * 1024);
    let mut ends = window.match_indices("?=").map(|(at, _)| at);
    let first = ends.clone().next();
    let end = ends
        .find(|&at| is_base64 || !is_escape(after.get(at + 1..).unwrap_or_default()))
        .filter(|&end| {
            let between = first.and_then(|first| window.get(first..end)).unwrap_or_default();
            !between.contains(char::is_whitespace)
        })
        .or(first)
        .or_else(|| (window.len() == after.len() && !after.contains('\n')).then_some(after.len()))?;
    let rest = after.get(end + 2..).unwrap_or_default();
    Some(Word { charset, is_base64, data: after.get(..end)?, rest })
}

fn is_escape(text: &str) -> bool {
    matches!(text.as_bytes(), [b'=', high, low, ..] if transfer::hex(*high).is_some() && transfer::hex(*low).is_some())
}

/// Decodes every encoded word in `text`; neighbours of one character set are decoded together, because
/// senders split characters between them.
pub fn decode_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let (before, candidate) = rest.split_at(at);
        out.push_str(before);
        let Some(first) = word(candidate) else {
            out.push_str("=?");
            rest = candidate.get(2..).unwrap_or_default();
            continue;
        };
        let mut run = Run::new(&first);
        rest = first.rest;
        while let Some(next) = word(rest.trim_start()) {
            if !run.accepts(&next) {
                out.push_str(&run.finish());
                run = Run::new(&next);
            } else {
                run.add(&next);
            }
            rest = next.rest;
        }
        out.push_str(&run.finish());
    }
    out.push_str(rest);
    out
}

/// Encoded words side by side with one character set.
struct Run<'t> {
    charset: &'t str,
    bytes: Vec<u8>,
    /// Base64 that ended in the middle of a group and may go on in the next word.
    pending: String,
}

impl<'t> Run<'t> {
    fn new(first: &Word<'t>) -> Run<'t> {
        let mut run = Run { charset: first.charset, bytes: Vec::new(), pending: String::new() };
        run.add(first);
        run
    }

    fn accepts(&self, next: &Word<'_>) -> bool {
        self.charset.eq_ignore_ascii_case(next.charset)
    }

    fn add(&mut self, word: &Word<'_>) {
        if !word.is_base64 {
            self.flush();
            let data = word.data.replace('_', " ").replace(['\r', '\n'], "");
            self.bytes.extend(transfer::quoted_printable(data.trim_end_matches('=').as_bytes()));
            return;
        }
        self.pending.extend(word.data.chars().filter(|c| !c.is_whitespace()));
        if self.pending.len().is_multiple_of(4) || self.pending.ends_with('=') {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes.extend(transfer::base64(self.pending.as_bytes()));
        self.pending.clear();
    }

    fn finish(mut self) -> String {
        self.flush();
        charset::decode(&self.bytes, Some(self.charset))
    }
}

/// A field such as `text/plain; charset=utf-8`: the value in lower case and its decoded parameters.
#[derive(Clone, Debug, Default)]
pub struct Parametrised {
    pub value: String,
    pub parameters: Vec<(String, String)>,
}

impl Parametrised {
    /// Parses the field; 8-bit parameters are decoded by `charset` or by guess.
    pub fn parse(value: &[u8], charset: Option<&str>) -> Parametrised {
        let text = raw_text(value, charset);
        let mut pieces = split_outside_quotes(&text).into_iter();
        let value = clean::token(&without_comments(&pieces.next().unwrap_or_default())).to_ascii_lowercase();
        let mut found: Vec<Segment> = pieces.take(200).filter_map(|piece| Segment::parse(&piece)).collect();
        found.sort_by_key(|s| s.index);
        let mut parameters: Vec<(String, String)> = Vec::new();
        for segment in &found {
            if parameters.iter().all(|(name, _)| *name != segment.name) {
                parameters.push((segment.name.clone(), join(&found, &segment.name)));
            }
        }
        Parametrised { value, parameters }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }
}

/// One `name*index*=value` (RFC 2231 section 3); a plain parameter has index `None` and sorts first.
struct Segment {
    name: String,
    index: Option<u32>,
    is_extended: bool,
    value: String,
}

impl Segment {
    fn parse(piece: &str) -> Option<Segment> {
        let (name, value) = piece.split_once('=')?;
        let name = clean::token(name).to_ascii_lowercase();
        let (name, is_extended) = name.strip_suffix('*').map_or((name.as_str(), false), |n| (n, true));
        let (name, index) = match name.split_once('*') {
            Some((base, number)) => (base, Some(number.parse().unwrap_or(0))),
            None => (name, is_extended.then_some(0)),
        };
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => unescape(quoted),
            None => value.trim_end_matches('"').to_owned(),
        };
        (!name.is_empty()).then(|| Segment { name: name.to_owned(), index, is_extended, value })
    }
}

/// The whole value of parameter `name`: the RFC 2231 form if there is one, else the plain one, decoded.
fn join(segments: &[Segment], name: &str) -> String {
    let of_name = || segments.iter().filter(|s| s.name == name);
    if of_name().all(|s| s.index.is_none()) {
        return of_name().next().map(|s| decode_words(&s.value)).unwrap_or_default();
    }
    let mut bytes = Vec::new();
    let mut charset = None;
    let mut is_first = true;
    for segment in of_name().filter(|s| s.index.is_some()) {
        let mut value = segment.value.as_str();
        if is_first && segment.is_extended {
            let mut quoted = value.splitn(3, '\'');
            if let (Some(label), Some(_), Some(text)) = (quoted.next(), quoted.next(), quoted.next()) {
                charset = Some(label);
                value = text;
            }
        }
        is_first = false;
        if segment.is_extended {
            percent_decode(value, &mut bytes);
        } else {
            bytes.extend_from_slice(value.as_bytes());
        }
    }
    decode_words(&charset::decode(&bytes, charset.filter(|c| !c.is_empty())))
}

fn percent_decode(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => {
                transfer::hex(*high).zip(transfer::hex(*low)).map(|(h, l)| (h << 4 | l, after))
            }
            _ => None,
        };
        let (value, after) = escaped.unwrap_or((byte, tail));
        out.push(value);
        rest = after;
    }
}

/// What a quoted string says up to its closing quote. A lone backslash of a Windows path stays.
fn unescape(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    let mut chars = quoted.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.peek() {
                Some(&next @ ('"' | '\\')) => {
                    chars.next();
                    out.push(next);
                }
                _ => out.push('\\'),
            },
            '\r' | '\n' => {}
            '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Splits at `;` outside of quotes. A quote that never closes ends with its line's last parameter.
fn split_outside_quotes(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut in_quotes, mut is_escaped) = (false, false);
    let has_balanced_quotes = text.matches('"').count().is_multiple_of(2);
    for c in text.chars() {
        match c {
            '"' if !is_escaped && has_balanced_quotes => in_quotes = !in_quotes,
            ';' if !in_quotes => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

/// The text without `(comments)`, nested ones too.
pub fn without_comments(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|&c| {
            depth += usize::from(c == '(');
            let keep = depth == 0;
            depth = depth.saturating_sub(usize::from(c == ')'));
            keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words() {
        for (given, expected) in [
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus", "Grüße aus"),
            ("=?UTF-8?B?R3LDvA==?= =?utf-8?B?w59l?=", "Grüße"),
            ("=?utf-8?Q?Gr=C3?=\r\n =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
            ("=?utf-8?B?R3LD?= =?utf-8?B?vMOf?=x", "Grüßx"),
            ("=?utf-8?B?R3L?= =?utf-8?B?DvA==?=", "Grü"),
            ("\"=?iso-8859-1?q?J=F6rg?=\"", "\"Jörg\""),
            ("Re:=?utf-8?q?_=C3=A4?=b", "Re: äb"),
            ("=?utf-8?q?with space?= x", "with space x"),
            ("=?iso-8859-1*de?Q?=FC?=", "ü"),
            ("=?x?= no word =? =?", "=?x?= no word =? =?"),
            ("=?utf-8?q?warum?=20nicht?=", "warum? nicht"),
            ("=?utf-8?q?open", "open"),
            ("=?big5?B?q8g=?=", "客"),
        ] {
            assert_eq!(decode_words(given), expected, "{given}");
        }
    }

    #[test]
    fn parameters() {
        for (given, name, expected) in [
            ("text/plain; charset=\"utf-8\"", "charset", "utf-8"),
            ("a/b; name=two words.pdf; x=y", "name", "two words.pdf"),
            ("a/b; filename*=UTF-8''%e2%82%ac%20rate.txt", "filename", "€ rate.txt"),
            ("a/b; filename*1=\"b.txt\"; filename*0=\"a\"", "filename", "ab.txt"),
            ("a/b; filename*0*=iso-8859-1'de'%FCber; filename*1=\"-uns.txt\"", "filename", "über-uns.txt"),
            ("a/b; filename=plain.txt; filename*=utf-8''b%C3%A4r.txt", "filename", "bär.txt"),
            ("a/b; name=\"=?utf-8?Q?b=C3=A4r.txt?=\"", "name", "bär.txt"),
            ("a/b; name=\"semi;colon \\\"q\\\".txt\"", "name", "semi;colon \"q\".txt"),
            ("a/b; name=\"open.txt", "name", "open.txt"),
            ("a/b (comment); boundary=\"x y\"", "boundary", "x y"),
        ] {
            assert_eq!(Parametrised::parse(given.as_bytes(), None).get(name), Some(expected), "{given}");
        }
        assert_eq!(Parametrised::parse(b"Text/HTML (x); a=b", None).value, "text/html");
    }
}
