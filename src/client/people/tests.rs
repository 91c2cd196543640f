//! Registrations about people, member by member, and what FAPI 2.0 makes of them.

use super::super::Registry;
use super::super::registration::ClientRegistration;
use super::*;
use crate::key::jwe::{ContentEncryption, KeyManagement};
use std::sync::Arc;

const MTLS: &str = r#""client_id":"a","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a""#;
const SECRET: &str =
    r#""client_id":"a","token_endpoint_auth_method":"client_secret_basic","client_secret":"s""#;
const PUBLIC: &str = r#""client_id":"a","token_endpoint_auth_method":"none""#;
const WEB: &str =
    r#""grant_types":["authorization_code"],"redirect_uris":["https://app.example/cb"]"#;
const UNBOUND: &str = r#""tls_client_certificate_bound_access_tokens":false"#;
const RSA: &str = r#""jwks":{"keys":[{"kty":"RSA","use":"enc","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}"#;

fn read(members: &[&str], profile: Profile) -> Result<Arc<ClientRegistration>, Vec<String>> {
    let text = format!("[{{{}}}]", members.join(","));
    match Registry::read_under(&text, profile) {
        Ok(registry) => Ok(Arc::clone(registry.find("a").expect("the one"))),
        Err(problems) => Err(problems
            .into_iter()
            .map(|problem| {
                assert!(problem.text.contains("; "), "no remedy: {problem}");
                problem.member.unwrap_or(problem.text)
            })
            .collect()),
    }
}

fn made(members: &[&str]) -> Arc<ClientRegistration> {
    read(members, Profile::OAuth2).unwrap_or_else(|wrong| panic!("{members:?}: {wrong:?}"))
}

/// Each registration is wrong in that member and no other; with the empty name it is good.
fn check(table: &[(&[&str], &str)], profile: Profile) {
    for (members, expected) in table {
        let found = read(members, profile).err().unwrap_or_default();
        let expected: Vec<&str> = [*expected].into_iter().filter(|m| !m.is_empty()).collect();
        assert_eq!(found, expected, "{members:?}");
    }
}

