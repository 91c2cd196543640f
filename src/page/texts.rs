//! Every word that certbound itself says on a page: one struct, so that a language is complete or does
//! not compile.

use serde::Serialize;

use super::language::Language;
use super::{english, german};

/// The words in one language; what each is for can be read in `english.rs`. `{}` is where a name goes.
#[derive(Debug, Serialize)]
pub struct Texts {
    // Of every page.
    pub error_prefix: &'static str,
    pub cancel: &'static str,
    pub new_tab: &'static str,
    pub website: &'static str,
    pub policy: &'static str,
    pub tos: &'static str,
    // Signing in.
    pub sign_in: &'static str,
    pub sign_in_to: &'static str,
    pub step_up: &'static str,
    pub step_up_lead: &'static str,
    pub signed_in_as: &'static str,
    pub continue_as: &'static str,
    pub session_hint: &'static str,
    pub certificate_hint: &'static str,
    pub header_hint: &'static str,
    pub or: &'static str,
    pub username: &'static str,
    pub password: &'static str,
    pub no_way: &'static str,
    pub no_way_hint: &'static str,
    // The second factor.
    pub code_title: &'static str,
    pub code: &'static str,
    pub code_of: &'static str,
    pub code_hint: &'static str,
    pub check_code: &'static str,
    // What went wrong.
    pub wrong_password: &'static str,
    pub wrong_code: &'static str,
    pub not_mapped: &'static str,
    pub too_many: &'static str,
    pub wait_second: &'static str,
    pub wait_seconds: &'static str,
    pub wait_minutes: &'static str,
    // Consent.
    pub consent_title: &'static str,
    pub consent_lead: &'static str,
    pub consent_nothing: &'static str,
    pub consent_claims: &'static str,
    pub consent_resources: &'static str,
    pub consent_hint: &'static str,
    pub allow: &'static str,
    pub deny: &'static str,
    // Signing out.
    pub logout_title: &'static str,
    pub logout_asked_by: &'static str,
    pub logout_effect: &'static str,
    pub return_refused: &'static str,
    pub logout: &'static str,
    pub stay: &'static str,
    pub logged_out: &'static str,
    pub logged_out_hint: &'static str,
    pub back_to: &'static str,
    // Errors: what happened, and what to do.
    pub bad_request: &'static str,
    pub bad_request_hint: &'static str,
    pub forbidden: &'static str,
    pub forbidden_hint: &'static str,
    pub unavailable: &'static str,
    pub unavailable_hint: &'static str,
    pub refused: &'static str,
    pub refused_hint: &'static str,
    pub failed: &'static str,
    pub failed_hint: &'static str,
    pub details: &'static str,
    pub request: &'static str,
    // The answer that posts itself.
    pub form_post: &'static str,
    pub form_post_lead: &'static str,
    pub go_on: &'static str,
    // What the web server forwarded.
    pub whoami: WhoAmITexts,
    pub scopes: ScopeTexts,
    pub claims: ClaimTexts,
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
pub struct WhoAmITexts {
    pub title: &'static str,
    pub verified: &'static str,
    pub not_verified: &'static str,
    pub no_certificate: &'static str,
    pub connection: &'static str,
    pub certificate: &'static str,
    pub clients: &'static str,
    pub clients_none: &'static str,
    pub clients_some: &'static str,
    pub trusted_proxy: &'static str,
    pub encoding: &'static str,
    pub verify_header: &'static str,
    pub subject: &'static str,
    pub subject_alt_names: &'static str,
    pub not_before: &'static str,
    pub not_after: &'static str,
    pub valid_now: &'static str,
    pub thumbprint: &'static str,
    pub intermediates: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub none: &'static str,
    pub raw: &'static str,
}

/// Words for names that the specifications know, found by name.
macro_rules! named_texts {
    ($(#[$doc:meta])* $type:ident { $($name:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Serialize)]
        pub struct $type {
            $(pub $name: &'static str),+
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
