//! From raw mail to the desk: fetch, understand, classify, hand over. Mail is parsed and classified in parallel and
//! handed over in order of arrival; what it means for cases is decided at the desk, inside one transaction.

pub mod classify;
pub mod identity;
pub mod import;
pub mod numbering;
pub mod poll;
pub mod prepare;
pub mod thread;
pub mod trust;
