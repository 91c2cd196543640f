//! Users who are known by their certificate: by subject DN, by one subject alternative name, or by
//! `x5t#S256`, each to one user.
//!
//! Every kind has an index of its own under what is compared, so that a certificate is looked up a few
//! times, however many users there are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::User;
use crate::cert::key::WeakKey;
use crate::cert::usage::Unusable;
use crate::cert::validity::OutsideValidity;
use crate::cert::{
    ClientCertificate, DistinguishedName, RegisteredName, RegisteredSan, SubjectAltName, Thumbprint,
};
use crate::client::belief::{Belief, Unverified};
use crate::key::json::object;
use crate::oauth::nearest::closest;
use crate::oauth::time::Timestamp;
use crate::proxy::presented::Presented;

/// The members of an entry of `certificates`, of which each has one.
const SELECTORS: [&str; 4] = ["subject_dn", "san_email", "san_uri", "x5t#S256"];

/// What a user's certificate must bear, or be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selector {
    /// This subject.
    SubjectDn(RegisteredName),
    /// This subject alternative name.
    San(RegisteredSan),
    /// This very certificate.
    Thumbprint(Thumbprint),
}

impl Selector {
    /// Reads an entry of `certificates`: an object with one of the selectors.
    pub(super) fn read(json: &str) -> Result<Self, String> {
        let one = || format!("an entry is an object with one of {}", SELECTORS.join(", "));
        let members = object(json.as_bytes()).ok_or_else(one)?;
        for name in members.keys() {
            if !SELECTORS.contains(&name.as_str()) {
                let near = closest(name, SELECTORS).unwrap_or(SELECTORS[0]);
                return Err(format!("there is no selector {name:?}; write {near}"));
            }
        }
        let mut members = members.into_iter();
        let (Some((name, value)), None) = (members.next(), members.next()) else {
            return Err(format!("{}; write each into an entry of its own", one()));
        };
        let text = value
            .as_str()
            .ok_or_else(|| format!("{name} is no string; write it between quotes"))?;
        let wrong = |error: &dyn fmt::Display| format!("{name}: {error}");
        match name.as_str() {
            "subject_dn" => text
                .parse()
                .map(Self::SubjectDn)
                .map_err(|error| wrong(&error)),
            "san_email" => RegisteredSan::email(text)
                .map(Self::San)
                .map_err(|error| wrong(&error)),
            "san_uri" => RegisteredSan::uri(text)
                .map(Self::San)
                .map_err(|error| wrong(&error)),
            _ => text
                .parse()
                .map(Self::Thumbprint)
                .map_err(|error| wrong(&error)),
        }
    }

    /// What to write instead, where it looks as if a DN were written the wrong way round.
    pub(super) fn reversed(&self) -> Option<String> {
        match self {
            Self::SubjectDn(name) => name.looks_reversed(),
            _ => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubjectDn(name) => write!(f, "subject DN {name}"),
            Self::San(name) => write!(f, "subject alternative name {name}"),
            Self::Thumbprint(thumbprint) => write!(f, "x5t#S256 {thumbprint}"),
        }
    }
}

/// Whom each certificate belongs to.
#[derive(Default)]
pub(super) struct Certificates {
    thumbprints: HashMap<[u8; 32], Arc<User>>,
    subjects: HashMap<DistinguishedName, Arc<User>>,
    names: HashMap<SubjectAltName, Arc<User>>,
}

impl Certificates {
    /// Registers a user under a selector; the other user's name where it is another's already.
    pub(super) fn add(&mut self, selector: &Selector, user: &Arc<User>) -> Result<(), String> {
        match selector {
            Selector::SubjectDn(name) => put(self.subjects.entry(name.name().clone()), user),
            Selector::San(name) => put(self.names.entry(name.name().folded()), user),
            Selector::Thumbprint(thumbprint) => {
                put(self.thumbprints.entry(*thumbprint.digest().octets()), user)
            }
        }
    }

    /// Whether nobody is known by a certificate.
    pub(super) fn is_empty(&self) -> bool {
        self.thumbprints.is_empty() && self.subjects.is_empty() && self.names.is_empty()
    }

