//! Whole certificates: those of the captures, that of RFC 8705, and made-up ones.

use std::net::IpAddr;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CustomExtension, DistinguishedName as Dn, DnType,
    ExtendedKeyUsagePurpose as Eku, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use crate::cert::authority::{AuthorityError, ClientAuthorities};
use crate::cert::certificate::{CertificateError, ClientCertificate};
use crate::cert::chain::{ChainError, MAX_CHAIN};
use crate::cert::der::DerError;
use crate::cert::key::{Curve, PublicKey};
use crate::cert::name::NameError;
use crate::cert::registered::RegisteredName;
use crate::cert::revocation::{RevocationError, RevocationLists};
use crate::cert::san::{RegisteredSan, SubjectAltName};
use crate::cert::usage::Unusable;
use crate::cert::validity::OutsideValidity;
use crate::oauth::time::{Lifetime, Timestamp};

/// 2026-11-22.
const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);

macro_rules! fixture {
    ($name:literal) => {
        ClientCertificate::from_pem(include_str!(concat!(
            "../../../tests/fixtures/pki/",
            $name,
            ".crt"
        )))
        .expect("a fixture")
    };
}

/// An authority that makes certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    fn leaf(&self, params: &CertificateParams) -> ClientCertificate {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        ClientCertificate::from_der(certificate.der().to_vec()).expect("what rcgen makes")
    }

    fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    fn authorities(&self) -> ClientAuthorities {
        ClientAuthorities::from_pem(&self.certificate.pem()).expect("one anchor")
    }

    /// A list that names those serial numbers and ends that many days into 2027.
    fn list(&self, serials: &[u8], day: u8, scope: Option<&str>) -> Vec<u8> {
        let revoked = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*serial]),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, day),
            next_update: date_time_ymd(2027, 1, day),
            crl_number: SerialNumber::from_slice(&[day]),
            issuing_distribution_point: scope.map(|uri| CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint {
                    uris: vec![uri.into()],
                },
                scope: None,
            }),
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.issuer)
            .expect("a list")
            .der()
            .to_vec()
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Dn::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn ca(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn serial(common_name: &str, serial: u8) -> CertificateParams {
    let mut params = named(common_name);
    params.serial_number = Some(SerialNumber::from_slice(&[serial]));
    params
}

mod certificates;
mod chains;
