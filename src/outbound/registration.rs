//! certbound's own registration at another issuer, as a file has it (RFC 7591 sections 2 and 3.2.1).

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cert::pem;
use crate::client::metadata::MEMBERS;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::json;
use crate::key::set::ManagedKey;
use crate::key::signing::SigningKey;
use crate::oauth::ClientId;
use crate::oauth::nearest::nearest;
use crate::oauth::secret::Secret;
use crate::outbound::identity::Identity;
use crate::outbound::introspection::{IntrospectionClient, Method};

/// Octets of a registration or of a file that it names, at most.
const MAX_OCTETS: usize = 64 * 1024;
/// Octets of a secret or a `kid`, at most.
const MAX_TEXT: usize = 4096;
/// Certificates in one chain, at most.
const MAX_CHAIN: usize = 16;

const SECRET: &str = "client_secret";
const SECRET_FILE: &str = "client_secret_file";
const KEY_FILE: &str = "private_key_file";
const CERTIFICATE_FILE: &str = "certificate_file";
const KID: &str = "kid";
const ALGORITHM: &str = "token_endpoint_auth_signing_alg";
const METHOD: &str = "token_endpoint_auth_method";

/// The members that only a registration of this kind has.
const OWN: &[&str] = &[SECRET_FILE, KEY_FILE, CERTIFICATE_FILE, KID];
/// RFC 7591 section 2.3 and RFC 7592 section 3: members of a registration that the server made. They
/// do not matter here.
const RECEIVED: &[&str] = &[
    "registration_access_token",
    "registration_client_uri",
    "software_statement",
];
/// The methods, each with the credentials that it takes.
const METHODS: &[(&str, &[&str])] = &[
    ("client_secret_basic", &[SECRET, SECRET_FILE]),
    ("client_secret_post", &[SECRET, SECRET_FILE]),
    ("private_key_jwt", &[KEY_FILE, KID]),
    ("tls_client_auth", &[CERTIFICATE_FILE, KEY_FILE]),
    ("self_signed_tls_client_auth", &[CERTIFICATE_FILE, KEY_FILE]),
];
/// All credentials, of which a registration has those of its method and no others.
const CREDENTIALS: &[&str] = &[SECRET, SECRET_FILE, KEY_FILE, CERTIFICATE_FILE, KID];

type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Reads a registration; [`IntrospectionClient::read`] says of what form.
pub(super) fn read(text: &str, read_file: ReadFile<'_>) -> Result<IntrospectionClient, String> {
    if text.len() > MAX_OCTETS {
        return Err("the registration is larger than 64 KiB".into());
    }
    let members = json::object(text.as_bytes())
        .ok_or("the registration is to be one JSON object, no member twice")?;
    for name in members.keys() {
        check_name(name)?;
    }
    let registration = Registration { members, read_file };
    let client_id =
        registration.required("client_id", "write the identifier that certbound has there")?;
    let client_id = ClientId::parse(client_id).map_err(|error| error.to_string())?;
    let method = registration.method()?;
    Ok(IntrospectionClient { client_id, method })
}

fn check_name(name: &str) -> Result<(), String> {
    // RFC 7591 section 2.2: a language tag may follow.
    let plain = name.split('#').next().unwrap_or_default();
    let known = || MEMBERS.iter().chain(OWN).chain(RECEIVED).copied();
    if known().any(|member| member == plain) {
        return Ok(());
    }
    let shown: String = name.chars().take(64).collect();
    Err(match nearest(name, known()) {
        Some(meant) => format!("{shown:?} is not a member of a registration: write \"{meant}\""),
        None => format!("{shown:?} is not a member of a registration: leave it out"),
    })
}

struct Registration<'a> {
    members: Map<String, Value>,
    read_file: ReadFile<'a>,
}

