//! The documents at a URL: how soon a change is seen, how often anybody asks, and who waits.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use certbound::oauth::time::Timestamp;
use certbound::outbound::OutboundError;
use certbound::outbound::documents::RemoteDocuments;
use certbound::outbound::fetch::TIME_LIMIT;
use certbound::outbound::guard::Destination;
use certbound::outbound::kept::{Doubt, INTERVAL, STALE};
use tokio::net::{TcpListener, TcpStream};

use crate::{private, until};

/// A `jwks_uri` whose document can be changed, and taken away.
struct Publisher {
    url: String,
    asked: Arc<AtomicUsize>,
    /// Whether it takes requests and answers none.
    hangs: Arc<AtomicBool>,
    /// Status, `Cache-Control` and body.
    says: Arc<Mutex<(u16, &'static str, &'static str)>>,
}

impl Publisher {
    async fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let publisher = Self {
            url: format!("http://{address}/jwks"),
            asked: Arc::default(),
            hangs: Arc::default(),
            says: Arc::new(Mutex::new((200, "public", "one"))),
        };
        let (asked, says) = (Arc::clone(&publisher.asked), Arc::clone(&publisher.says));
        let hangs = Arc::clone(&publisher.hangs);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, says) = (Arc::clone(&asked), Arc::clone(&says));
                tokio::spawn(publish(stream, delay, asked, Arc::clone(&hangs), says));
            }
        });
        publisher
    }

    fn say(&self, status: u16, control: &'static str, body: &'static str) {
        *self.says.lock().expect("no panic") = (status, control, body);
    }

    fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn publish(
    stream: TcpStream,
    delay: Duration,
    asked: Arc<AtomicUsize>,
    hangs: Arc<AtomicBool>,
    says: Arc<Mutex<(u16, &'static str, &'static str)>>,
) {
    let service = hyper::service::service_fn(|_request| {
        let (asked, says) = (Arc::clone(&asked), Arc::clone(&says));
        let hangs = Arc::clone(&hangs);
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            if hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(delay).await;
            let (status, control, body) = *says.lock().expect("no panic");
            let answer = http::Response::builder()
                .status(status)
                .header("cache-control", control)
                .body(http_body_util::Full::new(Bytes::from_static(
                    body.as_bytes(),
                )))
                .expect("an answer");
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
    // A client that goes away is its own affair.
    drop(connection.await);
}

fn text(body: &[u8]) -> Result<String, String> {
    match body {
        b"bad" => Err("not a key set".into()),
        _ => String::from_utf8(body.to_vec()).map_err(|_| "not UTF-8".into()),
    }
}

fn remote() -> RemoteDocuments<String> {
    RemoteDocuments::new(private(TIME_LIMIT), text)
}

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + seconds)
}

#[tokio::test]
async fn keys_are_fresh_for_as_long_as_they_say() {
    for (control, fresh) in [
        ("public", 300),
        ("max-age=120", 120),
        ("max-age=0", 60),
        ("no-store", 60),
        ("max-age=31536000", 3600),
    ] {
        let publisher = Publisher::start(Duration::ZERO).await;
        publisher.say(200, control, "one");
        let keys = remote();
        let uri = keys.destination(&publisher.url).expect("its URL");
        assert_eq!(*keys.current(&uri, at(0)).await.expect("keys"), "one");
        publisher.say(200, control, "two");
        // Nobody asks in the last quarter, in which it would be fetched ahead.
        let last = keys.current(&uri, at(fresh / 4 * 3 - 1)).await;
        let last = last.expect("keys");
        assert_eq!((last.as_str(), publisher.asked()), ("one", 1), "{control}");
        let next = keys.current(&uri, at(fresh)).await.expect("keys");
        assert_eq!((next.as_str(), publisher.asked()), ("two", 2), "{control}");
    }
}

