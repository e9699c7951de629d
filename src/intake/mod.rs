//! From raw mail to the desk: fetch, understand, classify, hand over. Mail is parsed and classified in parallel and
//! handed over in order of arrival; what it means for cases is decided at the desk, inside one transaction.

pub mod alarm;
mod attempts;
pub mod classify;
mod hand_over;
pub mod identity;
pub mod import;
mod look;
pub mod numbering;
pub mod poll;
pub mod prepare;
pub mod probe;
pub mod prove;
pub mod pulse;
mod settle;
pub mod thread;
pub mod trust;
pub mod walls;
