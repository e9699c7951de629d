//! Time at work: the calendars and clock packs of an organisation, and the timers that tell people what is due. What
//! a clock is stands in [`crate::case::clock`]; what a case goes through is decided at the desk.

mod files;
mod timers;

pub use files::{CalendarError, Calendars};
pub use timers::Timers;