    /// Finds the one user whose certificate was presented.
    pub(super) fn find(
        &self,
        presented: &Presented,
        belief: &Belief,
        now: Timestamp,
    ) -> Result<Option<&Arc<User>>, NotMapped> {
        let Some(certificate) = presented.certificate() else {
            return Ok(None);
        };
        let itself = self
            .thumbprints
            .get(certificate.thumbprint().digest().octets());
        let named = self.named(certificate);
        if itself.is_none() && named.is_empty() {
            return Ok(None);
        }
        certificate
            .validity()
            .at(now)
            .map_err(NotMapped::OutsideValidity)?;
        certificate.strong_key().map_err(NotMapped::WeakKey)?;
        let mut found: Vec<&Arc<User>> = itself.into_iter().collect();
        if !named.is_empty() {
            // A name is worth what stands behind it, as for tls_client_auth.
            let counts = belief
                .verified(presented, None, now)
                .map_err(NotMapped::Unverified)
                .and_then(|_| {
                    certificate
                        .usable_for_client_authentication()
                        .map_err(NotMapped::Unusable)
                });
            match counts {
                Ok(()) => found.extend(named),
                Err(why) if found.is_empty() => return Err(why),
                // Whom the certificate itself is registered for needs no name in it.
                Err(_) => {}
            }
        }
        found.dedup_by(|one, other| Arc::ptr_eq(one, other));
        match found.as_slice() {
            [] => Ok(None),
            [first, rest @ ..] if rest.iter().all(|user| Arc::ptr_eq(first, user)) => {
                Ok(Some(*first))
            }
            several => Err(NotMapped::Several(names_of(several))),
        }
    }

    /// Everybody under whose name the certificate is.
    fn named(&self, certificate: &ClientCertificate) -> Vec<&Arc<User>> {
        let subject = certificate.subject().ok();
        let by_subject = subject.and_then(|subject| self.subjects.get(subject));
        let mut found: Vec<&Arc<User>> = by_subject.into_iter().collect();
        if !self.names.is_empty() {
            let entries = certificate.subject_alt_names().iter();
            found.extend(entries.filter_map(|entry| self.names.get(&entry.folded())));
        }
        found
    }
}

/// Each user once, by name, a few of them.
fn names_of(users: &[&Arc<User>]) -> Vec<String> {
    let mut names: Vec<String> = users
        .iter()
        .map(|user| user.username().to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(8);
    names
}

/// One entry belongs to one user.
fn put<K>(entry: Entry<'_, K, Arc<User>>, user: &Arc<User>) -> Result<(), String> {
    match entry {
        Entry::Vacant(place) => {
            place.insert(Arc::clone(user));
            Ok(())
        }
        Entry::Occupied(other) => Err(other.get().username().to_owned()),
    }
}

/// Why a certificate that somebody is registered with is nobody's all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMapped {
    /// It is not valid yet, or no more.
    OutsideValidity(OutsideValidity),
    /// Its key is too weak to prove anything.
    WeakKey(WeakKey),
    /// It bears somebody's name, and nobody has verified it.
    Unverified(Unverified),
    /// It bears somebody's name, and must not be used by a client.
    Unusable(Unusable),
    /// It is these users' certificate, by name, so it is nobody's.
    Several(Vec<String>),
}

impl NotMapped {
    /// A short name, for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::OutsideValidity(_) => "outside_validity",
            Self::WeakKey(_) => "weak_key",
            Self::Unverified(_) => "unverified",
            Self::Unusable(_) => "unusable",
            Self::Several(_) => "several",
        }
    }
}

