//! What an HTML mail says, as plain text: paragraphs, lists, tables, links, and quotes as `> ` so that the new
//! text can be told from them. One pass over the tokens.

use super::html::{Token, attribute, decode_entities, pairs, tokens};

/// Quotes and lists nested deeper look the same; this keeps the text no longer than a few times the HTML.
const MAX_INDENT: usize = 8;

/// Outlook draws this line above the mail that is answered, in its own plain text.
const RULE: &str = "________________________________";

/// The text of `html`. Lines end with `\n`.
pub fn to_text(html: &str) -> String {
    let mut writer = Writer::default();
    for token in tokens(html) {
        match token {
            Token::Text(text) => writer.text(&decode_entities(text)),
            Token::Open { name, attributes } => writer.open(&name.to_ascii_lowercase(), attributes),
            Token::Close { name } => writer.close(&name.to_ascii_lowercase()),
        }
    }
    writer.finish()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Line ends owed before the next text.
    breaks: usize,
    space: bool,
    /// For each open blockquote, whether it quotes (or only indents).
    quotes: Vec<bool>,
    /// For each open list, the number of its next item; `None` is a bullet.
    lists: Vec<Option<usize>>,
    pre: usize,
    /// The link that is open: where it leads, and where its text starts.
    link: Option<(String, usize)>,
    cells: usize,
}

impl Writer {
    fn open(&mut self, name: &str, attributes: &str) {
        match name {
            "br" => self.line_break(),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" | "figure" => self.block(2),
            "hr" => {
                self.block(1);
                self.word(RULE);
                self.block(1);
            }
            "blockquote" => {
                // What is owed before the quote is not yet part of it.
                self.block(1);
                self.flush_breaks();
                self.quotes.push(is_quote(attributes));
            }
            "ul" | "menu" | "dir" => self.open_list(None),
            "ol" => self.open_list(Some(
                attribute(attributes, "start").and_then(|s| s.trim().parse().ok()).unwrap_or(1),
            )),
            "li" => self.item(),
            "pre" => {
                self.block(1);
                self.pre += 1;
            }
            "tr" => {
                self.block(1);
                self.cells = 0;
            }
            "td" | "th" => {
                if self.cells > 0 && self.breaks == 0 {
                    self.space = true;
                }
                self.cells += 1;
            }
            "a" => {
                let target = attribute(attributes, "href").unwrap_or_default();
                self.link = Some((target, self.out.len()));
            }
            "img" => self.image(attributes),
            name if is_block(name) => self.block(1),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" | "figure" => self.block(2),
            "blockquote" => {
                self.block(1);
                self.quotes.pop();
            }
            "ul" | "ol" | "menu" | "dir" => {
                self.lists.pop();
                self.block(if self.lists.is_empty() { 2 } else { 1 });
            }
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                self.block(1);
            }
            "a" => self.close_link(),
            "li" | "tr" => self.block(1),
            name if is_block(name) => self.block(1),
            _ => {}
        }
    }

    fn open_list(&mut self, first: Option<usize>) {
        self.block(1);
        self.lists.push(first);
    }

    fn item(&mut self) {
        self.block(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(MAX_INDENT));
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number = number.saturating_add(1);
                marker
            }
            _ => "* ".to_owned(),
        };
        self.start_line();
        self.out.push_str(&indent);
        self.out.push_str(&marker);
    }

    /// An emoji that a webmail made an image is text; other images are not.
    fn image(&mut self, attributes: &str) {
        if let Some(alt) =
            attribute(attributes, "alt").filter(|alt| alt.chars().count() <= 4 && !alt.is_ascii())
        {
            self.text(&alt);
        }
    }

    fn close_link(&mut self) {
        let Some((target, start)) = self.link.take() else { return };
        let text = self.out.get(start..).unwrap_or_default().trim();
        let bare = |url: &str| {
            url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned()
        };
        let is_web = target.starts_with("http://") || target.starts_with("https://");
        if is_web
            && target.len() <= 300
            && !text.is_empty()
            && !bare(text).eq_ignore_ascii_case(&bare(&target))
        {
            self.word(&format!(" <{}>", target.trim()));
        }
    }

    /// `<br>`: one line end, even several in a row.
    fn line_break(&mut self) {
        if self.breaks > 0 || self.out.is_empty() || self.at_line_start() {
            self.flush_breaks();
            self.start_line();
        }
        self.breaks = 1;
        self.space = false;
    }

    /// The start or end of a block: at least `lines` line ends before what follows.
    fn block(&mut self, lines: usize) {
        self.space = false;
        if !self.out.is_empty() {
            self.breaks = self.breaks.max(lines);
        }
    }

    fn text(&mut self, text: &str) {
        if self.pre > 0 {
            return self.preformatted(text);
        }
        for c in text.chars() {
            if c.is_ascii_whitespace() {
                self.space = true;
            } else {
                self.before_word();
                self.out.push(if c == '\u{A0}' { ' ' } else { c });
            }
        }
    }

    fn word(&mut self, word: &str) {
        self.before_word();
        self.out.push_str(word);
    }

    fn preformatted(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.line_break();
            }
            let line = line.trim_end_matches('\r');
            if !line.is_empty() {
                self.word(line);
            }
        }
    }

    fn before_word(&mut self) {
        if self.breaks > 0 {
            self.flush_breaks();
        }
        if self.at_line_start() {
            self.start_line();
        } else if self.space && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
        self.space = false;
    }

    fn at_line_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    fn flush_breaks(&mut self) {
        let kept = self.out.trim_end_matches(' ').len();
        // "-- " on its own is a signature's mark, its blank included.
        let is_mark = self.out.ends_with("\n-- ") || self.out.ends_with("> -- ");
        self.out.truncate(if is_mark { kept + 1 } else { kept });
        for index in 0..std::mem::take(&mut self.breaks) {
            if index > 0 {
                self.start_line();
            }
            self.out.push('\n');
        }
    }

    /// The quote marks of a new line.
    fn start_line(&mut self) {
        if self.breaks > 0 {
            self.flush_breaks();
        }
        if !self.at_line_start() {
            return;
        }
        let depth = self.quotes.iter().rev().take(64).filter(|&&q| q).count().min(MAX_INDENT);
        for _ in 0..depth {
            self.out.push_str("> ");
        }
    }

    fn finish(mut self) -> String {
        self.close_link();
        let kept = self.out.trim_end().len();
        self.out.truncate(kept);
        self.out
    }
}

