//! Certificates and revocation lists in files, as PEM (RFC 7468).
//!
//! Text around the blocks is passed over, as `openssl` writes some; a block is taken whole or the
//! file is refused.

use std::fmt;

/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a certificate revocation list.
pub const REVOCATION_LIST: &str = "X509 CRL";

/// The one block of that label, and no other block.
pub fn one(text: &str, label: &'static str) -> Result<Vec<u8>, PemError> {
    let mut blocks = many(text, label)?;
    match blocks.len() {
        1 => Ok(blocks.remove(0)),
        count => Err(PemError::NotOne(count)),
    }
}

/// All blocks, of which there is one at least, and each has that label.
pub fn many(text: &str, label: &'static str) -> Result<Vec<Vec<u8>>, PemError> {
    let blocks = ::pem::parse_many(text).map_err(|_| PemError::Malformed)?;
    // What the parser takes for text around a block may be a block that it could not read.
    if text.matches("-----BEGIN").count() != blocks.len() {
        return Err(PemError::Malformed);
    }
    if blocks.is_empty() {
        return Err(PemError::Nothing(label));
    }
    blocks
        .into_iter()
        .map(|block| {
            if block.tag() != label {
                let found = block.tag().chars().take(40).collect();
                return Err(PemError::Label {
                    found,
                    wanted: label,
                });
            }
            if block.headers().iter().next().is_some() {
                return Err(PemError::Headers);
            }
            Ok(block.into_contents())
        })
        .collect()
}

/// What is wrong with a PEM text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemError {
    /// A block is cut short, or its base64 is wrong.
    Malformed,
    /// No block of the wanted label.
    Nothing(&'static str),
    /// So many blocks where one is wanted.
    NotOne(usize),
    /// A block of another label.
    Label {
        /// The label it has.
        found: String,
        /// The label that is wanted.
        wanted: &'static str,
    },
    /// Headers inside a block (RFC 1421), which RFC 7468 does not have.
    Headers,
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("a PEM block is cut short or its base64 is wrong"),
            Self::Nothing(label) => {
                write!(f, "no PEM block: one with the label {label} is wanted")
            }
            Self::NotOne(count) => write!(f, "{count} PEM blocks where one is wanted"),
            Self::Label { found, wanted } => write!(
                f,
                "a PEM block of the label {found:?}: only {wanted} blocks belong here"
            ),
            Self::Headers => f.write_str("a PEM block with headers: leave the headers out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_and_nothing_else() {
        let block = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
        let other = "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n";
        let headers = block.replace("\nAA", "\nProc-Type: 4\n\nAA");
        for (text, result) in [
            (block.to_owned(), Ok(vec![0, 1, 2])),
            (format!("subject=CN = a\n{block}\n"), Ok(vec![0, 1, 2])),
            (block.replace('\n', "\r\n"), Ok(vec![0, 1, 2])),
            (String::new(), Err(PemError::Nothing(CERTIFICATE))),
            (block.repeat(2), Err(PemError::NotOne(2))),
            (headers, Err(PemError::Headers)),
            (block.replace("AAEC", "AAE"), Err(PemError::Malformed)),
            (
                block.replace("-----END", "----END"),
                Err(PemError::Malformed),
            ),
            (
                format!("{block}{other}"),
                Err(PemError::Label {
                    found: "PRIVATE KEY".into(),
                    wanted: CERTIFICATE,
                }),
            ),
        ] {
            assert_eq!(one(&text, CERTIFICATE), result, "{text}");
        }
        assert_eq!(
            many(&block.repeat(3), CERTIFICATE).map(|all| all.len()),
            Ok(3)
        );
    }
}
