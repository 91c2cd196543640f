//! From a certificate to an authority that is trusted for clients (RFC 5280 section 6, RFC 8705
//! section 2.1).
//!
//! Certificates that a web server forwards beside the leaf are hints: what is not a certificate
//! among them is passed over, and so is what is self-issued, because authorities come from
//! configuration alone. There are at most eight of them, of 64 KiB together, and the path builder
//! has a budget of signatures and steps, so that no chain takes long.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::aws_lc_rs as algorithm;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath, anchor_from_trusted_cert,
};

use super::certificate::{CertificateError, ClientCertificate};
use super::der::{self, DerError, Reader};
use super::revocation::{Against, RevocationLists};
use super::validity::{OutsideValidity, Validity};
use crate::oauth::time::Timestamp;

/// How many certificates may be forwarded beside the leaf.
pub const MAX_CHAIN: usize = 8;
/// How many octets they may have together.
pub const MAX_CHAIN_OCTETS: usize = 64 * 1024;
/// How many authorities may be configured in one place.
const MAX_AUTHORITIES: usize = 1000;

/// What a certificate may be signed by. SHA-1 is not among it, nor RSA below 2048 bits.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P256_SHA384,
    algorithm::ECDSA_P256_SHA512,
    algorithm::ECDSA_P384_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::ECDSA_P384_SHA512,
    algorithm::ECDSA_P521_SHA256,
    algorithm::ECDSA_P521_SHA384,
    algorithm::ECDSA_P521_SHA512,
    algorithm::ED25519,
    algorithm::RSA_PKCS1_2048_8192_SHA256,
    algorithm::RSA_PKCS1_2048_8192_SHA384,
    algorithm::RSA_PKCS1_2048_8192_SHA512,
    algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// The authorities that are trusted to name clients: one trust anchor at least.