impl fmt::Display for NotMapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideValidity(error) => error.fmt(f),
            Self::WeakKey(error) => write!(f, "the certificate has {error}"),
            Self::Unverified(error) => write!(f, "the certificate is not verified: {error}"),
            Self::Unusable(error) => error.fmt(f),
            Self::Several(users) => write!(
                f,
                "the certificate is that of {}, so it is nobody's: give each user a selector that no other's certificate has",
                users.join(" and ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::ClientAuthorities;
    use crate::proxy::Encoding;
    use crate::user::Users;
    use serde_json::json;

    /// 2026-11-22.
    const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);

    fn pem(name: &str) -> String {
        let root = env!("CARGO_MANIFEST_DIR");
        std::fs::read_to_string(format!("{root}/tests/fixtures/pki/{name}.crt")).expect("a fixture")
    }

    fn certificate(name: &str) -> ClientCertificate {
        ClientCertificate::from_pem(&pem(name)).expect("a certificate")
    }

    fn presented(name: &str) -> Presented {
        Presented::supposed(certificate(name), Vec::new(), Encoding::AUTO)
    }

    fn belief() -> Belief {
        let bundle = format!("{}{}", pem("ca"), pem("inter"));
        let authorities = ClientAuthorities::from_pem(&bundle).expect("a bundle");
        Belief::new(Some(authorities), None, false)
    }

    fn subject(name: &str) -> String {
        certificate(name).subject().expect("a subject").to_string()
    }

    fn thumbprint(name: &str) -> String {
        certificate(name).thumbprint().to_string()
    }

    /// Who that certificate is, or why it is nobody's.
    fn mapped(users: &Users, belief: &Belief, name: &str) -> Result<Option<String>, &'static str> {
        let found = users.by_certificate(&presented(name), belief, NOW);
        found
            .map(|user| user.map(|user| user.username().to_owned()))
            .map_err(|why| why.label())
    }

    #[test]
    fn names_need_a_verified_certificate_and_thumbprints_do_not() {
        // The impostor bears the name of the one whom it imitates.
        assert_eq!(subject("impostor"), subject("rsa"));
        let users = Users::read(
            &json!([
                {"username": "by-name", "certificates": [{"subject_dn": subject("p256").to_lowercase()}]},
                {"username": "imitated", "certificates": [{"subject_dn": subject("rsa")}]},
                {"username": "by-itself", "certificates": [
                    {"x5t#S256": thumbprint("self-p256")}, {"x5t#S256": thumbprint("expired")}]},
            ])
            .to_string(),
        )
        .expect("users");
        let none = Belief::default();
        for (name, believing, not) in [
            ("p256", Ok(Some("by-name")), Err("unverified")),
            ("self-p256", Ok(Some("by-itself")), Ok(Some("by-itself"))),
            ("impostor", Err("unverified"), Err("unverified")),
            ("expired", Err("outside_validity"), Err("outside_validity")),
            ("rsa", Ok(Some("imitated")), Err("unverified")),
            ("self-ed25519", Ok(None), Ok(None)),
        ] {
            let own = |found: Result<Option<&str>, _>| found.map(|user| user.map(str::to_owned));
            assert_eq!(mapped(&users, &belief(), name), own(believing), "{name}");
            assert_eq!(mapped(&users, &none, name), own(not), "{name}");
        }
        let nothing = users.by_certificate(&Presented::nothing(), &belief(), NOW);
        assert_eq!(nothing.map(|user| user.is_none()), Ok(true));
    }

    #[test]
    fn a_certificate_of_two_users_is_nobodys() {
        let users = Users::read(
            &json!([
                {"username": "one", "certificates": [{"subject_dn": subject("p256")}]},
                {"username": "two", "certificates": [{"x5t#S256": thumbprint("p256")}]},
            ])
            .to_string(),
        )
        .expect("users");
        let why = users.by_certificate(&presented("p256"), &belief(), NOW);
        let why = why.map(|_| ()).expect_err("two").to_string();
        assert!(why.contains("one and two"), "{why}");
        // Where the name proves nothing the thumbprint stands alone.
        assert_eq!(
            mapped(&users, &Belief::default(), "p256"),
            Ok(Some("two".into()))
        );
    }

    #[test]
    fn one_user_may_be_known_in_several_ways() {
        let users = Users::read(
            &json!([{"username": "one", "certificates": [
                {"subject_dn": subject("p256")}, {"x5t#S256": thumbprint("p256")}]}])
            .to_string(),
        )
        .expect("users");
        assert_eq!(mapped(&users, &belief(), "p256"), Ok(Some("one".into())));
    }

    #[test]
    fn what_an_entry_may_be() {
        for entry in [
            json!({"subject_dn": "CN=a,O=b"}),
            json!({"san_email": "a@example.com"}),
            json!({"san_uri": "urn:a:b"}),
            json!({"x5t#S256": "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o"}),
        ] {
            assert!(Selector::read(&entry.to_string()).is_ok(), "{entry}");
        }
        for (entry, says) in [
            (json!("CN=a"), "an object with one of subject_dn"),
            (json!({}), "an object with one of"),
            (
                json!({"subject_dn": "CN=a", "san_uri": "urn:a"}),
                "an entry of its own",
            ),
            (json!({"subject": "CN=a"}), "write subject_dn"),
            (json!({"x5t#s256": "x"}), "write x5t#S256"),
            (json!({"subject_dn": 5}), "no string"),
            (json!({"subject_dn": "Alice"}), "subject_dn: "),
            (json!({"san_email": "a"}), "not a mailbox"),
            (json!({"san_uri": "a"}), "not an absolute URI"),
            (json!({"x5t#S256": "abc"}), "43 characters"),
        ] {
            let error = Selector::read(&entry.to_string()).expect_err("no entry");
            assert!(error.contains(says), "{entry}: {error}");
        }
        let twice = r#"{"subject_dn":"CN=a","subject_dn":"CN=b"}"#;
        assert!(Selector::read(twice).is_err());
    }
}
