//! The domain, pure: no I/O, no SQL, no clock. Depends on nothing of ours.

pub mod kinds;
