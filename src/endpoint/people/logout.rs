//! Signing out (OpenID Connect RP-Initiated Logout 1.0): by the browser, which is asked where nothing shows
//! that its user wants to; and by a client with a refresh token.

use http::{Method, StatusCode};

use super::browser::{Browser, IN_URL, query, see_other, show, shown, trouble};
use super::interaction::{Interaction, Kinds};
use super::session::Current;
use crate::authorization::Answer as Response;
use crate::client::registration::ClientRegistration;
use crate::endpoint::authenticate::authenticate;
use crate::endpoint::{Answer, Endpoint, Look, Reply, Request, Server, Trust};
use crate::grant::refresh_token::held;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::time::Timestamp;
use crate::page::{self, Page};
use crate::token::id_token;
use crate::token::read::Live;
use crate::user::session::SessionId;

/// The endpoint.
pub(in crate::endpoint) struct Logout;

impl Endpoint for Logout {
    fn name(&self) -> &'static str {
        "logout"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("end_session_endpoint")
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::POST]
    }

    fn draw(&self, server: &Server, request: &Request, error: &OAuthError) -> Reply {
        // A client gets what clients get, whatever is wrong with its form.
        let by_client = request.method == Method::POST
            && url::form_urlencoded::parse(&request.body).any(|(name, _)| name == "refresh_token");
        if by_client {
            Reply::from(error)
        } else {
            trouble(server, request, error)
        }
    }

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        Box::pin(serve(server, request))
    }
}

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let trust = server.trust.load_full();
    let now = (server.clock)();
    let posted = request.method == Method::POST;
    let form = if posted {
        request.form()?
    } else {
        Form::parse(request.query.as_bytes())?
    };
    if posted && form.value("refresh_token").is_some() {
        return by_client(server, &trust, request, &form, now).await;
    }
    let mut browser = Browser::of(request);
    let visit = Visit {
        server,
        trust: &trust,
        request,
        now,
    };
    let reply = match form.value("interaction").filter(|_| posted) {
        Some(sealed) => {
            let interaction = Interaction::open(server, &browser, Kinds::Logout, sealed, now)?;
            let asked = visit.read(&interaction.form()?)?;
            match form.required("step")? {
                "logout" => visit.end(&mut browser, &asked).await,
                "stay" => Ok(visit.left(&asked, true)),
                _ => Err(OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "there is no such step",
                )),
            }
        }
        // A form that another site posted comes without cookies, which browsers send along with a GET.
        None if posted && browser.keeps_cookies_back(request) => {
            let asked = visit.read(&form)?;
            let mut again = query(&form);
            if again.len() > IN_URL {
                // Without the hint the user is asked, and the client is known all the same.
                let client_id = asked
                    .client
                    .as_ref()
                    .map(|client| client.client_id().as_str());
                let kept = form
                    .pairs()
                    .filter(|(name, _)| !matches!(*name, "id_token_hint" | "client_id"))
                    .chain(client_id.map(|id| ("client_id", id)));
                again = query(&Form::from_pairs(kept)?);
            }
            see_other(&format!("logout?{again}"))
        }
        None => {
            let asked = visit.read(&form)?;
            visit.decide(&mut browser, &asked, &form).await
        }
    }?;
    Ok(browser.given(reply))
}

/// What is asked, as far as it can be believed.
struct Asked {
    /// The client, by the hint or by its name.
    client: Option<std::sync::Arc<ClientRegistration>>,
    /// Whether the hint is an ID token of ours.
    hint: Option<id_token::Hint>,
    /// Where to go then, if that is registered, with the `state`.
    leads_to: Option<Response>,
    /// Whether the browser was to go where it will not.
    return_refused: bool,
    ui_locales: Option<String>,
}

struct Visit<'a> {
    server: &'a Server,
    trust: &'a Trust,
    request: &'a Request,
    now: Timestamp,
}

