//! Certificates and those above them.

use super::*;

#[test]
fn the_chains_of_the_captures() {
    let bundle = include_str!("../../../tests/fixtures/pki/ca.crt");
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
        include_str!("../../../tests/fixtures/pki/inter.crt")
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
    let inter = include_str!("../../../tests/fixtures/pki/inter.crt");
    let leaf = include_str!("../../../tests/fixtures/pki/p256.crt");
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
    let old = ClientAuthorities::from_pem(include_str!("../../../tests/fixtures/pki/rfc8705.crt"));
    assert_eq!(old.map(|old| old.anchors()), Ok(1));
    // Self-issued but signed by another key of the same name: an intermediate.
    let root = Authority::root(ca("root"));
    let rolled = root.below(ca("root"));
    let lone = refused(&rolled.certificate.pem());
    assert_eq!(lone, AuthorityError::NoAnchor);
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

    // A new root key under the old name, certified by the old one, is an intermediate like any.
    let rolled = root.below(ca("root"));
    let of_rolled = rolled.leaf(&named("leaf"));
    let verdict = authorities.verify(&of_rolled, &[rolled.der()], NOW, None);
    assert_eq!(verdict, Ok(()));

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
fn the_search_is_bounded() {
    let root = Authority::root(ca("root"));
    let verdict = |name: fn(usize) -> String| {
        let mut bundle = root.certificate.pem();
        let mut last = None;
        for number in 0..101 {
            let inter = root.below(ca(&name(number)));
            bundle.push_str(&inter.certificate.pem());
            last = Some(inter);
        }
        let authorities = ClientAuthorities::from_pem(&bundle).expect("one anchor");
        assert_eq!(authorities.intermediates(), 101);
        let leaf = last.expect("the last of them").leaf(&named("leaf"));
        authorities.verify(&leaf, &[], NOW, None)
    };
    assert_eq!(verdict(|number| format!("inter {number}")), Ok(()));
    // A hundred keys under one name are more than are tried.
    let spent = ChainError::Other("MaximumSignatureChecksExceeded".into());
    assert_eq!(verdict(|_| "inter".into()), Err(spent));
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
