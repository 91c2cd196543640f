//! The real program, asked from outside: one world of clients and certificates, one module a theme.
//! Tests name the rows of the normative checklist that they decide.

#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests are read more often than they wait for an allocation"
)]

mod application;
mod assertion;
mod at_once;
mod attacks;
mod authorize;
mod believed;
mod binding;
mod browser;
mod chain;
mod code;
mod consent;
mod discovery;
mod fapi;
mod fastcgi_client;
mod fcgi;
mod gate;
mod gate_matrix;
mod gate_others;
mod id_token;
mod instances;
mod introspect;
mod jose;
mod levels;
mod limits;
mod log;
mod logout;
mod metadata;
mod names;
mod other_issuer;
mod outage;
mod par;
mod parameters;
mod pass;
mod people;
mod pkce;
mod pki;
mod redirect;
mod refresh;
mod regression;
mod reload;
mod remote;
mod request;
mod revoke;
mod self_signed;
mod session;
mod sign_in;
mod startup;
mod stores;
#[path = "../support/mod.rs"]
mod support;
mod token;
mod userinfo;
mod verified;
mod whoami;
mod wire;
mod world;
