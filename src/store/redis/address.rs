//! A Redis URL, read strictly: what `redis` would ignore is refused.

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, TlsCertificates};
use url::Url;

use super::super::{OpenError, Options};

/// The client for that URL, which speaks that protocol, not connected yet. No error repeats any part of the URL that could be a
/// password.
pub(super) fn client(
    text: &str,
    options: &Options,
    protocol: ProtocolVersion,
) -> Result<Client, OpenError> {
    let url = Url::parse(text).map_err(|error| {
        malformed(&format!(
            "the Redis URL cannot be read ({error}): write redis://:PASSWORD@HOST:PORT/DB, the \
             password percent-encoded"
        ))
    })?;
    let tls = url.scheme() == "rediss";
    if options.redis_ca.is_some() && !tls {
        return Err(malformed(
            "a CA for Redis is given, but TLS is not used: write rediss://",
        ));
    }
    match url.scheme() {
        "redis+unix" => check_unix(&url)?,
        _ => check_tcp(&url)?,
    }
    let info: ConnectionInfo = url
        .into_connection_info()
        .map_err(|error| refused(&error))?;
    let settings = TcpSettings::default().set_nodelay(true);
    let spoken = info.redis_settings().clone().set_protocol(protocol);
    let info = info.set_tcp_settings(settings).set_redis_settings(spoken);
    let client = match &options.redis_ca {
        Some(pem) => {
            let certificates = pem::parse_many(pem).ok();
            let any = certificates
                .is_some_and(|found| found.iter().any(|block| block.tag() == "CERTIFICATE"));
            if !any {
                return Err(malformed(
                    "the CA file for Redis holds no certificate in PEM",
                ));
            }
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(pem.clone()),
            };
            Client::build_with_tls(info, certificates)
        }
        None => Client::open(info),
    };
    client.map_err(|error| refused(&error))
}

fn check_tcp(url: &Url) -> Result<(), OpenError> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err(malformed(
            "the Redis URL names no host: write redis://HOST:PORT/DB",
        ));
    }
    if !url.username().is_empty() && url.password().is_none() {
        return Err(malformed(
            "the Redis URL has a user name but no password: write redis://USER:PASSWORD@HOST, or \
             redis://:PASSWORD@HOST for the default user",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(malformed(
            "the Redis URL has something after ? or #: write redis://:PASSWORD@HOST:PORT/DB, with \
             those characters percent-encoded in a password",
        ));
    }
    check_database(url.path().strip_prefix('/').unwrap_or_default())
}

fn check_unix(url: &Url) -> Result<(), OpenError> {
    let local = url.host_str().is_none_or(str::is_empty) && url.username().is_empty();
    if !local || !url.path().starts_with('/') || url.path().len() < 2 || url.fragment().is_some() {
        return Err(malformed(
            "the Redis URL names no socket: write redis+unix:///PATH, with three slashes, and \
             ?user=USER&pass=PASSWORD after it if need be",
        ));
    }
    let mut seen = Vec::new();
    for (name, value) in url.query_pairs() {
        if !matches!(&*name, "db" | "user" | "pass") || seen.contains(&name) {
            return Err(malformed(
                "the Redis URL has a parameter that is unknown or there twice: db, user and pass \
                 may be given",
            ));
        }
        if name == "db" {
            check_database(&value)?;
        }
        seen.push(name);
    }
    let given = |wanted: &str| seen.iter().any(|name| name == wanted);
    if given("user") && !given("pass") {
        return Err(malformed("the Redis URL has user= but no pass="));
    }
    Ok(())
}

fn check_database(text: &str) -> Result<(), OpenError> {
    let number = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    if number {
        Ok(())
    } else {
        Err(malformed(
            "the Redis URL's database is not a number: write redis://HOST:PORT/0",
        ))
    }
}

fn malformed(what: &str) -> OpenError {
    OpenError::Malformed(what.to_owned())
}

/// What `redis` itself objects to: its category and fixed description, never the detail, which may
/// quote the URL.
fn refused(error: &redis::RedisError) -> OpenError {
    OpenError::Malformed(format!(
        "the Redis URL or its CA cannot be used: {}",
        error.category()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str, options: &Options) -> Result<Client, OpenError> {
        super::client(text, options, ProtocolVersion::RESP3)
    }

    #[test]
    fn what_is_read() {
        for url in [
            "redis://localhost",
            "redis://localhost/",
            "redis://localhost:7000/3",
            "redis://:hunter%3f2@[::1]:6379/0",
            "rediss://user:hunter2@redis.example",
            "redis+unix:///run/redis.sock",
            "redis+unix:///run/redis.sock?db=3&user=cb&pass=hunter2",
        ] {
            assert!(client(url, &Options::default()).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_refused_without_repeating_a_password() {
        for url in [
            "redis:",
            "redis://",
            "redis://hunter2@localhost",
            "redis://:hunter2@",
            "redis://:hunter2@localhost:port",
            "redis://:hunter2@localhost/hunter2",
            "redis://:hunter2@localhost?protocol=hunter2",
            "redis://:hunter?2hunter2@localhost",
            "rediss://:hunter2@localhost#insecure",
            "redis+unix://run/redis.sock?pass=hunter2",
            "redis+unix:///?pass=hunter2",
            "redis+unix:///run/redis.sock?password=hunter2",
            "redis+unix:///run/redis.sock?pass=hunter2&pass=hunter2",
            "redis+unix:///run/redis.sock?user=hunter2",
        ] {
            let error = client(url, &Options::default()).expect_err(url);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_ca_needs_tls_and_a_certificate() {
        let options = |pem: &str| Options {
            redis_ca: Some(pem.as_bytes().to_vec()),
            ..Options::default()
        };
        for (url, pem) in [("redis://localhost", "x"), ("rediss://localhost", "x")] {
            assert!(
                matches!(client(url, &options(pem)), Err(OpenError::Malformed(_))),
                "{url}"
            );
        }
    }
}
