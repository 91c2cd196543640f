//! The ways in which web servers say that there is no client certificate, none of which is an error.

/// Whether that value, blanks trimmed, says that there is nothing.
///
/// Apache writes `(null)`, others leave the value empty, RFC 9440 gives `::` around nothing, Go's
/// templates `<nil>`, and a variable that the web server does not know stays as it was written,
/// alone or between colons. No certificate in any encoding begins like one of these.
pub(super) fn says_absent(value: &[u8]) -> bool {
    let inner = match value {
        [b':', inner @ .., b':'] => inner,
        other => other,
    };
    matches!(inner, b"" | b"(null)" | b"<nil>") || is_placeholder(inner)
}

/// `{name}`, `%{NAME}`, `%{NAME}s`, `${name}`, `%[name]`, `$name`, `%NAME%`: a variable in the words
/// of Caddy, Apache, nginx, `HAProxy` and Envoy.
fn is_placeholder(value: &[u8]) -> bool {
    match value {
        [b'{' | b'%' | b'$', .., b'}'] => {
            let opened = value.strip_prefix(b"%").or(value.strip_prefix(b"$"));
            let inner = opened
                .unwrap_or(value)
                .strip_prefix(b"{")
                .and_then(|rest| rest.strip_suffix(b"}"));
            inner.is_some_and(is_variable)
        }
        [b'%', b'{', inner @ .., b'}', b's' | b'e'] | [b'%', b'[', inner @ .., b']'] => {
            is_variable(inner)
        }
        [b'$', name @ ..] => !name.is_empty() && name.iter().all(|&byte| is_word(byte)),
        [b'%', name @ .., b'%'] => {
            name.first().is_some_and(u8::is_ascii_uppercase) && is_variable(name)
        }
        _ => false,
    }
}

fn is_variable(name: &[u8]) -> bool {
    let odd = |byte: u8| b".-:/,()".contains(&byte);
    (1..=128).contains(&name.len()) && name.iter().all(|&byte| is_word(byte) || odd(byte))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_nothing() {
        for value in [
            "",
            "::",
            "(null)",
            ":(null):",
            "<nil>",
            "{http.request.tls.client.certificate_der_base64}",
            ":{http.request.tls.client.certificate_der_base64}:",
            "{x}",
            "%{SSL_CLIENT_CERT}",
            "%{SSL_CLIENT_CERT}s",
            "%{SSL_CLIENT_CERT}e",
            "${ssl_client_cert}",
            "$ssl_client_escaped_cert",
            "%[ssl_c_der,base64]",
            ":%[ssl_c_der,base64]:",
            "%DOWNSTREAM_PEER_CERT%",
        ] {
            assert!(says_absent(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn nothing_else_is_nothing() {
        for value in [
            ":",
            ": :",
            ":::",
            "(NULL)",
            "(null), (null)",
            "(null),MII",
            "null",
            "-",
            "\"\"",
            "{",
            "{}",
            "{a},{b}",
            "{a}b",
            "{a b}",
            "$",
            "$a b",
            "$a,MII",
            "%{}",
            "%",
            "%%",
            "%2D%",
            "%2D%2D%2D%2D%2DBEGIN%20CERTIFICATE%2D%2D%2D%2D%2D%",
            "MII",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert!(!says_absent(value.as_bytes()), "{value}");
        }
    }
}