#[tokio::test]
async fn a_new_key_is_seen_at_once_but_not_more_often_than_stated() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    assert_eq!(*keys.current(&uri, at(0)).await.expect("keys"), "one");
    publisher.say(200, "public", "two");
    let anew = keys
        .refreshed(&uri, at(1), Doubt::Missing)
        .await
        .expect("keys");
    assert_eq!((anew.as_str(), publisher.asked()), ("two", 2));
    publisher.say(200, "public", "three");
    for second in 1..=INTERVAL.seconds() {
        let same = keys
            .refreshed(&uri, at(second), Doubt::Missing)
            .await
            .expect("keys");
        assert_eq!(*same, "two", "{second}");
    }
    assert_eq!(publisher.asked(), 2);
    let anew = keys
        .refreshed(&uri, at(31), Doubt::Missing)
        .await
        .expect("keys");
    assert_eq!((anew.as_str(), publisher.asked()), ("three", 3));
    // One thousand unknown certificates over 100 seconds.
    for n in 0..1000 {
        let kept = keys
            .refreshed(&uri, at(32 + n / 10), Doubt::Missing)
            .await
            .expect("keys");
        assert_eq!(*kept, "three");
    }
    assert_eq!(publisher.asked(), 3 + 3);
}

#[tokio::test]
async fn what_says_the_same_is_the_same() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    let first = keys.current(&uri, at(0)).await.expect("keys");
    let again = keys
        .refreshed(&uri, at(1), Doubt::Missing)
        .await
        .expect("keys");
    assert!(Arc::ptr_eq(&first, &again) && publisher.asked() == 2);
    publisher.say(200, "public", "two");
    let other = keys
        .refreshed(&uri, at(40), Doubt::Missing)
        .await
        .expect("keys");
    assert!(!Arc::ptr_eq(&first, &other));
}

