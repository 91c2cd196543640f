//! Certificate revocation lists (RFC 5280 section 5), read from files when they are loaded.
//!
//! What is decided: a certificate whose issuer has a list here is refused if any of that issuer's
//! lists names it, and also while one of them is past its `nextUpdate` and the grace. Leaf and
//! intermediates are looked up. An issuer without a list here is not asked about. Of two lists of
//! one issuer, key and scope the newer counts. Delta lists and indirect lists are refused.

use std::fmt;

use webpki::{Cert, CertRevocationList, OwnedCertRevocationList};

use super::authority::in_a_word;
use super::der::{self, DerError, Reader};
use super::pem::{self, PemError};
use super::validity::{read_optional_time, read_time};
use crate::oauth::time::{Lifetime, Timestamp};

/// How many lists of one issuer are tried for the one that its present key signed.
const MAX_TURNS: usize = 8;
/// How many lists may be configured.
const MAX_LISTS: usize = 1000;

const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[85, 29, 35];

/// The lists of several issuers, and for how long past its end a list is still believed.
#[derive(Debug)]
pub struct RevocationLists {
    lists: Vec<RevocationList>,
    grace: Lifetime,
}

#[derive(Debug)]
struct RevocationList {
    list: CertRevocationList<'static>,
    authority_key: Vec<u8>,
    this_update: Timestamp,
    next_update: Timestamp,
    /// How many lists of the same issuer stand before it.
    turn: usize,
}

impl RevocationLists {
    /// Reads the contents of files, each one list in DER or any number in PEM (`X509 CRL`).
    /// Signatures are checked when a certificate is, with the key of its issuer.
    ///
    /// # Errors
    ///
    /// Where a file holds no list, or a list is malformed or of a kind that is not understood.
    pub fn read<'a>(
        files: impl IntoIterator<Item = &'a [u8]>,
        grace: Lifetime,
    ) -> Result<Self, RevocationError> {
        let mut lists: Vec<RevocationList> = Vec::new();
        for file in files {
            for octets in blocks(file)? {
                let new = RevocationList::read(&octets)?;
                let same = lists.iter().position(|list| list.has_scope_of(&new));
                match same {
                    Some(at) if lists[at].this_update < new.this_update => lists[at] = new,
                    Some(_) => {}
                    None if lists.len() == MAX_LISTS => return Err(RevocationError::TooMany),
                    None => lists.push(new),
                }
            }
        }
        for at in 0..lists.len() {
            let (earlier, rest) = lists.split_at_mut(at);
            let issuer = rest[0].list.issuer();
            let same = |list: &&RevocationList| list.list.issuer() == issuer;
            rest[0].turn = earlier.iter().filter(same).count();
        }
        if lists.is_empty() {
            return Err(RevocationError::Nothing);
        }
        Ok(Self { lists, grace })
    }

    /// When the first of the lists must be renewed, grace left out.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.lists.iter().map(|list| list.next_update).min()
    }

    /// How many lists there are.
    pub fn count(&self) -> usize {
        self.lists.len()
    }

    /// The lists in the orders in which the path builder is to try them. It takes the first list
    /// of an issuer by its name; an authority with a new key under its old name has one by each.
    pub(super) fn orders(&self) -> impl Iterator<Item = Vec<&CertRevocationList<'static>>> {
        let turns = self.lists.iter().map(|list| list.turn + 1).max();
        (0..turns.unwrap_or(0).min(MAX_TURNS)).map(|turn| {
            let mut order: Vec<&RevocationList> = self.lists.iter().collect();
            order.sort_by_key(|list| list.turn != turn);
            order.into_iter().map(|list| &list.list).collect()
        })
    }

    /// Whether the lists speak against a certificate of a path at `now`, whatever scope they
    /// claim: a list that does not say it is meant for a certificate may still name it.
    pub(super) fn against(&self, certificate: &Cert<'_>, now: Timestamp) -> Option<Against> {
        let of_issuer = |list: &&RevocationList| list.list.issuer() == certificate.issuer();
        let mut against = None;
        for list in self.lists.iter().filter(of_issuer) {
            // A list that cannot be searched is as good as one that names the certificate.
            if !matches!(list.list.find_serial(certificate.serial()), Ok(None)) {
                return Some(Against::Revoked);
            }
            if now >= list.next_update.after(self.grace) {
                against = Some(Against::Expired);
            }
        }
        against
    }
}

/// What a list has against a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against {
    Revoked,
    Expired,
}

impl RevocationList {
    fn read(octets: &[u8]) -> Result<Self, RevocationError> {
        der::strict(octets)?;
        let list = OwnedCertRevocationList::from_der(octets)
            .map_err(|error| RevocationError::Unreadable(in_a_word(&error)))?;
        let mut outer = Reader::new(octets).expect(der::SEQUENCE)?.reader();
        let mut fields = outer.expect(der::SEQUENCE)?.reader();
        fields.optional(der::INTEGER)?;
        fields.expect(der::SEQUENCE)?;
        fields.expect(der::SEQUENCE)?;
        let this_update = read_time(&fields.any()?)?;
        let next_update = read_optional_time(&mut fields)?.ok_or(RevocationError::NoNextUpdate)?;
        fields.optional(der::SEQUENCE)?;
        let mut authority_key = Vec::new();
        if let Some(tagged) = fields.optional(0xa0)? {
            let mut extensions = tagged.reader().expect(der::SEQUENCE)?.reader();
            while let Some(extension) = extensions.next()? {
                let oid = extension.reader().expect(der::OBJECT_IDENTIFIER)?;
                if oid.content() == AUTHORITY_KEY_IDENTIFIER {
                    authority_key = extension.content().to_vec();
                }
            }
        }
        Ok(Self {
            list: list.into(),
            authority_key,
            this_update,
            next_update,
            turn: 0,
        })
    }

    fn has_scope_of(&self, other: &Self) -> bool {
        let scope =
            |list: &CertRevocationList<'_>| list.issuing_distribution_point().map(<[u8]>::to_vec);
        self.list.issuer() == other.list.issuer()
            && self.authority_key == other.authority_key
            && scope(&self.list) == scope(&other.list)
    }
}

fn blocks(file: &[u8]) -> Result<Vec<Vec<u8>>, RevocationError> {
    match std::str::from_utf8(file) {
        Ok(text) if text.contains("-----BEGIN") => Ok(pem::many(text, pem::REVOCATION_LIST)?),
        _ => Ok(vec![file.to_vec()]),
    }
}

/// What is wrong with revocation lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationError {
    /// No list at all.
    Nothing,
    /// More than a thousand.
    TooMany,
    /// Not the wanted PEM.
    Pem(PemError),
    /// Not strict DER.
    Der(DerError),
    /// A list without `nextUpdate`, which would be good for ever.
    NoNextUpdate,
    /// A list that the path builder cannot use: in its words.
    Unreadable(String),
}

impl From<PemError> for RevocationError {
    fn from(error: PemError) -> Self {
        Self::Pem(error)
    }
}

impl From<DerError> for RevocationError {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no certificate revocation list"),
            Self::TooMany => write!(f, "more than {MAX_LISTS} certificate revocation lists"),
            Self::Pem(error) => fmt::Display::fmt(error, f),
            Self::Der(error) => write!(f, "not a certificate revocation list: {error}"),
            Self::NoNextUpdate => {
                f.write_str("a certificate revocation list without nextUpdate: issue it with one")
            }
            Self::Unreadable(why) => write!(
                f,
                "a certificate revocation list that cannot be used ({why}): a complete list of version 2 is wanted"
            ),
        }
    }
}
