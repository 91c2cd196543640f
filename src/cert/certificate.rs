//! The certificate of a client (RFC 5280 section 4.1).
//!
//! Strict DER by this floor's own reader, so that a certificate is accepted in one encoding only, then
//! taken apart by `x509-parser`. One whose subject cannot be compared is still a certificate, because
//! tokens bound to it and registrations of the whole certificate do not ask for the subject.

use std::fmt;
use std::ops::Range;

use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::der::{self, DerError};
use super::key::{self, PublicKey, WeakKey};
use super::name::{DistinguishedName, NameError};
use super::pem::{self, PemError};
use super::san::SubjectAltName;
use super::thumbprint::Thumbprint;
use super::usage::Extensions;
use super::validity::Validity;

/// A certificate larger than this is refused: octets.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// A certificate that was read whole; of version 1, 2 or 3, of a client or of an authority.
#[derive(Clone)]
pub struct ClientCertificate {
    der: Vec<u8>,
    thumbprint: Thumbprint,
    version: u8,
    serial: Range<usize>,
    issuer: Range<usize>,
    subject_range: Range<usize>,
    subject: Result<DistinguishedName, NameError>,
    validity: Validity,
    key_info: Range<usize>,
    public_key: PublicKey,
    extensions: Extensions,
}

impl ClientCertificate {
    /// Reads a certificate: at most 64 KiB of strict DER with nothing after it.
    ///
    /// # Errors
    ///
    /// What is wrong with the encoding. Neither names nor dates nor keys are judged here.
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge(der.len()));
        }
        der::strict(&der)?;
        let parts = Parts::read(&der)?;
        Ok(Self {
            thumbprint: Thumbprint::of(&der),
            subject: DistinguishedName::from_der(&der[parts.subject.clone()]),
            public_key: PublicKey::read(&der[parts.key_info.clone()])?,
            version: parts.version,
            serial: parts.serial,
            issuer: parts.issuer,
            subject_range: parts.subject,
            validity: parts.validity,
            key_info: parts.key_info,
            extensions: parts.extensions,
            der,
        })
    }

    /// Reads a file that holds one certificate as PEM.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        Self::from_der(pem::one(text, pem::CERTIFICATE)?)
    }

    /// Reads a file that holds certificates as PEM, one at least.
    pub fn bundle_from_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        let blocks = pem::many(text, pem::CERTIFICATE)?;
        blocks.into_iter().map(Self::from_der).collect()
    }

    /// The octets of the certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// `x5t#S256` (RFC 8705 section 3.1).
    pub const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// The version, 1 to 3.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The serial number in lower-case hexadecimal, without the octet that only says it is positive.
    pub fn serial_hex(&self) -> String {
        let serial = match &self.der[self.serial.clone()] {
            [0, rest @ ..] if !rest.is_empty() => rest,
            whole => whole,
        };
        serial.iter().fold(String::new(), |mut text, octet| {
            for nibble in [octet >> 4, octet & 0x0f] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
            text
        })
    }

    /// The subject.
    ///
    /// # Errors
    ///
    /// Why it can be compared with nothing: it is empty, as in certificates that only have
    /// alternative names, or malformed, or holds what has no prepared form.
    pub const fn subject(&self) -> Result<&DistinguishedName, &NameError> {
        self.subject.as_ref()
    }

    /// The issuer, read when asked for.
    pub fn issuer(&self) -> Result<DistinguishedName, NameError> {
        DistinguishedName::from_der(self.issuer_der())
    }

    /// Whether issuer and subject are the same name, octet by octet. That says nothing about
    /// who signed it.
    pub fn is_self_issued(&self) -> bool {
        self.issuer_der() == self.subject_der()
    }

    /// The subject alternative names a client can be registered by; none where the extension is
    /// malformed or there twice.
    pub fn subject_alt_names(&self) -> &[SubjectAltName] {
        self.extensions.subject_alt_names()
    }

    /// When it is valid.
    pub const fn validity(&self) -> &Validity {
        &self.validity
    }

    /// What kind of key it certifies.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The SHA-256 thumbprint of the `SubjectPublicKeyInfo`: the same in a renewed certificate of
    /// the same key.
    pub fn public_key_thumbprint(&self) -> Thumbprint {
        Thumbprint::of(self.key_info())
    }

    /// The octets of the `SubjectPublicKeyInfo`.
    pub fn key_info(&self) -> &[u8] {
        &self.der[self.key_info.clone()]
    }

    /// Whether the key is strong enough to authenticate by. A registration of the whole
    /// certificate (RFC 8705 section 2.2) asks for this and for nothing else.
    pub fn strong_key(&self) -> Result<(), WeakKey> {
        key::strong(self.key_info())
    }

    /// Whether it says it is an authority's (`cA` of the basic constraints).
    pub const fn is_ca(&self) -> bool {
        self.extensions.is_ca()
    }

    /// Its extensions, as far as they matter here.
    pub(super) const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    pub(super) fn issuer_der(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    pub(super) fn subject_der(&self) -> &[u8] {
        &self.der[self.subject_range.clone()]
    }
}

