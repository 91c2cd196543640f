//! A certificate as somebody gives it to a command: a PEM or DER file, or a header value as it was
//! captured.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, ValueHint, value_parser};

use crate::cert::ClientCertificate;
use crate::proxy::presented::Presented;
use crate::proxy::{Decoded, Encoding, MAX_CHAIN, ProxyError};

/// The most that is read: octets.
const LARGEST: u64 = 1 << 20;

/// A certificate, and how it was written.
pub(super) struct Given {
    /// The certificate itself, or the first of several.
    pub(super) certificate: ClientCertificate,
    /// The others: DER octets.
    pub(super) chain: Vec<Vec<u8>>,
    /// How they were written.
    pub(super) form: Form,
}

/// How a certificate was written.
pub(super) enum Form {
    /// DER octets.
    Der,
    /// PEM with newlines, as files have it.
    Pem,
    /// What a web server forwards.
    Header {
        /// As what it can be read.
        encoding: Encoding,
        /// The value itself.
        value: Vec<u8>,
    },
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der => f.write_str("DER"),
            Self::Pem => f.write_str("PEM"),
            Self::Header { encoding, .. } => write!(f, "a header value, {encoding}"),
        }
    }
}

/// Why there is no certificate.
#[derive(Debug)]
pub(super) enum NotGiven {
    /// The file cannot be read: the whole story.
    Unreadable(String),
    /// The value says that there is no certificate: the value.
    Absent(String),
    /// There is something else: what is wrong with it.
    Malformed(String),
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Malformed(why) => f.write_str(why),
            Self::Absent(value) if value.is_empty() => f.write_str(
                "it is empty, which is no certificate: a web server forwards that where the client sent none",
            ),
            Self::Absent(value) => write!(
                f,
                "{value:?} is no certificate: a web server forwards that where the client sent none"
            ),
        }
    }
}

/// The argument that names the file.
pub(super) fn argument() -> Arg {
    Arg::new("file")
        .value_name("F")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .help("A certificate: PEM, DER, or a header value as captured; - for standard input")
}

/// The file named.
pub(super) fn named(matches: &ArgMatches) -> PathBuf {
    matches
        .get_one::<PathBuf>("file")
        .cloned()
        .unwrap_or_default()
}

impl Given {
    /// Reads that file, or standard input for `-`.
    pub(super) fn read(path: &Path) -> Result<Self, NotGiven> {
        Self::from_octets(octets(path)?)
    }

    /// The same for whoever can do with one certificate only. What a header brings beside the leaf is no
    /// matter: the header says which one is the leaf, and a file does not.
    pub(super) fn read_one(path: &Path) -> Result<Self, NotGiven> {
        let given = Self::read(path)?;
        match given.form {
            Form::Pem if !given.chain.is_empty() => Err(NotGiven::Malformed(format!(
                "it holds {} certificates, and one is wanted: write the client's own into a file by itself",
                given.chain.len() + 1
            ))),
            _ => Ok(given),
        }
    }

    /// Why `serve` would not read a captured value as it was read here.
    pub(super) fn misread(&self, configured: Encoding) -> Option<String> {
        let Form::Header { encoding, value } = &self.form else {
            return None;
        };
        let error = configured.decode(value).err()?;
        Some(format!(
            "with --client-cert-encoding {configured} this is 400 invalid_request at every path: {error}; write --client-cert-encoding {encoding} if this is what the web server forwards"
        ))
    }

    /// As if a trusted web server had forwarded and verified it.
    pub(super) fn supposed(self) -> Presented {
        let encoding = match self.form {
            Form::Header { encoding, .. } => encoding,
            Form::Der | Form::Pem => Encoding::AUTO,
        };
        Presented::supposed(self.certificate, self.chain, encoding)
    }

    fn from_octets(octets: Vec<u8>) -> Result<Self, NotGiven> {
        let malformed = |error: &dyn fmt::Display| NotGiven::Malformed(error.to_string());
        // SEQUENCE: what every certificate begins with, and no header value.
        if octets.starts_with(&[0x30]) {
            return Ok(Self {
                certificate: ClientCertificate::from_der(octets).map_err(|e| malformed(&e))?,
                chain: Vec::new(),
                form: Form::Der,
            });
        }
        if is_pem_file(&octets) {
            let text = String::from_utf8_lossy(&octets);
            let mut all = ClientCertificate::bundle_from_pem(&text)
                .map_err(|e| malformed(&e))?
                .into_iter();
            let certificate = all.next().ok_or_else(|| malformed(&"there is none"))?;
            let chain: Vec<_> = all.map(|other| other.der().to_vec()).collect();
            if chain.len() > MAX_CHAIN {
                return Err(NotGiven::Malformed(format!(
                    "{} certificates follow the first one: {MAX_CHAIN} intermediates are the most that is read",
                    chain.len()
                )));
            }
            return Ok(Self {
                certificate,
                chain,
                form: Form::Pem,
            });
        }
        let value = octets.trim_ascii().to_vec();
        let (decoded, encoding) = header(&value)?;
        Ok(Self {
            certificate: ClientCertificate::from_der(decoded.leaf).map_err(|e| malformed(&e))?,
            chain: decoded.chain,
            form: Form::Header { encoding, value },
        })
    }
}

fn octets(path: &Path) -> Result<Vec<u8>, NotGiven> {
    let mut octets = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut octets)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut octets))
    };
    let unreadable = |why: &dyn fmt::Display| {
        NotGiven::Unreadable(format!(
            "it cannot be read: {why}; name a file, or - for standard input"
        ))
    };
    match read {
        Err(error) => Err(unreadable(&error)),
        Ok(length) if length as u64 > LARGEST => Err(unreadable(&"it is larger than 1 MiB")),
        Ok(_) => Ok(octets),
    }
}

/// Whether it is PEM as files have it, on several lines: a header value has one.
fn is_pem_file(octets: &[u8]) -> bool {
    let text = octets.trim_ascii();
    text.iter().any(|octet| matches!(octet, b'\n' | b'\r'))
        && text.windows(11).any(|part| part == b"-----BEGIN ")
}

/// Reads a header value: as `auto` does, and a comma list as Traefik writes it.
fn header(value: &[u8]) -> Result<(Decoded, Encoding), NotGiven> {
    let auto = Encoding::AUTO.decode_as(value);
    let list = matches!(auto, Err(ProxyError::List));
    let read = match "traefik".parse::<Encoding>() {
        Ok(traefik) if list && value.starts_with(b"MI") => traefik.decode_as(value),
        _ => auto,
    };
    match read {
        Ok(Some(read)) => Ok(read),
        Ok(None) => Err(NotGiven::Absent(shown(value))),
        Err(error) => Err(NotGiven::Malformed(format!(
            "{error}{}",
            hint(value, &error)
        ))),
    }
}

/// What somebody who copied a value most likely did wrong.
fn hint(value: &[u8], error: &ProxyError) -> &'static str {
    let name = value.iter().position(|octet| *octet == b':').unwrap_or(0);
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if name > 0 && value[..name].iter().all(is_name) {
        "; leave the header's name and the colon out"
    } else if *error == ProxyError::Unrecognised {
        "; neither PEM nor DER, nor the value of a certificate header"
    } else if value.iter().any(|octet| matches!(octet, b'\n' | b'\r')) {
        "; a header value is one line"
    } else {
        ""
    }
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(80).collect()
}
