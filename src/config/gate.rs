//! `[gate.NAME]` of the configuration file: what a protected resource asks of those who come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::gate::session::{SHORTEST_SECRET, Sessions};
use crate::gate::{AuthMethod, Gate, GateName, ProofOfPossession, Rules};
use crate::key::KeyError;
use crate::oauth::issuer::Issuer;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::Lifetime;
use crate::user::{AcrMap, Levels};

use super::finding::{Fault, Finding, Source, shown};
use super::secret_file;
use super::upstream::{Passage, Upstream, path_prefix};
use super::value;
use table::GateValue;

mod table;

pub(super) use table::{GateWritten, tables};

/// Authentication methods that Kong's plugin knows and that present no access token, or one that nothing
/// could be proven for.
const WITHOUT_PROOF: &[&str] = &[
    "authorization_code",
    "client_credentials",
    "kong_oauth2",
    "password",
    "refresh_token",
    "userinfo",
];

/// A gate as it is configured.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Its name.
    pub name: GateName,
    /// What the bearer has to prove.
    pub proof: ProofOfPossession,
    /// How a request may be authenticated.
    pub methods: Vec<AuthMethod>,
    /// Whose tokens are taken.
    pub issuers: Vec<String>,
    /// Where the one other issuer's keys are, where it has no discovery.
    pub jwks_uri: Option<String>,
    /// Where the one other issuer is asked, likewise.
    pub introspection_endpoint: Option<String>,
    /// As whom: a registration, with its secret or key files.
    pub introspection_client: Option<PathBuf>,
    /// Of which one must be among the token's.
    pub audience: Vec<String>,
    /// All of which the token must have.
    pub scopes: Scope,
    /// The least authentication context class.
    pub acr: Option<String>,
    /// What the classes count.
    pub levels: BTreeMap<String, u32>,
    /// How long ago the user may have authenticated.
    pub max_age: Option<Lifetime>,
    /// The file with the secrets of its sessions.
    pub session_secret_file: Option<PathBuf>,
    /// The secrets in it, as they were read with the configuration.
    pub session_secrets: Vec<Secret>,
    /// Where requests are passed on to, in reverse-proxy mode.
    pub passage: Option<Passage>,
    /// Where it is written.
    pub source: Source,
}

impl GateSettings {
    /// The gate named `default`, where the file says nothing of it: strict, our own tokens, any audience.
    pub fn by_default(issuer: &Issuer) -> Option<Self> {
        Some(Self {
            name: GateName::DEFAULT.parse().ok()?,
            proof: ProofOfPossession::Strict,
            methods: vec![AuthMethod::Bearer, AuthMethod::Introspection],
            issuers: vec![issuer.as_str().to_owned()],
            jwks_uri: None,
            introspection_endpoint: None,
            introspection_client: None,
            audience: Vec::new(),
            scopes: Scope::default(),
            acr: None,
            levels: BTreeMap::new(),
            max_age: None,
            session_secret_file: None,
            session_secrets: Vec::new(),
            passage: None,
            source: Source::Default("config"),
        })
    }

    /// Its rules.
    ///
    /// # Errors
    /// The library fails over the secrets.
    pub fn rules(&self) -> Result<Rules, KeyError> {
        let secrets = self.session_secrets.iter().map(Secret::expose);
        let sessions = if self.session_secrets.is_empty() {
            None
        } else {
            Some(Sessions::new(secrets)?)
        };
        Ok(Rules {
            name: self.name.clone(),
            proof: self.proof,
            methods: self.methods.clone(),
            issuers: self
                .issuers
                .iter()
                .map(|issuer| issuer.as_str().into())
                .collect(),
            audience: self.audience.clone(),
            scopes: self.scopes.clone(),
            acr: self.acr.clone(),
            levels: self.levels.clone(),
            max_age: self.max_age,
            sessions,
        })
    }

    /// The same, with its secrets read again.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn renewed(&self) -> Result<Self, Finding> {
        let Some(path) = &self.session_secret_file else {
            return Ok(self.clone());
        };
        let (session_secrets, _) =
            secrets(path).map_err(|fault| Finding::error(self.source.clone(), fault))?;
        Ok(Self {
            session_secrets,
            ..self.clone()
        })
    }

    /// With this server's names for levels, and numbers as levels by themselves, where it has no names of its
    /// own and no other issuer's tokens come: nobody knows what another means by a number.
    pub(super) fn with_levels(mut self, issuer: &Issuer, names: &AcrMap) -> Self {
        if self.levels.is_empty() && self.others(issuer).next().is_none() {
            let numbers = (0..=Levels::HIGHEST).map(|level| (level.to_string(), level));
            let names = names.iter().map(|(acr, level)| (acr.to_owned(), level));
            self.levels = numbers.chain(names).collect();
        }
        self
    }

    /// The issuers that are not this server.
    pub fn others<'a>(&'a self, issuer: &'a Issuer) -> impl Iterator<Item = &'a str> {
        self.issuers
            .iter()
            .map(String::as_str)
            .filter(move |other| *other != issuer.as_str())
    }
}

