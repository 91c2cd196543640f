//! What holds a client's refresh tokens, and whether they change at every use (RFC 8705 sections 4 and 7.1,
//! RFC 9700 sections 2.2.2 and 4.14.2).

use super::super::Contradiction;
use super::super::members::choice;
use super::super::metadata::Metadata;
use super::{Known, RefreshBinding};

/// What a refresh token is held by, where the registration does not say: the certificate where access tokens
/// are bound, otherwise the client that authenticates, otherwise nothing.
pub(super) fn binding(known: &Known<'_>, wrong: &mut Vec<Contradiction>) -> RefreshBinding {
    let named = choice(
        "refresh_token_binding",
        known.metadata.refresh_token_binding.as_deref(),
        |name| match name {
            "certificate" => Some(RefreshBinding::Certificate),
            "key" => Some(RefreshBinding::Key),
            "client" => Some(RefreshBinding::Client),
            _ => None,
        },
        "certificate, key or client",
    );
    let named = named.map_err(|w| wrong.push(w)).ok().flatten();
    named.unwrap_or(match (known.bound, known.confidential) {
        (true, _) => RefreshBinding::Certificate,
        (false, true) => RefreshBinding::Client,
        (false, false) => RefreshBinding::Nothing,
    })
}

/// Whether each use of a refresh token makes a new one: where the registration does not say, only where
/// nothing but possession holds it.
pub(super) fn rotates(
    metadata: &Metadata,
    binding: RefreshBinding,
    wrong: &mut Vec<Contradiction>,
) -> bool {
    let named = choice(
        "refresh_token_rotation",
        metadata.refresh_token_rotation.as_deref(),
        |name| match name {
            "always" => Some(true),
            "never" => Some(false),
            _ => None,
        },
        "always or never",
    );
    let named = named.map_err(|w| wrong.push(w)).ok().flatten();
    let unheld = binding == RefreshBinding::Nothing;
    if named == Some(false) && unheld {
        wrong.push(Contradiction::new(
            "refresh_token_rotation",
            "nothing but possession holds this public client's refresh tokens (RFC 9700 section 2.2.2); write always, or \"refresh_token_binding\": \"certificate\"",
        ));
    }
    named.unwrap_or(unheld)
}
