//! Certificates one after the other, the first as a client's and the others as its chain, against a
//! fixed authority. Whatever verifies is a certificate that the authority did issue.
#![no_main]

use std::sync::LazyLock;

use certbound::cert::der::Reader;
use certbound::cert::{ClientAuthorities, ClientCertificate, RegisteredName};
use certbound::oauth::time::Timestamp;
use libfuzzer_sys::fuzz_target;

macro_rules! pki {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/captures/pki/", $name, ".crt"))
    };
}

static AUTHORITY: LazyLock<ClientAuthorities> =
    LazyLock::new(|| ClientAuthorities::from_pem(pki!("ca")).expect("the fixture"));

static ISSUED: LazyLock<Vec<ClientCertificate>> = LazyLock::new(|| {
    [
        pki!("ca"),
        pki!("inter"),
        pki!("p256"),
        pki!("rsa"),
        pki!("utf8"),
        pki!("large"),
        pki!("server"),
    ]
    .map(|text| ClientCertificate::from_pem(text).expect("the fixture"))
    .to_vec()
});

/// While all of them but the expired one are valid.
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

fuzz_target!(|octets: &[u8]| {
    let mut reader = Reader::new(octets);
    let mut chain = Vec::new();
    while let Ok(Some(next)) = reader.next() {
        chain.push(next.whole().to_vec());
    }
    if chain.is_empty() || reader.end().is_err() {
        let _ = ClientCertificate::from_der(octets.to_vec());
        return;
    }
    let der = chain.remove(0);
    let Ok(certificate) = ClientCertificate::from_der(der.clone()) else {
        return;
    };
    assert_eq!(certificate.der(), der);
    assert!((1..=3).contains(&certificate.version()));
    assert!(!certificate.serial_hex().is_empty());
    if let Ok(subject) = certificate.subject()
        && let Ok(registered) = subject.to_string().parse::<RegisteredName>()
    {
        assert!(subject.matches(&registered));
    }
    let _ = certificate.issuer().map(|issuer| issuer.to_string());
    let _ = (certificate.is_self_issued(), certificate.is_ca());
    let _ = (
        certificate.strong_key(),
        certificate.public_key_thumbprint(),
    );
    let _ = format!("{:?}", certificate.public_key());
    for name in certificate.subject_alt_names() {
        assert!(!name.to_string().chars().any(char::is_control));
    }
    let _ = certificate.validity().at(NOW);
    if let Err(why) = certificate.usable_for_client_authentication() {
        assert!(!why.to_string().is_empty());
    }
    match AUTHORITY.verify(&certificate, &chain, NOW, None) {
        Ok(()) => assert!(ISSUED.contains(&certificate), "a forgery verifies"),
        Err(why) => assert!(!why.to_string().is_empty()),
    }
});
