//! Outbound calls against servers that misbehave (RFC 7591 section 5, RFC 8705 section 2.2.2).

mod authority;
mod documents;
mod fetch;
mod introspection;
mod issuer;
mod site;
mod stub;

use std::time::{Duration, Instant};

use certbound::outbound::address::Policy;
use certbound::outbound::fetch::Outbound;
use certbound::outbound::roots::Roots;

/// Calls loopback addresses too.
fn private(time_limit: Duration) -> Outbound {
    Outbound::new(Roots::System, Policy::AllowPrivate, time_limit).expect("roots are not needed")
}

/// Waits for what happens soon.
async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it never holds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