#[derive(Debug)]
pub struct ClientAuthorities {
    anchors: Vec<TrustAnchor<'static>>,
    /// The validity of each anchor, in the same order.
    validities: Vec<Validity>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl ClientAuthorities {
    /// Reads a PEM bundle: its self-signed certificates are trust anchors, the others are
    /// intermediates for which no web server need ask.
    pub fn from_pem(text: &str) -> Result<Self, AuthorityError> {
        Self::new(ClientCertificate::bundle_from_pem(text)?, is_self_signed)
    }

    /// Takes the trust anchors of one client: each certificate is one itself, whoever signed it.
    pub fn pinned(certificates: Vec<ClientCertificate>) -> Result<Self, AuthorityError> {
        Self::new(certificates, |_| true)
    }

    fn new(
        certificates: Vec<ClientCertificate>,
        is_anchor: impl Fn(&ClientCertificate) -> bool,
    ) -> Result<Self, AuthorityError> {
        let mut authorities = Self {
            anchors: Vec::new(),
            validities: Vec::new(),
            intermediates: Vec::new(),
        };
        let mut seen = HashSet::new();
        for certificate in certificates {
            if !seen.insert(*certificate.thumbprint().digest().octets()) {
                continue;
            }
            if seen.len() > MAX_AUTHORITIES {
                return Err(AuthorityError::TooMany);
            }
            // Version 1 has no basic constraints; old root certificates are of it.
            if certificate.version() == 3 && !certificate.is_ca() {
                return Err(AuthorityError::NotAnAuthority(describe(&certificate)));
            }
            let der = CertificateDer::from(certificate.der().to_vec());
            if is_anchor(&certificate) {
                let anchor = anchor_from_trusted_cert(&der)
                    .map_err(|error| AuthorityError::Unreadable(format!("{error:?}")))?;
                authorities.anchors.push(anchor.to_owned());
                authorities.validities.push(*certificate.validity());
            } else {
                authorities.intermediates.push(der);
            }
        }
        if authorities.anchors.is_empty() {
            return Err(AuthorityError::NoAnchor);
        }
        Ok(authorities)
    }

    /// How many trust anchors there are.
    pub fn anchors(&self) -> usize {
        self.anchors.len()
    }

    /// How many configured intermediates there are.
    pub fn intermediates(&self) -> usize {
        self.intermediates.len()
    }

    /// Whether there is a path from `leaf` to one of the trust anchors at `now`, by way of
    /// configured intermediates and the forwarded ones in `chain`: signatures, dates (of the
    /// anchor too), basic constraints, name constraints, `clientAuth`, and what `revocation` says.
    ///
    /// # Errors
    ///
    /// Why there is none. Neither the leaf's key nor its key usage is judged here.
    pub fn verify(
        &self,
        leaf: &ClientCertificate,
        chain: &[Vec<u8>],
        now: Timestamp,
        revocation: Option<&RevocationLists>,
    ) -> Result<(), ChainError> {
        let octets: usize = chain.iter().map(Vec::len).sum();
        if chain.len() > MAX_CHAIN || octets > MAX_CHAIN_OCTETS {
            return Err(ChainError::TooLong);
        }
        leaf.validity().at(now).map_err(ChainError::Leaf)?;
        let leaf_der = CertificateDer::from(leaf.der());
        let end_entity = EndEntityCert::try_from(&leaf_der).map_err(ChainError::from)?;
        let intermediates: Vec<CertificateDer<'_>> = self
            .intermediates
            .iter()
            .map(|configured| CertificateDer::from(configured.as_ref()))
            .chain(chain.iter().filter_map(|octets| intermediate(octets)))
            .collect();
        let search = |lists: &[&CertRevocationList<'_>]| {
            self.search(&end_entity, &intermediates, lists, now, revocation)
        };
        let Some(revocation) = revocation else {
            return search(&[]).map_err(ChainError::from);
        };
        let mut verdict = Err(webpki::Error::UnknownRevocationStatus);
        for lists in revocation.orders() {
            verdict = search(&lists);
            if verdict != Err(webpki::Error::InvalidCrlSignatureForPublicKey) {
                break;
            }
        }
        verdict.map_err(ChainError::from)
    }

    /// Searches a path, with revocation lists in the order in which an issuer's is looked for.
    fn search(
        &self,
        end_entity: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        lists: &[&CertRevocationList<'_>],
        now: Timestamp,
        revocation: Option<&RevocationLists>,
    ) -> Result<(), webpki::Error> {
        // Whether a list has expired is asked in `accept`, because of the grace.
        let options = RevocationOptionsBuilder::new(lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let accept = |path: &VerifiedPath<'_>| self.accept(path, now, revocation);
        end_entity
            .verify_for_usage(
                ALGORITHMS,
                &self.anchors,
                intermediates,
                UnixTime::since_unix_epoch(Duration::from_secs(now.unix())),
                KeyUsage::client_auth(),
                options,
                Some(&accept),
            )
            .map(|_| ())
    }

    /// What is asked of a path beyond what the path builder does.
    fn accept(
        &self,
        path: &VerifiedPath<'_>,
        now: Timestamp,
        revocation: Option<&RevocationLists>,
    ) -> Result<(), webpki::Error> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now.unix()));
        let mut anchors = self.anchors.iter().zip(&self.validities);
        // One anchor may be there in two certificates, an old one and a renewed one.
        if !anchors.any(|(anchor, valid)| anchor == path.anchor() && valid.at(now).is_ok()) {
            return Err(webpki::Error::CertExpired {
                time,
                not_after: time,
            });
        }
        let Some(revocation) = revocation else {
            return Ok(());
        };
        let certificates = path.intermediate_certificates();
        let leaf: &webpki::Cert<'_> = path.end_entity();
        let against = |certificate| revocation.against(certificate, now);
        match certificates.chain([leaf]).find_map(against) {
            None => Ok(()),
            Some(Against::Revoked) => Err(webpki::Error::CertRevoked),
            Some(Against::Expired) => Err(webpki::Error::CrlExpired {
                time,
                next_update: time,
            }),
        }
    }
}

/// A forwarded certificate that may be tried as an intermediate.
fn intermediate(octets: &[u8]) -> Option<CertificateDer<'_>> {
    let certificate = CertificateDer::from(octets);
    let read = EndEntityCert::try_from(&certificate).ok()?;
    (read.subject() != read.issuer()).then_some(())?;
    Some(CertificateDer::from(octets))
}

/// Whether a certificate is issued by its own subject and signed by its own key. SHA-1 will do
/// for that: nothing rests on the signature of a certificate that is configured.
fn is_self_signed(certificate: &ClientCertificate) -> bool {
    certificate.is_self_issued() && signed_by_itself(certificate).unwrap_or(false)
}

