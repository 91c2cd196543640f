//! Certificates, made once for the whole run: two authorities, an intermediate, and what clients hold.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// A certificate as tests use it.
#[derive(Clone, Debug)]
pub(crate) struct Cert {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    /// PKCS#8 PEM of its key.
    pub(crate) key: String,
}

impl Cert {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        }
    }

    /// `x5t#S256` (RFC 8705 section 3.1), reckoned here.
    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.der))
    }

    /// As Apache's `%{SSL_CLIENT_CERT}s`: one line, blanks for newlines.
    pub(crate) fn apache(&self) -> String {
        self.pem.lines().map(|line| format!("{line} ")).collect()
    }

    /// As nginx's `$ssl_client_escaped_cert`.
    pub(crate) fn nginx(&self) -> String {
        let pem = self.pem.replace("\r\n", "\n");
        let mut escaped = String::new();
        for byte in pem.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    escaped.push(char::from(byte));
                }
                other => escaped.push_str(&format!("%{other:02X}")),
            }
        }
        escaped
    }

    /// As RFC 9440 `Client-Cert`.
    pub(crate) fn rfc9440(&self) -> String {
        format!(":{}:", self.base64())
    }

    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// A JWK that carries the certificate as `x5c`.
    pub(crate) fn jwk(&self) -> serde_json::Value {
        let mut jwk = crate::jose::EcKey::from_pem(&self.key).jwk();
        jwk["x5c"] = serde_json::json!([self.base64()]);
        jwk
    }
}

/// What a certificate is to be like.
#[derive(Clone)]
pub(crate) struct Wanted {
    params: CertificateParams,
    key: Option<String>,
}

/// A client certificate for that common name, for clientAuth, of now.
pub(crate) fn wanted(name: &str) -> Wanted {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "DE");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example, Inc.");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.key_identifier_method = KeyIdMethod::Sha256;
    Wanted { params, key: None }
}

/// The registered subject of [`wanted`].
pub(crate) fn dn(name: &str) -> String {
    format!("CN={name},O=Example\\, Inc.,C=DE")
}

impl Wanted {
    pub(crate) fn san(mut self, san: SanType) -> Self {
        self.params.subject_alt_names.push(san);
        self
    }

    pub(crate) fn dns(self, name: &str) -> Self {
        self.san(SanType::DnsName(ia5(name)))
    }

    pub(crate) fn usages(mut self, usages: &[ExtendedKeyUsagePurpose]) -> Self {
        self.params.extended_key_usages = usages.to_vec();
        self
    }

    pub(crate) fn years(mut self, from: i32, to: i32) -> Self {
        self.params.not_before = date_time_ymd(from, 1, 1);
        self.params.not_after = date_time_ymd(to, 1, 1);
        self
    }

    pub(crate) fn serial(mut self, number: u64) -> Self {
        self.params.serial_number = Some(SerialNumber::from(number));
        self
    }

    pub(crate) fn key_of(mut self, other: &Cert) -> Self {
        self.key = Some(other.key.clone());
        self
    }

    pub(crate) fn email_in_subject(mut self, address: &str) -> Self {
        self.params.distinguished_name.push(
            DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]),
            rcgen::DnValue::Ia5String(ia5(address)),
        );
        self
    }

    fn pair(&self) -> KeyPair {
        match &self.key {
            Some(pem) => KeyPair::from_pem(pem).expect("a key that was made here"),
            None => KeyPair::generate().expect("keys can be made"),
        }
    }

    pub(crate) fn by(&self, ca: &Authority) -> Cert {
        let key = self.pair();
        let signed = self.params.signed_by(&key, &ca.issuer());
        Cert::new(&signed.expect("an authority signs"), &key)
    }

    pub(crate) fn self_signed(&self) -> Cert {
        let key = self.pair();
        let signed = self.params.self_signed(&key);
        Cert::new(&signed.expect("a key signs"), &key)
    }
}

pub(crate) fn ia5(text: &str) -> Ia5String {
    Ia5String::try_from(text).expect("ASCII")
}

/// Somebody who signs certificates.
pub(crate) struct Authority {
    params: CertificateParams,
    pub(crate) cert: Cert,
}

impl Authority {
    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2045, 1, 1);
        params
    }

    pub(crate) fn root(name: &str) -> Self {
        let params = Self::params(name);
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params.self_signed(&key).expect("a key signs");
        Self {
            cert: Cert::new(&signed, &key),
            params,
        }
    }

    fn intermediate(name: &str, parent: &Self) -> Self {
        let params = Self::params(name);
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params
            .signed_by(&key, &parent.issuer())
            .expect("a parent signs");
        Self {
            cert: Cert::new(&signed, &key),
            params,
        }
    }

    fn issuer(&self) -> Issuer<'_, KeyPair> {
        let key = KeyPair::from_pem(&self.cert.key).expect("a key that was made here");
        Issuer::from_params(&self.params, key)
    }

    /// A revocation list with those serial numbers, good until that year.
    pub(crate) fn crl(&self, serials: &[u64], until: i32) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 6, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 6, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params
            .signed_by(&self.issuer())
            .expect("an authority signs");
        list.pem().expect("a list has a PEM form")
    }
}

/// Everything that most tests need.
pub(crate) struct Pki {
    pub(crate) ca: Authority,
    pub(crate) intermediate: Authority,
    /// An authority that nobody trusts.
    pub(crate) other_ca: Authority,
    pub(crate) alice: Cert,
    pub(crate) bob: Cert,
    /// Alice's subject, signed by nobody.
    pub(crate) forged_alice: Cert,
    /// A certificate of no authority, for binding and `self_signed_tls_client_auth`.
    pub(crate) own: Cert,
}

pub(crate) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let ca = Authority::root("Clients' CA");
        let intermediate = Authority::intermediate("Clients' intermediate", &ca);
        Pki {
            alice: wanted("alice").serial(1001).by(&ca),
            bob: wanted("bob").serial(1002).by(&ca),
            forged_alice: wanted("alice").self_signed(),
            own: wanted("own").self_signed(),
            other_ca: Authority::root("Another CA"),
            intermediate,
            ca,
        }
    })
}
