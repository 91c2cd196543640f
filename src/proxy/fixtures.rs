//! Certificates for the tests of this floor, in the forms that web servers give them (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::oauth::secret::Digest;

/// The PEM text of a certificate in `tests/fixtures/captures/pki`.
pub(super) fn pem(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/tests/fixtures/captures/pki/{name}.crt");
    std::fs::read_to_string(path).expect("the fixture is in the repository")
}

/// Its DER in base64.
pub(super) fn base64(name: &str) -> String {
    pem(name)
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect()
}

/// Its DER.
pub(super) fn certificate(name: &str) -> Vec<u8> {
    STANDARD.decode(base64(name)).expect("the fixture is PEM")
}

/// Its PEM as nginx escapes it.
pub(super) fn escaped(name: &str) -> String {
    pem(name)
        .replace(' ', "%20")
        .replace('\n', "%0A")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

/// The SHA-256 of its DER in hexadecimal.
pub(super) fn hash(name: &str) -> String {
    let digest = Digest::of(&certificate(name));
    let hex = |octet: &u8| format!("{octet:02x}");
    digest.octets().iter().map(hex).collect::<Vec<_>>().concat()
}
