//! What another issuer says of itself (OpenID Connect Discovery section 4, RFC 8414 section 3, RFC
//! 8705 section 5).

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::key::json;
use crate::outbound::fetch::{BODY_LIMIT, Outbound};
use crate::outbound::guard::{Destination, NotADestination};
use crate::outbound::kept::Fresh;
use crate::outbound::{OutboundError, Part};

/// Where an issuer's metadata is found.
#[derive(Clone, Debug)]
pub(super) struct WellKnown {
    /// The well-known part after the issuer's path.
    openid: Destination,
    /// The well-known part between host and path.
    oauth: Destination,
}

impl WellKnown {
    /// The places for that issuer, which is to be a URL that may be called.
    pub(super) fn of(outbound: &Outbound, issuer: &str) -> Result<Self, NotADestination> {
        // Whatever is wrong with the issuer itself is said of it, before anything is appended.
        outbound.destination(issuer)?;
        if issuer.contains('?') {
            return Err(NotADestination::Query);
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let authority = base.find("://").map_or(0, |at| at + "://".len());
        let path = base[authority..]
            .find('/')
            .map_or(base.len(), |at| authority + at);
        let (origin, path) = base.split_at(path);
        Ok(Self {
            openid: outbound.destination(&format!("{base}/.well-known/openid-configuration"))?,
            oauth: outbound.destination(&format!(
                "{origin}/.well-known/oauth-authorization-server{path}"
            ))?,
        })
    }

    /// Fetches the metadata of that issuer: at the first place, and where that answers with another
    /// status than 200, at the second one. Each has the time limit of one call.
    pub(super) async fn fetch(
        &self,
        outbound: &Outbound,
        issuer: &str,
    ) -> Result<Fresh<Discovered>, OutboundError> {
        let fetched = match outbound.get(&self.openid, ACCEPTED, BODY_LIMIT).await {
            Err(first @ OutboundError::Status(_)) => {
                let second = outbound.get(&self.oauth, ACCEPTED, BODY_LIMIT).await;
                // Where neither is there, the usual place is the one to talk of.
                second.map_err(|second| match second {
                    OutboundError::Status(_) => first,
                    other => other,
                })?
            }
            outcome => outcome?,
        };
        Ok(Fresh {
            document: Discovered::read(&fetched.body, issuer, outbound)?,
            max_age: fetched.max_age,
        })
    }
}

const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json");

/// A URL that the metadata names: none, or one that may or may not be called.
type Named = Option<Result<Destination, NotADestination>>;

/// What is needed of an issuer's metadata. A URL that may not be called is an error for those only
/// who need that one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Discovered {
    jwks_uri: Named,
    introspection_endpoint: Named,
    /// The same for clients that authenticate by certificate (RFC 8705 section 5).
    mtls_introspection_endpoint: Named,
}

impl Discovered {
    /// Where the keys are.
    pub(super) fn jwks_uri(&self) -> Result<&Destination, OutboundError> {
        callable(self.jwks_uri.as_ref(), Part::Keys, "jwks_uri")
    }

    /// Where to introspect, by certificate or otherwise.
    pub(super) fn introspection_endpoint(
        &self,
        by_certificate: bool,
    ) -> Result<&Destination, OutboundError> {
        let alias = self.mtls_introspection_endpoint.as_ref();
        let named = alias
            .filter(|_| by_certificate)
            .or(self.introspection_endpoint.as_ref());
        callable(named, Part::Introspection, "introspection_endpoint")
    }

    /// Reads the metadata, which must be that of the issuer by name (RFC 8414 section 3.3).
    fn read(body: &[u8], issuer: &str, outbound: &Outbound) -> Result<Self, OutboundError> {
        const WRONG: &str = "it is to be a JSON object, no member twice";
        const WRONG_ALIASES: &str = "\"mtls_endpoint_aliases\" is to be an object";
        let document = |wrong: &str| OutboundError::Document(wrong.to_owned());
        let members = json::object(body).ok_or_else(|| document(WRONG))?;
        if members.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(OutboundError::AnotherIssuer);
        }
        let named = |members: &Map<String, Value>, name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(url)) => Ok(Some(outbound.destination(url))),
            Some(_) => Err(document(&format!("\"{name}\" is to be a string"))),
        };
        let aliases = match members.get("mtls_endpoint_aliases") {
            None => None,
            Some(aliases) => Some(aliases.as_object().ok_or_else(|| document(WRONG_ALIASES))?),
        };
        Ok(Self {
            jwks_uri: named(&members, "jwks_uri")?,
            introspection_endpoint: named(&members, "introspection_endpoint")?,
            mtls_introspection_endpoint: match aliases {
                None => None,
                Some(aliases) => named(aliases, "introspection_endpoint")?,
            },
        })
    }
}

