//! `xfcc`: Envoy's `x-forwarded-client-cert`, of which only `Hash`, `Cert` and `Chain` are used.
//!
//! An element is `Key=value;Key="value"`. Envoy writes the names of a certificate, which whoever
//! made it chose, without quotes, so that a name can hold what looks like further keys or a further
//! element. Therefore there is exactly one element, `Hash`, `Cert` and `Chain` come once and before
//! any such name, and `Hash` must be the digest of `Cert`.

use super::{Decoded, Dialect, ProxyError, chain, escaped_pem, pem};
use crate::oauth::secret::Digest;

const NAME: &str = "xfcc";

/// More distinct keys than Envoy has ever had, so that looking for one twice stays cheap.
const MAX_KEYS: usize = 16;

/// Envoy, Istio, and what is built on them.
pub(super) struct Xfcc;

impl Dialect for Xfcc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begins(&self, value: &[u8]) -> bool {
        value
            .iter()
            .position(|&byte| byte == b'=')
            .is_some_and(|end| Key::of(&value[..end]) != Key::Other)
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        let element = Element::read(value)?;
        let Some(text) = element.cert.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let leaf = pem::one(NAME, &escaped_pem::unescape(NAME, text)?)?;
        if let Some(hash) = element.hash {
            let hash = std::str::from_utf8(hash).ok().and_then(Digest::from_hex);
            if hash != Some(Digest::of(&leaf)) {
                return Err(malformed("Hash is not the SHA-256 of Cert"));
            }
        }
        let mut intermediates = Vec::new();
        if let Some(text) = element.chain.filter(|text| !text.is_empty()) {
            // Envoy repeats the leaf as the first of its chain.
            for der in pem::several(NAME, &escaped_pem::unescape(NAME, text)?)? {
                if der != leaf {
                    chain::push(&mut intermediates, der)?;
                }
            }
        }
        Ok(Some(Decoded {
            leaf,
            chain: intermediates,
        }))
    }
}

/// The keys, whose case does not matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Hash,
    Cert,
    Chain,
    Subject,
    /// `By`, `URI` and `DNS`: one pair for each name, so they may repeat.
    Name,
    Other,
}

impl Key {
    fn of(text: &[u8]) -> Self {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("Hash") => Self::Hash,
            () if is("Cert") => Self::Cert,
            () if is("Chain") => Self::Chain,
            () if is("Subject") => Self::Subject,
            () if is("By") || is("URI") || is("DNS") => Self::Name,
            () => Self::Other,
        }
    }
}

/// What is used of the one element, still encoded.
#[derive(Default)]
struct Element<'a> {
    hash: Option<&'a [u8]>,
    cert: Option<&'a [u8]>,
    chain: Option<&'a [u8]>,
}

impl<'a> Element<'a> {
    fn read(text: &'a [u8]) -> Result<Self, ProxyError> {
        let mut element = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        let mut named = false;
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (pair, after) = Pair::first(text)?;
            rest = after;
            let key = Key::of(pair.key);
            if key == Key::Name {
                // `By` is the proxy's own name; those of the client's certificate end what is believed.
                named |= !pair.quoted && !pair.key.eq_ignore_ascii_case(b"By");
                continue;
            }
            if seen.len() == MAX_KEYS {
                return Err(malformed("it has too many keys"));
            }
            if seen.iter().any(|one| one.eq_ignore_ascii_case(pair.key)) {
                return Err(malformed("a key comes twice"));
            }
            seen.push(pair.key);
            let believed = match key {
                Key::Hash => &mut element.hash,
                Key::Cert => &mut element.cert,
                Key::Chain => &mut element.chain,
                Key::Subject | Key::Name | Key::Other => continue,
            };
            if named {
                return Err(malformed("Hash, Cert or Chain comes after URI or DNS"));
            }
            if key != Key::Hash && !pair.quoted && !pair.value.is_empty() {
                return Err(malformed("Cert and Chain must be quoted"));
            }
            *believed = Some(pair.value);
        }
        Ok(element)
    }
}

/// One `Key=value`.
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
    quoted: bool,
}

impl<'a> Pair<'a> {
    /// The first pair, and what follows its semicolon, if there is one.
    fn first(text: &'a [u8]) -> Result<(Self, Option<&'a [u8]>), ProxyError> {
        let equals = text.iter().position(|&byte| byte == b'=');
        let (key, rest) = equals
            .and_then(|equals| text.split_at_checked(equals))
            .ok_or_else(|| malformed("a key has no value"))?;
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphanumeric) {
            return Err(malformed("a key is not a word"));
        }
        let rest = &rest[1..];
        let (value, quoted, rest) = if let Some(inner) = rest.strip_prefix(b"\"") {
            let end = closing_quote(inner).ok_or_else(|| malformed("a quote is not closed"))?;
            (&inner[..end], true, &inner[end + 1..])
        } else {
            let special = |byte: &u8| matches!(byte, b';' | b',' | b'"');
            let end = rest.iter().position(special).unwrap_or(rest.len());
            (&rest[..end], false, &rest[end..])
        };
        let pair = Self { key, value, quoted };
        match rest {
            [] => Ok((pair, None)),
            [b';', rest @ ..] => Ok((pair, Some(rest))),
            [b',', ..] => Err(malformed("there is more than one element")),
            _ => Err(malformed(
                "a value goes on after its quote, or has one inside",
            )),
        }
    }
}

