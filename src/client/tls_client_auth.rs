//! `tls_client_auth` (RFC 8705 section 2.1): a certificate from a trusted authority, whose subject DN or
//! one subject alternative name is registered.

use super::belief::Authorities;
use super::metadata::{Alternative, Metadata};
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::cert::ClientCertificate;
use crate::cert::{ClientAuthorities, RegisteredName, RegisteredSan};
use crate::oauth::profile::Profile;
use crate::oauth::time::Timestamp;

/// The members that select, of which exactly one is registered.
const SELECTORS: &[&str] = &[
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

/// How many alternatives a registration may have.
const ALTERNATIVES: usize = 16;

/// The method.
pub(super) struct TlsClientAuth;

impl Method for TlsClientAuth {
    fn name(&self) -> &'static str {
        "tls_client_auth"
    }

    fn members(&self) -> &'static [&'static str] {
        &[
            "tls_client_auth_subject_dn",
            "tls_client_auth_san_dns",
            "tls_client_auth_san_uri",
            "tls_client_auth_san_ip",
            "tls_client_auth_san_email",
            "tls_client_auth_alternatives",
            "tls_client_auth_trust_anchors",
        ]
    }

    fn is_mutual_tls(&self) -> bool {
        true
    }

    fn enrol(
        &self,
        metadata: &Metadata,
        _profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction> {
        let first = selector([
            metadata.tls_client_auth_subject_dn.as_deref(),
            metadata.tls_client_auth_san_dns.as_deref(),
            metadata.tls_client_auth_san_uri.as_deref(),
            metadata.tls_client_auth_san_ip.as_deref(),
            metadata.tls_client_auth_san_email.as_deref(),
        ])?;
        let mut selectors = vec![Selector {
            name: first,
            not_before: None,
            not_after: None,
        }];
        let alternatives = metadata
            .tls_client_auth_alternatives
            .as_deref()
            .unwrap_or_default();
        if alternatives.len() > ALTERNATIVES {
            return Err(Contradiction::new(
                "tls_client_auth_alternatives",
                format!(
                    "there are {}; at most {ALTERNATIVES} are read",
                    alternatives.len()
                ),
            ));
        }
        for (at, alternative) in alternatives.iter().enumerate() {
            selectors.push(
                Selector::alternative(alternative).map_err(|wrong| Contradiction {
                    member: "tls_client_auth_alternatives",
                    text: format!("number {}: {}: {}", at + 1, wrong.member, wrong.text),
                })?,
            );
        }
        let anchors = metadata
            .tls_client_auth_trust_anchors
            .as_ref()
            .map(|written| {
                anchors(written.as_slice()).map_err(|error| {
                    Contradiction::new(
                        "tls_client_auth_trust_anchors",
                        format!(
                            "{error}; write CA certificates as PEM, with \\n at each line's end"
                        ),
                    )
                })
            })
            .transpose()?;
        Ok(Box::new(Registered { selectors, anchors }))
    }
}

/// The client's own authorities, from one PEM text or several; one that is there twice counts once.
fn anchors(written: &[String]) -> Result<Authorities, String> {
    let mut certificates: Vec<ClientCertificate> = Vec::new();
    for pem in written {
        for certificate in
            ClientCertificate::bundle_from_pem(pem).map_err(|error| error.to_string())?
        {
            let again = |known: &ClientCertificate| known.thumbprint() == certificate.thumbprint();
            if !certificates.iter().any(again) {
                certificates.push(certificate);
            }
        }
    }
    ClientAuthorities::pinned(certificates)
        .map(Authorities::new)
        .map_err(|error| error.to_string())
}

