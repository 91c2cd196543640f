//! HTTP/1.1 by hyper: listeners, limits, and one wrapper around every answer.

pub mod admin;
pub mod fcgi;
mod gate;
pub mod listen;
mod patience;
pub mod request;
pub mod router;
pub mod serve;