fn signed_by_itself(certificate: &ClientCertificate) -> Result<bool, DerError> {
    let mut outer = Reader::new(certificate.der())
        .expect(der::SEQUENCE)?
        .reader();
    let message = outer.any()?.whole();
    let signed_by = outer.expect(der::SEQUENCE)?.content();
    let signature = outer.expect(der::BIT_STRING)?.content();
    let mut info = Reader::new(certificate.key_info())
        .expect(der::SEQUENCE)?
        .reader();
    let key_of = info.expect(der::SEQUENCE)?.content();
    let key = info.expect(der::BIT_STRING)?.content();
    let ([0, signature @ ..], [0, key @ ..]) = (signature, key) else {
        return Err(DerError::Unexpected);
    };
    let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        algorithm.signature_alg_id().as_ref() == signed_by
            && algorithm.public_key_alg_id().as_ref() == key_of
    };
    if let Some(algorithm) = ALGORITHMS.iter().find(fits) {
        return Ok(algorithm.verify_signature(key, message, signature).is_ok());
    }
    // sha1WithRSAEncryption, with its NULL.
    if signed_by != [6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 5, 5, 0] {
        return Ok(false);
    }
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key);
    Ok(key.verify(message, signature).is_ok())
}

fn describe(certificate: &ClientCertificate) -> String {
    match certificate.subject() {
        Ok(subject) => subject.to_string(),
        Err(_) => format!("x5t#S256 {}", certificate.thumbprint()),
    }
}

/// Why certificates cannot be the authorities for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// A certificate that does not read.
    Certificate(CertificateError),
    /// No trust anchor.
    NoAnchor,
    /// A certificate of no authority: its subject.
    NotAnAuthority(String),
    /// A trust anchor that the path builder cannot use: in its words.
    Unreadable(String),
    /// More than a thousand.
    TooMany,
}

impl From<CertificateError> for AuthorityError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => fmt::Display::fmt(error, f),
            Self::NoAnchor => f.write_str(
                "no trust anchor: add the self-signed certificate of the authority at the top",
            ),
            Self::NotAnAuthority(subject) => write!(
                f,
                "{subject} is not a certificate authority (basicConstraints without CA:TRUE): leave it out"
            ),
            Self::Unreadable(why) => write!(f, "a trust anchor that cannot be used ({why})"),
            Self::TooMany => write!(f, "more than {MAX_AUTHORITIES} certificates"),
        }
    }
}

/// Why no path leads from a certificate to a trust anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// More than eight certificates were forwarded, or more than 64 KiB of them.
    TooLong,
    /// No issuer is known up to a trust anchor, or none whose signature is right.
    NoPath,
    /// The leaf is not valid now.
    Leaf(OutsideValidity),
    /// A certificate above the leaf is not valid now.
    IssuerOutsideValidity,
    /// The leaf or an intermediate is revoked.
    Revoked,
    /// The revocation list of an issuer is past its `nextUpdate` and the grace.
    RevocationListExpired,
    /// The extended key usage of the leaf or an intermediate leaves `clientAuth` out.
    ExtendedKeyUsage,
    /// Anything else, in the words of the path builder.
    Other(String),
}

impl From<webpki::Error> for ChainError {
    fn from(error: webpki::Error) -> Self {
        use webpki::Error;
        match error {
            Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => Self::NoPath,
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
                Self::IssuerOutsideValidity
            }
            Error::CertRevoked => Self::Revoked,
            Error::CrlExpired { .. } => Self::RevocationListExpired,
            Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
                Self::ExtendedKeyUsage
            }
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(
                f,
                "more than {MAX_CHAIN} certificates or {MAX_CHAIN_OCTETS} octets were forwarded beside the client's"
            ),
            Self::NoPath => f.write_str(
                "no path from the certificate to a trusted authority: add its issuer to the authorities",
            ),
            Self::Leaf(outside) => write!(f, "the certificate is {outside}"),
            Self::IssuerOutsideValidity => {
                f.write_str("an issuer of the certificate is expired or not yet valid")
            }
            Self::Revoked => f.write_str("the certificate or an issuer of it is revoked"),
            Self::RevocationListExpired => f.write_str(
                "the revocation list of the issuer is past its nextUpdate: fetch a new one",
            ),
            Self::ExtendedKeyUsage => f.write_str(
                "the extended key usage of the certificate or of an issuer leaves clientAuth out",
            ),
            Self::Other(why) => write!(f, "the certificate does not verify ({why})"),
        }
    }
}