/// OA-09, BCP-01, BCP-04, MTLS-35, RFC 7591 section 2.1.
#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn redirection() {
    const CODE: &str = r#""grant_types":["authorization_code"]"#;
    check(
        &[
            (&[SECRET, WEB], ""),
            (&[SECRET, CODE], "redirect_uris"),
            (&[SECRET, CODE, r#""redirect_uris":[]"#], "redirect_uris"),
            (
                &[SECRET, CODE, r#""redirect_uris":["http://example.com/cb"]"#],
                "redirect_uris",
            ),
            (
                &[SECRET, CODE, r#""redirect_uris":["http://127.0.0.1/cb"]"#],
                "",
            ),
            (
                &[
                    SECRET,
                    CODE,
                    r#""redirect_uris":["https://a.example/cb#x"]"#,
                ],
                "redirect_uris",
            ),
            (
                &[SECRET, CODE, r#""redirect_uris":["javascript:alert(1)"]"#],
                "redirect_uris",
            ),
            (
                &[SECRET, CODE, r#""redirect_uris":["com.example.app:/cb"]"#],
                "redirect_uris",
            ),
            (
                &[
                    SECRET,
                    CODE,
                    r#""redirect_uris":["com.example.app:/cb"],"application_type":"native""#,
                ],
                "",
            ),
            (
                &[PUBLIC, CODE, r#""redirect_uris":["com.example.app:/cb"]"#],
                "",
            ),
            (&[PUBLIC], ""),
            (
                &[
                    SECRET,
                    WEB,
                    r#""post_logout_redirect_uris":["http://example.com/"]"#,
                ],
                "post_logout_redirect_uris",
            ),
            (
                &[
                    SECRET,
                    WEB,
                    r#""post_logout_redirect_uris":["https://app.example/"]"#,
                ],
                "",
            ),
            (
                &[SECRET, WEB, r#""response_types":["code","id_token code"]"#],
                "",
            ),
            (
                &[
                    SECRET,
                    WEB,
                    r#""response_types":["code token","code id_token token"]"#,
                ],
                "",
            ),
            (
                &[MTLS, WEB, r#""response_types":["code token"]"#],
                "response_types",
            ),
            (
                &[MTLS, WEB, r#""response_types":["token code id_token"]"#],
                "response_types",
            ),
            (
                &[MTLS, WEB, UNBOUND, r#""response_types":["code token"]"#],
                "",
            ),
            (
                &[SECRET, WEB, r#""response_types":["token"]"#],
                "response_types",
            ),
            (
                &[SECRET, WEB, r#""response_types":["id_token token"]"#],
                "response_types",
            ),
            (
                &[SECRET, WEB, r#""response_types":["none"]"#],
                "response_types",
            ),
            (&[SECRET, WEB, r#""response_types":[]"#], "response_types"),
            (&[SECRET, r#""response_types":["code"]"#], "response_types"),
            (
                &[
                    SECRET,
                    r#""grant_types":["client_credentials"],"response_types":[]"#,
                ],
                "",
            ),
            (
                &[
                    SECRET,
                    r#""grant_types":["authorization_code","implicit"],"redirect_uris":["https://app.example/cb"],"response_types":["code id_token"]"#,
                ],
                "",
            ),
            (
                &[
                    SECRET,
                    r#""grant_types":["authorization_code","implicit"],"redirect_uris":["https://app.example/cb"]"#,
                ],
                "grant_types",
            ),
            (
                &[SECRET, WEB, r#""application_type":"desktop""#],
                "application_type",
            ),
            (
                &[SECRET, WEB, r#""subject_type":"pairwise""#],
                "subject_type",
            ),
            (
                &[
                    SECRET,
                    WEB,
                    r#""backchannel_logout_uri":"https://app.example/out""#,
                ],
                "",
            ),
            (
                &[
                    SECRET,
                    WEB,
                    r#""backchannel_logout_uri":"http://app.example/out""#,
                ],
                "backchannel_logout_uri",
            ),
            (
                &[
                    SECRET,
                    WEB,
                    r#""backchannel_logout_uri":"https://app.example/out#x""#,
                ],
                "backchannel_logout_uri",
            ),
            (
                &[
                    PUBLIC,
                    WEB,
                    r#""backchannel_logout_uri":"com.example.app:/out""#,
                ],
                "backchannel_logout_uri",
            ),
            (
                &[SECRET, WEB, r#""policy_uri":"javascript:alert(1)""#],
                "policy_uri",
            ),
            (
                &[SECRET, WEB, r#""logo_uri":"https://app.example/logo.png""#],
                "",
            ),
        ],
        Profile::OAuth2,
    );
}

#[test]
fn defaults() {
    let web = made(&[SECRET, WEB]);
    let people = web.people();
    assert_eq!(people.response_types(), [ResponseType::CODE]);
    assert_eq!(people.scope().as_str(), DEFAULT_SCOPE);
    assert!(people.default_scope().is_empty());
    assert_eq!(people.pkce(), PkcePolicy::Required);
    assert_eq!(people.id_token_alg(), SigningAlgorithm::Rs256);
    assert_eq!(people.userinfo_alg(), None);
    assert!(people.asks_consent() && !people.requires_par() && !people.rotates());
    // Its own scope is not touched by what people may be asked.
    assert!(web.scope().is_empty());
    let scoped = made(&[SECRET, WEB, r#""scope":"openid orders.read orders.write""#]);
    assert_eq!(
        scoped.people().scope().as_str(),
        "openid orders.read orders.write"
    );
    assert_eq!(
        scoped.people().default_scope().as_str(),
        "orders.read orders.write"
    );
    let machine = made(&[SECRET]);
    assert!(machine.people().scope().is_empty());
    assert!(machine.people().response_types().is_empty());
}

/// PK-03, PK-09: Keycloak's words mean what they mean there.
#[test]
fn pkce_policies() {
    use CodeChallengeMethod::{Plain, S256};
    for (word, required, methods) in [
        ("required", true, &[S256][..]),
        ("S256", true, &[S256]),
        ("optional", false, &[S256]),
        ("", false, &[S256, Plain]),
        ("plain", true, &[Plain]),
    ] {
        let pkce = format!(r#""pkce":"{word}""#);
        let policy = made(&[SECRET, WEB, &pkce]).people().pkce();
        assert_eq!(
            (policy.is_required(), policy.methods()),
            (required, methods),
            "{word}"
        );
        let public = read(&[PUBLIC, WEB, &pkce], Profile::OAuth2);
        assert_eq!(public.is_ok(), required && methods == [S256], "{word}");
    }
    check(
        &[(&[SECRET, WEB, r#""pkce":"s256""#], "pkce")],
        Profile::OAuth2,
    );
}

/// BCP-05, RFC 8705 sections 4 and 7.1.
#[test]
fn what_holds_refresh_tokens() {
    use RefreshBinding::{Certificate, Client, Key, Nothing};
    const BOUND: &str = r#""tls_client_certificate_bound_access_tokens":true"#;
    for (client, more, binding, rotates) in [
        (MTLS, "", Certificate, false),
        (MTLS, UNBOUND, Client, false),
        (SECRET, "", Client, false),
        (SECRET, BOUND, Certificate, false),
        (PUBLIC, "", Nothing, true),
        (PUBLIC, BOUND, Certificate, false),
        (
            PUBLIC,
            r#""refresh_token_binding":"certificate""#,
            Certificate,
            false,
        ),
        (MTLS, r#""refresh_token_binding":"key""#, Key, false),
        (MTLS, r#""refresh_token_binding":"client""#, Client, false),
        (SECRET, r#""refresh_token_rotation":"always""#, Client, true),
        (
            PUBLIC,
            r#""refresh_token_rotation":"always""#,
            Nothing,
            true,
        ),
    ] {
        let members: Vec<&str> = [client, WEB, more]
            .into_iter()
            .filter(|m| !m.is_empty())
            .collect();
        let made = made(&members);
        let people = made.people();
        assert_eq!(
            (people.refresh_binding(), people.rotates()),
            (binding, rotates),
            "{members:?}"
        );
    }
    check(
        &[
            (
                &[PUBLIC, WEB, r#""refresh_token_rotation":"never""#],
                "refresh_token_rotation",
            ),
            (
                &[SECRET, WEB, r#""refresh_token_rotation":"sometimes""#],
                "refresh_token_rotation",
            ),
            (
                &[SECRET, WEB, r#""refresh_token_binding":"nothing""#],
                "refresh_token_binding",
            ),
            (
                &[PUBLIC, WEB, r#""refresh_token_binding":"client""#],
                "refresh_token_binding",
            ),
        ],
        Profile::OAuth2,
    );
}

/// OC-16, OC-17.
#[test]
fn signatures_and_encryption() {
    const ALG: &str = "id_token_encrypted_response_alg";
    const ENC: &str = "id_token_encrypted_response_enc";
    for (name, good) in [
        ("RS256", true),
        ("PS256", true),
        ("ES256", true),
        ("EdDSA", true),
        ("none", false),
        ("HS256", false),
        ("ES384", false),
        ("rs256", false),
    ] {
        for member in [
            "id_token_signed_response_alg",
            "userinfo_signed_response_alg",
        ] {
            let found = read(
                &[SECRET, WEB, &format!(r#""{member}":"{name}""#)],
                Profile::OAuth2,
            );
            assert_eq!(
                found.err().map(|wrong| wrong.join(",")),
                (!good).then(|| member.to_owned())
            );
        }
    }
    let alg = r#""id_token_encrypted_response_alg":"RSA-OAEP""#;
    let enc = r#""id_token_encrypted_response_enc":"A256GCM""#;
    let curve = r#""id_token_encrypted_response_alg":"ECDH-ES""#;
    let remote = r#""jwks_uri":"https://app.example/jwks""#;
    check(
        &[
            (&[SECRET, WEB, RSA, alg], ""),
            (&[SECRET, WEB, RSA, alg, enc], ""),
            (&[SECRET, WEB, remote, alg], ""),
            (&[SECRET, WEB, remote, curve], ""),
            (&[SECRET, WEB, alg], ALG),
            (&[SECRET, WEB, RSA, curve], ALG),
            (&[SECRET, WEB, RSA, enc], ENC),
            (
                &[
                    SECRET,
                    WEB,
                    RSA,
                    r#""id_token_encrypted_response_alg":"dir""#,
                ],
                ALG,
            ),
            (
                &[
                    SECRET,
                    WEB,
                    RSA,
                    alg,
                    r#""id_token_encrypted_response_enc":"A192GCM""#,
                ],
                ENC,
            ),
            (
                &[
                    SECRET,
                    WEB,
                    r#""userinfo_encrypted_response_alg":"RSA-OAEP""#,
                ],
                "userinfo_encrypted_response_alg",
            ),
        ],
        Profile::OAuth2,
    );
    let made = made(&[SECRET, WEB, RSA, alg]);
    assert_eq!(
        made.people().id_token_encryption(),
        Some(Encryption {
            alg: KeyManagement::RsaOaep,
            enc: ContentEncryption::A128CbcHs256,
        })
    );
    assert!(
        made.jwks()
            .is_some_and(|jwks| jwks.encryption_key(KeyManagement::RsaOaep).is_some())
    );
}

#[test]
fn levels_and_ages() {
    let made = made(&[
        SECRET,
        WEB,
        r#""default_max_age":0,"default_acr_values":["gold","silver"],"acr_loa_map":{"silver":1,"gold":2},"consent":false,"require_pushed_authorization_requests":true"#,
    ]);
    let people = made.people();
    assert_eq!(people.default_max_age(), Some(Lifetime::from_seconds(0)));
    assert_eq!(people.default_acr_values(), ["gold", "silver"]);
    assert_eq!(
        people.acr_loa_map().and_then(|map| map.get("gold")),
        Some(&2)
    );
    assert!(!people.asks_consent() && people.requires_par());
    check(
        &[
            (
                &[SECRET, WEB, r#""default_acr_values":["a b"]"#],
                "default_acr_values",
            ),
            (
                &[SECRET, WEB, r#""default_acr_values":[""]"#],
                "default_acr_values",
            ),
            (&[SECRET, WEB, r#""acr_loa_map":{"a b":1}"#], "acr_loa_map"),
        ],
        Profile::OAuth2,
    );
}

/// FA-01, FA-02, FA-03, FA-05, FA-07, FA-10.
#[test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn fapi2_forbids() {
    const BOUND: &str = r#""tls_client_certificate_bound_access_tokens":true"#;
    const JWT: &str = r#""client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example/jwks""#;
    let code =
        |uri: &str| format!(r#""grant_types":["authorization_code"],"redirect_uris":["{uri}"]"#);
    check(
        &[
            (&[MTLS, WEB], ""),
            (&[JWT, WEB, BOUND], ""),
            (&[JWT, WEB], "tls_client_certificate_bound_access_tokens"),
            (&[JWT, r#""grant_types":[]"#], ""),
            (
                &[MTLS, WEB, UNBOUND],
                "tls_client_certificate_bound_access_tokens",
            ),
            (&[SECRET, WEB, BOUND], "token_endpoint_auth_method"),
            (&[PUBLIC, WEB, BOUND], "token_endpoint_auth_method"),
            (
                &[MTLS, WEB, r#""refresh_token_rotation":"always""#],
                "refresh_token_rotation",
            ),
            (&[MTLS, WEB, r#""refresh_token_rotation":"never""#], ""),
            (
                &[MTLS, WEB, r#""response_types":["code","code id_token"]"#],
                "response_types",
            ),
            (&[MTLS, WEB, r#""pkce":"optional""#], "pkce"),
            (&[MTLS, WEB, r#""pkce":"""#], "pkce"),
            (&[MTLS, WEB, r#""pkce":"plain""#], "pkce"),
            (&[MTLS, WEB, r#""pkce":"S256""#], ""),
            (
                &[
                    MTLS,
                    WEB,
                    r#""require_pushed_authorization_requests":false"#,
                ],
                "require_pushed_authorization_requests",
            ),
            (&[MTLS, &code("http://127.0.0.1/cb")], "redirect_uris"),
            (
                &[
                    MTLS,
                    &code("http://127.0.0.1/cb"),
                    r#""application_type":"native""#,
                ],
                "",
            ),
            (
                &[
                    MTLS,
                    &code("http://localhost/cb"),
                    r#""application_type":"native""#,
                ],
                "redirect_uris",
            ),
            (
                &[MTLS, WEB, r#""id_token_signed_response_alg":"RS256""#],
                "id_token_signed_response_alg",
            ),
            (
                &[MTLS, WEB, r#""id_token_signed_response_alg":"ES256""#],
                "",
            ),
            (
                &[MTLS, WEB, r#""userinfo_signed_response_alg":"RS256""#],
                "userinfo_signed_response_alg",
            ),
            (
                &[MTLS, WEB, r#""introspection_signed_response_alg":"RS256""#],
                "introspection_signed_response_alg",
            ),
            (
                &[
                    JWT,
                    WEB,
                    BOUND,
                    r#""token_endpoint_auth_signing_alg":"RS256""#,
                ],
                "token_endpoint_auth_signing_alg",
            ),
            (
                &[
                    JWT,
                    WEB,
                    BOUND,
                    r#""token_endpoint_auth_signing_alg":"PS256""#,
                ],
                "",
            ),
            (
                &[
                    MTLS,
                    WEB,
                    RSA,
                    r#""id_token_encrypted_response_alg":"RSA1_5""#,
                ],
                "id_token_encrypted_response_alg",
            ),
            (
                &[
                    MTLS,
                    WEB,
                    RSA,
                    r#""id_token_encrypted_response_alg":"RSA-OAEP-256""#,
                ],
                "",
            ),
        ],
        Profile::Fapi2,
    );
    let made = read(&[MTLS, WEB], Profile::Fapi2).expect("a good one");
    assert_eq!(made.people().id_token_alg(), SigningAlgorithm::Ps256);
    assert!(made.people().requires_par());
}
