//! Certificates, made for one test: a root and an intermediate, clients that they stand for, and others that
//! only look so.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// A folder with certificates and keys, PEM, by name.
pub(crate) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Makes all of it in that folder:
    ///
    /// - `orders`, `billing` and `ledger`, issued by the intermediate, which their files hold as well;
    /// - `expired`, likewise for the subject of `orders`, but its time is over;
    /// - `impostor`, for the subject of `orders` by CAs with the names of ours and other keys;
    /// - `selfmade`, self-signed with the subject of `orders`;
    /// - `kiosk` and `otherkiosk`, self-signed, with one subject;
    /// - `server`, for the web servers; `client-ca`, our root and intermediate.
    pub(crate) fn make(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let pki = Self {
            folder: folder.to_owned(),
        };
        let (root, intermediate) = authorities();
        pki.write("client-ca.pem", &(root.pem() + &intermediate.pem()));
        let (_, stranger) = authorities();
        pki.issue("orders", &client("orders"), &intermediate);
        pki.issue("billing", &client("billing"), &intermediate);
        pki.issue("ledger", &client("ledger"), &intermediate);
        pki.issue("impostor", &client("orders"), &stranger);
        let mut expired = client("orders");
        expired.not_before = date_time_ymd(2020, 1, 1);
        expired.not_after = date_time_ymd(2021, 1, 1);
        pki.issue("expired", &expired, &intermediate);
        pki.sign_itself("selfmade", &client("orders"));
        pki.sign_itself("kiosk", &client("kiosk"));
        pki.sign_itself("otherkiosk", &client("kiosk"));
        let mut hosts = ["as", "self-signed", "api"]
            .map(|host| format!("{host}.example.com"))
            .to_vec();
        hosts.push("localhost".to_owned());
        let mut server = CertificateParams::new(hosts).expect("host names");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        pki.sign_itself("server", &server);
        pki
    }

    /// A file of that name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The leaf, DER.
    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        let pem = fs::read_to_string(self.file(&format!("{name}.pem"))).expect("it was made");
        let body = pem
            .split("-----")
            .nth(2)
            .expect("PEM has a body after its first line");
        BASE64_STANDARD
            .decode(body.split_whitespace().collect::<String>())
            .expect("base64")
    }

    /// The SHA-256 of the leaf, as `x5t#S256` has it.
    pub(crate) fn thumbprint(&self, name: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.der(name)))
    }

    /// The leaf as PEM on one line, as Apache forwards it.
    pub(crate) fn pem_line(&self, name: &str) -> String {
        let base64 = BASE64_STANDARD.encode(self.der(name));
        format!("-----BEGIN CERTIFICATE----- {base64} -----END CERTIFICATE-----")
    }

    /// The leaf as RFC 9440 has it.
    pub(crate) fn rfc9440(&self, name: &str) -> String {
        format!(":{}:", BASE64_STANDARD.encode(self.der(name)))
    }

    fn issue(&self, name: &str, params: &CertificateParams, issuer: &CertifiedIssuer<'_, KeyPair>) {
        let key = key();
        let leaf = params.signed_by(&key, issuer).expect("it can be issued");
        self.write(&format!("{name}.key"), &key.serialize_pem());
        self.write(&format!("{name}.pem"), &(leaf.pem() + &issuer.pem()));
    }

    fn sign_itself(&self, name: &str, params: &CertificateParams) {
        let key = key();
        let leaf = params.self_signed(&key).expect("it can sign itself");
        self.write(&format!("{name}.key"), &key.serialize_pem());
        self.write(&format!("{name}.pem"), &leaf.pem());
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.file(name), content).expect("the folder can be written to");
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

/// A root and an intermediate; their names are the same every time, their keys never.
fn authorities() -> (
    CertifiedIssuer<'static, KeyPair>,
    CertifiedIssuer<'static, KeyPair>,
) {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    };
    let root = CertifiedIssuer::self_signed(named("Example Root"), key()).expect("a root");
    let intermediate = CertifiedIssuer::signed_by(named("Example Issuing CA"), key(), &root)
        .expect("an intermediate");
    (root, intermediate)
}

fn client(name: &str) -> CertificateParams {
    let mut params =
        CertificateParams::new(vec![format!("{name}.example.com")]).expect("a DNS name");
    params.distinguished_name = subject(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "GB");
    subject.push(DnType::OrganizationName, "Example");
    subject.push(DnType::CommonName, name);
    subject
}
