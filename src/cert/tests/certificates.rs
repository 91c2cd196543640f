//! Certificates one by one.

use super::*;

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
            vec![Eku::ServerAuth, Eku::ClientAuth, Eku::CodeSigning],
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
        let _ = crate::cert::DistinguishedName::from_der(&octets);
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
