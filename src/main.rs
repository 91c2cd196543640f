//! Starts certbound: the only place that knows the real clock, the real chance and the environment.

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use certbound::cli::{self, World};
use certbound::oauth::secret::Secret;
use certbound::oauth::time::Timestamp;

fn main() -> ExitCode {
    let world = World {
        clock,
        mint,
        variable: |name| {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is where the environment comes in"
            )]
            std::env::var(name).ok()
        },
        variables: || {
            std::env::vars_os()
                .filter_map(|(name, _)| name.into_string().ok())
                .collect()
        },
    };
    let ended = cli::run(std::env::args_os().collect(), world, &mut std::io::stdout());
    ExitCode::from(ended.code())
}

fn clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix(since.as_secs())
}

fn mint() -> Secret {
    let mut octets = [0; 32];
    aws_lc_rs::rand::fill(&mut octets)
        .expect("the system's source of chance does not fail once it works");
    Secret::new(URL_SAFE_NO_PAD.encode(octets))
}
