#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cert;
pub mod cli;
pub mod client;
pub mod config;
pub mod endpoint;
pub mod gate;
pub mod grant;
pub mod http;
pub mod key;
pub mod oauth;
pub mod outbound;
pub mod proxy;
pub mod record;
pub mod store;
pub mod token;