impl Registration<'_> {
    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_TEXT => {
                Ok(Some(text))
            }
            Some(_) => Err(format!(
                "\"{name}\" is to be a string of 1 to {MAX_TEXT} octets"
            )),
        }
    }

    fn required(&self, name: &str, remedy: &str) -> Result<&str, String> {
        self.text(name)?
            .ok_or_else(|| format!("\"{name}\" is missing: {remedy}"))
    }

    fn method(&self) -> Result<Method, String> {
        let has = |name: &str| self.members.contains_key(name);
        let (name, credentials) = self.method_name()?;
        for other in CREDENTIALS {
            if has(other) && !credentials.contains(other) {
                return Err(format!(
                    "\"{other}\" is not for {name}: leave one of them out"
                ));
            }
        }
        match name {
            "client_secret_basic" => self.secret().map(Method::ClientSecretBasic),
            "client_secret_post" => self.secret().map(Method::ClientSecretPost),
            "private_key_jwt" => self.signing_key(),
            "tls_client_auth" => self.identity().map(Method::TlsClientAuth),
            _ => self.identity().map(Method::SelfSignedTlsClientAuth),
        }
    }

    /// The method that is written, or the one that the credentials leave no doubt of.
    fn method_name(&self) -> Result<(&'static str, &'static [&'static str]), String> {
        let has = |name: &str| self.members.contains_key(name);
        let method = |name: &str| METHODS.iter().find(|(known, _)| *known == name).copied();
        let names = || METHODS.iter().map(|(name, _)| *name);
        let Some(written) = self.text(METHOD)? else {
            let secret = has(SECRET) || has(SECRET_FILE);
            let usual = method("client_secret_basic").filter(|_| secret);
            return usual.ok_or_else(|| {
                let (what, meant) = if has(CERTIFICATE_FILE) {
                    (
                        "missing",
                        "\"tls_client_auth\" or \"self_signed_tls_client_auth\"",
                    )
                } else if has(KEY_FILE) {
                    ("missing", "\"private_key_jwt\"")
                } else if has("client_secret_sha256") {
                    return "a \"client_secret_sha256\" cannot be sent: give the secret itself as \
                            \"client_secret_file\""
                        .to_owned();
                } else {
                    return "there are no credentials: give \"client_secret_file\", or a \
                            \"token_endpoint_auth_method\" with what it needs"
                        .to_owned();
                };
                format!("\"{METHOD}\" is {what}: write {meant}")
            });
        };
        method(written).ok_or_else(|| {
            let meant = nearest(written, names()).map_or_else(
                || names().collect::<Vec<_>>().join(", "),
                |meant| format!("\"{meant}\""),
            );
            format!("\"{METHOD}\" is not one that is used here: write {meant}")
        })
    }

    fn secret(&self) -> Result<Secret, String> {
        const REMEDY: &str = "name the file that has the secret, as one line";
        match (self.text(SECRET)?, self.text(SECRET_FILE)?) {
            (Some(_), Some(_)) => Err(format!(
                "\"{SECRET}\" and \"{SECRET_FILE}\" are both there: leave one of them out"
            )),
            (Some(secret), None) => Ok(Secret::new(secret.to_owned())),
            (None, Some(path)) => {
                let text = self.file(SECRET_FILE, path)?;
                let secret = text.trim_ascii();
                let plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
                if secret.is_empty() || secret.len() > MAX_TEXT || !plain {
                    return Err(format!(
                        "\"{SECRET_FILE}\": {path} is to be one line of printable ASCII characters \
                         without blanks"
                    ));
                }
                Ok(Secret::new(secret.to_owned()))
            }
            (None, None) => Err(format!("\"{SECRET_FILE}\" is missing: {REMEDY}")),
        }
    }

    fn signing_key(&self) -> Result<Method, String> {
        let path = self.required(KEY_FILE, "name the file of the key, PKCS#8 in PEM")?;
        let text = self.file(KEY_FILE, path)?;
        let wrong = |error: crate::key::KeyError| format!("\"{KEY_FILE}\": {path}: {error}");
        let mut key = Arc::clone(ManagedKey::from_pem(&text).map_err(wrong)?.key());
        if let Some(algorithm) = self.text(ALGORITHM)? {
            let algorithm: SigningAlgorithm = algorithm
                .parse()
                .map_err(|_| format!("\"{ALGORITHM}\" is to be ES256, RS256, PS256 or EdDSA"))?;
            let pkcs8 = key.to_pkcs8().map_err(wrong)?;
            key = Arc::new(SigningKey::from_pkcs8(&pkcs8, Some(algorithm)).map_err(wrong)?);
        }
        let kid = self.text(KID)?.unwrap_or_else(|| key.kid()).into();
        Ok(Method::PrivateKeyJwt { key, kid })
    }

    fn identity(&self) -> Result<Identity, String> {
        let chain = self.required(
            CERTIFICATE_FILE,
            "name the file of the certificate, in PEM, those that it needs to be verified with after it",
        )?;
        let key = self.required(
            KEY_FILE,
            "name the file of the certificate's key, PKCS#8 in PEM",
        )?;
        let text = self.file(CERTIFICATE_FILE, chain)?;
        let blocks = pem::many(&text, pem::CERTIFICATE)
            .map_err(|error| format!("\"{CERTIFICATE_FILE}\": {chain}: {error}"))?;
        if blocks.len() > MAX_CHAIN {
            return Err(format!(
                "\"{CERTIFICATE_FILE}\": {chain} has more than {MAX_CHAIN} certificates"
            ));
        }
        let blocks = blocks.into_iter().map(CertificateDer::from).collect();
        let text = self.file(KEY_FILE, key)?;
        let single = text.matches("-----BEGIN ").count() == 1;
        let private = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .ok()
            .filter(|_| single)
            .ok_or_else(|| {
                format!(
                    "\"{KEY_FILE}\": {key} is to hold one private key in PEM, not encrypted, and \
                     nothing else: `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW-FILE` writes one"
                )
            })?;
        Identity::new(blocks, private)
            .map_err(|wrong| format!("\"{CERTIFICATE_FILE}\" and \"{KEY_FILE}\": {wrong}"))
    }

    fn file(&self, member: &str, path: &str) -> Result<Zeroizing<String>, String> {
        let octets = (self.read_file)(Path::new(path))
            .map(Zeroizing::new)
            .map_err(|error| format!("\"{member}\": {path} cannot be read ({error})"))?;
        if octets.len() > MAX_OCTETS {
            return Err(format!("\"{member}\": {path} is larger than 64 KiB"));
        }
        let text = std::str::from_utf8(&octets)
            .map_err(|_| format!("\"{member}\": {path} is not text"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
