//! What several test programs need.

pub mod redis_server;
