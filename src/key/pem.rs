//! A signing key in a file: PKCS#8 in PEM, with its dates in the lines before it (RFC 5958, RFC 7468).
//!
//! RFC 7468 section 2 lets explanatory text stand before a block, so other programs read the file too:
//!
//! ```text
//! Algorithm: ES256
//! Created: 2027-01-01T00:00:00Z
//! Active-From: 2027-01-02T00:00:00Z
//! Retire-At: 2027-07-01T00:00:00Z
//! -----BEGIN PRIVATE KEY-----
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::algorithm::SigningAlgorithm;
use super::error::KeyError;
use crate::oauth::time::Timestamp;

/// Octets of a key file, at most; RSA with 8192 bits takes less than a quarter.
const MAX_OCTETS: usize = 32 * 1024;
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
const LINE: usize = 64;

/// What a key file says.
pub(super) struct KeyFile {
    pub(super) algorithm: Option<SigningAlgorithm>,
    pub(super) created: Option<Timestamp>,
    pub(super) active_from: Option<Timestamp>,
    pub(super) retire_at: Option<Timestamp>,
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
}

impl KeyFile {
    /// Reads the lines before the block and the block; nothing may follow.
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_OCTETS {
            return Err(KeyError::Pem("it is larger than 32 KiB"));
        }
        let Some((preamble, rest)) = text.split_once(BEGIN) else {
            return Err(another_form(text));
        };
        let (body, after) = rest.split_once(END).ok_or(KeyError::Pem(
            "the line `-----END PRIVATE KEY-----` is missing",
        ))?;
        if preamble.contains("-----BEGIN ") || !after.trim().is_empty() {
            return Err(KeyError::Pem(
                "there is more in it than one private key: give each key a file of its own",
            ));
        }
        let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
        base64.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let pkcs8 = STANDARD
            .decode(base64.as_bytes())
            .map_err(|_| KeyError::Pem("what is between BEGIN and END is not base64"))?;
        let mut file = Self {
            algorithm: None,
            created: None,
            active_from: None,
            retire_at: None,
            pkcs8: Zeroizing::new(pkcs8),
        };
        for line in preamble.lines() {
            if let Some((name, value)) = line.split_once(':') {
                file.note(name.trim(), value.trim())?;
            }
        }
        Ok(file)
    }

    /// Takes one line of the preamble. Names that are not ours are explanatory text.
    fn note(&mut self, name: &str, value: &str) -> Result<(), KeyError> {
        if name.eq_ignore_ascii_case("Algorithm") {
            let algorithm = value.parse().map_err(|_| {
                KeyError::Preamble("Algorithm is to be ES256, RS256, PS256 or EdDSA")
            })?;
            return once(&mut self.algorithm, algorithm);
        }
        let place = if name.eq_ignore_ascii_case("Created") {
            &mut self.created
        } else if name.eq_ignore_ascii_case("Active-From") {
            &mut self.active_from
        } else if name.eq_ignore_ascii_case("Retire-At") {
            &mut self.retire_at
        } else {
            return Ok(());
        };
        let time = value.parse().map_err(|_| {
            KeyError::Preamble("a time is to be written as 2027-03-01T00:00:00Z (RFC 3339)")
        })?;
        once(place, time)
    }

    /// The file's text.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let base64 = Zeroizing::new(STANDARD.encode(self.pkcs8.as_slice()));
        // Room for all of it, so that no half-written copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(base64.len() / LINE * 65 + 512));
        if let Some(algorithm) = self.algorithm {
            text.extend(["Algorithm: ", algorithm.name(), "\n"]);
        }
        for (name, time) in [
            ("Created: ", self.created),
            ("Active-From: ", self.active_from),
            ("Retire-At: ", self.retire_at),
        ] {
            if let Some(time) = time {
                text.extend([name, &time.to_string(), "\n"]);
            }
        }
        text.extend([BEGIN, "\n"]);
        for (at, character) in base64.chars().enumerate() {
            if at > 0 && at % LINE == 0 {
                text.push('\n');
            }
            text.push(character);
        }
        text.extend(["\n", END, "\n"]);
        text
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), KeyError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(KeyError::Preamble("one of them is there twice")),
    }
}

/// Says what to do with a key that is there, but not as PKCS#8 in the clear.
fn another_form(text: &str) -> KeyError {
    for (label, form) in [
        ("ENCRYPTED PRIVATE KEY", "encrypted PKCS#8"),
        ("RSA PRIVATE KEY", "PKCS#1 (RSA PRIVATE KEY)"),
        ("EC PRIVATE KEY", "SEC1 (EC PRIVATE KEY)"),
    ] {
        if text.contains(&format!("-----BEGIN {label}-----")) {
            return KeyError::NotPkcs8(form);
        }
    }
    if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return KeyError::Pem("it is an SSH key: make one with `certbound keys generate`");
    }
    KeyError::Pem("the line `-----BEGIN PRIVATE KEY-----` is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<KeyFile, KeyError> {
        KeyFile::parse(text)
    }

    #[test]
    fn both_ways() {
        let file = KeyFile {
            algorithm: Some(SigningAlgorithm::Ps256),
            created: Some(Timestamp::from_unix(1)),
            active_from: Some(Timestamp::from_unix(2)),
            retire_at: Some(Timestamp::from_unix(1_900_000_000)),
            pkcs8: Zeroizing::new(vec![7; 100]),
        };
        let text = file.to_text();
        assert!(text.contains("\nActive-From: 1970-01-01T00:00:02Z\n"));
        assert!(text.lines().all(|line| line.len() <= LINE));
        for text in [text.to_string(), text.replace('\n', "\r\n")] {
            let read = parse(&text).expect("what was written");
            assert_eq!(read.algorithm, file.algorithm);
            assert_eq!(read.created, file.created);
            assert_eq!(read.active_from, file.active_from);
            assert_eq!(read.retire_at, file.retire_at);
            assert_eq!(read.pkcs8, file.pkcs8);
        }
    }

    #[test]
    fn preambles() {
        let block = format!("{BEGIN}\nAAAA\n{END}\n");
        let plain = parse(&block).expect("no preamble");
        assert_eq!((plain.algorithm, plain.created), (None, None));
        let text = format!("Bag Attributes\n    localKeyID: 01\nalgorithm:EdDSA\n\n{block}");
        let read = parse(&text).expect("explanatory text");
        assert_eq!(read.algorithm, Some(SigningAlgorithm::EdDsa));
        for wrong in [
            "Algorithm: HS256",
            "Algorithm: ES384",
            "Algorithm:",
            "Created: today",
            "Created: 2027-01-01T00:00:00Z\nCreated: 2027-01-01T00:00:00Z",
        ] {
            let refused = parse(&format!("{wrong}\n{block}")).err();
            assert!(matches!(refused, Some(KeyError::Preamble(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_key_file() {
        let block = format!("{BEGIN}\nAAAA\n{END}\n");
        for label in ["ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let text = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
            let error = parse(&text).err().expect("another form");
            assert!(
                error
                    .to_string()
                    .contains("openssl pkcs8 -topk8 -nocrypt -in"),
                "{label}"
            );
        }
        for text in [
            String::new(),
            "AAAA".to_owned(),
            format!("{BEGIN}\nAAAA\n"),
            format!("{BEGIN}\nA*AA\n{END}\n"),
            format!("{block}{block}"),
            format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{block}"),
            format!("{}{block}", " ".repeat(MAX_OCTETS)),
        ] {
            let refused = parse(&text).err();
            assert!(matches!(refused, Some(KeyError::Pem(_))), "{text:.40}");
        }
    }
}
