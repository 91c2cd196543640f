//! HTTP/1.1 by hyper: listeners, limits, and one wrapper around every answer.

pub mod admin;
mod body;
pub mod fcgi;
mod gate;
pub mod listen;
pub mod pass;
mod patience;
pub mod request;
pub mod router;
pub mod serve;
pub mod workers;
