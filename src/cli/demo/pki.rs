//! The throw-away PKI: one authority, and certificates good and bad under it and beside it (RFC 5280).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::cert::Thumbprint;
use crate::oauth::time::Timestamp;

/// The organisation in every name.
const ORGANISATION: &str = "Certbound Demo";

/// How long before now a certificate begins, for clocks that differ: one hour.
const BACKDATED: u64 = 3600;

/// How long from now it is good: thirty days, of which a demonstration needs a minute.
const GOOD_FOR: u64 = 30 * 24 * 3600;

/// A certificate and its key, under the name that their files have.
pub(super) struct Identity {
    /// What comes before `.crt` and `.key`.
    pub(super) name: &'static str,
    /// The certificate in PEM.
    pub(super) certificate: String,
    /// The key in PKCS#8 PEM.
    pub(super) key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Identity {
    /// The certificate in DER.
    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The key as TLS takes it.
    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key_der.clone()).into()
    }

    /// What a token that is bound to the certificate says (RFC 8705 section 3.1).
    pub(super) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.der)
    }
}

/// The authority's certificate and everybody's identity. The authority's key is gone when this is made:
/// nothing further can be issued.
pub(super) struct Pki {
    /// The authority's certificate in PEM.
    pub(super) authority: String,
    /// The same in DER.
    pub(super) anchor: CertificateDer<'static>,
    identities: Vec<Identity>,
}

impl Pki {
    /// Makes it all, good from an hour before that time.
    pub(super) fn new(now: Timestamp) -> Result<Self, rcgen::Error> {
        let mut ca = named("Certbound Demo CA", Span::good(now))?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = ca.self_signed(&ca_key)?;
        let (authority, anchor) = (certificate.pem(), certificate.der().clone());
        let issuer = Issuer::new(ca, ca_key);

        let client = |subject: &str, span: Span| {
            let mut client = named(subject, span)?;
            client.is_ca = IsCa::ExplicitNoCa;
            client.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            Ok::<_, rcgen::Error>(client)
        };
        let mut server = named("localhost", Span::good(now))?;
        server.subject_alt_names = vec![
            rcgen::SanType::DnsName("localhost".try_into()?),
            rcgen::SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
        ];
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

        let good = Span::good(now);
        let identities = vec![
            identity("server", &server, Some(&issuer))?,
            identity("client-a", &client("client-a", good)?, Some(&issuer))?,
            identity("client-b", &client("client-b", good)?, Some(&issuer))?,
            // The subject of client-a, by nobody's authority but its own.
            identity("impostor", &client("client-a", good)?, None)?,
            // The subject of client-a, from the authority, but over since yesterday.
            identity(
                "expired",
                &client("client-a", Span::over(now))?,
                Some(&issuer),
            )?,
            identity("self", &client("client-self", good)?, None)?,
            identity("client-web", &client("client-web", good)?, Some(&issuer))?,
            // A person, who has it in her browser.
            identity("alice", &client("alice", good)?, Some(&issuer))?,
        ];
        Ok(Self {
            authority,
            anchor,
            identities,
        })
    }

    /// Everybody.
    pub(super) fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The one of that name.
    pub(super) fn identity(&self, name: &str) -> Option<&Identity> {
        self.identities
            .iter()
            .find(|identity| identity.name == name)
    }
}

/// The subject of a client or a user as the registration writes it (RFC 4514).
pub(super) fn subject_dn(common_name: &str) -> String {
    format!("CN={common_name},O={ORGANISATION}")
}

/// Seconds of Unix time from which and until which a certificate is good.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    until: u64,
}

impl Span {
    fn good(now: Timestamp) -> Self {
        Self {
            from: now.unix().saturating_sub(BACKDATED),
            until: now.unix() + GOOD_FOR,
        }
    }

    fn over(now: Timestamp) -> Self {
        let yesterday = now.unix().saturating_sub(24 * 3600);
        Self {
            from: yesterday.saturating_sub(GOOD_FOR),
            until: yesterday,
        }
    }
}

fn named(common_name: &str, span: Span) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(span.from);
    params.not_after = epoch + Duration::from_secs(span.until);
    params.distinguished_name = rcgen::DistinguishedName::new();
    // The sequence runs from the organisation to the name within it; text is written the other way round.
    params
        .distinguished_name
        .push(DnType::OrganizationName, ORGANISATION);
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    Ok(params)
}

fn identity(
    name: &'static str,
    params: &CertificateParams,
    issuer: Option<&Issuer<'_, KeyPair>>,
) -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer)?,
        None => params.self_signed(&key)?,
    };
    Ok(Identity {
        name,
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().clone(),
        key_der: key.serialize_der(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::ClientCertificate;

    #[test]
    fn everybody_is_who_the_story_says() {
        let now = Timestamp::from_unix(1_800_000_000);
        let pki = Pki::new(now).expect("certificates can be made");
        let subject = |name: &str| {
            let identity = pki.identity(name).expect("it was made");
            let read = ClientCertificate::from_pem(&identity.certificate).expect("a certificate");
            assert_eq!(*read.thumbprint(), identity.thumbprint());
            read.subject().expect("a name").to_string()
        };
        assert_eq!(subject("client-a"), subject_dn("client-a"));
        assert_eq!(subject("impostor"), subject("client-a"));
        assert_eq!(subject("expired"), subject("client-a"));
        assert_ne!(subject("client-b"), subject("client-a"));
        assert!(pki.identity("nobody").is_none());
    }
}