#[tokio::test]
async fn a_clock_set_back_does_not_keep_keys_for_ever() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    keys.current(&uri, at(86_400)).await.expect("keys");
    publisher.say(200, "public", "two");
    assert_eq!(*keys.current(&uri, at(0)).await.expect("keys"), "two");
    publisher.say(503, "public", "away");
    let outcome = keys.refreshed(&uri, at(86_400), Doubt::Missing).await;
    assert_eq!(outcome, Err(OutboundError::Status(503)));
    publisher.say(200, "public", "three");
    let anew = keys
        .refreshed(&uri, at(0), Doubt::Missing)
        .await
        .expect("keys");
    assert_eq!((anew.as_str(), publisher.asked()), ("three", 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_share_one_fetch() {
    let publisher = Publisher::start(Duration::from_millis(200)).await;
    let keys = Arc::new(remote());
    let uri = keys.destination(&publisher.url).expect("its URL");
    for (second, forced) in [(0, false), (100, true), (1000, false), (2000, true)] {
        let before = publisher.asked();
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let (keys, uri) = (Arc::clone(&keys), uri.clone());
                tokio::spawn(async move {
                    if forced {
                        keys.refreshed(&uri, at(second), Doubt::Missing).await
                    } else {
                        keys.current(&uri, at(second)).await
                    }
                })
            })
            .collect();
        for caller in callers {
            let got = caller.await.expect("no panic").expect("keys");
            assert_eq!(*got, "one");
        }
        assert_eq!(publisher.asked() - before, 1, "at {second}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_keys_do_not_wait_for_a_fetch() {
    let publisher = Publisher::start(Duration::from_millis(400)).await;
    let keys = Arc::new(remote());
    let uri = keys.destination(&publisher.url).expect("its URL");
    keys.current(&uri, at(0)).await.expect("keys");
    let refresh = {
        let (keys, uri) = (Arc::clone(&keys), uri.clone());
        tokio::spawn(async move { keys.refreshed(&uri, at(40), Doubt::Missing).await })
    };
    until(|| publisher.asked() == 2).await;
    keys.current(&uri, at(40)).await.expect("keys");
    assert!(!refresh.is_finished());
    refresh.await.expect("no panic").expect("keys");
}

#[tokio::test]
async fn who_hangs_up_does_not_undo_the_fetch() {
    let publisher = Publisher::start(Duration::from_millis(800)).await;
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    for _ in 0..20 {
        let impatient = tokio::time::timeout(Duration::from_millis(3), keys.current(&uri, at(0)));
        assert!(impatient.await.is_err());
    }
    assert_eq!(*keys.current(&uri, at(0)).await.expect("keys"), "one");
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn older_keys_serve_while_the_publisher_is_away() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    keys.current(&uri, at(0)).await.expect("keys");
    publisher.say(503, "public", "away");
    // The attempts at 1000 and 3899 are waited for here, and by nobody else.
    for (second, asked) in [
        (300, 2),
        (310, 2),
        (329, 2),
        (1000, 3),
        (1029, 3),
        (300 + STALE.seconds() - 1, 4),
    ] {
        let older = keys.current(&uri, at(second)).await.expect("older keys");
        assert_eq!(*older, "one", "{second}");
        until(|| publisher.asked() == asked).await;
        settled(&keys, &uri, at(second)).await;
    }
    assert_eq!(publisher.asked(), 4);
    let bound = 300 + STALE.seconds();
    let outcome = keys.current(&uri, at(bound)).await;
    assert_eq!(outcome, Err(OutboundError::Status(503)));
    publisher.say(200, "public", "two");
    let outcome = keys.current(&uri, at(bound)).await;
    assert_eq!(outcome, Err(OutboundError::Status(503)));
    let outcome = keys.current(&uri, at(bound + 29)).await;
    assert_eq!(*outcome.expect("it is back"), "two");
}

/// Waits for the end of the fetch that is under way, if there is one: whoever asks for it anew waits
/// for that one, and within 30 seconds of it makes do with what came of it.
async fn settled(keys: &RemoteDocuments<String>, uri: &Destination, now: Timestamp) {
    keys.refreshed(uri, now, Doubt::Missing)
        .await
        .expect("what is kept");
}

/// Asks many times at once, of a publisher that may hang, and gives what all were told at once.
async fn told_at_once(keys: &RemoteDocuments<String>, uri: &Destination, now: Timestamp) -> String {
    let begun = Instant::now();
    let mut told = Vec::new();
    for _ in 0..50 {
        told.push(keys.current(uri, now).await.expect("keys"));
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].to_string()
}

/// How long a fetch may take in the tests with a publisher that hangs.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn fresh_keys_are_fetched_ahead_and_nobody_waits() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = RemoteDocuments::new(private(PATIENCE), text);
    let uri = keys.destination(&publisher.url).expect("its URL");
    keys.current(&uri, at(0)).await.expect("keys");
    publisher.say(200, "public", "two");
    publisher.hang(true);
    assert_eq!(told_at_once(&keys, &uri, at(224)).await, "one");
    assert_eq!(publisher.asked(), 1);
    assert_eq!(told_at_once(&keys, &uri, at(225)).await, "one");
    until(|| publisher.asked() == 2).await;
    assert_eq!(told_at_once(&keys, &uri, at(226)).await, "one");
    settled(&keys, &uri, at(226)).await;
    // It has failed, and is not tried again for 30 seconds.
    assert_eq!(told_at_once(&keys, &uri, at(254)).await, "one");
    assert_eq!(publisher.asked(), 2);
    publisher.hang(false);
    assert_eq!(*keys.current(&uri, at(255)).await.expect("keys"), "one");
    until(|| publisher.asked() == 3).await;
    while *keys.current(&uri, at(255)).await.expect("keys") != "two" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The new ones are in force before the old ones would have ended, and fresh from then on.
    assert_eq!(told_at_once(&keys, &uri, at(256)).await, "two");
    assert_eq!(told_at_once(&keys, &uri, at(255 + 224)).await, "two");
    assert_eq!(publisher.asked(), 3);
}

#[tokio::test]
async fn nobody_waits_for_a_publisher_that_hangs_but_the_first() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = RemoteDocuments::new(private(PATIENCE), text);
    let uri = keys.destination(&publisher.url).expect("its URL");
    keys.current(&uri, at(0)).await.expect("keys");
    publisher.hang(true);
    // Nobody asked in the last quarter, so somebody finds out.
    let begun = Instant::now();
    assert_eq!(*keys.current(&uri, at(300)).await.expect("keys"), "one");
    assert!(begun.elapsed() >= PATIENCE);
    let mut asked = publisher.asked();
    for second in [330, 360, 1000, 300 + STALE.seconds() - 1] {
        assert_eq!(told_at_once(&keys, &uri, at(second)).await, "one");
        asked += 1;
        until(|| publisher.asked() == asked).await;
        // One attempt is under way, and nobody begins another.
        assert_eq!(told_at_once(&keys, &uri, at(second)).await, "one");
        settled(&keys, &uri, at(second)).await;
        assert_eq!(told_at_once(&keys, &uri, at(second)).await, "one");
        assert_eq!(publisher.asked(), asked, "{second}");
    }
    // Beyond the bound there is nothing to be told, and everybody waits for one attempt.
    let begun = Instant::now();
    let bound = at(300 + STALE.seconds() + 60);
    let outcomes = tokio::join!(keys.current(&uri, bound), keys.current(&uri, bound));
    let timed_out = Err(OutboundError::TimedOut(PATIENCE));
    assert_eq!(outcomes, (timed_out.clone(), timed_out));
    assert!(begun.elapsed() >= PATIENCE);
    assert_eq!(publisher.asked(), asked + 1);
}

