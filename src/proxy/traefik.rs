//! `traefik`: passTLSClientCert's list, the leaf first, base64 DER between commas.
//!
//! It is the one encoding in which a comma separates certificates, and so the one in which a header
//! that a client began and a web server continued could pass for a chain. Therefore it is never
//! guessed, and each element must have issued the one before it, signature included.

use super::{Decoded, Dialect, ProxyError, base64, chain, der};

const NAME: &str = "traefik";

/// Traefik.
pub(super) struct Traefik;

impl Dialect for Traefik {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begins(&self, value: &[u8]) -> bool {
        value.starts_with(b"MI")
    }

    fn guessable(&self) -> bool {
        false
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        let mut elements = value.split(|&byte| byte == b',');
        let mut next = || -> Result<Option<Vec<u8>>, ProxyError> {
            let Some(text) = elements.next() else {
                return Ok(None);
            };
            der::one(NAME, base64::canonical(NAME, text)?).map(Some)
        };
        let Some(leaf) = next()? else {
            return Ok(None);
        };
        let mut intermediates: Vec<Vec<u8>> = Vec::new();
        while let Some(issuer) = next()? {
            let before = intermediates.last().unwrap_or(&leaf);
            // A self-signed certificate has issued itself: twice the same is no chain but two leaves.
            if issuer == *before || !der::issued(&issuer, before) {
                return Err(ProxyError::NotIssuer {
                    position: intermediates.len() + 1,
                });
            }
            chain::push(&mut intermediates, issuer)?;
        }
        Ok(Some(Decoded {
            leaf,
            chain: intermediates,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{base64, certificate};

    fn decode(names: &[&str]) -> Result<Option<Decoded>, ProxyError> {
        let list: Vec<String> = names.iter().map(|name| base64(name)).collect();
        Traefik.decode(list.join(",").as_bytes())
    }

    #[test]
    fn each_issued_the_one_before_it() {
        for names in [
            &["p256"][..],
            &["p256", "inter"],
            &["p256", "inter", "ca"],
            &["impostor", "impostor-inter", "impostor-ca"],
            &["self-ed25519"],
        ] {
            let expected = Decoded {
                leaf: certificate(names[0]),
                chain: names[1..].iter().map(|name| certificate(name)).collect(),
            };
            assert_eq!(decode(names), Ok(Some(expected)), "{names:?}");
        }
        for names in [
            &["p256", "rsa"][..],
            &["p256", "ca"],
            &["p256", "inter", "inter"],
            &["p256", "inter", "ca", "ca"],
            &["p256", "p256"],
            &["self-p256", "self-p256"],
            &["p256", "impostor-inter"],
            &["impostor", "inter"],
            &["rsa", "p256", "inter"],
        ] {
            assert!(
                matches!(decode(names), Err(ProxyError::NotIssuer { .. })),
                "{names:?}"
            );
        }
    }

    #[test]
    fn elements_are_strict() {
        let (leaf, inter) = (base64("p256"), base64("inter"));
        for wrong in [
            format!("{leaf}, {inter}"),
            format!("{leaf},"),
            format!(",{leaf}"),
            format!("{leaf},,{inter}"),
            format!("{leaf};{inter}"),
            format!("{leaf}%2C{inter}"),
        ] {
            assert!(Traefik.decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
