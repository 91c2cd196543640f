//! What an operator should know of registrations and users that are good in themselves.

use std::path::Path;

use crate::client::ClientKeys;
use crate::config::{Fault, Finding, Settings, Source};
use crate::endpoint;
use crate::outbound::documents::RemoteDocuments;

/// What an operator should know about registrations and users that are good in themselves.
pub(super) fn of(
    settings: &Settings,
    trust: &endpoint::Trust,
    remote: &RemoteDocuments<ClientKeys>,
) -> Vec<Finding> {
    let mut findings = of_clients(settings, trust, remote);
    if let Some(path) = &settings.users {
        findings.extend(of_users(settings, path, trust));
    }
    findings
}

fn of_users(settings: &Settings, path: &Path, trust: &endpoint::Trust) -> Vec<Finding> {
    let users = &trust.users;
    let mut findings = Vec::new();
    let mut say = |member: &str, problem: &str, remedy: &str| {
        let fault = Fault::new(format!("{member}: {problem}"), remedy);
        findings.push(Finding::warning(Source::Named(path.to_owned()), fault));
    };
    for remark in users.remarks() {
        say(remark.member, &remark.problem, &remark.remedy);
    }
    let called = users
        .iter()
        .find(|user| trust.clients.find(user.sub()).is_some());
    if let Some(user) = called {
        say(
            "sub",
            &format!(
                "{:?} is the client_id of a client, for which whoever reads a token of this user's may take them",
                user.sub()
            ),
            "give the user a sub that no client has",
        );
    }
    if users.any_password() && settings.client_address_header.is_none() {
        say(
            "password_hash",
            "where an attempt to sign in comes from is not known, so that whoever guesses somebody's password makes that user wait as well",
            "name the header with the client's address by --client-address-header",
        );
    }
    if users.any_certificate() && settings.trusted_proxies.is_empty() {
        say(
            "certificates",
            "users are to be known by their certificates, and nobody's certificate header is believed",
            "name the web server by --trusted-proxy",
        );
    }
    findings
}

fn of_clients(
    settings: &Settings,
    trust: &endpoint::Trust,
    remote: &RemoteDocuments<ClientKeys>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for client in trust.clients.iter() {
        let mut say = |member: &str, problem: String, remedy: String| {
            let source = Source::Named(settings.clients.clone());
            let problem = format!(
                "client {:?}: {member}: {problem}",
                client.client_id().as_str()
            );
            findings.push(Finding::warning(source, Fault::new(problem, remedy)));
        };
        for remark in client.authenticator().remarks() {
            let (problem, remedy) = remark
                .split_once("; ")
                .unwrap_or((&remark, "look at the registration"));
            say(
                "tls_client_auth_subject_dn",
                problem.to_owned(),
                remedy.to_owned(),
            );
        }
        if let Some(uri) = client.jwks_uri()
            && let Err(error) = remote.destination(uri)
        {
            say("jwks_uri", format!("it will not be called: {error}"), "publish the keys at an https URL on a public address, or set --outbound-allow-private".into());
        }
        if client.is_bound() && settings.trusted_proxies.is_empty() {
            say(
                "tls_client_certificate_bound_access_tokens",
                "its tokens are to be bound to a certificate, and nobody's certificate header is believed".into(),
                "name the web server by --trusted-proxy".into(),
            );
        }
    }
    findings.sort_by(|one, other| one.problem().cmp(other.problem()));
    findings
}
