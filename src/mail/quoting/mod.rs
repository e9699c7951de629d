//! The new text of a mail, apart from quotes, the headers of quoted mail and signatures. Works on text alone and
//! line by line, in one pass; knows nothing of MIME. Whatever is dropped here is still in the mail's whole text,
//! and when everything looks quoted nothing is dropped: an empty request is the one wrong answer.

mod attribution;
mod banner;
mod header_block;
mod signature;
mod words;

use header_block::Marker;

/// What the caller knows of the mail and the text does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// It answers another mail (In-Reply-To, References or a `Re:` subject). Only then may quotes go: a first
    /// message that forwards or quotes something asks about exactly that.
    pub is_reply: bool,
}

/// Beyond this many lines only `>` marks are looked for.
const MAX_SCANNED: usize = 20_000;

/// The new text of `text`, with line ends as `\n`, trimmed. Empty only if `text` has nothing but blanks.
pub fn new_text(text: &str, context: Context) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let lines = banner::without_banner(&lines).to_vec();
    let pieces = split(&lines);
    let whole = || trimmed(&lines);
    if !context.is_reply {
        let quotes = pieces.iter().any(|piece| !matches!(piece, Piece::Text(_)));
        let kept = if quotes { lines.clone() } else { signature::without_signature(&lines, false) };
        return Some(trimmed(&kept)).filter(|kept| !kept.is_empty()).unwrap_or_else(whole);
    }
    if few_words_above_a_forward(&pieces) {
        return whole();
    }
    let pieces: Vec<Piece> = pieces.into_iter().map(Piece::without_signature).collect();
    Some(assemble(&pieces)).filter(|kept| !kept.is_empty()).unwrap_or_else(whole)
}

/// A stretch of lines of one kind.
#[derive(Clone, Debug)]
enum Piece<'a> {
    Text(Vec<&'a str>),
    /// Lines marked with `>`.
    Quote(Vec<&'a str>),
    /// A line such as `On … wrote:`, with marked lines beneath.
    Attribution,
    /// The same without marks: all that comes next is quoted.
    Unmarked,
    /// Header lines or a separator, and all that comes next is quoted.
    Cut,
    /// A mail handed on comes next.
    Forward,
}

impl Piece<'_> {
    fn without_signature(self) -> Self {
        match self {
            Piece::Text(lines) => Piece::Text(signature::without_signature(&lines, true)),
            other => other,
        }
    }

    fn says_something(&self) -> bool {
        matches!(self, Piece::Text(lines) if lines.iter().any(|line| !line.trim().is_empty()))
    }
}

fn split<'a>(lines: &[&'a str]) -> Vec<Piece<'a>> {
    let quote_next = quote_next(lines);
    let quote_at = |index: usize| quote_next.get(index).copied().unwrap_or(false);
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    let mut index = 0;
    while let Some(&line) = lines.get(index) {
        if is_quote(line) {
            push(&mut pieces, line, true);
            index += 1;
            continue;
        }
        let scanned = index < MAX_SCANNED && !line.trim().is_empty();
        let rest = lines.get(index..).unwrap_or_default();
        if let Some(end) = scanned.then(|| attribution::shared_line(line)).flatten() {
            push(&mut pieces, line.get(..end).unwrap_or(line), false);
            pieces.push(if quote_at(index + 1) { Piece::Attribution } else { Piece::Unmarked });
            index += 1;
        } else if let Some((piece, taken)) = scanned.then(|| opening(rest, |n| quote_at(index + n))).flatten()
        {
            pieces.push(piece);
            index += taken;
        } else {
            push(&mut pieces, line, false);
            index += 1;
        }
    }
    pieces
}

/// What begins at the first of `lines`, and how many of them it takes.
fn opening<'a>(lines: &[&'a str], quote_after: impl Fn(usize) -> bool) -> Option<(Piece<'a>, usize)> {
    let first = lines.first()?;
    let mut unmarked = Piece::Cut;
    let found = match header_block::marker(first) {
        Some(Marker::Forward) => return Some((Piece::Forward, 1)),
        Some(Marker::Original) => {
            // The header lines belong to the marker; without them `>` may follow at once.
            let skipped = 1 + lines.iter().skip(1).take_while(|line| line.trim().is_empty()).count();
            skipped + lines.get(skipped..).and_then(header_block::header_block).unwrap_or(0)
        }
        None => match header_block::header_block(lines) {
            Some(taken) => taken,
            None => {
                unmarked = Piece::Unmarked;
                attribution::attribution(lines, &quote_after)?
            }
        },
    };
    Some((if quote_after(found) { Piece::Attribution } else { unmarked }, found))
}

