//! What integration tests share: the real mail servers, and the true daemon on a real database.

pub mod app;
#[allow(dead_code, reason = "each test program uses its own part of this")]
pub mod intake;
pub mod interface;
#[allow(dead_code, reason = "each test program uses its own part of this")]
pub mod mailstack;
pub mod office;
pub mod site;
