//! HTML cut into tags and text: linear, no tree, no recursion, so that hostile nesting costs nothing. What the
//! text says is [`html_text`](super::html_text)'s business, what is safe [`sanitise`](super::sanitise)'s.

use mail_parser::decoders::html::add_html_token;

/// A piece of HTML, as it stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'h> {
    /// Text between tags, its entities not yet decoded.
    Text(&'h str),
    Open {
        name: &'h str,
        attributes: &'h str,
    },
    Close {
        name: &'h str,
    },
}

/// Cuts `html` into tokens. Comments, declarations, scripts and styles are left out.
pub fn tokens(html: &str) -> Tokens<'_> {
    Tokens { rest: html, has_end: true, skips_raw_text: true }
}

/// The same, but the content of scripts, styles and the like is cut as well: more tokens than any parser sees.
pub fn every_tag(html: &str) -> Tokens<'_> {
    Tokens { skips_raw_text: false, ..tokens(html) }
}

/// See [`tokens`].
#[derive(Clone)]
pub struct Tokens<'h> {
    rest: &'h str,
    /// A `>` may still come; looked for once, or a flood of `<a <a` would cost its square.
    has_end: bool,
    skips_raw_text: bool,
}

impl<'h> Iterator for Tokens<'h> {
    type Item = Token<'h>;

    fn next(&mut self) -> Option<Token<'h>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(tag) = self.rest.strip_prefix('<') else {
                return Some(self.text(self.rest.find('<').unwrap_or(self.rest.len())));
            };
            match tag.bytes().next() {
                Some(b'!' | b'?') => self.skip_declaration(tag),
                Some(b'/') => match self.tag(tag.get(1..).unwrap_or_default()) {
                    Some((name, _)) => return Some(Token::Close { name }),
                    None => return Some(self.text(1)),
                },
                Some(byte) if byte.is_ascii_alphabetic() => {
                    let Some((name, attributes)) = self.tag(tag) else { return Some(self.text(1)) };
                    if self.skips_raw_text && is_raw_text(name) {
                        self.skip_raw_text(name);
                        continue;
                    }
                    return Some(Token::Open { name, attributes });
                }
                // A lone `<` is text, up to the next one.
                _ => return Some(self.text(1 + tag.find('<').unwrap_or(tag.len()))),
            }
        }
    }
}

impl<'h> Tokens<'h> {
    fn text(&mut self, length: usize) -> Token<'h> {
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        Token::Text(text)
    }

    /// `<!-- -->`, `<!doctype>`, `<![if !mso]>`, `<?xml?>`. An unclosed one swallows the rest, as in a browser.
    fn skip_declaration(&mut self, tag: &'h str) {
        let end = match tag.strip_prefix("!--") {
            Some(comment) if comment.starts_with('>') => Some(4),
            Some(comment) if comment.starts_with("->") => Some(5),
            Some(comment) => end_of_comment(comment).map(|at| at + 3),
            None => tag.find('>').map(|at| at + 1),
        };
        self.rest = end.and_then(|end| tag.get(end..)).unwrap_or_default();
    }

    /// Name and attributes of the tag whose name starts `tag`; moves behind its `>`.
    fn tag(&mut self, tag: &'h str) -> Option<(&'h str, &'h str)> {
        if !self.has_end {
            return None;
        }
        let end = match end_of_tag(tag) {
            Ok(end) => end,
            Err(Unclosed { is_last }) => {
                self.has_end = !is_last;
                return None;
            }
        };
        let inner = tag.get(..end)?;
        self.rest = tag.get(end + 1..).unwrap_or_default();
        let name_end = inner.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(inner.len());
        Some(inner.split_at(name_end))
    }

    fn skip_raw_text(&mut self, name: &str) {
        let mut from = 0;
        while let Some(at) = self.rest.get(from..).and_then(|rest| rest.find("</")) {
            let after = self.rest.get(from + at + 2..).unwrap_or_default();
            if after.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
                self.rest = after.find('>').and_then(|end| after.get(end + 1..)).unwrap_or_default();
                return;
            }
            from += at + 2;
        }
        self.rest = "";
    }
}

/// Behind the first `-->`, or the `--!>` that browsers take for one.
fn end_of_comment(comment: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + comment.get(from..)?.find("--")?;
        match comment.get(at + 2..)?.as_bytes() {
            [b'>', ..] => return Some(at + 3),
            [b'!', b'>', ..] => return Some(at + 4),
            _ => from = at + 1,
        }
    }
}

