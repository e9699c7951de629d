//! What integration tests share: the real mail servers, and the true daemon on a real database.

pub mod app;
pub mod mailstack;
