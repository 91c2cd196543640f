#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cert;
pub mod oauth;
pub mod proxy;
pub mod record;
pub mod store;