impl Visit<'_> {
    /// Reads what is asked.
    ///
    /// # Errors
    /// What contradicts itself.
    fn read(&self, form: &Form<'_>) -> Result<Asked, OAuthError> {
        let keys = self.server.keys()?;
        let hint = form
            .value("id_token_hint")
            .and_then(|hint| id_token::hint(hint, &keys, self.server.issuer(), self.now));
        let named = form.value("client_id");
        if let Some((hint, named)) = hint.as_ref().zip(named)
            && hint.client_id != named
        {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "the client_id is not that of the id_token_hint",
            ));
        }
        let client_id = hint.as_ref().map(|hint| hint.client_id.as_str()).or(named);
        let client = client_id
            .and_then(|id| self.trust.clients.find(id))
            .cloned();
        let uri = form.value("post_logout_redirect_uri");
        let registered = uri.zip(client.as_ref()).filter(|(uri, client)| {
            let known = client.people().post_logout_redirect_uris();
            known.iter().any(|known| known.as_str() == *uri)
        });
        let state: Vec<(&str, &str)> = form
            .value("state")
            .map(|state| ("state", state))
            .into_iter()
            .collect();
        Ok(Asked {
            leads_to: registered.map(|(uri, _)| Response::back_to(uri, &state)),
            return_refused: uri.is_some() && registered.is_none(),
            client,
            hint,
            ui_locales: form.value("ui_locales").map(str::to_owned),
        })
    }

    /// Ends the session at once where an ID token of that very session asks for it; asks the user else.
    async fn decide(
        &self,
        browser: &mut Browser,
        asked: &Asked,
        form: &Form<'_>,
    ) -> Result<Reply, OAuthError> {
        let (current, _) = self.server.session(browser, None, self.now).await?;
        let Some(current) = current else {
            // There is nothing to end. Only a client that shows an ID token is known to have sent the browser.
            return match asked.leads_to.as_ref().filter(|_| asked.hint.is_some()) {
                Some(Response::Redirect(location)) => see_other(location),
                _ => Ok(self.left(asked, false)),
            };
        };
        let named = asked.hint.as_ref().and_then(|hint| hint.session.as_deref());
        if named == Some(current.id.as_str()) && !asked.return_refused {
            return self.end(browser, asked).await;
        }
        self.ask(browser, asked, &current, form)
    }

    fn ask(
        &self,
        browser: &mut Browser,
        asked: &Asked,
        current: &Current,
        form: &Form<'_>,
    ) -> Result<Reply, OAuthError> {
        let sealed = Interaction::begin(self.server, Kinds::Logout, form, self.now).sealed(
            self.server,
            browser,
            self.now,
        )?;
        let page = Page::ConfirmLogout {
            form: page::Form {
                action: "logout",
                interaction: &sealed,
            },
            client: asked.client.as_deref().map(shown),
            username: Some(&current.session.username),
            return_refused: asked.return_refused,
        };
        let status = if asked.return_refused {
            tracing::warn!(
                request = &*self.request.id,
                endpoint = "logout",
                status = StatusCode::BAD_REQUEST.as_u16(),
                client_id = asked
                    .client
                    .as_ref()
                    .map(|client| client.client_id().as_str()),
                cause = "the post_logout_redirect_uri is none that is registered for the client",
                "the user is asked, and will not be sent there"
            );
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        Ok(self.page(asked, status, &page))
    }

    /// Ends the browser's session and all that it gave.
    async fn end(&self, browser: &mut Browser, asked: &Asked) -> Result<Reply, OAuthError> {
        // The session is the browser's only if it knows its secret.
        let (current, _) = self.server.session(browser, None, self.now).await?;
        if let Some(current) = current {
            let ended = self.server.end_session(&current.id, self.now).await?;
            if let Some(session) = ended {
                self.server.metrics.user_signed_out();
                signed_out(
                    self.request,
                    &session.subject,
                    Some(current.id.as_str()),
                    None,
                );
            }
        }
        browser.sign_out();
        match &asked.leads_to {
            Some(Response::Redirect(location)) => see_other(location),
            _ => Ok(self.left(asked, false)),
        }
    }

    fn left(&self, asked: &Asked, stayed: bool) -> Reply {
        let client = asked.client.as_deref().map(shown);
        self.page(asked, StatusCode::OK, &Page::LoggedOut { client, stayed })
    }

    fn page(&self, asked: &Asked, status: StatusCode, page: &Page<'_>) -> Reply {
        let target = match &asked.leads_to {
            Some(Response::Redirect(location)) => Some(location.as_str()),
            _ => None,
        };
        show(
            self.server,
            self.request,
            asked.ui_locales.as_deref(),
            status,
            page,
            target,
        )
    }
}

/// A client ends what its refresh token is of, and the session that gave it.
async fn by_client(
    server: &Server,
    trust: &Trust,
    request: &Request,
    form: &Form<'_>,
    now: Timestamp,
) -> Result<Reply, OAuthError> {
    let client = authenticate(server, trust, request, form, now).await?;
    let client_id = client.registration().client_id();
    let refused = |cause: &str| {
        OAuthError::new(
            ErrorCode::InvalidGrant,
            "what was presented is unknown, has expired or was revoked",
        )
        .because(format!("client {client_id}: {cause}"))
    };
    let found = server
        .live_token(form.required("refresh_token")?, Look::Afresh, now)
        .await?;
    let Some((seen, Live::Refresh(token, family))) = found else {
        return Err(refused("it is no refresh token that is alive"));
    };
    if family.client_id != *client_id {
        return Err(refused("the refresh token was given to another client"));
    }
    held(&client, &token).map_err(|error| {
        let cause = format!("client {client_id}: {}", error.cause());
        error.because(cause)
    })?;
    let session = family.session.as_deref().and_then(SessionId::parse);
    if let Some(session) = &session {
        server.end_session(session, now).await?;
    }
    server.commit(&seen.recognised.revocation(), now).await?;
    server.metrics.user_signed_out();
    signed_out(
        request,
        &family.subject,
        family.session.as_deref(),
        Some(client_id.as_str()),
    );
    Ok(Reply::json("{}"))
}

fn signed_out(request: &Request, subject: &str, session: Option<&str>, client_id: Option<&str>) {
    tracing::info!(
        target: "audit",
        event = "user_signed_out",
        request = &*request.id,
        sub = subject,
        sid = session,
        client_id,
        address = request.presented.address().map(tracing::field::display),
    );
}
