//! How many files and connections the system lets this process have open. What most systems allow at first, 1,024, is less
//! than the connections that are served by default; what may be asked for is more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Fault, Finding, Settings, Source};

/// Listeners, files, stores, runtimes, and connections to other servers.
const BESIDES: u64 = 256;

/// Asks for what may be needed, as far as it may be had, and says so where that does not do.
pub(super) fn ask_for(settings: &Settings) -> Option<Finding> {
    let connections = u64::try_from(settings.max_connections).unwrap_or(u64::MAX);
    // One that is passed on needs another, to the application.
    let passed_on = settings.gates.iter().any(|gate| gate.passage.is_some());
    let all = connections.saturating_mul(if passed_on { 2 } else { 1 });
    let wanted = all.saturating_add(BESIDES);
    // None is no limit.
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current.filter(|current| *current < wanted)?;
    let asked = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let limit = Rlimit {
        current: Some(asked),
        maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => asked,
        Err(_) => current,
    };
    (allowed < all).then(|| {
        let fault = Fault::new(
            format!(
                "{connections} connections need {wanted} file descriptors, and the system allows {allowed}"
            ),
            format!(
                "allow {wanted}, by LimitNOFILE= in a systemd unit or ulimit -Hn in a shell, or fewer connections"
            ),
        );
        Finding::warning(Source::Flag("max-connections"), fault)
    })
}