/// Understands the gates that are written, with the one named `default` among them in any case, and finds
/// what is wrong with them.
pub(super) fn read(
    written: &[GateWritten],
    issuer: &Issuer,
    findings: &mut Vec<Finding>,
) -> Vec<GateSettings> {
    let mut gates: Vec<GateSettings> = Vec::new();
    let default = GateSettings::by_default(issuer);
    let Some(default) = default else {
        return gates;
    };
    if !written.iter().any(|gate| gate.name == default.name) {
        gates.push(default.clone());
    }
    for gate in written {
        let mut reading = Reading {
            gate,
            settings: GateSettings {
                name: gate.name.clone(),
                source: gate.source.clone(),
                ..default.clone()
            },
            findings,
        };
        reading.values();
        reading.together(issuer);
        gates.push(reading.settings);
    }
    let passages = |gate: &GateSettings| gate.passage.clone();
    for (at, gate) in gates.iter().enumerate() {
        let Some(passage) = &gate.passage else {
            continue;
        };
        let twice = gates[..at]
            .iter()
            .filter_map(passages)
            .any(|other| other.path == passage.path);
        if twice {
            let fault = Fault::new(
                format!("the path {} is another gate's, too", passage.path),
                "give each gate a path of its own",
            );
            findings.push(Finding::error(gate.source.clone(), fault));
        }
    }
    gates
}

/// A gate on its way from what is written to what is meant.
struct Reading<'a> {
    gate: &'a GateWritten,
    settings: GateSettings,
    findings: &'a mut Vec<Finding>,
}

impl Reading<'_> {
    fn values(&mut self) {
        let (mut path, mut upstream, mut pass_token) = (None, None, None);
        for (name, value, source) in &self.gate.entries {
            let settings = &mut self.settings;
            let one = || match value {
                GateValue::Texts(texts) => texts.first().map_or("", String::as_str),
                _ => "",
            };
            let many = || match value {
                GateValue::Texts(texts) => texts.clone(),
                _ => Vec::new(),
            };
            let outcome: Result<(), Fault> = match *name {
                "proof_of_possession_mtls" => proof(one()).map(|proof| settings.proof = proof),
                "auth_methods" => methods(&many()).map(|methods| settings.methods = methods),
                "issuers" => issuers(&many()).map(|issuers| settings.issuers = issuers),
                "jwks_uri" => given(one()).map(|uri| settings.jwks_uri = Some(uri)),
                "introspection_endpoint" => {
                    given(one()).map(|uri| settings.introspection_endpoint = Some(uri))
                }
                "introspection_client" => {
                    given(one()).map(|file| settings.introspection_client = Some(file.into()))
                }
                "audience" => filled(&many()).map(|audience| settings.audience = audience),
                "scopes" => filled(&many())
                    .and_then(|scopes| scope(&scopes))
                    .map(|scopes| settings.scopes = scopes),
                "acr" => quotable(one()).map(|acr| settings.acr = Some(acr)),
                "max_age" => value::lifetime(one()).map(|age| settings.max_age = Some(age)),
                "acr_loa_map" => {
                    if let GateValue::Levels(levels) = value {
                        settings.levels.clone_from(levels);
                    }
                    Ok(())
                }
                "session_secret_file" => secrets(one().as_ref()).map(|(secrets, warning)| {
                    settings.session_secret_file = Some(one().into());
                    settings.session_secrets = secrets;
                    self.findings
                        .extend(warning.map(|fault| Finding::warning(source.clone(), fault)));
                }),
                "upstream" => Upstream::parse(one()).map(|to| upstream = Some(to)),
                "path" => path_prefix(one()).map(|prefix| path = Some(prefix)),
                "pass_token" => {
                    pass_token = Some(matches!(value, GateValue::Switch(true)));
                    Ok(())
                }
                // What can prove nothing is refused whether or not anything has to be proven.
                _ => Ok(()),
            };
            if let Err(fault) = outcome {
                self.findings.push(Finding::error(source.clone(), fault));
            }
        }
        self.settings.passage = match (path, upstream, pass_token) {
            (Some(path), Some(upstream), pass_token) => Some(Passage {
                path,
                upstream,
                pass_token: pass_token.unwrap_or(false),
            }),
            (None, None, None) => None,
            _ if self
                .gate
                .entries
                .iter()
                .any(|(name, ..)| *name == "upstream")
                && self.gate.entries.iter().any(|(name, ..)| *name == "path") =>
            {
                // One of them was wrong, which has been found already.
                None
            }
            _ => {
                self.error(
                    "path, upstream and pass_token say together what is passed on, and one is missing",
                    "set path and upstream, or leave all of them out",
                );
                None
            }
        };
    }

    /// Finds what does not go together.
    fn together(&mut self, issuer: &Issuer) {
        match self.settings.rules().map(Gate::new) {
            Ok(Ok(_)) => {}
            // Where the file could not be read, that has been found already.
            Ok(Err(crate::gate::Contradiction::SessionWithoutSecret))
                if self.has("session_secret_file") => {}
            Ok(Err(contradiction)) => {
                self.error(contradiction.problem(), contradiction.remedy());
            }
            Err(error) => self.error(&error.to_string(), "write another session secret"),
        }
        let others: Vec<String> = self.settings.others(issuer).map(str::to_owned).collect();
        let explicit =
            self.settings.jwks_uri.is_some() || self.settings.introspection_endpoint.is_some();
        if explicit && others.len() != 1 {
            self.error(
                "jwks_uri and introspection_endpoint belong to one other issuer, and issuers does not name exactly one",
                "name that one in issuers, and leave others to a gate of their own",
            );
        }
        let introspects = self.settings.methods.contains(&AuthMethod::Introspection);
        if self.settings.introspection_client.is_some() && (others.is_empty() || !introspects) {
            self.warning(
                "introspection_client does nothing: no other issuer is asked",
                "leave it out, or name the issuer in issuers and introspection in auth_methods",
            );
        }
        if let Some(other) = others.first()
            && introspects
            && self.settings.introspection_client.is_none()
        {
            self.warning(
                &format!("{other} cannot be asked about tokens without credentials there"),
                "set introspection_client, or leave introspection out of auth_methods",
            );
        }
        if let Some(other) = others.first()
            && self.settings.audience.is_empty()
        {
            self.warning(
                &format!("every token of {other} is let in, whatever service it was issued for"),
                "set audience to what this service is called there",
            );
        }
    }

    fn has(&self, key: &str) -> bool {
        self.gate.entries.iter().any(|(name, ..)| *name == key)
    }

    fn error(&mut self, problem: &str, remedy: &str) {
        let source = self.gate.source.clone();
        self.findings
            .push(Finding::error(source, Fault::new(problem, remedy)));
    }

    fn warning(&mut self, problem: &str, remedy: &str) {
        let source = self.gate.source.clone();
        self.findings
            .push(Finding::warning(source, Fault::new(problem, remedy)));
    }
}

