//! The language of search, pure: how a text falls into words, how words of four languages meet their stems, and what
//! a question asks for. Knows neither keys nor cases: [`crate::desk::search`] hashes, finds and opens.

mod query;
mod words;

pub use query::{Query, QueryError, Wanted};
pub use words::{Field, Indexer, PREFIXES, Term, asked, holds_phrase, terms, words};
