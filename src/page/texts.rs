//! Every word that certbound itself says on a page: one struct, so that a language is complete or does
//! not compile.

use serde::Serialize;

use super::language::Language;
use super::{english, german};

/// The words in one language; what each is for can be read in `english.rs`. `{}` is where a name goes.
#[derive(Debug, Serialize)]
pub(super) struct Texts {
    // Of every page.
    pub(super) error_prefix: &'static str,
    pub(super) cancel: &'static str,
    pub(super) new_tab: &'static str,
    pub(super) website: &'static str,
    pub(super) policy: &'static str,
    pub(super) tos: &'static str,
    // Signing in.
    pub(super) sign_in: &'static str,
    pub(super) sign_in_to: &'static str,
    pub(super) step_up: &'static str,
    pub(super) step_up_lead: &'static str,
    pub(super) signed_in_as: &'static str,
    pub(super) continue_as: &'static str,
    pub(super) session_hint: &'static str,
    pub(super) certificate_hint: &'static str,
    pub(super) header_hint: &'static str,
    pub(super) or: &'static str,
    pub(super) username: &'static str,
    pub(super) password: &'static str,
    pub(super) no_way: &'static str,
    pub(super) no_way_hint: &'static str,
    // The second factor.
    pub(super) code_title: &'static str,
    pub(super) code: &'static str,
    pub(super) code_of: &'static str,
    pub(super) code_hint: &'static str,
    pub(super) check_code: &'static str,
    // What went wrong.
    pub(super) wrong_password: &'static str,
    pub(super) wrong_code: &'static str,
    pub(super) not_mapped: &'static str,
    pub(super) not_mapped_alone: &'static str,
    pub(super) too_many: &'static str,
    pub(super) wait_second: &'static str,
    pub(super) wait_seconds: &'static str,
    pub(super) wait_minutes: &'static str,
    // Consent.
    pub(super) consent_title: &'static str,
    pub(super) consent_lead: &'static str,
    pub(super) consent_nothing: &'static str,
    pub(super) consent_claims: &'static str,
    pub(super) consent_resources: &'static str,
    pub(super) consent_hint: &'static str,
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,
    // Signing out.
    pub(super) logout_title: &'static str,
    pub(super) logout_asked_by: &'static str,
    pub(super) logout_effect: &'static str,
    pub(super) return_refused: &'static str,
    pub(super) logout: &'static str,
    pub(super) stay: &'static str,
    pub(super) logged_out: &'static str,
    pub(super) still_signed_in: &'static str,
    pub(super) logged_out_hint: &'static str,
    pub(super) back_to: &'static str,
    // Errors: what happened, and what to do.
    pub(super) bad_request: &'static str,
    pub(super) bad_request_hint: &'static str,
    pub(super) forbidden: &'static str,
    pub(super) forbidden_hint: &'static str,
    pub(super) unavailable: &'static str,
    pub(super) unavailable_hint: &'static str,
    pub(super) refused: &'static str,
    pub(super) refused_hint: &'static str,
    pub(super) failed: &'static str,
    pub(super) failed_hint: &'static str,
    pub(super) details: &'static str,
    pub(super) request: &'static str,
    // The answer that posts itself.
    pub(super) form_post: &'static str,
    pub(super) form_post_lead: &'static str,
    pub(super) go_on: &'static str,
    // What the web server forwarded.
    pub(super) whoami: WhoAmITexts,
    pub(super) scopes: ScopeTexts,
    pub(super) claims: ClaimTexts,
}

impl Texts {
    /// The words in that language.
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::TEXTS,
            Language::German => &german::TEXTS,
        }
    }
}

/// The words of `whoami`.
#[derive(Debug, Serialize)]
pub(super) struct WhoAmITexts {
    pub(super) title: &'static str,
    pub(super) verified: &'static str,
    pub(super) not_verified: &'static str,
    pub(super) no_certificate: &'static str,
    pub(super) connection: &'static str,
    pub(super) certificate: &'static str,
    pub(super) clients: &'static str,
    pub(super) clients_none: &'static str,
    pub(super) clients_some: &'static str,
    pub(super) trusted_proxy: &'static str,
    pub(super) encoding: &'static str,
    pub(super) verify_header: &'static str,
    pub(super) subject: &'static str,
    pub(super) subject_alt_names: &'static str,
    pub(super) not_before: &'static str,
    pub(super) not_after: &'static str,
    pub(super) valid_now: &'static str,
    pub(super) thumbprint: &'static str,
    pub(super) intermediates: &'static str,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    pub(super) none: &'static str,
    pub(super) raw: &'static str,
}

/// Words for names that the specifications know, found by name.
macro_rules! named_texts {
    ($(#[$doc:meta])* $type:ident { $($name:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Serialize)]
        pub(super) struct $type {
            $(pub(super) $name: &'static str),+
        }

        impl $type {
            /// What that name means, if it is one that the specifications know.
            pub(super) fn of(&self, name: &str) -> Option<&'static str> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }

            /// All names.
            #[cfg(test)]
            pub(super) const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];
        }
    };
}

named_texts! {
    /// What a scope lets a client do (OpenID Connect Core sections 5.4 and 11).
    ScopeTexts { openid, profile, email, address, phone, offline_access }
}

named_texts! {
    /// What a claim says (OpenID Connect Core section 5.1).
    ClaimTexts {
        sub, name, given_name, family_name, middle_name, nickname, preferred_username, profile, picture,
        website, email, email_verified, gender, birthdate, zoneinfo, locale, phone_number,
        phone_number_verified, address, updated_at, auth_time, acr, amr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_everything() {
        let as_json = |language| {
            serde_json::to_value(Texts::of(language)).expect("words can be written as JSON")
        };
        let english = as_json(Language::English);
        for language in Language::ALL {
            compare(&english, &as_json(*language), language.tag());
        }
    }

    /// Nothing is empty, and names go where they go in English.
    fn compare(english: &serde_json::Value, other: &serde_json::Value, path: &str) {
        match (english, other) {
            (serde_json::Value::Object(english), serde_json::Value::Object(other)) => {
                for (name, value) in english {
                    compare(value, &other[name], &format!("{path}.{name}"));
                }
            }
            (english, other) => {
                let (english, other) = (english.as_str(), other.as_str());
                let (Some(english), Some(other)) = (english, other) else {
                    panic!("{path} is not text");
                };
                assert!(!other.trim().is_empty(), "{path}");
                assert_eq!(
                    english.matches("{}").count(),
                    other.matches("{}").count(),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn names_are_described() {
        for name in ScopeTexts::NAMES {
            assert!(Texts::of(Language::German).scopes.of(name).is_some());
        }
        for name in ClaimTexts::NAMES {
            assert!(Texts::of(Language::German).claims.of(name).is_some());
        }
        assert_eq!(english::TEXTS.scopes.of("invoices.read"), None);
    }
}
