//! How many threads serve connections.

use std::num::{NonZeroU8, NonZeroUsize};
use std::thread;

use super::World;
use crate::config::{Fault, Finding, Source};

/// The variable that says so, by the name that it has in programs of this kind.
const VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// As many as there are cores to run on, or as the environment says.
pub(super) fn number(world: World) -> Result<NonZeroUsize, Finding> {
    let Some(text) = (world.variable)(VARIABLE) else {
        return Ok(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    };
    text.parse::<NonZeroU8>().map(Into::into).map_err(|_| {
        let fault = Fault::new(
            format!("{text:?} is no number of threads"),
            "write one from 1 to 255, or unset it for one thread on each core",
        );
        Finding::error(Source::Environment(VARIABLE.to_owned()), fault)
    })
}