/// The URL, or why there is none to call.
fn callable<'a>(
    named: Option<&'a Result<Destination, NotADestination>>,
    part: Part,
    member: &'static str,
) -> Result<&'a Destination, OutboundError> {
    match named {
        Some(Ok(url)) => Ok(url),
        Some(Err(fault)) => Err(part.failed((*fault).into())),
        None => Err(Part::Discovery.failed(OutboundError::NotNamed(member))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::address::Policy;
    use crate::outbound::fetch::TIME_LIMIT;
    use crate::outbound::roots::Roots;

    fn outbound() -> Outbound {
        Outbound::new(Roots::System, Policy::Public, TIME_LIMIT).expect("no roots are needed")
    }

    #[test]
    fn places() {
        for (issuer, openid, oauth) in [
            (
                "https://a.test",
                "https://a.test/.well-known/openid-configuration",
                "https://a.test/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.test/",
                "https://a.test/.well-known/openid-configuration",
                "https://a.test/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.test:8443/realms/master",
                "https://a.test:8443/realms/master/.well-known/openid-configuration",
                "https://a.test:8443/.well-known/oauth-authorization-server/realms/master",
            ),
            (
                "https://a.test/realms/master/",
                "https://a.test/realms/master/.well-known/openid-configuration",
                "https://a.test/.well-known/oauth-authorization-server/realms/master",
            ),
        ] {
            let places = WellKnown::of(&outbound(), issuer).expect(issuer);
            assert_eq!(places.openid.as_str(), openid);
            assert_eq!(places.oauth.as_str(), oauth);
        }
        for (issuer, fault) in [
            ("https://a.test/?x", NotADestination::Query),
            ("https://a.test/#x", NotADestination::Fragment),
            ("https://u:p@a.test", NotADestination::UserInformation),
            ("http://a.test", NotADestination::Scheme),
            ("a.test", NotADestination::NotAUrl),
            ("", NotADestination::NotAUrl),
        ] {
            assert_eq!(WellKnown::of(&outbound(), issuer).err(), Some(fault));
        }
    }

    #[test]
    fn documents() {
        const ISSUER: &str = "https://a.test/r";
        let read = |text: &str| Discovered::read(text.as_bytes(), ISSUER, &outbound());
        let whole = read(
            r#"{"issuer":"https://a.test/r","jwks_uri":"https://b.test/k","introspection_endpoint":
            "http://10.0.0.1/","mtls_endpoint_aliases":{"introspection_endpoint":"https://c.test/i",
            "x":1},"response_types_supported":["code"]}"#,
        )
        .expect("a document");
        let url = |named: Named| named.map(|to| to.map(|to| to.as_str().to_owned()));
        assert_eq!(url(whole.jwks_uri), Some(Ok("https://b.test/k".into())));
        assert_eq!(
            url(whole.introspection_endpoint),
            Some(Err(NotADestination::Scheme))
        );
        assert_eq!(
            url(whole.mtls_introspection_endpoint),
            Some(Ok("https://c.test/i".into()))
        );
        let bare = read(r#"{"issuer":"https://a.test/r"}"#).expect("a document");
        assert!(bare.jwks_uri.is_none() && bare.introspection_endpoint.is_none());
        for wrong in [
            "{}",
            r#"{"issuer":"https://a.test/r/"}"#,
            r#"{"issuer":"https://a.test"}"#,
            r#"{"issuer":"https://A.test/r"}"#,
            r#"{"issuer":["https://a.test/r"]}"#,
        ] {
            assert_eq!(
                read(wrong).err(),
                Some(OutboundError::AnotherIssuer),
                "{wrong}"
            );
        }
        for wrong in [
            "",
            "[]",
            r#"{"issuer":"https://a.test/r","issuer":"https://a.test/r"}"#,
            r#"{"issuer":"https://a.test/r","jwks_uri":"x","jwks_uri":"x"}"#,
            r#"{"issuer":"https://a.test/r","jwks_uri":1}"#,
            r#"{"issuer":"https://a.test/r","introspection_endpoint":null}"#,
            r#"{"issuer":"https://a.test/r","mtls_endpoint_aliases":[]}"#,
            r#"{"issuer":"https://a.test/r","mtls_endpoint_aliases":{"introspection_endpoint":1}}"#,
        ] {
            let outcome = read(wrong).err();
            assert!(
                matches!(outcome, Some(OutboundError::Document(_))),
                "{wrong}"
            );
        }
    }
}
