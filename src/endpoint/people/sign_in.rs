//! Passwords and one-time passwords: each attempt is counted before it is looked at, so that many at once
//! are no more than one after another (RFC 6749 section 10.10, RFC 6238 section 5).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::authorize::Visit;
use super::session::{Current, local};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::time::Lifetime;
use crate::page::LoginProblem;
use crate::record::{Changes, Condition, Key, Kind, Record};
use crate::store::StoreError;
use crate::user::session::SignedIn;
use crate::user::throttle::{self, FORGOTTEN, Wait};
use crate::user::{Factors, Method, User, password};

/// How long a browser in which somebody signed in is told from those in which nobody has.
const KNOWN: Lifetime = Lifetime::from_seconds(90 * 86_400);

/// How long a used one-time password is remembered: longer than it could be good.
const USED: Lifetime = Lifetime::from_seconds(600);

/// Somebody who may sign in, and what is to be changed along with that.
pub(super) struct Admitted {
    /// Who.
    pub(super) user: SignedIn,
    /// The end of the counting.
    pub(super) changes: Changes,
}

/// Whether that password is that user's.
///
/// # Errors
/// The store does not answer, or too many are signing in.
pub(super) async fn password(
    visit: &mut Visit<'_>,
    username: &str,
    password: &str,
) -> Result<Result<Admitted, LoginProblem>, OAuthError> {
    let (server, now) = (visit.server, visit.now);
    let browser = visit.browser.form_or_new(server.mint);
    let name = |kind: &str, place: &str| {
        Key::named(
            Kind::Attempts,
            server.issuer(),
            &format!("{kind}\n{}\n{place}", folded(username)),
        )
    };
    // Whoever signed in from this browser before is not kept waiting by what others do elsewhere.
    let known = name("browser", browser.expose());
    let place = visit.request.presented.address().map(place);
    let elsewhere = name("address", place.as_deref().unwrap_or_default());
    if password.is_empty() || password.len() > password::LONGEST {
        // It is nobody's, which costs nothing to say: nor does it make a record.
        refused(visit, username, "the password is none, or longer than any");
        return Ok(Err(LoginProblem::WrongPassword));
    }
    let records = server
        .records(&[known.clone(), elsewhere.clone()], now)
        .await?;
    let is_known = records.first().is_some_and(Option::is_some);
    let (key, lives) = if is_known {
        (known.clone(), KNOWN)
    } else {
        (elsewhere.clone(), FORGOTTEN)
    };
    let record = records.into_iter().flatten().next();
    let too_many = |wait| {
        refused(visit, username, "there were too many attempts");
        Ok(Err(wait))
    };
    // Who has to wait does not stand in the queue for it.
    let before = throttle::before(record.as_ref().map(|record| record.value.as_slice()), now);
    if let Err(wait) = before {
        return too_many(seconds(wait));
    }
    let Some(free) = server
        .people
        .hashing
        .place(is_known, place.as_deref())
        .await
    else {
        return Err(OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "too many people are signing in: try again in a moment",
        ));
    };
    // Counted only now, so that there are no more records of strangers than passwords can be hashed.
    if let Err(wait) = counted(visit, &key, record.as_ref(), lives).await? {
        return too_many(wait);
    }
    let users = Arc::clone(&visit.trust.users);
    let (name, text) = (
        username.to_owned(),
        zeroize::Zeroizing::new(password.to_owned()),
    );
    let verified = tokio::task::spawn_blocking(move || {
        // Whoever hangs up does not make room for another before this is done.
        free.hash(|memory| {
            let user = users.find(&name).cloned();
            let right = users.verify_password(user.as_deref(), &text, memory);
            user.filter(|_| right)
        })
    });
    let user = verified.await.map_err(|error| {
        OAuthError::new(
            ErrorCode::ServerError,
            "the password could not be looked at",
        )
        .because(error)
    })?;
    let Some(user) = user else {
        refused(
            visit,
            username,
            "user name and password do not belong together",
        );
        return Ok(Err(LoginProblem::WrongPassword));
    };
    let trusted = Record {
        value: b"{}".to_vec(),
        expires: Some(now.after(KNOWN)),
    };
    let changes = Changes::none().delete(elsewhere).put(known, trusted);
    let factors = Factors {
        method: Method::Password,
        totp: false,
    };
    Ok(Ok(Admitted {
        user: local(&user, factors),
        changes,
    }))
}

