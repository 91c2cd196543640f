//! How what is said about a user is signed and encrypted (OpenID Connect Registration section 2).

use super::super::Contradiction;
use super::super::metadata::Metadata;
use super::Known;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::jwe::{self, ContentEncryption, Encryption, KeyManagement};

/// How ID tokens are signed. OpenID Connect makes RS256 the default, which FAPI 2.0 section 5.4.1 does not
/// have: there it is the other signature by an RSA key.
pub(super) fn id_token_alg(known: &Known<'_>, wrong: &mut Vec<Contradiction>) -> SigningAlgorithm {
    const MEMBER: &str = "id_token_signed_response_alg";
    let written = known.metadata.id_token_signed_response_alg.as_deref();
    let default = if known.profile.is_fapi2() {
        SigningAlgorithm::Ps256
    } else {
        SigningAlgorithm::Rs256
    };
    signature(MEMBER, written, wrong).unwrap_or(default)
}

/// How userinfo answers are signed, if they are.
pub(super) fn userinfo_alg(
    metadata: &Metadata,
    wrong: &mut Vec<Contradiction>,
) -> Option<SigningAlgorithm> {
    const MEMBER: &str = "userinfo_signed_response_alg";
    signature(
        MEMBER,
        metadata.userinfo_signed_response_alg.as_deref(),
        wrong,
    )
}

/// How ID tokens are encrypted, if they are.
pub(super) fn id_token_encryption(
    metadata: &Metadata,
    wrong: &mut Vec<Contradiction>,
) -> Option<Encryption> {
    let members = (
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
    );
    let written = (
        metadata.id_token_encrypted_response_alg.as_deref(),
        metadata.id_token_encrypted_response_enc.as_deref(),
    );
    encryption(members, written, metadata, wrong)
}

/// How userinfo answers are encrypted, if they are.
pub(super) fn userinfo_encryption(
    metadata: &Metadata,
    wrong: &mut Vec<Contradiction>,
) -> Option<Encryption> {
    let members = (
        "userinfo_encrypted_response_alg",
        "userinfo_encrypted_response_enc",
    );
    let written = (
        metadata.userinfo_encrypted_response_alg.as_deref(),
        metadata.userinfo_encrypted_response_enc.as_deref(),
    );
    encryption(members, written, metadata, wrong)
}

fn signature(
    member: &'static str,
    written: Option<&str>,
    wrong: &mut Vec<Contradiction>,
) -> Option<SigningAlgorithm> {
    let name = written?;
    let read = name.parse().ok();
    if read.is_none() {
        let why = match name {
            "none" => "without a signature anybody could have written it".to_owned(),
            "HS256" | "HS384" | "HS512" => {
                format!("{name} would need the client's secret, of which only a digest is kept")
            }
            _ => format!("{name:?} is not known"),
        };
        wrong.push(Contradiction::new(
            member,
            format!("{why}; write RS256, PS256, ES256 or EdDSA"),
        ));
    }
    read
}

/// `alg` and `enc`, the second with its default; and a key of the client's for it.
fn encryption(
    members: (&'static str, &'static str),
    written: (Option<&str>, Option<&str>),
    metadata: &Metadata,
    wrong: &mut Vec<Contradiction>,
) -> Option<Encryption> {
    let Some(alg) = written.0 else {
        if written.1.is_some() {
            wrong.push(Contradiction::new(
                members.1,
                format!("{} is missing, so that nothing is encrypted; write it as well, or take this out", members.0),
            ));
        }
        return None;
    };
    let names = |all: Vec<&str>| all.join(", ");
    let read: Option<KeyManagement> = alg.parse().ok();
    if read.is_none() {
        let known = names(KeyManagement::ALL.iter().map(|alg| alg.name()).collect());
        wrong.push(Contradiction::new(
            members.0,
            format!("{alg:?} is not known; write one of {known}"),
        ));
    }
    let enc: Option<ContentEncryption> = written
        .1
        .map_or(Some(ContentEncryption::default()), |enc| enc.parse().ok());
    if enc.is_none() {
        let known = names(
            ContentEncryption::ALL
                .iter()
                .map(|enc| enc.name())
                .collect(),
        );
        wrong.push(Contradiction::new(
            members.1,
            format!("it is not known; write one of {known}"),
        ));
    }
    let (alg, enc) = (read?, enc?);
    match (&metadata.jwks, &metadata.jwks_uri) {
        (Some(jwks), _) => {
            if let Some(why) = jwe::unfit(jwks, alg) {
                wrong.push(Contradiction::new(members.0, why));
            }
        }
        (None, Some(_)) => {}
        (None, None) => wrong.push(Contradiction::new(
            members.0,
            "there is no key of the client's to encrypt to; write jwks with one, or jwks_uri",
        )),
    }
    Some(Encryption { alg, enc })
}
