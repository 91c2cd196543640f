//! The authorities that are trusted to name clients: a short configured list, never the system's
//! store (RFC 8705 section 7.4).

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor};
use webpki::anchor_from_trusted_cert;
use webpki::aws_lc_rs as algorithm;

use super::certificate::{CertificateError, ClientCertificate};
use super::der::{self, DerError, Reader};
use super::validity::Validity;
use crate::oauth::time::Timestamp;

/// How many authorities may be configured in one place.
const MAX_AUTHORITIES: usize = 1000;

/// What a certificate may be signed by. SHA-1 is not among it, nor RSA below 2048 bits.
pub(super) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
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
                    .map_err(|error| AuthorityError::Unreadable(in_a_word(&error)))?;
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

    /// The trust anchors as the path builder takes them.
    pub(super) fn trust_anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The configured intermediates.
    pub(super) fn configured(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// Whether a trust anchor is valid at `now`. One may be there in two certificates, an old one
    /// and a renewed one.
    pub(super) fn is_valid(&self, anchor: &TrustAnchor<'_>, now: Timestamp) -> bool {
        let mut anchors = self.anchors.iter().zip(&self.validities);
        anchors.any(|(own, valid)| own == anchor && valid.at(now).is_ok())
    }
}

/// What the path builder calls an error, without the octets and names that it carries.
pub(super) fn in_a_word(error: &webpki::Error) -> String {
    let mut text = format!("{error:?}");
    let word = text.find(|character: char| !character.is_ascii_alphanumeric());
    text.truncate(word.unwrap_or(text.len()));
    text
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