/// Whether that code is that user's second factor, and has not been used.
///
/// # Errors
/// The store does not answer.
pub(super) async fn one_time_password(
    visit: &Visit<'_>,
    current: &Current,
    user: &User,
    code: &str,
) -> Result<Result<Changes, LoginProblem>, OAuthError> {
    let (server, now) = (visit.server, visit.now);
    let subject = &current.session.subject;
    // Whoever gets here knows the first factor, from wherever: the address makes no difference.
    let attempts = Key::named(Kind::Attempts, server.issuer(), &format!("totp\n{subject}"));
    let last = Key::named(Kind::OneTimePassword, server.issuer(), subject);
    let records = server
        .records(&[attempts.clone(), last.clone()], now)
        .await?;
    let mut records = records.into_iter();
    let (counted_before, spent) = (records.next().flatten(), records.next().flatten());
    if let Err(wait) = counted(visit, &attempts, counted_before.as_ref(), FORGOTTEN).await? {
        refused(
            visit,
            &current.session.username,
            "there were too many one-time passwords",
        );
        return Ok(Err(wait));
    }
    let before = spent
        .as_ref()
        .and_then(|record| std::str::from_utf8(&record.value).ok()?.parse::<u64>().ok());
    let step = user
        .totp()
        .and_then(|totp| totp.check(code, now))
        // RFC 6238 section 5.2: each is good once.
        .filter(|step| before.is_none_or(|before| *step > before));
    let Some(step) = step else {
        refused(
            visit,
            &current.session.username,
            "the one-time password is wrong or was used",
        );
        return Ok(Err(LoginProblem::WrongCode));
    };
    let condition = spent.map_or(Condition::Absent, |record| Condition::Is(record.value));
    let record = Record {
        value: step.to_string().into_bytes(),
        expires: Some(now.after(USED)),
    };
    Ok(Ok(Changes::none()
        .expect(last.clone(), condition)
        .put(last, record)
        .delete(attempts)))
}

/// Counts an attempt that is about to be made.
async fn counted(
    visit: &Visit<'_>,
    key: &Key,
    record: Option<&Record>,
    lives: Lifetime,
) -> Result<Result<(), LoginProblem>, OAuthError> {
    let now = visit.now;
    let counted = match throttle::before(record.map(|record| record.value.as_slice()), now) {
        Ok(value) => Record {
            value,
            expires: Some(now.after(lives)),
        },
        Err(wait) => return Ok(Err(seconds(wait))),
    };
    let condition = record.map_or(Condition::Absent, |record| {
        Condition::Is(record.value.clone())
    });
    let changes = Changes::none()
        .expect(key.clone(), condition)
        .put(key.clone(), counted);
    match visit.server.commit(&changes, now).await {
        Ok(()) => Ok(Ok(())),
        // Another attempt of the same is being made at this moment.
        Err(StoreError::Conflict(_)) => Ok(Err(seconds(Wait(Lifetime::from_seconds(1))))),
        Err(error) => Err(error.into()),
    }
}

fn seconds(Wait(time): Wait) -> LoginProblem {
    LoginProblem::Wait {
        seconds: time.seconds().max(1),
    }
}

/// Whose attempts are counted together: an address, of IPv6 the network that one subscriber has to itself
/// (RFC 6177 section 2).
fn place(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from(network))
        }
    }
}

/// Names that are looked up alike are counted alike; any other only makes a bucket of its own.
fn folded(username: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    username.chars().take(1024).nfc().collect()
}

fn refused(visit: &Visit<'_>, username: &str, cause: &str) {
    visit.server.metrics.sign_in_refused();
    tracing::warn!(
        target: "audit",
        event = "sign_in_refused",
        request = &*visit.request.id,
        username = ?username.chars().take(256).collect::<String>(),
        address = visit.request.presented.address().map(tracing::field::display),
        cause,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(place(address), expected);
        }
    }
}
