//! Fills `fuzz/corpus` from the fixtures: what the fuzzers start from.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

type Seeds = BTreeSet<Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fuzz = own.parent().ok_or("this package lies in fuzz/")?;
    let fixtures = fuzz.join("../tests/fixtures");
    let (names, strings) = corpus(&fixtures.join("dn-corpus.jsonl"))?;
    let pki = pki(&fixtures.join("captures/pki"))?;
    let heads = heads(&fixtures.join("captures"))?;
    let mut headers = captured(&fixtures.join("captures"))?;
    headers.extend(spellings(&pki));
    for (target, seeds) in [
        ("front", heads),
        ("header_value", headers),
        ("dn_string", strings),
        ("der_name", names),
        ("certificate", certificates(&pki)),
        ("form", lines(include_str!("../form.txt"))),
        ("authorize", lines(include_str!("../authorize.txt"))),
        ("jwt", tokens(&fuzz.join("fixed"), &pki)?),
        ("clients_json", registrations(&pki)),
        ("fastcgi", questions(&pki)),
    ] {
        let directory = fuzz.join("corpus").join(target);
        fs::create_dir_all(&directory)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:03}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}

fn lines(text: &str) -> Seeds {
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// The subjects and the registered strings of the corpus of names.
fn corpus(path: &Path) -> Result<(Seeds, Seeds), Box<dyn Error>> {
    let (mut names, mut strings) = (Seeds::new(), Seeds::new());
    for line in fs::read_to_string(path)?.lines() {
        let case: Value = serde_json::from_str(line)?;
        let text = |key: &str| case[key].as_str().ok_or("a string of the corpus");
        names.insert(STANDARD.decode(text("cert_subject_der_b64")?)?);
        strings.insert(text("registered_dn_string")?.as_bytes().to_vec());
    }
    Ok((names, strings))
}

/// Every header value of the captures.
fn captured(directory: &Path) -> Result<Seeds, Box<dyn Error>> {
    let mut seeds = Seeds::new();
    for path in files(directory, "http")?
        .into_iter()
        .chain(files(&directory.join("documented"), "http")?)
    {
        let request = fs::read(path)?;
        for line in request.split(|octet| *octet == b'\n').skip(1) {
            if let Some(colon) = line.iter().position(|octet| *octet == b':') {
                seeds.insert(line[colon + 1..].trim_ascii().to_vec());
            }
        }
    }
    Ok(seeds)
}

/// The header lines of each capture, which Apache's and nginx's configurations name as `front` does.
fn heads(directory: &Path) -> Result<Seeds, Box<dyn Error>> {
    let mut seeds = Seeds::new();
    for path in files(directory, "http")? {
        let request = String::from_utf8_lossy(&fs::read(path)?)
            .replace("X-SSL-Client-Cert:", "X-ClientCert:");
        let lines: Vec<&str> = request
            .lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .collect();
        seeds.insert(lines.join("\n").into_bytes());
    }
    Ok(seeds)
}

/// The PEM of each certificate, by the name of its file.
fn pki(directory: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut found = Vec::new();
    for path in files(directory, "crt")? {
        let text = fs::read_to_string(&path)?;
        let start = text.find("-----BEGIN").ok_or("a PEM file")?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        found.push((name, text[start..].to_owned()));
    }
    Ok(found)
}

/// What Apache asks with each certificate, in one record and in small ones, with and without a body.
fn questions(pki: &[(String, String)]) -> Seeds {
    let record = |kind: u8, content: &[u8]| {
        let mut record = vec![1, kind, 0, 1];
        record.extend(u16::try_from(content.len()).unwrap_or(0).to_be_bytes());
        record.extend([0, 0]);
        record.extend(content);
        record
    };
    let begin = record(1, &[0, 2, 1, 0, 0, 0, 0, 0]);
    let mut seeds = Seeds::from([
        record(9, b"\x0e\x00FCGI_MAX_CONNS\x0f\x00FCGI_MPXS_CONNS"),
        [begin.clone(), record(2, b"")].concat(),
    ]);
    let small = |pem: &&(String, String)| pem.1.len() < 3_000;
    for (_, pem) in pki.iter().filter(small) {
        let mut stream = Vec::new();
        for (name, value) in [
            ("GATE_NAME", "orders"),
            ("GATE_CLIENT_CERT", pem.as_str()),
            ("GATE_CLIENT_VERIFY", "SUCCESS"),
            ("HTTP_AUTHORIZATION", "Bearer a.b.c"),
            ("QUERY_STRING", "a=b"),
            ("REQUEST_URI", "/orders?a=b"),
        ] {
            for text in [name, value] {
                let length = u32::try_from(text.len()).unwrap_or(0);
                stream.extend((length | 0x8000_0000).to_be_bytes());
            }
            stream.extend([name, value].concat().bytes());
        }
        for octets in [stream.len(), 100] {
            let params = stream.chunks(octets).flat_map(|piece| record(4, piece));
            let asked = [begin.clone(), params.collect(), record(4, b"")].concat();
            seeds.insert([asked.clone(), record(5, b"body"), asked.clone()].concat());
            seeds.insert(asked);
        }
    }
    seeds
}

fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The base64 between the lines of PEM.
fn base64(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

fn escaped(pem: &str) -> String {
    pem.bytes().fold(String::new(), |mut all, octet| {
        if octet.is_ascii_alphanumeric() || octet == b'-' {
            all.push(char::from(octet));
        } else {
            let _ = write!(all, "%{octet:02X}");
        }
        all
    })
}

/// The smaller certificates in every encoding, alone and in pairs.
fn spellings(pki: &[(String, String)]) -> Seeds {
    let mut seeds = Seeds::new();
    let issuer = pki.iter().find(|(name, _)| name == "inter");
    let issuer = issuer.map_or("", |(_, pem)| pem);
    for (_, pem) in pki {
        let (der, escape, both) = (base64(pem), escaped(pem), [pem, issuer].concat());
        for value in [
            pem.clone(),
            both.replace('\n', " "),
            escape.clone(),
            escaped(&both),
            STANDARD.encode(pem),
            STANDARD.encode(&both),
            format!(":{der}:"),
            format!(":{der}:, :{}:\n:{der}:", base64(issuer)),
            format!("{der},{}", base64(issuer)),
            format!(
                "By=a;Hash=b;Subject=\"CN=a\\\"\";Cert=\"{escape}\";Chain=\"{}\"",
                escaped(&both)
            ),
        ] {
            seeds.insert(value.into_bytes());
        }
    }
    seeds
}

/// Each certificate alone, and with the intermediate and the root behind it.
fn certificates(pki: &[(String, String)]) -> Seeds {
    let der = |pem: &str| STANDARD.decode(base64(pem)).unwrap_or_default();
    let issuers = pki
        .iter()
        .filter(|(name, _)| name == "inter" || name == "ca");
    let issuers: Vec<u8> = issuers.flat_map(|(_, pem)| der(pem)).collect();
    let chain = |leaf: Vec<u8>| [leaf, issuers.clone()].concat();
    let alone = pki.iter().map(|(_, pem)| der(pem));
    alone.clone().chain(alone.map(chain)).collect()
}

/// The fixed tokens, each with the fixed keys, and with keys that carry certificates.
fn tokens(fixed: &Path, pki: &[(String, String)]) -> Result<Seeds, Box<dyn Error>> {
    let keys = fs::read_to_string(fixed.join("jwks.json"))?;
    let mut seeds = Seeds::new();
    for token in fs::read_to_string(fixed.join("tokens.txt"))?.lines() {
        seeds.insert(token.as_bytes().to_vec());
        seeds.insert(format!("{token}\n{keys}").into_bytes());
    }
    for (_, pem) in pki.iter().filter(|(_, pem)| pem.len() < 2000) {
        let jwk = format!("{{\"kty\":\"EC\",\"x5c\":[\"{}\"]}}", base64(pem));
        seeds.insert(format!("e30.e30.e30\n{{\"keys\":[{jwk}]}}").into_bytes());
    }
    for claims in [
        "{\"exp\":1,\"nbf\":2.5,\"iat\":1e9,\"aud\":[\"a\",\"b\"],\"iss\":\"i\"}",
        "{\"exp\":-1,\"aud\":\"a\",\"x\":{\"y\":[null,true]}}",
    ] {
        seeds.insert(format!("a.b.c\n{claims}").into_bytes());
    }
    Ok(seeds)
}

/// The registrations of `clients.jsonl`, alone and together; `@PEM@` and `@DER@` stand for a certificate.
fn registrations(pki: &[(String, String)]) -> Seeds {
    let pem = pki
        .iter()
        .find(|(name, _)| name == "ca")
        .map_or("", |(_, pem)| pem);
    let text = include_str!("../clients.jsonl")
        .replace("@PEM@", &pem.replace('\n', "\\n"))
        .replace("@DER@", &base64(pem));
    let mut seeds: Seeds = text
        .lines()
        .map(|one| format!("[{one}]\n").into_bytes())
        .collect();
    let all: Vec<&str> = text.lines().collect();
    seeds.insert(format!("[\n{}\n]\n", all.join(",\n")).into_bytes());
    seeds
}