/// Elements whose content is no markup and nothing to read.
fn is_raw_text(name: &str) -> bool {
    ["script", "style", "title", "template", "noembed", "noframes", "iframe", "xmp"]
        .iter()
        .any(|raw| raw.eq_ignore_ascii_case(name))
}

/// A tag without its `>`; the last one if none comes in all the rest.
struct Unclosed {
    is_last: bool,
}

/// Where the `>` is that closes a tag; one in a quoted attribute value does not.
fn end_of_tag(tag: &str) -> Result<usize, Unclosed> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (None, b'>') => return Ok(at),
            // No real tag is that long outside of a value; this keeps a flood of `<a <a <a` linear.
            (None, b'<') if at > 256 => return Err(Unclosed { is_last: false }),
            _ => {}
        }
        after_equals = byte == b'=' || (after_equals && byte.is_ascii_whitespace());
    }
    // A quote that never closes: the tag ends at the first `>` all the same.
    tag.find('>').ok_or(Unclosed { is_last: true })
}

/// The decoded value of an attribute.
pub fn attribute(attributes: &str, name: &str) -> Option<String> {
    pairs(attributes).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| decode_entities(value))
}

/// Names and raw values of the attributes of a tag.
pub fn pairs(attributes: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        let is_end = |c: char| c.is_ascii_whitespace() || c == '=';
        let name_end = rest.char_indices().skip(1).find(|(_, c)| is_end(*c)).map_or(rest.len(), |(at, _)| at);
        let (name, after) = rest.split_at(name_end);
        let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start) else {
            rest = after;
            return Some((name, ""));
        };
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => value.get(1..).unwrap_or_default().split_once(quote).unwrap_or((value, "")),
            None => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        rest = after;
        Some((name, value))
    })
}

/// Text with its character references replaced; what is no reference stays.
pub fn decode_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let length = reference
            .bytes()
            .skip(1)
            .take(40)
            .position(|b| !(b.is_ascii_alphanumeric() || b == b'#'))
            .map_or(reference.len().min(41), |n| n + 1);
        let (name, after) = reference.split_at_checked(length).unwrap_or((reference, ""));
        let has_end = after.starts_with(';');
        rest = after.strip_prefix(';').unwrap_or(after);
        match character(name, has_end) {
            Some(c) => out.push_str(&c),
            None => {
                out.push_str(name);
                out.push_str(if has_end { ";" } else { "" });
            }
        }
    }
    out.push_str(rest);
    out
}

/// The text of `&name` or `&#number`; without its `;` only where browsers accept that.
fn character(reference: &str, has_end: bool) -> Option<String> {
    let name = reference.strip_prefix('&').filter(|n| !n.is_empty())?;
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        let code = code.ok()?;
        // 128 to 159 mean windows-1252, whatever the standard says of C1.
        if let Some(byte) = u8::try_from(code).ok().filter(|b| (0x80..=0x9F).contains(b)) {
            return Some(encoding_rs::WINDOWS_1252.decode(&[byte]).0.into_owned());
        }
        return Some(char::from_u32(code).unwrap_or('\u{FFFD}').to_string());
    }
    if !has_end && !matches!(name, "nbsp" | "amp" | "lt" | "gt" | "quot") {
        return None;
    }
    let token = format!("&{name};");
    let mut decoded = String::new();
    add_html_token(&mut decoded, token.as_bytes(), false);
    (decoded != token).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities() {
        for (given, expected) in [
            ("a &amp; b &lt; &nbsp;c", "a & b < \u{a0}c"),
            ("&uuml;&#252;&#xFC;&euro;&#146;", "üüü€’"),
            ("AT&T &nosuch; &", "AT&T &nosuch; &"),
            ("?a=1&copy=2", "?a=1&copy=2"),
        ] {
            assert_eq!(decode_entities(given), expected);
        }
    }

    #[test]
    fn tags_and_text() {
        let html = "<!doctype html><!--x--><style>p{}</style><p title='>'>a < b<BR/></p><!--[if mso]>no<![endif]-->c";
        let got: Vec<_> = tokens(html).collect();
        assert_eq!(
            got,
            [
                Token::Open { name: "p", attributes: " title='>'" },
                Token::Text("a "),
                Token::Text("< b"),
                Token::Open { name: "BR", attributes: "/" },
                Token::Close { name: "p" },
                Token::Text("c"),
            ]
        );
        assert_eq!(attribute(" a=1 HREF = \"x&amp;y\" c", "href").as_deref(), Some("x&y"));
    }
}
