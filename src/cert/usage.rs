//! What a certificate may be used for: its extensions (RFC 5280 section 4.2) as far as they decide
//! whether a client may authenticate by it.

use std::fmt;

use super::attribute::Oid;
use super::certificate::ClientCertificate;
use x509_parser::extensions::X509Extension;

use super::der::{self, DerError, Reader};
use super::key::WeakKey;
use super::san::SubjectAltName;

const KEY_USAGE: &[u8] = &[85, 29, 15];
const SUBJECT_ALT_NAME: &[u8] = &[85, 29, 17];
const BASIC_CONSTRAINTS: &[u8] = &[85, 29, 19];
const EXTENDED_KEY_USAGE: &[u8] = &[85, 29, 37];
const CLIENT_AUTH: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 2];

impl ClientCertificate {
    /// Whether a client may authenticate by it under `tls_client_auth`: the extended key usage,
    /// where there is one, names `clientAuth` (`anyExtendedKeyUsage` alone does not do); the key
    /// usage, where there is one, has `digitalSignature`; no extension is there twice; and the key
    /// is strong enough.
    ///
    /// # Errors
    ///
    /// The first of these that fails.
    pub fn usable_for_client_authentication(&self) -> Result<(), Unusable> {
        let extensions = self.extensions();
        if let Some(oid) = &extensions.duplicate {
            return Err(Unusable::DuplicateExtension(oid.clone()));
        }
        match extensions.client_auth {
            Read::Absent | Read::Value(true) => {}
            Read::Value(false) => return Err(Unusable::ExtendedKeyUsage),
            Read::Malformed => return Err(Unusable::MalformedExtension("extended key usage")),
        }
        match extensions.digital_signature {
            Read::Absent | Read::Value(true) => {}
            Read::Value(false) => return Err(Unusable::KeyUsage),
            Read::Malformed => return Err(Unusable::MalformedExtension("key usage")),
        }
        self.strong_key().map_err(Unusable::Key)
    }
}

/// Why a client may not authenticate by a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// An extension is there twice: its OBJECT IDENTIFIER.
    DuplicateExtension(String),
    /// An extension does not decode.
    MalformedExtension(&'static str),
    /// The extended key usage does not name `clientAuth`.
    ExtendedKeyUsage,
    /// The key usage lacks `digitalSignature`.
    KeyUsage,
    /// The key.
    Key(WeakKey),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateExtension(oid) => {
                write!(f, "the certificate has the extension {oid} twice")
            }
            Self::MalformedExtension(which) => {
                write!(f, "the {which} of the certificate does not decode")
            }
            Self::ExtendedKeyUsage => f.write_str(
                "the extended key usage of the certificate does not name clientAuth: issue it with extendedKeyUsage=clientAuth",
            ),
            Self::KeyUsage => f.write_str(
                "the key usage of the certificate lacks digitalSignature: issue it with keyUsage=digitalSignature",
            ),
            Self::Key(weak) => write!(f, "the certificate has {weak}"),
        }
    }
}

/// An extension that may be missing, and may be nonsense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Read<T> {
    #[default]
    Absent,
    Malformed,
    Value(T),
}

impl<T> From<Result<T, DerError>> for Read<T> {
    fn from(result: Result<T, DerError>) -> Self {
        result.map_or(Self::Malformed, Self::Value)
    }
}

/// The extensions that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    subject_alt_names: Vec<SubjectAltName>,
    client_auth: Read<bool>,
    digital_signature: Read<bool>,
    ca: Read<bool>,
    duplicate: Option<String>,
}

impl Extensions {
    /// Reads the extensions of a certificate; one that does not decode is remembered as that.
    pub(super) fn read(extensions: &[X509Extension<'_>]) -> Self {
        let mut read = Self::default();
        let mut seen = Vec::with_capacity(extensions.len());
        for extension in extensions {
            let (oid, value) = (extension.oid.as_bytes(), extension.value);
            seen.push(oid);
            match oid {
                SUBJECT_ALT_NAME => {
                    read.subject_alt_names =
                        SubjectAltName::read_extension(value).unwrap_or_default();
                }
                EXTENDED_KEY_USAGE => read.client_auth = names_client_auth(value).into(),
                KEY_USAGE => read.digital_signature = has_digital_signature(value).into(),
                BASIC_CONSTRAINTS => read.ca = is_ca(value).into(),
                _ => {}
            }
        }
        seen.sort_unstable();
        let twice = seen.windows(2).find(|pair| pair[0] == pair[1]);
        if let Some(pair) = twice {
            let oid = Oid::from_content(pair[0]).map(|oid| oid.to_string());
            read.duplicate = Some(oid.unwrap_or_default());
            // Which of two lists of names would hold is anybody's guess.
            read.subject_alt_names.clear();
        }
        read
    }

    pub(super) fn subject_alt_names(&self) -> &[SubjectAltName] {
        &self.subject_alt_names
    }

    pub(super) const fn is_ca(&self) -> bool {
        matches!(self.ca, Read::Value(true))
    }
}

fn names_client_auth(value: &[u8]) -> Result<bool, DerError> {
    der::strict(value)?;
    let mut purposes = Reader::new(value).expect(der::SEQUENCE)?.reader();
    if purposes.peek().is_none() {
        return Err(DerError::Unexpected);
    }
    let mut named = false;
    while let Some(purpose) = purposes.next()? {
        if purpose.tag() != der::OBJECT_IDENTIFIER {
            return Err(DerError::Unexpected);
        }
        named |= purpose.content() == CLIENT_AUTH;
    }
    Ok(named)
}

fn has_digital_signature(value: &[u8]) -> Result<bool, DerError> {
    der::strict(value)?;
    let bits = Reader::new(value).expect(der::BIT_STRING)?.content();
    // The first octet counts unused bits; digitalSignature is bit 0, the highest of the next.
    Ok(bits.get(1).is_some_and(|first| first & 0x80 != 0))
}

fn is_ca(value: &[u8]) -> Result<bool, DerError> {
    der::strict(value)?;
    let mut fields = Reader::new(value).expect(der::SEQUENCE)?.reader();
    let ca = fields.optional(der::BOOLEAN)?;
    fields.optional(der::INTEGER)?;
    fields.end()?;
    Ok(ca.is_some_and(|ca| ca.content() == [0xff]))
}
