//! The keys at a `jwks_uri`: how soon a change is seen, and how often anybody asks.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use certbound::oauth::time::Timestamp;
use certbound::outbound::OutboundError;
use certbound::outbound::documents::RemoteDocuments;
use certbound::outbound::fetch::TIME_LIMIT;
use certbound::outbound::kept::{INTERVAL, STALE};
use tokio::net::{TcpListener, TcpStream};

use crate::{private, until};

/// A `jwks_uri` whose document can be changed, and taken away.
struct Publisher {
    url: String,
    asked: Arc<AtomicUsize>,
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
            says: Arc::new(Mutex::new((200, "public", "one"))),
        };
        let (asked, says) = (Arc::clone(&publisher.asked), Arc::clone(&publisher.says));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, says) = (Arc::clone(&asked), Arc::clone(&says));
                tokio::spawn(publish(stream, delay, asked, says));
            }
        });
        publisher
    }

    fn say(&self, status: u16, control: &'static str, body: &'static str) {
        *self.says.lock().expect("no panic") = (status, control, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn publish(
    stream: TcpStream,
    delay: Duration,
    asked: Arc<AtomicUsize>,
    says: Arc<Mutex<(u16, &'static str, &'static str)>>,
) {
    let service = hyper::service::service_fn(|_request| {
        let (asked, says) = (Arc::clone(&asked), Arc::clone(&says));
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
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
        let last = keys.current(&uri, at(fresh - 1)).await.expect("keys");
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
    for second in 0..INTERVAL.seconds() {
        let same = keys.refreshed(&uri, at(second)).await.expect("keys");
        assert_eq!(*same, "one", "{second}");
    }
    assert_eq!(publisher.asked(), 1);
    let anew = keys.refreshed(&uri, at(30)).await.expect("keys");
    assert_eq!((anew.as_str(), publisher.asked()), ("two", 2));
    // One thousand unknown certificates over 100 seconds.
    for n in 0..1000 {
        let kept = keys.refreshed(&uri, at(31 + n / 10)).await.expect("keys");
        assert_eq!(*kept, "two");
    }
    assert_eq!(publisher.asked(), 2 + 3);
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
    let outcome = keys.refreshed(&uri, at(86_400)).await;
    assert_eq!(outcome, Err(OutboundError::Status(503)));
    publisher.say(200, "public", "three");
    let anew = keys.refreshed(&uri, at(0)).await.expect("keys");
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
                        keys.refreshed(&uri, at(second)).await
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
        tokio::spawn(async move { keys.refreshed(&uri, at(40)).await })
    };
    until(|| publisher.asked() == 2).await;
    keys.current(&uri, at(40)).await.expect("keys");
    assert!(!refresh.is_finished());
    refresh.await.expect("no panic").expect("keys");
}

#[tokio::test]
async fn who_hangs_up_does_not_undo_the_fetch() {
    let publisher = Publisher::start(Duration::from_millis(100)).await;
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
    for second in [300, 310, 329, 1000, 300 + STALE.seconds() - 1] {
        let older = keys.current(&uri, at(second)).await.expect("older keys");
        assert_eq!(*older, "one", "{second}");
    }
    // At 300, 1000 and 3899; the others are within 30 seconds of a failure.
    assert_eq!(publisher.asked(), 1 + 3);
    let bound = 300 + STALE.seconds();
    let outcome = keys.current(&uri, at(bound)).await;
    assert_eq!(outcome, Err(OutboundError::Status(503)));
    publisher.say(200, "public", "two");
    let outcome = keys.current(&uri, at(bound)).await;
    assert_eq!(outcome, Err(OutboundError::Status(503)));
    let outcome = keys.current(&uri, at(bound + 29)).await;
    assert_eq!(*outcome.expect("it is back"), "two");
}

#[tokio::test]
async fn a_failure_is_not_repeated_at_once() {
    let publisher = Publisher::start(Duration::ZERO).await;
    publisher.say(200, "public", "bad");
    let keys = remote();
    let uri = keys.destination(&publisher.url).expect("its URL");
    let failure = Err(OutboundError::Document("not a key set".into()));
    for second in 0..30 {
        assert_eq!(keys.current(&uri, at(second)).await, failure);
        assert_eq!(keys.refreshed(&uri, at(second)).await, failure);
    }
    assert_eq!(publisher.asked(), 1);
    publisher.say(200, "public", "one");
    assert_eq!(*keys.current(&uri, at(30)).await.expect("keys"), "one");
    // A bad document afterwards leaves the good one in force.
    publisher.say(200, "public", "bad");
    let kept = keys.refreshed(&uri, at(60)).await.expect("keys");
    assert_eq!((kept.as_str(), publisher.asked()), ("one", 3));
}