/// The one selector among five members.
fn selector(values: [Option<&str>; 5]) -> Result<Name, Contradiction> {
    let mut given = SELECTORS
        .iter()
        .zip(values)
        .filter_map(|(member, value)| Some((*member, value?)));
    let Some((member, value)) = given.next() else {
        return Err(Contradiction::new(
            SELECTORS[0],
            format!(
                "tls_client_auth needs exactly one of {}; there is none",
                SELECTORS.join(", ")
            ),
        ));
    };
    if let Some((second, _)) = given.next() {
        return Err(Contradiction::new(
            second,
            format!(
                "{member} is there as well, and exactly one may be; put the other into tls_client_auth_alternatives"
            ),
        ));
    }
    let wrong = |text: String| Contradiction::new(member, text);
    match member {
        "tls_client_auth_subject_dn" => value
            .parse()
            .map(Name::SubjectDn)
            .map_err(|e| wrong(format!("{e}"))),
        "tls_client_auth_san_dns" => RegisteredSan::dns(value)
            .map(Name::San)
            .map_err(|e| wrong(format!("{e}"))),
        "tls_client_auth_san_uri" => RegisteredSan::uri(value)
            .map(Name::San)
            .map_err(|e| wrong(format!("{e}"))),
        "tls_client_auth_san_ip" => RegisteredSan::ip(value)
            .map(Name::San)
            .map_err(|e| wrong(format!("{e}"))),
        _ => RegisteredSan::email(value)
            .map(Name::San)
            .map_err(|e| wrong(format!("{e}"))),
    }
}

/// A registered name, and when it counts.
#[derive(Debug)]
struct Selector {
    name: Name,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

/// What a certificate must bear.
#[derive(Debug)]
enum Name {
    SubjectDn(RegisteredName),
    San(RegisteredSan),
}

impl Selector {
    fn alternative(written: &Alternative) -> Result<Self, Contradiction> {
        let name = selector([
            written.tls_client_auth_subject_dn.as_deref(),
            written.tls_client_auth_san_dns.as_deref(),
            written.tls_client_auth_san_uri.as_deref(),
            written.tls_client_auth_san_ip.as_deref(),
            written.tls_client_auth_san_email.as_deref(),
        ])?;
        let time = |member: &'static str, text: &Option<String>| {
            text.as_deref()
                .map(|text| {
                    text.parse()
                        .map_err(|error| Contradiction::new(member, format!("{error}")))
                })
                .transpose()
        };
        Ok(Self {
            name,
            not_before: time("not_before", &written.not_before)?,
            not_after: time("not_after", &written.not_after)?,
        })
    }

    /// Whether the certificate bears the name, now; else why not.
    fn matches(&self, certificate: &ClientCertificate, now: Timestamp) -> Result<(), String> {
        if let Some(not_before) = self.not_before.filter(|not_before| now < *not_before) {
            return Err(format!("{} counts only from {not_before} on", self.name));
        }
        if let Some(not_after) = self.not_after.filter(|not_after| *not_after < now) {
            return Err(format!("{} counted only until {not_after}", self.name));
        }
        match &self.name {
            Name::SubjectDn(registered) => match certificate.subject() {
                Ok(subject) => subject.compare(registered).map_err(|mismatch| {
                    let turned = if subject.matches_reversed(registered) {
                        format!("; it is written in reverse: write {subject}")
                    } else {
                        String::new()
                    };
                    format!("the subject DN {subject} is not the registered {registered}: {mismatch}{turned}")
                }),
                Err(error) => Err(format!(
                    "the certificate's subject matches nothing: {error}"
                )),
            },
            Name::San(registered) if registered.matches(certificate.subject_alt_names()) => Ok(()),
            Name::San(registered) => {
                let entries: Vec<_> = certificate
                    .subject_alt_names()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                Err(format!(
                    "the certificate has not the subject alternative name {registered}; it has {entries:?}"
                ))
            }
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SubjectDn(registered) => write!(f, "the subject DN {registered}"),
            Self::San(registered) => registered.fmt(f),
        }
    }
}

/// What one client is registered with.
#[derive(Debug)]
struct Registered {
    selectors: Vec<Selector>,
    anchors: Option<Authorities>,
}

impl Authenticator for Registered {
    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused> {
        attempt.nothing_but_the_certificate()?;
        let certificate = attempt.certificate()?;
        let grounds = attempt
            .belief
            .verified(attempt.presented, self.anchors.as_ref(), attempt.now)
            .map_err(Refused::Unverified)?;
        attempt.step(|| format!("it is verified: {grounds}"));
        certificate
            .usable_for_client_authentication()
            .map_err(Refused::Unusable)?;
        attempt.step(|| {
            "its key, key usage and extended key usage are fit for client authentication".into()
        });
        let mut tried = Vec::new();
        for selector in &self.selectors {
            match selector.matches(certificate, attempt.now) {
                Ok(()) => {
                    attempt.step(|| format!("it bears {}", selector.name));
                    return Ok(UseOnce::nothing());
                }
                Err(mismatch) => tried.push(mismatch),
            }
        }
        Err(Refused::NoSelectorMatches(tried))
    }

