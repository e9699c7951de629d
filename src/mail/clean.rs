//! What may leave the parser: text without control characters or bidi overrides, one-line values, safe file
//! names. Every string of a [`Mail`](super::Mail) passes here. Knows nothing of MIME.

/// A mailbox system may show a name in any width; file systems mostly stop at 255 bytes, and a tool may add its own.
const MAX_FILE_NAME: usize = 240;

/// Overrides and isolates turn `exe.fdp` into `pdf.exe` on screen; they have no place in what we show.
fn is_bidi_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Invisible characters that make two equal-looking names differ.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}'
        | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Text of several lines: `\n` and `\t` are the only controls left, all line ends are `\n`.
pub fn text(input: &str) -> String {
    let mut out = String::with_capacity(input.len());
    let mut chars = input.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\u{0B}' | '\u{0C}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            '\u{FEFF}' => {}
            c if c.is_control() || is_bidi_override(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// One line: folds and controls become a space or nothing, runs made by folding are one space, ends trimmed.
pub fn line(input: &str) -> String {
    let mut out = String::with_capacity(input.len());
    let mut folded = false;
    for c in input.chars() {
        match c {
            '\r' | '\n' | '\t' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => folded = true,
            ' ' if folded => {}
            '\u{FEFF}' => {}
            c if c.is_control() || is_bidi_override(c) => {}
            c => {
                if folded && !out.ends_with(' ') {
                    out.push(' ');
                }
                folded = false;
                out.push(c);
            }
        }
    }
    out.trim().to_owned()
}

/// A token such as an address or an id: no white space, no controls, nothing invisible.
pub fn token(input: &str) -> String {
    input.chars().filter(|&c| !c.is_whitespace() && is_visible(c)).collect()
}

fn is_visible(c: char) -> bool {
    !c.is_control() && !is_bidi_override(c) && !is_invisible(c)
}

/// A file name that no path, no shell and no screen can misread. `None` when nothing is left of it.
pub fn file_name(input: &str) -> Option<String> {
    let one_line = line(input);
    let last = one_line.rsplit(['/', '\\']).find(|piece| !piece.trim_matches([' ', '.']).is_empty())?;
    let safe: String = last
        .chars()
        .filter(|&c| is_visible(c))
        .map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    let trimmed = safe.trim().trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    if trimmed.is_empty() {
        return None;
    }
    let stem = trimmed.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let reserved = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ((stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.len() == 4
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    let named = if reserved { format!("_{trimmed}") } else { trimmed.to_owned() };
    Some(shorten(&named))
}

/// Cuts in the middle of a long name, so that its extension stays.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, e)| e).filter(|e| e.len() <= 16);
    let room = MAX_FILE_NAME - extension.map_or(0, |e| e.len() + 1);
    let mut stem = prefix(name, room).trim_end_matches(['.', ' ']).to_owned();
    if let Some(extension) = extension {
        stem.push('.');
        stem.push_str(extension);
    }
    stem
}

/// The longest prefix of at most `bytes` bytes that ends between characters.
pub fn prefix(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        for (given, expected) in [
            ("report.pdf", Some("report.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\x\\Payslip.pdf", Some("Payslip.pdf")),
            ("..", None),
            ("", None),
            ("\u{0}\r\n", None),
            ("a\r\nb.txt", Some("a b.txt")),
            ("fdp\u{202E}exe.pdf", Some("fdpexe.pdf")),
            ("CON.txt", Some("_CON.txt")),
            (".htaccess", Some("htaccess")),
            ("what?.txt", Some("what_.txt")),
            ("dir/", Some("dir")),
            ("Gehaltsabrechnung März.pdf", Some("Gehaltsabrechnung März.pdf")),
        ] {
            assert_eq!(file_name(given).as_deref(), expected, "{given:?}");
        }
        let long = file_name(&format!("{}.pdf", "ä".repeat(500))).unwrap();
        assert!(long.len() <= MAX_FILE_NAME && long.ends_with(".pdf"));
    }

    #[test]
    fn lines_and_texts() {
        assert_eq!(line(" a\r\n\t b\u{0}c\u{202E}d "), "a bcd");
        assert_eq!(line("two  spaces stay"), "two  spaces stay");
        assert_eq!(text("a\r\nb\rc\u{7}\td\u{2066}"), "a\nb\nc\td");
    }
}