fn proof(text: &str) -> Result<ProofOfPossession, Fault> {
    let found = ProofOfPossession::ALL
        .iter()
        .find(|proof| proof.name() == text);
    found.copied().ok_or_else(|| {
        Fault::new(
            format!("{} is no kind of proof of possession", shown(text)),
            "write off, optional or strict",
        )
    })
}

fn methods(texts: &[String]) -> Result<Vec<AuthMethod>, Fault> {
    let mut methods = Vec::new();
    for text in texts {
        let found = AuthMethod::ALL.iter().find(|method| method.name() == text);
        let Some(method) = found else {
            let problem = if WITHOUT_PROOF.contains(&text.as_str()) {
                format!("{text} presents no token whose possession could be proven")
            } else {
                format!("there is no authentication method {}", shown(text))
            };
            return Err(Fault::new(
                problem,
                "write some of bearer, introspection, session",
            ));
        };
        if !methods.contains(method) {
            methods.push(*method);
        }
    }
    Ok(methods)
}

/// Issuers are compared as they are written, so that they only have to be URLs without a query or fragment
/// (RFC 8414 section 2).
fn issuers(texts: &[String]) -> Result<Vec<String>, Fault> {
    let mut issuers = Vec::new();
    for text in texts {
        let url = text.starts_with("https://") || text.starts_with("http://");
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !url || !plain || text.contains(['?', '#']) {
            return Err(Fault::new(
                format!("{} is no issuer identifier", shown(text)),
                "write the URL that the issuer's tokens have as iss, character by character",
            ));
        }
        if !issuers.contains(text) {
            issuers.push(text.clone());
        }
    }
    Ok(issuers)
}

fn given(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        Err(Fault::new(
            "the value is empty",
            "write a value, or leave it out",
        ))
    } else {
        Ok(text.to_owned())
    }
}

/// Who writes a list means to ask for something, and an empty one asks for nothing.
fn filled(texts: &[String]) -> Result<Vec<String>, Fault> {
    if texts.is_empty() {
        return Err(Fault::new(
            "the list is empty, which would let everybody in",
            "write what is asked for, or leave it out",
        ));
    }
    texts.iter().map(|text| given(text)).collect()
}

fn scope(texts: &[String]) -> Result<Scope, Fault> {
    Scope::parse(&texts.join(" "))
        .map_err(|error| Fault::new(error.to_string(), "write scopes = [\"…\"]"))
}

/// What goes into a quoted string of a challenge.
fn quotable(text: &str) -> Result<String, Fault> {
    let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{} is no authentication context class", shown(text)),
        "write one class, printable ASCII without blanks, quotes and backslashes",
    ))
}

/// Reads a file of secrets: the first line seals, the others still open.
fn secrets(path: &Path) -> Result<(Vec<Secret>, Option<Fault>), Fault> {
    secret_file::read_lines(path, SHORTEST_SECRET)
}

#[cfg(test)]
mod tests;