    fn remarks(&self) -> Vec<String> {
        self.selectors
            .iter()
            .filter_map(|selector| match &selector.name {
                Name::SubjectDn(registered) => registered.looks_reversed(),
                Name::San(_) => None,
            })
            .map(|right| {
                format!(
                    "it looks reversed: RFC 4514 writes the most specific part first; if the certificate's subject is the usual way round, write {right}"
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{NOW, attempt, pem, registry, verified};
    use super::super::{Refused, Registry};
    use crate::client::credentials::Credentials;

    const DN: &str = "CN=client-p256,O=Example Bank,C=NO";

    /// Why a client with those members is refused, who comes with that certificate.
    fn refused(members: &serde_json::Value, certificate: &str) -> Option<&'static str> {
        let mut client =
            json!({ "client_id": "a", "token_endpoint_auth_method": "tls_client_auth" });
        for (name, value) in members.as_object().expect("an object of this table") {
            client[name] = value.clone();
        }
        let registry = registry(&json!([client]).to_string());
        let credentials = Credentials::certificate_only("a");
        let found = attempt(&registry, &credentials, &verified(certificate), NOW);
        found.err().as_ref().map(Refused::label)
    }

    #[test]
    fn selectors_and_their_alternatives() {
        let mismatch = Some("no_selector_matches");
        let alternative = |not_before: &str, not_after: &str| {
            json!({
                "tls_client_auth_subject_dn": "CN=old",
                "tls_client_auth_alternatives": [{
                    "tls_client_auth_san_dns": "client.example",
                    "not_before": not_before, "not_after": not_after,
                }],
            })
        };
        for (members, expected) in [
            (json!({ "tls_client_auth_subject_dn": DN }), None),
            (
                json!({ "tls_client_auth_subject_dn": "C=NO,O=Example Bank,CN=client-p256" }),
                mismatch,
            ),
            (json!({ "tls_client_auth_san_dns": "client.example" }), None),
            (json!({ "tls_client_auth_san_dns": "example" }), mismatch),
            (
                json!({ "tls_client_auth_san_uri": "https://client.example" }),
                mismatch,
            ),
            (
                alternative("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
                None,
            ),
            (
                alternative("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
                mismatch,
            ),
            (
                alternative("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
                mismatch,
            ),
        ] {
            assert_eq!(refused(&members, "p256"), expected, "{members}");
        }
    }

    #[test]
    fn anchors_of_its_own_as_one_text_or_several() {
        let (inter, root, other) = (pem("inter"), pem("ca"), pem("impostor-ca"));
        for (anchors, expected) in [
            (json!(inter), None),
            (json!([inter]), None),
            (json!([root, inter]), None),
            (json!(format!("{root}{inter}")), None),
            (json!([inter, inter]), None),
            (json!(other), Some("unverified")),
        ] {
            let members = json!({ "tls_client_auth_subject_dn": DN, "tls_client_auth_trust_anchors": anchors });
            assert_eq!(refused(&members, "p256"), expected, "{anchors:.60}");
        }
        for anchors in [json!(""), json!([]), json!(["none"]), json!([pem("p256")])] {
            let client = json!([{
                "client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": DN, "tls_client_auth_trust_anchors": anchors,
            }]);
            let problems = Registry::read(&client.to_string()).expect_err("no authority");
            assert_eq!(
                problems[0].member.as_deref(),
                Some("tls_client_auth_trust_anchors")
            );
        }
    }

    #[test]
    fn a_reversed_name_is_remarked_upon() {
        let client = r#"[{"client_id":"a","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"C=NO,O=Example Bank,CN=client-p256"}]"#;
        let registry = registry(client);
        let remarks = registry.find("a").expect("there").authenticator().remarks();
        assert!(remarks[0].contains(DN), "{remarks:?}");
    }
}
