//! From raw mail to the desk: register, trust, thread, classify, walls.

pub mod classify;