/// Where the quote ends, a backslash hiding the octet after it.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

const fn malformed(fault: &'static str) -> ProxyError {
    ProxyError::Malformed {
        encoding: NAME,
        fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{certificate, escaped, hash};

    fn decode(value: &str) -> Result<Option<Decoded>, ProxyError> {
        Xfcc.decode(value.as_bytes())
    }

    #[test]
    fn one_element() {
        let (digest, cert) = (hash("p256"), escaped("p256"));
        let chain = [escaped("p256"), escaped("inter")].concat();
        let tail = r#"Subject="CN=\"a\\,b;c\",O=x";URI=;DNS=a.example;DNS=b.example"#;
        let names = "URI=spiffe://x/y?a=b;URI=urn:z";
        let alone = Some(Decoded::alone(certificate("p256")));
        let with_chain = Some(Decoded {
            leaf: certificate("p256"),
            chain: vec![certificate("inter")],
        });
        for (value, expected) in [
            (format!("Hash={digest};Cert=\"{cert}\""), alone.clone()),
            (format!("Cert=\"{cert}\";Hash={digest}"), alone.clone()),
            (format!("Hash=\"{digest}\";Cert=\"{cert}\""), alone.clone()),
            (format!("Cert=\"{cert}\""), alone.clone()),
            (
                format!("By=spiffe://me;By=x;Cert=\"{cert}\";{names}"),
                alone.clone(),
            ),
            (format!("cert=\"{cert}\";Later=\"a,b\""), alone.clone()),
            (
                format!("Cert=\"{cert}\";Chain=\"{chain}\";{tail}"),
                with_chain.clone(),
            ),
            (
                format!("Cert=\"{cert}\";Chain=\"{}\"", escaped("inter")),
                with_chain,
            ),
            (format!("Hash={digest}"), None),
            (format!("Hash={digest};{tail}"), None),
            (format!("Hash={digest};Chain=\"{chain}\""), None),
            (format!("Hash={digest};Cert=\"\";URI="), None),
        ] {
            assert!(Xfcc.begins(value.as_bytes()), "{value}");
            assert_eq!(decode(&value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn whatever_could_be_injected() {
        let (mine, victim) = (hash("impostor"), hash("p256"));
        let (my_cert, cert) = (escaped("impostor"), escaped("p256"));
        let element = format!("Hash={victim};Cert=\"{cert}\"");
        for wrong in [
            // A name that holds a further element, or further keys.
            format!("Hash={mine};URI=urn:x,{element}"),
            format!("Hash={mine};DNS=x,{element}"),
            format!("Hash={mine};URI=urn:x;Cert=\"{cert}\""),
            format!("URI=urn:x;{element}"),
            format!("DNS=x;Cert=\"{cert}\""),
            format!("Hash={mine};Cert=\"{my_cert}\";URI=x;{element}"),
            format!("Hash={mine};Cert=\"{my_cert}\";URI=x;Chain=\"{cert}\""),
            format!("URI=x\";{element}"),
            // A header that the client began.
            format!("{element},{element}"),
            format!("{element},"),
            format!(",{element}"),
            format!("{element}, {element}"),
            // Keys that come twice, whatever their case.
            format!("Cert=\"{my_cert}\";{element}"),
            format!("{element};cert=\"{my_cert}\""),
            format!("{element};HASH={victim}"),
            format!("{element};Subject=\"a\";Subject=\"b\""),
            format!("{element};X=1;x=2"),
            // A digest of something else.
            format!("Hash={mine};Cert=\"{cert}\""),
            format!("Hash=;Cert=\"{cert}\""),
            format!("Hash={victim}0;Cert=\"{cert}\""),
            // Syntax.
            format!("Cert={cert}"),
            format!("Cert=\"{cert}"),
            format!("Cert=\"{cert}\"x"),
            format!("Cert=\"{cert}\";"),
            format!("Cert=\"{cert}\";;Hash={victim}"),
            format!("Cert =\"{cert}\""),
            format!("Cert= \"{cert}\""),
            format!("Cert=\"{cert}\"; Hash={victim}"),
            format!("Cert=\"{cert}{cert}\""),
            format!("Cert=\"{}\"", cert.replace("%20", "+")),
            format!("Cert=\"{cert}\";Chain=\"x\""),
            format!("Cert=\"{cert}\";Subject=\"a\\"),
            format!("Cert=\"{cert}\";Subject=\"a\\\""),
            format!("Cert=\"{cert}\";Chain=\"{}\"", cert.repeat(9)),
            String::new(),
            cert.clone(),
        ] {
            assert!(decode(&wrong).is_err(), "{wrong}");
        }
    }
}
