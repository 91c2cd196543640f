#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cert;
pub mod key;
pub mod config;
pub mod oauth;
pub mod outbound;
pub mod proxy;
pub mod record;
pub mod store;
