//! The text of one part: transfer encoding, character set, format=flowed (RFC 3676), and HTML's own idea of its
//! character set.

use super::{charset, clean, structure::Part, transfer::Encoding};
use std::borrow::Cow;

/// Reads a text part, `body` being its bytes as they lie in the message. At most `max` bytes are decoded;
/// the second value tells whether there was more.
pub fn read(part: &Part, body: &[u8], max: usize) -> (String, bool) {
    let is_cut = body.len() > max;
    let body = body.get(..max).unwrap_or(body);
    let bytes = part.encoding.decode(body);
    let is_html = part.media_type == "text/html";
    let declared = part.content_type.get("charset").map(str::to_owned);
    let label = declared.or_else(|| is_html.then(|| meta_charset(&bytes)).flatten());
    // A text that claims base64 and is none: what stands there is the text.
    let bytes = if part.encoding == Encoding::Base64 && !looks_like_base64(body) {
        Cow::Borrowed(body)
    } else {
        bytes
    };
    let text = clean::text(&charset::decode(&bytes, label.as_deref()));
    let is_flowed = part.content_type.get("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
    let deletes_space = part.content_type.get("delsp").is_some_and(|d| d.eq_ignore_ascii_case("yes"));
    (if is_flowed && !is_html { unflow(&text, deletes_space) } else { text }, is_cut)
}

/// Base64 has no blanks within its lines; prose has.
fn looks_like_base64(body: &[u8]) -> bool {
    let start = body.trim_ascii().get(..400).unwrap_or(body.trim_ascii());
    let first = start.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
    !first.contains(&b' ') && first.is_ascii()
}

/// `<meta charset=…>` within the first bytes of a document.
fn meta_charset(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..2048).unwrap_or(bytes)).to_ascii_lowercase();
    let (_, after) = head.split_once("<meta")?.1.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:".contains(*c))
        .collect();
    // The document was readable up to here, so it is no UTF-16, whatever it says.
    (!label.is_empty() && !label.starts_with("utf-16")).then_some(label)
}

/// Joins the lines that a format=flowed sender broke; quote marks stay, `-- ` is never joined.
fn unflow(text: &str, deletes_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start_matches('>');
        let depth = line.len() - content.len();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let is_mark = content == "-- ";
        match open {
            Some(of) if of == depth && !is_mark => {}
            _ => {
                if open.is_some() {
                    end_line(&mut out);
                }
                out.extend(std::iter::repeat_n('>', depth));
                out.push_str(if depth > 0 { " " } else { "" });
            }
        }
        let flows = content.ends_with(' ') && !is_mark;
        out.push_str(if flows && deletes_space {
            content.strip_suffix(' ').unwrap_or(content)
        } else {
            content
        });
        open = flows.then_some(depth);
        if !flows {
            out.push('\n');
        }
    }
    out
}

fn end_line(out: &mut String) {
    let kept = out.trim_end_matches(' ').len();
    out.truncate(kept);
    out.push('\n');
}

/// Plain text as HTML, for a message whose other parts are HTML.
pub fn to_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<p>{}</p>", escaped.trim_end().replace('\n', "<br>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flowed() {
        assert_eq!(unflow("one \ntwo\n\n  stuffed\n-- \nsig", false), "one two\n\n stuffed\n-- \nsig\n");
        assert_eq!(unflow(">quoted \n>on\nmine", false), "> quoted on\nmine\n");
        assert_eq!(unflow("cut \nword", true), "cutword\n");
        assert_eq!(unflow(">a \nb", false), "> a\nb\n");
    }

    #[test]
    fn meta() {
        assert_eq!(
            meta_charset(b"<head><META content='text/html; charset=iso-8859-1'>").as_deref(),
            Some("iso-8859-1")
        );
        assert_eq!(meta_charset(b"<p>charset=x"), None);
    }
}
