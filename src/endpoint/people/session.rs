//! Sessions in the store: looked up, begun, raised and ended, each in one step.

use super::browser::Browser;
use crate::endpoint::{Request, Server, Trust};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Condition, Key, Record};
use crate::store::StoreError;
use crate::user::session::{Given, Limits, Session, SessionCookie, SessionId, SignedIn};
use crate::user::{Factors, Method, User};

/// A session as it lies in the store.
#[derive(Debug)]
pub(super) struct Current {
    /// Its name.
    pub(super) id: SessionId,
    /// What it says.
    pub(super) session: Session,
    /// As it was read, so that nothing is written over what somebody else did meanwhile.
    record: Record,
}

impl Current {
    /// Only if it is still as it was read.
    pub(super) fn unchanged(&self, issuer: &str, changes: Changes) -> Changes {
        changes.expect(
            self.id.key(issuer),
            Condition::Is(self.record.value.clone()),
        )
    }
}

/// What the web server says of who sits at the browser: whom it authenticated, and whose certificate it saw.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// By `--user-header`.
    pub(super) header: Option<SignedIn>,
    /// By a certificate of `--users`.
    pub(super) certificate: Option<SignedIn>,
}

impl Named {
    /// Reads both.
    pub(super) fn of(trust: &Trust, request: &Request, now: Timestamp) -> Self {
        Self {
            header: request
                .presented
                .user()
                .and_then(|name| by_header(trust, request, name)),
            certificate: by_certificate(trust, request, now),
        }
    }

    /// Who is signed in without being asked: nobody where the two contradict each other.
    pub(super) fn automatic(&self, server: &Server) -> Option<&SignedIn> {
        match (&self.header, &self.certificate) {
            (Some(one), Some(other)) if one.username != other.username => None,
            (Some(one), Some(other)) => {
                let level = |signed_in: &SignedIn| server.settings.levels.of(signed_in.factors);
                Some(if level(other) > level(one) {
                    other
                } else {
                    one
                })
            }
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        }
    }
}

fn by_header(trust: &Trust, request: &Request, name: &str) -> Option<SignedIn> {
    let factors = Factors {
        method: Method::Header,
        totp: false,
    };
    if let Some(user) = trust.users.find(name) {
        return Some(local(user, factors));
    }
    let refused = |cause: &str| {
        tracing::warn!(request = &*request.id, user = ?name, cause, "the web server's user is not signed in");
        None
    };
    if trust.users.by_sub(name).is_some() {
        return refused("the name is the sub of another user of --users");
    }
    if trust.clients.find(name).is_some() {
        // RFC 9700 section 4.15: whoever reads the token would take the user for the client itself.
        return refused(
            "the name is the client_id of a client: give the user an entry with a sub in --users",
        );
    }
    if name.len() > 255 || !name.bytes().all(|octet| matches!(octet, 0x20..=0x7e)) {
        return refused(
            "a sub is at most 255 printable ASCII characters: give the user an entry with a sub in --users",
        );
    }
    Some(SignedIn {
        username: name.to_owned(),
        subject: name.to_owned(),
        local: false,
        factors,
    })
}

fn by_certificate(trust: &Trust, request: &Request, now: Timestamp) -> Option<SignedIn> {
    match trust
        .users
        .by_certificate(&request.presented, &trust.belief, now)
    {
        Ok(user) => user.map(|user| {
            local(
                user,
                Factors {
                    method: Method::Certificate,
                    totp: false,
                },
            )
        }),
        Err(cause) => {
            tracing::warn!(request = &*request.id, %cause, "the user certificate does not count");
            None
        }
    }
}

/// A user of `--users` who signed in like that.
pub(super) fn local(user: &User, factors: Factors) -> SignedIn {
    SignedIn {
        username: user.username().to_owned(),
        subject: user.sub().to_owned(),
        local: true,
        factors,
    }
}

