//! Which of a user's claims a client gets: those of the scope, and those asked for by name (OpenID Connect
//! Core sections 5.4 and 5.5).

use serde_json::{Map, Value};

use super::User;
use crate::oauth::scope::Scope;

/// The claims that each scope stands for (OpenID Connect Core section 5.4).
const SCOPES: &[(&str, &[&str])] = &[
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// Every scope that stands for claims.
pub fn scopes() -> impl Iterator<Item = &'static str> {
    SCOPES.iter().map(|(scope, _)| *scope)
}

/// Every claim that a scope stands for.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCOPES.iter().flat_map(|(_, claims)| claims.iter().copied())
}

/// The user's claims of that scope, and those asked for by name.
pub fn released(user: &User, scope: &Scope, asked: &[String]) -> Map<String, Value> {
    let mut released = named(user, asked);
    for (_, claims) in SCOPES.iter().filter(|(name, _)| scope.has(name)) {
        for name in *claims {
            if let Some(value) = user.claims().get(*name) {
                released.insert((*name).to_owned(), value.clone());
            }
        }
    }
    released
}

/// Those of the user's claims that were asked for by name.
pub fn named(user: &User, asked: &[String]) -> Map<String, Value> {
    asked
        .iter()
        .filter_map(|name| Some((name.clone(), user.claims().get(name)?.clone())))
        .collect()
}
