//! Encryption of tokens to clients: compact JWE (RFC 7516 section 5.1).
//!
//! Nothing here decrypts, and the server has no private keys to decrypt with: whoever sends it a JWE gets the
//! same refusal whatever is in it, so that there is no oracle for any padding (RFC 8725 section 3.2).

mod algorithm;
mod choice;
mod content;
mod recipient;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

pub use algorithm::{ContentEncryption, Encryption, KeyManagement, NotEncryption};
pub use choice::unfit;
pub use recipient::EncryptionKey;

use super::error::KeyError;
use recipient::EphemeralPublicKey;

/// Encrypts a signed JWT: a nested one (RFC 7519 section 5.2), which has always been signed first.
///
/// # Errors
/// As [`encrypt`].
pub fn nested(jws: &str, to: &EncryptionKey, encryption: Encryption) -> Result<String, KeyError> {
    encrypt(jws.as_bytes(), Some("JWT"), to, encryption)
}

/// Encrypts octets to the owner of that key, each time with a fresh content encryption key, initialization
/// vector and ephemeral key; gives the compact serialization, whose header has the key's `kid` if it has one.
///
/// `cty` says what the content is: `JWT` for a nested JWT (RFC 7519 section 5.2).
///
/// # Errors
/// The key was chosen for another `alg`, or the library fails.
pub fn encrypt(
    content: &[u8],
    cty: Option<&str>,
    to: &EncryptionKey,
    encryption: Encryption,
) -> Result<String, KeyError> {
    let Encryption { alg, enc } = encryption;
    if to.alg() != alg {
        return Err(KeyError::NotChosenFor(alg));
    }
    let conveyed = to.convey(enc)?;
    let header = Header {
        alg: alg.name(),
        enc: enc.name(),
        kid: to.kid(),
        cty,
        epk: conveyed.epk,
    };
    let header = serde_json::to_vec(&header).map_err(|_| KeyError::Failed)?;
    let mut compact = URL_SAFE_NO_PAD.encode(header);
    let sealed = content::sealed(enc, &conveyed.cek, compact.as_bytes(), content)?;
    let parts = [
        conveyed.encrypted_key,
        sealed.iv,
        sealed.ciphertext,
        sealed.tag,
    ];
    compact.reserve(parts.iter().map(|part| part.len() * 4 / 3 + 3).sum());
    for part in parts {
        compact.push('.');
        URL_SAFE_NO_PAD.encode_string(part, &mut compact);
    }
    Ok(compact)
}

/// The protected header.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    enc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cty: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<EphemeralPublicKey>,
}

#[cfg(test)]
mod tests;
