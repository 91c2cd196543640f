//! Whole certificates: those of the captures, that of RFC 8705, and made-up ones.

use std::net::IpAddr;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CustomExtension, DistinguishedName as Dn, DnType,
    ExtendedKeyUsagePurpose as Eku, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use super::certificate::{CertificateError, ClientCertificate};
use super::chain::{AuthorityError, ChainError, ClientAuthorities, MAX_CHAIN};
use super::der::DerError;
use super::key::{Curve, PublicKey};
use super::name::NameError;
use super::registered::RegisteredName;
use super::revocation::{RevocationError, RevocationLists};
use super::san::{RegisteredSan, SubjectAltName};
use super::usage::Unusable;
use super::validity::OutsideValidity;
use crate::oauth::time::{Lifetime, Timestamp};

/// 2026-11-22.
const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);

macro_rules! fixture {
    ($name:literal) => {
        ClientCertificate::from_pem(include_str!(concat!(
            "../../tests/fixtures/pki/",
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

#[test]
fn the_certificate_of_rfc_8705_appendix_a() {
    let certificate = fixture!("rfc8705");
    assert_eq!(
        certificate.thumbprint().to_string(),
        "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
    );
    assert_eq!(certificate.version(), 1);
    assert_eq!(certificate.serial_hex(), "02");
    assert!(certificate.is_self_issued());
    assert_eq!(
        certificate.validity().not_after().to_string(),
        "2022-05-02T12:37:09Z"
    );
    let p256 = PublicKey::Ec { curve: Curve::P256 };
    assert_eq!(certificate.public_key(), &p256);
    assert_eq!(certificate.strong_key(), Ok(()));
}

#[test]
fn the_certificates_of_the_captures() {
    let utf8 = "CN=\\#Zo\u{eb},1.2.840.113549.1.9.1=#160f6f7073406578616d706c652e636f6d,2.5.4.97=#0c0c50534453452d46494e412d31,O=\u{c5}kerlund\\, S\u{f6}ner \\+ Co,C=SE";
    for (certificate, thumbprint, subject) in [
        (
            fixture!("p256"),
            "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o",
            "CN=client-p256,O=Example Bank,C=NO",
        ),
        (
            fixture!("large"),
            "IpX4rPaZLo_gGXnqo08naDLnvmI7JVYzqXvn2pinZUo",
            "CN=client-large,O=Example Bank",
        ),
        (
            fixture!("self-ed25519"),
            "4OndXXOJ0ra1MLWhRAkvUX4Nd3p6KGeN6jCxSW76jqk",
            "CN=self-signed-ed25519",
        ),
        (
            fixture!("utf8"),
            "CwKsxYnIw55EtDaBpUQvQDSIJAfmR_kROm9kgJT48U4",
            utf8,
        ),
    ] {
        assert_eq!(certificate.thumbprint().to_string(), thumbprint);
        let name = certificate.subject().expect("a subject");
        assert_eq!(name.to_string(), subject);
        let registered: RegisteredName = subject.parse().expect("what is printed");
        assert!(name.matches(&registered));
        assert_eq!(certificate.usable_for_client_authentication(), Ok(()));
        assert_eq!(certificate.version(), 3);
        assert!(!certificate.is_ca());
    }
    let rsa = PublicKey::Rsa {
        modulus_bits: 2048,
        exponent: Some(65_537),
    };
    assert_eq!(fixture!("rsa").public_key(), &rsa);
    assert!(fixture!("inter").is_ca());
    let dns = RegisteredSan::dns("CLIENT.example").expect("a host name");
    assert!(dns.matches(fixture!("p256").subject_alt_names()));
}

#[test]
fn the_chains_of_the_captures() {
    let bundle = include_str!("../../tests/fixtures/pki/ca.crt");
    let authorities = ClientAuthorities::from_pem(bundle).expect("one anchor");
    assert_eq!((authorities.anchors(), authorities.intermediates()), (1, 0));
    let inter = || vec![fixture!("inter").der().to_vec()];
    let verify =
        |leaf: &ClientCertificate, chain: &[Vec<u8>]| authorities.verify(leaf, chain, NOW, None);
    for leaf in [
        fixture!("p256"),
        fixture!("rsa"),
        fixture!("utf8"),
        fixture!("large"),
    ] {
        assert_eq!(verify(&leaf, &inter()), Ok(()));
        assert_eq!(verify(&leaf, &[]), Err(ChainError::NoPath));
    }
    let impostor = fixture!("impostor");
    let theirs = [
        fixture!("impostor-inter").der().to_vec(),
        fixture!("impostor-ca").der().to_vec(),
    ];
    for chain in [&theirs[..], &inter(), &[]] {
        assert_eq!(verify(&impostor, chain), Err(ChainError::NoPath));
    }
    let ended = Timestamp::from_unix(1_577_836_800);
    assert_eq!(
        verify(&fixture!("expired"), &inter()),
        Err(ChainError::Leaf(OutsideValidity::Expired(ended)))
    );
    assert_eq!(verify(&fixture!("self-p256"), &[]), Err(ChainError::NoPath));

    let both = format!(
        "{bundle}{}",
        include_str!("../../tests/fixtures/pki/inter.crt")
    );
    let authorities = ClientAuthorities::from_pem(&both.repeat(2)).expect("one anchor");
    assert_eq!((authorities.anchors(), authorities.intermediates()), (1, 1));
    let verdict = authorities.verify(&fixture!("p256"), &[], NOW, None);
    assert_eq!(verdict, Ok(()));
    let impostor = authorities.verify(&impostor, &[], NOW, None);
    assert_eq!(impostor, Err(ChainError::NoPath));
}

#[test]
fn who_can_be_an_authority() {
    let inter = include_str!("../../tests/fixtures/pki/inter.crt");
    let leaf = include_str!("../../tests/fixtures/pki/p256.crt");
    let refused = |text: &str| {
        ClientAuthorities::from_pem(text)
            .map(|_| ())
            .expect_err("refused")
    };
    assert_eq!(refused(inter), AuthorityError::NoAnchor);
    assert!(matches!(refused(leaf), AuthorityError::NotAnAuthority(_)));
    assert!(matches!(
        refused(""),
        AuthorityError::Certificate(CertificateError::Pem(_))
    ));
    let none = ClientAuthorities::pinned(Vec::new()).map(|_| ());
    assert_eq!(none, Err(AuthorityError::NoAnchor));
    // Pinned, an intermediate is an anchor itself.
    let pinned = ClientAuthorities::pinned(vec![fixture!("inter")]).expect("an anchor");
    assert_eq!(pinned.verify(&fixture!("p256"), &[], NOW, None), Ok(()));
    let impostor = pinned.verify(&fixture!("impostor"), &[], NOW, None);
    assert_eq!(impostor, Err(ChainError::NoPath));
    // A version 1 root certificate has no basic constraints.
    let old = ClientAuthorities::from_pem(include_str!("../../tests/fixtures/pki/rfc8705.crt"));
    assert_eq!(old.map(|old| old.anchors()), Ok(1));
    // Self-issued but signed by another key of the same name: an intermediate.
    let root = Authority::root(ca("root"));
    let rolled = root.below(ca("root"));
    let lone = refused(&rolled.certificate.pem());
    assert_eq!(lone, AuthorityError::NoAnchor);
}

#[test]
fn what_a_leaf_may_be_used_for() {
    let root = Authority::root(ca("root"));
    let authorities = root.authorities();
    let any = vec![Eku::Any];
    let ku = KeyUsagePurpose::DigitalSignature;
    for (usages, purposes, usable, path) in [
        (vec![], vec![], Ok(()), Ok(())),
        (vec![ku], vec![Eku::ClientAuth], Ok(()), Ok(())),
        (
            vec![ku, KeyUsagePurpose::KeyEncipherment],
            vec![Eku::ServerAuth, Eku::ClientAuth],
            Ok(()),
            Ok(()),
        ),
        (
            vec![],
            vec![Eku::ServerAuth],
            Err(Unusable::ExtendedKeyUsage),
            Err(ChainError::ExtendedKeyUsage),
        ),
        (
            vec![],
            any,
            Err(Unusable::ExtendedKeyUsage),
            Err(ChainError::ExtendedKeyUsage),
        ),
        (
            vec![KeyUsagePurpose::KeyAgreement],
            vec![Eku::ClientAuth],
            Err(Unusable::KeyUsage),
            Ok(()),
        ),
    ] {
        let mut params = named("leaf");
        params.key_usages = usages;
        params.extended_key_usages = purposes;
        let leaf = root.leaf(&params);
        assert_eq!(leaf.usable_for_client_authentication(), usable);
        assert_eq!(authorities.verify(&leaf, &[], NOW, None), path);
        assert_eq!(leaf.strong_key(), Ok(()));
    }
    let authority = root.leaf(&ca("leaf"));
    assert!(authority.is_ca());
    let verdict = authorities.verify(&authority, &[], NOW, None);
    assert_eq!(verdict, Err(ChainError::Other("CaUsedAsEndEntity".into())));
}

#[test]
fn extensions_that_are_nonsense() {
    let root = Authority::root(ca("root"));
    let dns = vec![SanType::DnsName("a.example".try_into().expect("ASCII"))];
    let with = |oid: &[u64], content: &[u8]| {
        let mut params = named("leaf");
        params.subject_alt_names.clone_from(&dns);
        let extension = CustomExtension::from_oid_content(oid, content.to_vec());
        params.custom_extensions.push(extension);
        root.leaf(&params)
    };
    // A second list of names: neither counts.
    let twice = with(&[2, 5, 29, 17], b"\x30\x0b\x82\x09b.example");
    assert_eq!(twice.subject_alt_names(), &[]);
    assert_eq!(
        twice.usable_for_client_authentication(),
        Err(Unusable::DuplicateExtension("2.5.29.17".into()))
    );
    assert!(root.authorities().verify(&twice, &[], NOW, None).is_err());
    for (oid, which) in [(37, "extended key usage"), (15, "key usage")] {
        let broken = with(&[2, 5, 29, oid], b"\x30\x80\x00\x00");
        let error = broken.usable_for_client_authentication();
        assert_eq!(error, Err(Unusable::MalformedExtension(which)));
        assert_eq!(broken.subject_alt_names().len(), 1);
    }
    let mut params = named("leaf");
    let san = CustomExtension::from_oid_content(&[2, 5, 29, 17], b"\x30\x03\x82\x05a".to_vec());
    params.custom_extensions.push(san);
    let leaf = root.leaf(&params);
    assert_eq!(leaf.subject_alt_names(), &[]);
    assert_eq!(leaf.usable_for_client_authentication(), Ok(()));
}

#[test]
fn alternative_names_of_all_types() {
    let ascii = |text: &str| text.try_into().expect("ASCII");
    let address: IpAddr = "2001:db8::10".parse().expect("an address");
    let mut params = named("cn.example");
    params.subject_alt_names = vec![
        SanType::DnsName(ascii("*.example")),
        SanType::URI(ascii("urn:example:a")),
        SanType::IpAddress(address),
        SanType::Rfc822Name(ascii("a@example.com")),
    ];
    let leaf = Authority::root(ca("root")).leaf(&params);
    assert_eq!(
        leaf.subject_alt_names(),
        &[
            SubjectAltName::Dns("*.example".into()),
            SubjectAltName::Uri("urn:example:a".into()),
            SubjectAltName::Ip(address),
            SubjectAltName::Email("a@example.com".into()),
        ]
    );
    for (registered, matches) in [
        (RegisteredSan::dns("cn.example"), false),
        (RegisteredSan::dns("a.example"), false),
        (RegisteredSan::uri("urn:example:a"), true),
        (RegisteredSan::ip("2001:0db8:0:0::0010"), true),
        (RegisteredSan::email("a@EXAMPLE.com"), true),
    ] {
        let registered = registered.expect("one of this table");
        assert_eq!(
            registered.matches(leaf.subject_alt_names()),
            matches,
            "{registered}"
        );
    }
}

#[test]
fn a_subject_that_cannot_be_compared_is_no_obstacle() {
    let root = Authority::root(ca("root"));
    let mut params = named("leaf");
    params.distinguished_name = Dn::new();
    let leaf = root.leaf(&params);
    assert_eq!(leaf.subject(), Err(&NameError::Empty));
    let leaf = root.leaf(&named("a\u{200b}b"));
    assert!(matches!(leaf.subject(), Err(NameError::Unprepared(_, _))));
    assert_eq!(leaf.usable_for_client_authentication(), Ok(()));
    assert_eq!(root.authorities().verify(&leaf, &[], NOW, None), Ok(()));
    let issuer = leaf.issuer().expect("a name");
    assert_eq!(issuer.to_string(), "CN=root");
    assert!(!leaf.is_self_issued());
}

#[test]
fn what_issuers_are_held_to() {
    let root = Authority::root(ca("root"));
    let authorities = root.authorities();
    let verify =
        |leaf: &ClientCertificate, chain: &[Vec<u8>]| authorities.verify(leaf, chain, NOW, None);
    let leaf = named("leaf");

    let mut params = ca("ended");
    params.not_after = date_time_ymd(2026, 1, 1);
    let ended = root.below(params.clone());
    let error = verify(&ended.leaf(&leaf), &[ended.der()]);
    assert_eq!(error, Err(ChainError::IssuerOutsideValidity));
    // An anchor that has ended is no anchor.
    let ended = Authority::root(params);
    let error = ended
        .authorities()
        .verify(&ended.leaf(&leaf), &[], NOW, None);
    assert_eq!(error, Err(ChainError::IssuerOutsideValidity));

    let not_ca = root.below(named("not-ca"));
    let error = verify(&not_ca.leaf(&leaf), &[not_ca.der()]);
    assert_eq!(error, Err(ChainError::Other("EndEntityUsedAsCa".into())));

    let mut params = ca("short");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = root.below(params);
    let below = short.below(ca("below"));
    assert_eq!(verify(&short.leaf(&leaf), &[short.der()]), Ok(()));
    let error = verify(&below.leaf(&leaf), &[below.der(), short.der()]);
    assert_eq!(
        error,
        Err(ChainError::Other("PathLenConstraintViolated".into()))
    );

    let mut params = ca("server");
    params.extended_key_usages = vec![Eku::ServerAuth];
    let server = root.below(params);
    let error = verify(&server.leaf(&leaf), &[server.der()]);
    assert_eq!(error, Err(ChainError::ExtendedKeyUsage));
}

#[test]
fn what_is_forwarded_beside_the_leaf() {
    let root = Authority::root(ca("root"));
    let authorities = root.authorities();
    let inter = root.below(ca("inter"));
    let leaf = inter.leaf(&named("leaf"));
    let verify = |chain: &[Vec<u8>]| authorities.verify(&leaf, chain, NOW, None);
    // Garbage, the root, a foreign root and the leaf itself are in nobody's way.
    let foreign = Authority::root(ca("inter"));
    let noise = [
        b"garbage".to_vec(),
        Vec::new(),
        root.der(),
        foreign.der(),
        leaf.der().to_vec(),
    ];
    let mut chain = noise.to_vec();
    assert_eq!(verify(&chain), Err(ChainError::NoPath));
    chain.push(inter.der());
    assert_eq!(verify(&chain), Ok(()));
    // A foreign root does not become an anchor by being forwarded.
    let error = authorities.verify(&foreign.leaf(&named("leaf")), &[foreign.der()], NOW, None);
    assert_eq!(error, Err(ChainError::NoPath));
    // Two authorities that certify each other.
    let one = Authority::root(ca("one"));
    let other = one.below(ca("other"));
    let params = ca("one");
    let back = params
        .signed_by(one.issuer.key(), &other.issuer)
        .expect("a certificate");
    let error = authorities.verify(
        &one.leaf(&named("leaf")),
        &[back.der().to_vec(), other.der()],
        NOW,
        None,
    );
    assert_eq!(error, Err(ChainError::NoPath));

    assert_eq!(verify(&vec![inter.der(); MAX_CHAIN]), Ok(()));
    assert_eq!(
        verify(&vec![inter.der(); MAX_CHAIN + 1]),
        Err(ChainError::TooLong)
    );
    assert_eq!(
        verify(&[inter.der(), vec![0; 65 * 1024]]),
        Err(ChainError::TooLong)
    );
}

#[test]
fn a_hundred_intermediates_of_one_name_take_a_bounded_time() {
    let root = Authority::root(ca("root"));
    let mut bundle = root.certificate.pem();
    let mut last = None;
    for _ in 0..100 {
        let inter = root.below(ca("inter"));
        bundle.push_str(&inter.certificate.pem());
        last = Some(inter);
    }
    let authorities = ClientAuthorities::from_pem(&bundle).expect("one anchor");
    assert_eq!(authorities.intermediates(), 100);
    let leaf = last.expect("one of a hundred").leaf(&named("leaf"));
    let started = std::time::Instant::now();
    // The budget may run out before the right one is found: what matters is that it ends.
    let _ = authorities.verify(&leaf, &[], NOW, None);
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn revocation_by_list() {
    let root = Authority::root(ca("root"));
    let mut params = ca("inter");
    params.serial_number = Some(SerialNumber::from_slice(&[9]));
    let inter = root.below(params);
    let authorities = root.authorities();
    let chain = [inter.der()];
    let read = |files: &[Vec<u8>], grace: u64| {
        let files = files.iter().map(Vec::as_slice);
        RevocationLists::read(files, Lifetime::from_seconds(grace)).expect("lists")
    };
    let check = |lists: &RevocationLists, number: u8, now: Timestamp| {
        let leaf = inter.leaf(&serial("leaf", number));
        authorities.verify(&leaf, &chain, now, Some(lists))
    };
    // 2027-01-10, when a list of day 10 ends.
    let end = Timestamp::from_unix(1_799_539_200);
    let day = Lifetime::from_seconds(86_400);

    let lists = read(&[inter.list(&[5], 10, None)], 0);
    assert_eq!(lists.next_update(), Some(end));
    assert_eq!(check(&lists, 4, NOW), Ok(()));
    assert_eq!(check(&lists, 5, NOW), Err(ChainError::Revoked));
    assert_eq!(
        check(&lists, 4, end),
        Err(ChainError::RevocationListExpired)
    );
    assert_eq!(check(&lists, 5, end), Err(ChainError::Revoked));
    let graceful = read(&[inter.list(&[5], 10, None)], 86_400);
    assert_eq!(check(&graceful, 4, end), Ok(()));
    assert_eq!(check(&graceful, 5, end), Err(ChainError::Revoked));
    assert_eq!(
        check(&graceful, 4, end.after(day)),
        Err(ChainError::RevocationListExpired)
    );

    // The list of the root alone speaks of the intermediate alone.
    let lists = read(&[root.list(&[5], 10, None)], 0);
    assert_eq!(check(&lists, 5, NOW), Ok(()));
    let lists = read(&[root.list(&[9], 10, None)], 0);
    assert_eq!(check(&lists, 4, NOW), Err(ChainError::Revoked));

    // Of two lists the newer counts, in either order.
    let (old, new) = (inter.list(&[5], 10, None), inter.list(&[6], 11, None));
    for files in [[old.clone(), new.clone()], [new, old]] {
        let lists = read(&files, 0);
        assert_eq!(lists.count(), 1);
        assert_eq!(check(&lists, 5, NOW), Ok(()));
        assert_eq!(check(&lists, 6, NOW), Err(ChainError::Revoked));
    }

    // A list of another scope still revokes.
    let scoped = read(&[inter.list(&[5], 10, Some("http://a.example/1.crl"))], 0);
    let mut params = serial("leaf", 5);
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec!["http://a.example/2.crl".into()],
    }];
    let verdict = authorities.verify(&inter.leaf(&params), &chain, NOW, Some(&scoped));
    assert_eq!(verdict, Err(ChainError::Revoked));

    // An authority that has a new key under its old name signs a list by each.
    let renewed = root.below(ca("inter"));
    let of_renewed = renewed.leaf(&serial("leaf", 4));
    let (by_old, by_new) = (inter.list(&[5], 10, None), renewed.list(&[6], 10, None));
    for files in [[by_old.clone(), by_new.clone()], [by_new, by_old]] {
        let lists = read(&files, 0);
        assert_eq!(lists.count(), 2);
        assert_eq!(check(&lists, 4, NOW), Ok(()));
        assert_eq!(check(&lists, 5, NOW), Err(ChainError::Revoked));
        let verdict = authorities.verify(&of_renewed, &[renewed.der()], NOW, Some(&lists));
        assert_eq!(verdict, Ok(()));
    }

    // A list somebody else signed in the issuer's name refuses.
    let forged = read(&[Authority::root(ca("inter")).list(&[], 10, None)], 0);
    assert!(matches!(check(&forged, 4, NOW), Err(ChainError::Other(_))));
}

#[test]
fn lists_that_are_refused() {
    let root = Authority::root(ca("root"));
    let list = root.list(&[5], 10, None);
    let pem = ::pem::encode(&::pem::Pem::new("X509 CRL", list.clone()));
    let read = |file: &[u8]| {
        RevocationLists::read([file], Lifetime::from_seconds(0)).map(|lists| lists.count())
    };
    assert_eq!(read(&list), Ok(1));
    assert_eq!(read(pem.as_bytes()), Ok(1));
    assert_eq!(read(pem.repeat(2).as_bytes()), Ok(1));
    assert!(matches!(read(b"garbage"), Err(RevocationError::Der(_))));
    assert!(matches!(read(b""), Err(RevocationError::Der(_))));
    let label = pem.replace("X509 CRL", "CERTIFICATE");
    assert!(matches!(
        read(label.as_bytes()),
        Err(RevocationError::Pem(_))
    ));
    let mut trailing = list.clone();
    trailing.push(0);
    assert_eq!(
        read(&trailing),
        Err(RevocationError::Der(DerError::Trailing))
    );
    let certificate = read(&root.der());
    assert!(
        matches!(certificate, Err(RevocationError::Unreadable(_))),
        "{certificate:?}"
    );
    let none = RevocationLists::read(std::iter::empty(), Lifetime::from_seconds(0));
    assert_eq!(none.map(|_| ()), Err(RevocationError::Nothing));
}

#[test]
fn one_encoding_only() {
    let good = fixture!("p256").der().to_vec();
    let read = |der: Vec<u8>| ClientCertificate::from_der(der).map(|_| ());
    assert_eq!(read(good.clone()), Ok(()));
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(
        read(trailing),
        Err(CertificateError::Der(DerError::Trailing))
    );
    assert_eq!(good[..2], [0x30, 0x82]);
    let mut longer = good.clone();
    longer.splice(1..2, [0x83, 0x00]);
    assert_eq!(
        read(longer),
        Err(CertificateError::Der(DerError::LongLength))
    );
    let mut indefinite = good.clone();
    indefinite.splice(1..4, [0x80]);
    indefinite.extend([0, 0]);
    assert_eq!(
        read(indefinite),
        Err(CertificateError::Der(DerError::Indefinite))
    );
    let cut = read(good[..good.len() - 1].to_vec());
    assert_eq!(cut, Err(CertificateError::Der(DerError::Truncated)));
    // The unsigned copy of the signature algorithm: ecdsa-with-SHA256 made -SHA384.
    let oid = [6, 8, 42, 134, 72, 206, 61, 4, 3, 2];
    let at = good
        .windows(10)
        .rposition(|window| window == oid)
        .expect("the outer one");
    let mut other = good.clone();
    other[at + 9] = 3;
    assert_eq!(read(other), Err(CertificateError::SignatureAlgorithm));
    assert_eq!(
        read(vec![0x30; 64 * 1024 + 1]),
        Err(CertificateError::TooLarge(65_537))
    );
    assert_eq!(
        read(Vec::new()),
        Err(CertificateError::Der(DerError::Truncated))
    );
    let key_of = |certificate: ClientCertificate| certificate.public_key_thumbprint();
    assert_ne!(key_of(fixture!("p256")), key_of(fixture!("utf8")));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = super::name::DistinguishedName::from_der(&octets);
        let _ = RevocationLists::read([octets.as_slice()], Lifetime::from_seconds(0));
        let _ = ClientCertificate::from_der(octets);
    }

    #[test]
    fn no_changed_certificate_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut der = fixture!("utf8").der().to_vec();
        for (at, octet) in changes {
            let at = at.index(der.len());
            der[at] = octet;
        }
        if let Ok(certificate) = ClientCertificate::from_der(der) {
            let _ = certificate.usable_for_client_authentication();
            let _ = certificate.issuer();
            let pinned = ClientAuthorities::pinned(vec![fixture!("inter")]).expect("an anchor");
            let _ = pinned.verify(&certificate, &[], NOW, None);
        }
    }

    #[test]
    fn no_text_panics(text in "(CN|O|2\\.5\\.4\\.97|x)?=?[a-z#\\\\,+\"=; \u{e9}\u{301}]{0,12}|\\PC{0,20}") {
        if let Ok(name) = text.parse::<RegisteredName>() {
            let again: RegisteredName = name.to_string().parse().expect("what is printed");
            prop_assert_eq!(&again, &name);
            prop_assert!(again.name().matches(&name));
        }
        let _ = RegisteredSan::dns(&text);
        let _ = RegisteredSan::uri(&text);
        let _ = RegisteredSan::email(&text);
        let _ = ClientCertificate::from_pem(&text);
    }
}