impl Server {
    /// How long sessions last.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            idle: self.settings.session_idle_ttl,
            absolute: self.settings.session_ttl,
        }
    }

    /// The session of that browser and another record, in one look. The session may be one that has ended but
    /// for what it gave.
    pub(super) async fn session(
        &self,
        browser: &Browser,
        other: Option<Key>,
        now: Timestamp,
    ) -> Result<(Option<Current>, Option<Record>), OAuthError> {
        let mut keys = Vec::with_capacity(2);
        keys.extend(
            browser
                .session
                .as_ref()
                .map(|cookie| cookie.id().key(self.issuer())),
        );
        let has_session = !keys.is_empty();
        let asks = other.is_some();
        keys.extend(other);
        let mut records = self.records(&keys, now).await?.into_iter();
        let record = if has_session {
            records.next().flatten()
        } else {
            None
        };
        let other = if asks { records.next().flatten() } else { None };
        let current = browser
            .session
            .as_ref()
            .zip(record)
            .and_then(|(cookie, record)| {
                Some(Current {
                    id: cookie.id().clone(),
                    session: Session::of(cookie, &record)?,
                    record,
                })
            });
        Ok((current, other))
    }

    /// Signs that user in: goes on with the browser's session if it is the same user's, and ends it if it is
    /// another's. All of that, and whatever else, in one step.
    pub(super) async fn sign_in(
        &self,
        browser: &mut Browser,
        before: Option<Current>,
        user: SignedIn,
        others: Changes,
        request: &Request,
        now: Timestamp,
    ) -> Result<Current, StoreError> {
        let issuer = self.issuer();
        let same = before.as_ref().is_some_and(|before| {
            before.session.subject == user.subject && before.session.username == user.username
        });
        let id = match &before {
            Some(before) if same => before.id.clone(),
            _ => SessionId::mint(&(self.mint)()),
        };
        let cookie = SessionCookie::new(id.clone(), (self.mint)());
        let mut changes = others;
        let mut left = Vec::new();
        let factors = user.factors;
        let session = match before {
            Some(before) if same => {
                changes = before.unchanged(issuer, changes);
                before.session.renewed(&cookie, user, now)
            }
            Some(before) => {
                changes = before
                    .unchanged(issuer, changes)
                    .delete(before.id.key(issuer));
                changes = before.session.end(issuer, changes);
                left.push(before);
                Session::begin(&cookie, user, now)
            }
            None => Session::begin(&cookie, user, now),
        };
        let current = self
            .keep(browser, id, cookie, session, changes, now)
            .await?;
        for before in left {
            self.tell_clients(&before.id, &before.session.subject, &before.session.given);
        }
        self.metrics.user_signed_in(method_name(factors));
        tracing::info!(
            target: "audit",
            event = "user_signed_in",
            request = &*request.id,
            sub = current.session.subject,
            username = current.session.username,
            method = method_name(factors),
            sid = current.id.as_str(),
            address = request.presented.address().map(tracing::field::display),
        );
        Ok(current)
    }

    /// The same session after a second factor.
    pub(super) async fn raise(
        &self,
        browser: &mut Browser,
        before: Current,
        others: Changes,
        request: &Request,
        now: Timestamp,
    ) -> Result<Current, StoreError> {
        let issuer = self.issuer();
        let changes = before.unchanged(issuer, others);
        let Current { id, session, .. } = before;
        let cookie = SessionCookie::new(id.clone(), (self.mint)());
        let session = session.raised(&cookie, now);
        let current = self
            .keep(browser, id, cookie, session, changes, now)
            .await?;
        self.metrics.user_signed_in("totp");
        tracing::info!(
            target: "audit",
            event = "second_factor_given",
            request = &*request.id,
            sub = current.session.subject,
            sid = current.id.as_str(),
            address = request.presented.address().map(tracing::field::display),
        );
        Ok(current)
    }

    /// Keeps a session for a browser with a new cookie, which the browser is given once that is done.
    async fn keep(
        &self,
        browser: &mut Browser,
        id: SessionId,
        cookie: SessionCookie,
        session: Session,
        changes: Changes,
        now: Timestamp,
    ) -> Result<Current, StoreError> {
        let record = self.session_record(&session, now)?;
        let changes = changes.put(id.key(self.issuer()), record.clone());
        self.commit(&changes, now).await?;
        browser.sign_in(cookie);
        Ok(Current {
            id,
            session,
            record,
        })
    }

    /// What a session becomes when it is used.
    pub(super) fn session_record(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Record, StoreError> {
        let settings = &self.settings;
        let tokens = [settings.refresh_token_ttl, settings.access_token_ttl];
        let tokens = tokens
            .iter()
            .fold(settings.code_ttl, |sum, ttl| sum.and(*ttl));
        session
            .record(self.limits(), tokens, now)
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Ends a session and everything that it gave, whoever is changing it meanwhile.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn end_session(
        &self,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, OAuthError> {
        let key = id.key(self.issuer());
        for _ in 0..8 {
            let records = self.records(std::slice::from_ref(&key), now).await?;
            let Some(record) = records.into_iter().next().flatten() else {
                return Ok(None);
            };
            let Some(session) = Session::read(&record) else {
                return Ok(None);
            };
            let changes = Changes::none()
                .expect(key.clone(), Condition::Is(record.value))
                .delete(key.clone());
            match self.commit(&session.end(self.issuer(), changes), now).await {
                Ok(()) => {
                    self.tell_clients(id, &session.subject, &session.given);
                    return Ok(Some(session));
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(
            OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
                .because("the session is being used by many at once"),
        )
    }

    /// Tells each client once that the session has ended, some time later.
    fn tell_clients(&self, id: &SessionId, subject: &str, given: &[Given]) {
        let mut clients: Vec<&str> = given.iter().map(|given| given.client_id.as_str()).collect();
        clients.sort_unstable();
        clients.dedup();
        super::backchannel::tell(self, &clients, id.as_str(), subject);
    }
}

/// How somebody signed in, for log and metrics.
pub(super) const fn method_name(factors: Factors) -> &'static str {
    match factors.method {
        Method::Password => "password",
        Method::Certificate => "certificate",
        Method::Header => "header",
    }
}
