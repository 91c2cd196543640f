//! Where a browser may be sent, and with what (RFC 6749 section 3.1, RFC 7591 section 2.1, RFC 9700
//! section 2.1).

use super::super::Contradiction;
use super::super::metadata::Metadata;
use super::Known;
use crate::oauth::redirect_uri::{Destination, RedirectUri};
use crate::oauth::response::ResponseType;

/// How many redirection URIs a client may have; each request is compared with all of them.
const MOST: usize = 100;

/// The URIs of that member, each once.
pub(super) fn uris(
    known: &Known<'_>,
    member: &'static str,
    written: Option<&[String]>,
    wrong: &mut Vec<Contradiction>,
) -> Vec<RedirectUri> {
    let written = written.unwrap_or_default();
    if written.len() > MOST {
        wrong.push(Contradiction::new(
            member,
            "it has more than 100 URIs; write fewer",
        ));
        return Vec::new();
    }
    let mut read: Vec<RedirectUri> = Vec::with_capacity(written.len());
    for text in written {
        match RedirectUri::parse(text) {
            Ok(uri)
                if uri.destination() == Destination::Application
                    && known.confidential
                    && !known.is_native() =>
            {
                wrong.push(Contradiction::new(
                    member,
                    format!("{text:?}: private-use schemes are for native clients (RFC 8252 section 7.1); write \"application_type\": \"native\" too, or an https URI"),
                ));
            }
            Ok(uri) if !read.contains(&uri) => read.push(uri),
            Ok(_) => {}
            Err(error) => wrong.push(Contradiction::new(member, format!("{text:?}: {error}"))),
        }
    }
    read
}

/// Whether the grants go with the redirection URIs and response types (RFC 7591 section 2.1).
pub(super) fn grants(known: &Known<'_>, uris: &[RedirectUri], wrong: &mut Vec<Contradiction>) {
    let code = known.may_use("authorization_code");
    let told = wrong.iter().any(|known| known.member == "redirect_uris");
    if code && known.names_grants && uris.is_empty() && !told {
        wrong.push(Contradiction::new(
            "redirect_uris",
            "authorization_code is in grant_types, and there is nowhere to send a code to; write redirect_uris, or take authorization_code out",
        ));
    }
    let types = known.metadata.response_types.as_deref().unwrap_or_default();
    let front =
        |text: &String| ResponseType::parse(text).is_some_and(ResponseType::is_front_channel);
    if known.may_use("implicit") && !types.iter().any(front) {
        wrong.push(Contradiction::new(
            "grant_types",
            "implicit is read only beside a response type such as code id_token, and the implicit flow itself is not offered (RFC 9700 section 2.1.2); take implicit out",
        ));
    }
}

/// The response types that the client may ask for.
pub(super) fn response_types(
    known: &Known<'_>,
    wrong: &mut Vec<Contradiction>,
) -> Vec<ResponseType> {
    const MEMBER: &str = "response_types";
    let code = known.may_use("authorization_code");
    let Some(written) = known.metadata.response_types.as_deref() else {
        return if code {
            vec![ResponseType::CODE]
        } else {
            Vec::new()
        };
    };
    if written.is_empty() == code {
        wrong.push(Contradiction::new(
            MEMBER,
            if code {
                "authorization_code is in grant_types, and no response type gives a code; write [\"code\"], or take the member out"
            } else {
                "authorization_code is not in grant_types, so that no code could be used; add it, or take response_types out"
            },
        ));
    }
    let mut read = Vec::with_capacity(written.len().min(8));
    for text in written {
        let Some(response_type) = ResponseType::parse(text) else {
            wrong.push(Contradiction::new(
                MEMBER,
                format!("{text:?} is not known; write code, code id_token, code token or code id_token token"),
            ));
            continue;
        };
        if !response_type.code {
            wrong.push(Contradiction::new(
                MEMBER,
                format!("{response_type} gives no code, and the implicit flow is not offered (RFC 9700 section 2.1.2); write code, or code id_token"),
            ));
        } else if response_type.token && known.bound {
            wrong.push(Contradiction::new(
                MEMBER,
                format!("{response_type} gives an access token by way of the browser, where no certificate is seen to bind it to (RFC 8705 section 6.4), and this client's tokens are bound; write {}", if response_type.id_token { "code id_token" } else { "code" }),
            ));
        }
        if !read.contains(&response_type) {
            read.push(response_type);
        }
    }
    read
}

/// Whom to tell of a logout (OpenID Connect Back-Channel Logout section 2.2).
pub(super) fn backchannel_logout_uri(
    metadata: &Metadata,
    wrong: &mut Vec<Contradiction>,
) -> Option<String> {
    const MEMBER: &str = "backchannel_logout_uri";
    let text = metadata.backchannel_logout_uri.as_deref()?;
    match RedirectUri::parse(text) {
        Ok(uri) if uri.destination() != Destination::Application => {}
        Ok(_) => wrong.push(Contradiction::new(
            MEMBER,
            "an application's scheme cannot be called from here; write an https URL",
        )),
        Err(error) => wrong.push(Contradiction::new(MEMBER, error.to_string())),
    }
    Some(text.to_owned())
}
