//! What a question asks for: words, `"exact words together"`, and `from: owner: status: category: before: after:`.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::words::words;
use crate::case::{Category, Moment, Status};

/// Fewer than anybody types, more than a machine should be asked.
const MOST_WORDS: usize = 20;
const LONGEST: usize = 500;

/// A word that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub word: String,
    /// `pay*`: any word that begins so.
    pub beginning_only: bool,
}

/// A question, read. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub words: Vec<Wanted>,
    /// Words that must stand together; each is in `words`, too.
    pub phrases: Vec<Vec<String>>,
    /// Words of a name.
    pub from: Vec<String>,
    /// Whole addresses.
    pub from_address: Vec<String>,
    /// A login, or `me`.
    pub owner: Option<String>,
    pub status: Option<Status>,
    pub category: Option<Category>,
    /// Opened before this day began.
    pub before: Option<Moment>,
    /// Opened on this day or later.
    pub after: Option<Moment>,
}

/// What is wrong with a question; one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error(
        "ask for something: a word of two letters or more, or one of from: owner: status: category: before: after:"
    )]
    Empty,
    #[error("this asks for too much at once; use fewer words")]
    TooLong,
    #[error("{0}: is followed by {1}")]
    Value(&'static str, &'static str),
    #[error("a beginning such as over* has three letters or more")]
    ShortBeginning,
}

impl std::str::FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        if text.len() > LONGEST {
            return Err(QueryError::TooLong);
        }
        let mut query = Self::default();
        for piece in pieces(text) {
            match piece {
                Piece::Quoted(quoted) => query.phrase(quoted),
                Piece::Plain(plain) => query.plain(plain)?,
                Piece::Keyed(key, value) => query.keyed(key, value)?,
            }
        }
        if query.words.len() + query.from.len() + query.from_address.len() > MOST_WORDS {
            return Err(QueryError::TooLong);
        }
        if query == Self::default() { Err(QueryError::Empty) } else { Ok(query) }
    }
}

enum Piece<'a> {
    Plain(&'a str),
    Quoted(&'a str),
    Keyed(&'static str, &'a str),
}

const KEYS: [&str; 6] = ["from", "owner", "status", "category", "before", "after"];

/// Cuts at spaces outside quotes; a quote that is not closed goes to the end.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let key = KEYS.into_iter().find(|key| {
            rest.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key))
                && rest.get(key.len()..).is_some_and(|after| after.starts_with(':'))
        });
        let value = key.and_then(|key| rest.get(key.len() + 1..)).unwrap_or(rest).trim_start();
        let (value, after, quoted) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (inside, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                (inside, after, true)
            }
            None => {
                let (word, after) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                (word, after, false)
            }
        };
        found.push(match key {
            Some(key) => Piece::Keyed(key, value),
            None if quoted => Piece::Quoted(value),
            None => Piece::Plain(value),
        });
        rest = after.trim_start();
    }
    found
}

impl Query {
    fn plain(&mut self, text: &str) -> Result<(), QueryError> {
        let Some(beginning) = text.strip_suffix('*') else {
            let wanted = words(text).map(|word| Wanted { word, beginning_only: false });
            self.words.extend(wanted);
            return Ok(());
        };
        let mut parts: Vec<_> = words(beginning).collect();
        let last = parts.pop().filter(|word| word.chars().count() >= *super::PREFIXES.start());
        let last = last.ok_or(QueryError::ShortBeginning)?;
        self.words.extend(parts.into_iter().map(|word| Wanted { word, beginning_only: false }));
        self.words.push(Wanted { word: last, beginning_only: true });
        Ok(())
    }

    fn phrase(&mut self, text: &str) {
        let phrase: Vec<_> = words(text).collect();
        self.words.extend(phrase.iter().map(|word| Wanted { word: word.clone(), beginning_only: false }));
        if phrase.len() > 1 {
            self.phrases.push(phrase);
        }
    }

    fn keyed(&mut self, key: &'static str, value: &str) -> Result<(), QueryError> {
        match key {
            "from" if value.contains('@') => self.from_address.push(value.trim().to_lowercase()),
            "from" => {
                let names: Vec<_> = words(value).collect();
                if names.is_empty() {
                    return Err(QueryError::Value(key, "a name or an address"));
                }
                self.from.extend(names);
            }
            "owner" if value.is_empty() => return Err(QueryError::Value(key, "a login, or me")),
            "owner" => self.owner = Some(value.to_lowercase()),
            "status" => {
                let word = "new, open, waiting, resolved or closed";
                self.status = Some(value.to_lowercase().parse().map_err(|_| QueryError::Value(key, word))?);
            }
            "category" => {
                let category = value.to_lowercase().parse();
                self.category =
                    Some(category.map_err(|_| QueryError::Value(key, "a category such as payroll"))?);
            }
            "before" => self.before = Some(day(key, value)?),
            _ => self.after = Some(day(key, value)?),
        }
        Ok(())
    }
}

fn day(key: &'static str, text: &str) -> Result<Moment, QueryError> {
    let date: Option<Date> = text.parse().ok();
    let start = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    start.map(|start| start.timestamp().into()).ok_or(QueryError::Value(key, "a day such as 2026-01-31"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_is_read() {
        let query: Query =
            "Überstunden \"of May\" over* from:\"Anna Example\" from:bob@x.test owner:ME status:open \
                            category:payroll after:2026-01-31 before: 2026-02-28"
                .parse()
                .unwrap();
        insta::assert_debug_snapshot!(query);
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        for (text, wrong) in [
            ("", QueryError::Empty),
            ("  a ? ", QueryError::Empty),
            ("ov*", QueryError::ShortBeginning),
            ("status:odd", QueryError::Value("status", "new, open, waiting, resolved or closed")),
            ("before:yesterday", QueryError::Value("before", "a day such as 2026-01-31")),
            ("from:", QueryError::Value("from", "a name or an address")),
            ("owner:", QueryError::Value("owner", "a login, or me")),
        ] {
            assert_eq!(text.parse::<Query>(), Err(wrong), "{text}");
        }
        assert_eq!("ab ".repeat(30).parse::<Query>(), Err(QueryError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,120}") {
            let _read = text.parse::<Query>();
        }
    }
}
