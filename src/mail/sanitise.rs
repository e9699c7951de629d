//! HTML that a browser may show: nothing runs, nothing loads from outside, nothing hides or submits. A hostile
//! document is refused before the HTML parser sees it, because building its tree is what costs.

use super::html::{Token, every_tag, pairs, tokens};
use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

/// Real mail nests some forty deep (tables in tables); the parser's cost grows with depth.
const MAX_DEPTH: usize = 200;

/// The parser compares each attribute of a tag with all others.
const MAX_ATTRIBUTES: usize = 200;

/// Tables padded with `&nbsp;` come near one for each node.
const MAX_REFERENCES_PER_NODE: usize = 4;

/// Sanitises, or gives `None` when the document has more than `max_nodes` nodes or is built to be expensive.
pub fn sanitise(html: &str, max_nodes: usize) -> Option<String> {
    is_affordable(html, max_nodes).then(|| super::clean::text(&CLEANER.clean(html).to_string()))
}

static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let mut builder = ammonia::Builder::default();
    builder
        .add_tags(["font", "u"])
        .rm_tags(["map", "area"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(safe_attribute);
    builder
});

/// Images only from within the mail, links only where a person may go.
fn safe_attribute<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let scheme =
        value.trim_start().split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    let safe = match attribute {
        "src" => element == "img" && scheme == "cid",
        "href" => element == "a" && matches!(scheme.as_str(), "http" | "https" | "mailto"),
        "cite" | "longdesc" | "background" | "srcset" | "action" | "style" => false,
        _ => true,
    };
    safe.then_some(Cow::Borrowed(value))
}

/// What the parser would build, counted before it does: nodes, depth, and the formatting elements that it opens again
/// in every block while they are not closed (`<font>` a thousand times, then `<p>` a thousand times makes a million).
fn is_affordable(html: &str, max_nodes: usize) -> bool {
    // Each is looked at as a character reference, at a cost that grows with the text before it.
    if html.bytes().filter(|&byte| byte == b'&').count() > max_nodes.saturating_mul(MAX_REFERENCES_PER_NODE) {
        return false;
    }
    let (mut nodes, mut reopened, mut formatting, mut bodies) = (0usize, 0usize, 0usize, 0usize);
    let mut open: Vec<String> = Vec::new();
    let tokens = if holds_other_markup(html) { every_tag(html) } else { tokens(html) };
    for token in tokens {
        nodes += 1;
        match token {
            Token::Open { name, attributes } => {
                if pairs(attributes).nth(MAX_ATTRIBUTES).is_some() {
                    return false;
                }
                let name = name.to_ascii_lowercase();
                // Their attributes are gathered on one element, each compared with all before.
                bodies += usize::from(matches!(name.as_str(), "html" | "body"));
                formatting += usize::from(is_formatting(&name));
                reopened += formatting;
                if !is_void(&name) && !closes_itself(&name) {
                    open.push(name);
                }
            }
            // The end of what is not open is nothing to the parser.
            Token::Close { name } => {
                if let Some(at) = open.iter().rposition(|one| one.eq_ignore_ascii_case(name)) {
                    open.truncate(at);
                    formatting =
                        formatting.saturating_sub(usize::from(is_formatting(&name.to_ascii_lowercase())));
                }
            }
            Token::Text(_) => reopened += formatting,
        }
        let is_too_much = nodes > max_nodes
            || open.len() > MAX_DEPTH
            || bodies > 20
            || reopened > max_nodes.saturating_mul(20);
        if is_too_much {
            return false;
        }
    }
    true
}

/// Within these the parser reads as markup what elsewhere is the text of a script or a style.
fn holds_other_markup(html: &str) -> bool {
    let html = html.to_ascii_lowercase();
    ["<svg", "<math", "<template", "<select", "<frameset", "<plaintext"].iter().any(|tag| html.contains(tag))
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "br" | "img"
            | "hr"
            | "meta"
            | "link"
            | "input"
            | "col"
            | "area"
            | "base"
            | "wbr"
            | "source"
            | "embed"
            | "track"
            | "param"
    )
}

/// Elements that the parser closes when the next one comes; mail often leaves their end tag out.
fn closes_itself(name: &str) -> bool {
    matches!(
        name,
        "p" | "li"
            | "td"
            | "th"
            | "tr"
            | "dt"
            | "dd"
            | "option"
            | "tbody"
            | "thead"
            | "html"
            | "body"
            | "head"
    )
}

fn is_formatting(name: &str) -> bool {
    matches!(
        name,
        "a" | "b"
            | "big"
            | "code"
            | "em"
            | "font"
            | "i"
            | "nobr"
            | "s"
            | "small"
            | "strike"
            | "strong"
            | "tt"
            | "u"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_loads_or_submits() {
        for (given, expected) in [
            ("<p>a<script>x</script></p>", "<p>a</p>"),
            ("<img src='https://x.test/p.gif' alt=a>", "<img alt=\"a\">"),
            ("<img src='cid:1@x' onerror=x>", "<img src=\"cid:1@x\">"),
            ("<img src='data:image/png;base64,AA=='>", "<img>"),
            ("<a href='javascript:x'>y</a>", "<a rel=\"noopener noreferrer nofollow\">y</a>"),
            ("<p style='background:url(https://x.test)'>a</p>", "<p>a</p>"),
            (
                "<table background='https://x.test/a'><tr><td>a</td></tr></table>",
                "<table><tbody><tr><td>a</td></tr></tbody></table>",
            ),
            ("<form action=x><input name=y>a</form>", "a"),
            ("<blockquote cite='https://x.test'>a</blockquote>", "<blockquote>a</blockquote>"),
            ("a&#x202E;b&#0;", "ab\u{FFFD}"),
            ("<svg><a xlink:href='javascript:x'>y</a></svg>", ""),
        ] {
            assert_eq!(sanitise(given, 1000).as_deref(), Some(expected), "{given}");
        }
        let link = sanitise("<a href='https://x.test' target=_blank>y</a>", 1000).unwrap();
        assert!(link.contains("noopener") && !link.contains("target"), "{link}");
    }

    #[test]
    fn expensive_documents_are_refused() {
        let attributes: String = (0..5_000).map(|n| format!(" a{n}=1")).collect();
        let fonts: String = (0..2_000).map(|n| format!("<font size={n}>")).collect();
        for html in [
            "<div>".repeat(50_000),
            "<b>".repeat(50_000),
            format!("<p{attributes}>"),
            format!("{fonts}{}", "<p>x".repeat(2_000)),
            "<br>".repeat(200_000),
            "<div></x></y>".repeat(20_000),
            "&".repeat(400_001),
            "<div><b></div>".repeat(20_000),
            format!("<svg><script>{}", "<div>".repeat(20_000)),
            format!("<template>{}", "<div>".repeat(20_000)),
            format!("<!--x--!>{}", "<div>".repeat(20_000)),
            format!("<!--->{}", "<div>".repeat(20_000)),
            (0..20_000).map(|n| format!("<body a{n}=1>")).collect(),
        ] {
            assert_eq!(sanitise(&html, 100_000), None, "{:?}", html.get(..30));
        }
    }
}