/// Webmails indent with a blockquote that has no border; that is no quote.
fn is_quote(attributes: &str) -> bool {
    if pairs(attributes).any(|(n, v)| {
        (n.eq_ignore_ascii_case("type") && v.eq_ignore_ascii_case("cite")) || n.eq_ignore_ascii_case("cite")
    }) {
        return true;
    }
    let style = attribute(attributes, "style").unwrap_or_default().to_ascii_lowercase().replace(' ', "");
    let class = attribute(attributes, "class").unwrap_or_default().to_ascii_lowercase();
    class.contains("quote") && !class.contains("indent")
        || !(style.contains("border:none") || class.contains("indent"))
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "div"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "table"
            | "center"
            | "address"
            | "form"
            | "fieldset"
            | "dt"
            | "dd"
            | "caption"
            | "nav"
            | "main"
            | "aside"
            | "figcaption"
            | "body"
            | "tbody"
            | "thead"
            | "details"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mail_says() {
        for (html, expected) in [
            ("Hello<br>World", "Hello\nWorld"),
            ("a<br><br>b", "a\n\nb"),
            ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
            ("<p>a\n b</p><p>c</p>", "a b\n\nc"),
            ("<ul><li>one<li>two</ul>end", "* one\n* two\n\nend"),
            ("<ol start=3><li>c</li><li>d</li></ol>", "3. c\n4. d"),
            ("new<blockquote>old<br>older</blockquote>after", "new\n> old\n> older\nafter"),
            ("<blockquote type=cite><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
            ("<blockquote style='margin:0 0 0 40px; border: none'>mine</blockquote>", "mine"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("see <a href='https://x.test/a'>here</a>.", "see here <https://x.test/a>."),
            ("<a href='https://x.test/'>x.test</a>", "x.test"),
            ("<a href='mailto:a@x.test'>a@x.test</a> <a href='javascript:x'>y</a>", "a@x.test y"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("<title>t</title><script>s</script>x &amp;&nbsp;y", "x & y"),
            ("a<b>b</b>c", "abc"),
            ("<hr>From: x", "________________________________\nFrom: x"),
            ("a<div>--&nbsp;<br>sig</div>", "a\n-- \nsig"),
        ] {
            let got = to_text(html);
            let got: Vec<_> = got.lines().map(|l| if l == "-- " { l } else { l.trim_end() }).collect();
            assert_eq!(got.join("\n"), expected, "{html}");
        }
    }

    #[test]
    fn floods_stay_small() {
        for flood in [
            "<div>",
            "<blockquote>x",
            "<ul><li>",
            "<a href='",
            "<",
            "<!--",
            "</",
            "&",
            "<a <",
            "<script>",
            "<a b=\"",
        ] {
            let html = flood.repeat(300_000 / flood.len());
            assert!(to_text(&html).len() <= html.len() * 20, "{flood}");
        }
    }
}