#[tokio::test]
async fn the_first_attempt_that_succeeds_ends_the_outage() {
    let publisher = Publisher::start(Duration::ZERO).await;
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    keys.current(&uri, at(0)).await.expect("keys");
    publisher.say(503, "public", "away");
    keys.current(&uri, at(300)).await.expect("older keys");
    publisher.say(200, "public", "two");
    assert_eq!(*keys.current(&uri, at(329)).await.expect("keys"), "one");
    assert_eq!(publisher.asked(), 2);
    assert_eq!(*keys.current(&uri, at(330)).await.expect("keys"), "one");
    until(|| publisher.asked() == 3).await;
    settled(&keys, &uri, at(330)).await;
    assert_eq!(*keys.current(&uri, at(330)).await.expect("keys"), "two");
}

#[tokio::test]
async fn a_failure_is_not_repeated_at_once() {
    let publisher = Publisher::start(Duration::ZERO).await;
    publisher.say(200, "public", "bad");
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    let failure = Err(OutboundError::Document("not a key set".into()));
    // After 1, 2, 4, 8, 16 seconds, and then after 30 each time.
    let attempts = [0, 1, 3, 7, 15, 31, 61, 91];
    for second in 0..121 {
        assert_eq!(keys.current(&uri, at(second)).await, failure);
        assert_eq!(
            keys.refreshed(&uri, at(second), Doubt::Missing).await,
            failure
        );
        let due = attempts.iter().filter(|at| **at <= second).count();
        assert_eq!(publisher.asked(), due, "{second}");
    }
    publisher.say(200, "public", "one");
    assert_eq!(keys.current(&uri, at(120)).await, failure);
    assert_eq!(*keys.current(&uri, at(121)).await.expect("keys"), "one");
    // A bad document afterwards leaves the good one in force.
    publisher.say(200, "public", "bad");
    let kept = keys
        .refreshed(&uri, at(151), Doubt::Missing)
        .await
        .expect("keys");
    assert_eq!(
        (kept.as_str(), publisher.asked()),
        ("one", attempts.len() + 2)
    );
}
