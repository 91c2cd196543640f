//! The store's URL, which may hold a password and is never printed as it was written.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::oauth::secret::Secret;

use super::finding::{Fault, shown_path};

const FORMS: &str = "write memory:, file:PATH, redis://HOST, rediss://HOST or redis+unix:///PATH";

/// Where records are kept.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// In memory, until the process ends.
    Memory,
    /// In a file of the embedded store.
    File(PathBuf),
    /// In Redis.
    Redis(RedisUrl),
}

impl StoreUrl {
    /// Whether it is Redis, which several instances may share.
    pub const fn is_redis(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(Fault::new("this is not the URL of a store", FORMS));
        };
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(Fault::new(
                "memory: takes nothing after it",
                "write memory:",
            )),
            "file" => file(rest),
            "redis" | "rediss" | "redis+unix" => redis(text, scheme).map(Self::Redis),
            "redis+cluster" | "redis+sentinel" => Err(Fault::new(
                format!("this version cannot use {scheme}:// yet"),
                "write redis:// or rediss:// and the address of one server",
            )),
            _ => Err(Fault::new("the store's scheme is unknown", FORMS)),
        }
    }
}

impl fmt::Display for StoreUrl {
    /// Without user, password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(path) => write!(f, "file:{}", shown_path(path)),
            Self::Redis(redis) => f.write_str(&redis.shown),
        }
    }
}

/// The URL of a Redis server.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    text: Secret,
    shown: String,
    tls: bool,
}

impl RedisUrl {
    /// As it was written, password included.
    pub const fn secret(&self) -> &Secret {
        &self.text
    }

    /// Whether the connection is TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls
    }
}

fn file(path: &str) -> Result<StoreUrl, Fault> {
    if path.is_empty() || path.starts_with("//") || path.contains(['\0', '\n']) {
        return Err(Fault::new(
            "file: wants the path of a file after it, without slashes for a host",
            "write a path such as file:/var/lib/certbound/store",
        ));
    }
    Ok(StoreUrl::File(Path::new(path).to_owned()))
}

fn redis(text: &str, scheme: &str) -> Result<RedisUrl, Fault> {
    let wrong = |problem: &str| {
        Fault::new(
            problem,
            "write redis://HOST:PORT/DB, rediss://HOST:PORT/DB or redis+unix:///PATH",
        )
    };
    // The parser would silently drop tabs and line ends.
    let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = graphic.then(|| Url::parse(text).ok()).flatten();
    let url = url.ok_or_else(|| wrong("the store's URL cannot be read"))?;
    if url.fragment().is_some() {
        // The client library takes #insecure for leave to skip the verification of TLS.
        return Err(wrong("the store's URL has a fragment"));
    }
    let host = url.host_str().unwrap_or_default();
    let path = url.path();
    let shown = if scheme == "redis+unix" {
        if !host.is_empty() || path.len() < 2 || !text.starts_with("redis+unix:///") {
            return Err(wrong(
                "the store's URL does not name a socket by its full path",
            ));
        }
        format!("{scheme}://{path}")
    } else {
        if host.is_empty() {
            return Err(wrong("the store's URL names no host"));
        }
        let database = path.strip_prefix('/').unwrap_or(path);
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(wrong(
                "the store's URL has something other than a database's number for a path",
            ));
        }
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        format!("{scheme}://{host}{port}{path}")
    };
    Ok(RedisUrl {
        text: Secret::new(text.to_owned()),
        shown,
        tls: scheme == "rediss",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores() {
        for (text, shown) in [
            ("memory:", "memory:"),
            ("file:store.redb", "file:store.redb"),
            (
                "file:/var/lib/certbound/store",
                "file:/var/lib/certbound/store",
            ),
            ("redis://redis", "redis://redis"),
            ("redis://[::1]:6379/1", "redis://[::1]:6379/1"),
            ("redis://u:hunter2@redis:6379/", "redis://redis:6379/"),
            ("rediss://:hunter2@h/3?protocol=resp3", "rediss://h/3"),
            (
                "redis+unix:///run/redis.sock?pass=hunter2",
                "redis+unix:///run/redis.sock",
            ),
        ] {
            let store = StoreUrl::parse(text).expect(text);
            assert_eq!(store.to_string(), shown);
            assert!(!format!("{store:?}").contains("hunter2"));
            if let StoreUrl::Redis(redis) = &store {
                assert_eq!(redis.secret().expose(), text);
                assert_eq!(redis.is_tls(), text.starts_with("rediss"));
            }
        }
        for text in [
            "",
            "memory",
            "memory://",
            "memory:x",
            "file:",
            "file:///x",
            "FILE:x",
            "postgres://u:hunter2@h",
            "redis:",
            "redis://",
            "redis:///0",
            "redis://:hunter2@",
            "redis://u:hunter2@h/x",
            "rediss://h#insecure",
            "redis+unix://hunter2@h/run/x",
            "redis+unix:run/x",
            "redis+unix:///",
            "redis://h\n",
            "redis+cluster://u:hunter2@a,b",
            "redis+sentinel://a,b/m",
        ] {
            let fault = StoreUrl::parse(text).expect_err(text);
            assert!(!format!("{fault:?}").contains("hunter2"), "{text}");
            assert!(!fault.remedy.is_empty());
        }
    }
}
