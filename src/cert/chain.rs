//! From a certificate to an authority that is trusted for clients (RFC 5280 section 6, RFC 8705
//! section 2.1).
//!
//! Certificates that a web server forwards beside the leaf are hints: what is not a certificate
//! among them is passed over, and a self-signed one leads nowhere, because authorities come from
//! configuration alone. There are at most eight of them, of 64 KiB together, and the path builder
//! has a budget of signatures and steps, so that no chain takes long.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::authority::{ALGORITHMS, ClientAuthorities, in_a_word};
use super::certificate::ClientCertificate;
use super::revocation::{Against, RevocationLists};
use super::validity::OutsideValidity;
use crate::oauth::time::Timestamp;

/// How many certificates may be forwarded beside the leaf.
pub const MAX_CHAIN: usize = 8;
/// How many octets they may have together.
pub const MAX_CHAIN_OCTETS: usize = 64 * 1024;

impl ClientAuthorities {
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
            .configured()
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
                self.trust_anchors(),
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
        if !self.is_valid(path.anchor(), now) {
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
    EndEntityCert::try_from(&certificate).ok()?;
    Some(CertificateDer::from(octets))
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
            other => Self::Other(in_a_word(&other)),
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