impl PartialEq for ClientCertificate {
    /// By its octets.
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }
}

impl Eq for ClientCertificate {}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.thumbprint)
    }
}

/// The fields of a certificate.
struct Parts {
    version: u8,
    serial: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    validity: Validity,
    key_info: Range<usize>,
    extensions: Extensions,
}

impl Parts {
    /// Takes a certificate apart. What holds of the octets was shown before: here is the structure.
    fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let structure = || CertificateError::Der(DerError::Unexpected);
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| structure())?;
        if !rest.is_empty() {
            return Err(CertificateError::Der(DerError::Trailing));
        }
        let fields = &certificate.tbs_certificate;
        // The outer identifier is not signed: were it free, it would be a second encoding.
        if fields.signature != certificate.signature_algorithm {
            return Err(CertificateError::SignatureAlgorithm);
        }
        let version = match fields.version.0 {
            number @ 0..=2 => number + 1,
            _ => return Err(CertificateError::Version),
        };
        let place = |part: &[u8]| within(der, part).ok_or_else(structure);
        Ok(Self {
            version: u8::try_from(version).map_err(|_| CertificateError::Version)?,
            serial: place(fields.raw_serial())?,
            issuer: place(fields.issuer.as_raw())?,
            subject: place(fields.subject.as_raw())?,
            validity: Validity::new(&fields.validity),
            key_info: place(fields.subject_pki.raw)?,
            extensions: Extensions::read(fields.extensions()),
        })
    }
}

/// Where in `whole` the slice `part` of it lies.
fn within(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let range = start..start.checked_add(part.len())?;
    (whole.get(range.clone())? == part).then_some(range)
}

/// What is wrong with what should be a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// More than 64 KiB: its size in octets.
    TooLarge(usize),
    /// Not strict DER, or not of a certificate's structure.
    Der(DerError),
    /// A version other than 1, 2 and 3, or version 1 spelled out, which DER leaves out.
    Version,
    /// The two places that name the signature algorithm differ.
    SignatureAlgorithm,
    /// Not the wanted PEM.
    Pem(PemError),
}

impl From<DerError> for CertificateError {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

impl From<PemError> for CertificateError {
    fn from(error: PemError) -> Self {
        Self::Pem(error)
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(size) => write!(
                f,
                "a certificate of {size} octets: {MAX_CERTIFICATE} is the most that is read"
            ),
            Self::Der(error) => write!(f, "not a certificate: {error}"),
            Self::Version => f.write_str("not a certificate of version 1, 2 or 3"),
            Self::SignatureAlgorithm => {
                f.write_str("the certificate names two signature algorithms")
            }
            Self::Pem(error) => fmt::Display::fmt(error, f),
        }
    }
}
