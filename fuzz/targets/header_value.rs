//! A header value in every encoding, one after the other, down to the certificate in it; and the same
//! octets as the lines of a chain header.
#![no_main]

use certbound::cert::ClientCertificate;
use certbound::proxy::{Encoding, MAX_CHAIN, MAX_OCTETS, decode_chain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    for name in Encoding::names() {
        let encoding: Encoding = name.parse().expect("a name of the list");
        let Ok(Some((decoded, by))) = encoding.decode_as(value) else {
            continue;
        };
        assert!(decoded.chain.len() <= MAX_CHAIN && decoded.leaf.len() <= MAX_OCTETS);
        // What `auto` made of it, its choice makes of it as well.
        assert_eq!(by.decode(value).as_ref(), Ok(&Some(decoded.clone())));
        for der in decoded.chain.into_iter().chain([decoded.leaf]) {
            if let Ok(certificate) = ClientCertificate::from_der(der.clone()) {
                assert_eq!(certificate.der(), der);
            }
        }
    }
    let lines: Vec<&[u8]> = value.split(|octet| *octet == b'\n').collect();
    for lines in [&[value][..], &lines[..]] {
        if let Ok(chain) = decode_chain(lines) {
            assert!(chain.len() <= MAX_CHAIN);
            assert!(chain.iter().map(Vec::len).sum::<usize>() <= MAX_OCTETS);
        }
    }
});
