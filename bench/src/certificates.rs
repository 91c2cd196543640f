//! Many certificates of one CA: one key, but each with a subject and a serial number of its own.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, DnValue, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

use super::Outcome;

/// Writes the CA as PEM, and each certificate as the value of a header, one a line. All of them have the
/// alternative name `fresh.example.com`, by which one registration knows them.
pub fn write(number: u64, authority: &str, file: &str) -> Outcome {
    let mut params = named("Bench CA of many")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    std::fs::write(authority, params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);

    // As long as the other clients' certificates: RSA, names of the same kinds, and a comment (an IA5String) for
    // whatever else they have.
    let comment = "Issued for machines under the policy of the Example Bank. ".repeat(9);
    let length = u16::try_from(comment.len())?.to_be_bytes();
    let comment = [&[0x16, 0x82], &length[..], comment.as_bytes()].concat();
    let comment = CustomExtension::from_oid_content(&[2, 16, 840, 1, 113_730, 1, 13], comment);
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut file = BufWriter::new(File::create(file)?);
    for serial in 1..=number {
        let mut params = named(&format!("fresh-{serial}"))?;
        params.serial_number = Some(serial.into());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![comment.clone()];
        let pem = params.signed_by(&key, &issuer)?.pem();
        writeln!(file, "{}", escaped(&pem))?;
    }
    Ok(file.flush()?)
}

fn named(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(["fresh.example.com".to_owned()])?;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    let country = DnValue::PrintableString("NO".try_into()?);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, country);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example Bank");
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// Percent-encoded, as web servers forward a certificate.
fn escaped(pem: &str) -> String {
    let mut text = String::with_capacity(2 * pem.len());
    for octet in pem.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet) {
            text.push(octet.into());
        } else {
            write!(text, "%{octet:02X}").expect("a string takes everything");
        }
    }
    text
}
