#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cert;
pub mod config;
pub mod oauth;
pub mod record;
pub mod store;