fn push<'a>(pieces: &mut Vec<Piece<'a>>, line: &'a str, quote: bool) {
    match pieces.last_mut() {
        Some(Piece::Quote(lines)) if quote || line.trim().is_empty() => lines.push(line),
        Some(Piece::Text(lines)) if !quote => lines.push(line),
        _ if quote => pieces.push(Piece::Quote(vec![line])),
        _ => pieces.push(Piece::Text(vec![line])),
    }
}

fn is_quote(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

/// For each line, and the end: is the next line that is not blank a quoted one?
fn quote_next(lines: &[&str]) -> Vec<bool> {
    let mut next = false;
    let mut found: Vec<bool> = lines
        .iter()
        .rev()
        .map(|line| {
            if !line.trim().is_empty() {
                next = is_quote(line);
            }
            next
        })
        .collect();
    found.reverse();
    found
}

/// "FYI" above a forwarded mail: the mail handed on is the message.
fn few_words_above_a_forward(pieces: &[Piece]) -> bool {
    let Some(forward) = pieces.iter().position(|piece| matches!(piece, Piece::Forward)) else { return false };
    let above = pieces.iter().take(forward);
    if above.clone().any(|piece| !matches!(piece, Piece::Text(_))) {
        return false;
    }
    let words = above.flat_map(|piece| match piece {
        Piece::Text(lines) => lines.as_slice(),
        _ => &[],
    });
    words.flat_map(|line| line.split_whitespace()).count() < 4
}

/// The pieces that are new, in order. Quotes are kept only where an answer stands between them.
fn assemble(pieces: &[Piece]) -> String {
    let mut reach = pieces.len();
    let mut said = false;
    for (index, piece) in pieces.iter().enumerate() {
        said |= piece.says_something();
        match piece {
            Piece::Cut | Piece::Forward if !said => return String::new(),
            Piece::Cut | Piece::Forward | Piece::Unmarked if said => {
                reach = index;
                break;
            }
            // Nothing stands above it: what stands below is all there is.
            _ => {}
        }
    }
    let pieces: Vec<Piece> = join_broken_quotes(pieces.get(..reach).unwrap_or(pieces));
    let is_quote = |piece: &Piece| matches!(piece, Piece::Quote(_));
    let first_quote = pieces.iter().position(is_quote).unwrap_or(0);
    let last_quote = pieces.iter().rposition(is_quote).unwrap_or(0);
    let inline = pieces.iter().take(last_quote).skip(first_quote).any(Piece::says_something);
    let attributed = pieces.iter().any(|piece| matches!(piece, Piece::Attribution));
    let last_new = pieces.iter().rposition(Piece::says_something).unwrap_or(0);
    let kept = pieces.iter().take(last_new + 1).filter_map(|piece| match piece {
        Piece::Text(lines) if piece.says_something() => Some(trimmed(lines)),
        Piece::Quote(lines) if inline || !attributed => Some(trimmed(lines)),
        _ => None,
    });
    if !pieces.iter().any(Piece::says_something) {
        String::new()
    } else {
        kept.collect::<Vec<_>>().join("\n\n")
    }
}

/// Mail servers break long quoted lines, and the rest stands there without its `>`; so do links in brackets.
fn join_broken_quotes<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    let mut joined: Vec<Piece<'a>> = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let between = matches!(joined.last(), Some(Piece::Quote(_)))
            && matches!(pieces.get(index + 1), Some(Piece::Quote(_)));
        match piece {
            Piece::Text(lines) if between && broken_off(joined.last(), lines) => {}
            Piece::Quote(lines) => match joined.last_mut() {
                Some(Piece::Quote(before)) => before.extend(lines),
                _ => joined.push(piece.clone()),
            },
            _ => joined.push(piece.clone()),
        }
    }
    joined
}

fn broken_off(before: Option<&Piece>, lines: &[&str]) -> bool {
    let Some(Piece::Quote(quote)) = before else { return false };
    let [line] = lines else { return false };
    let line = line.trim();
    let link =
        line.ends_with(')') && (line.starts_with("(http") || line.starts_with('_') || !line.contains(' '));
    let above = quote.last().map_or("", |line| line.trim_end());
    let room = if above.ends_with(['.', '!', '?', ':']) { 30 } else { 60 };
    let is_rest =
        above.len() >= 60 && line.len() <= room && line.chars().next().is_some_and(char::is_lowercase);
    link || is_rest
}

fn trimmed(lines: &[&str]) -> String {
    lines.join("\n").trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_owned()
}

/// Marks of writing direction and other characters without width.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// The first `bytes` of a line, cut at a character: no pattern ever looks at more.
fn head(line: &str, bytes: usize) -> &str {
    line.get(..line.floor_char_boundary(bytes)).unwrap_or(line)
}

#[cfg(test)]
mod tests;
