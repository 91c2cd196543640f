//! Where the log goes.

use std::io::{self, Write};
use std::time::Duration;

/// How long is waited for a pipe that is full.
const FULL: Duration = Duration::from_millis(2);

/// Where lines go.
pub(super) struct Out {
    sink: Box<dyn Write + Send>,
    /// The last line was not written to its end.
    torn: bool,
}

impl Out {
    /// Nothing was written there yet.
    pub(super) fn new(sink: Box<dyn Write + Send>) -> Self {
        Self { sink, torn: false }
    }

    /// Writes lines. One that cannot be written nobody can be told of.
    pub(super) fn write(&mut self, lines: &[u8]) {
        if self.torn {
            self.torn = self.all(b"\n").is_err();
        }
        self.torn |= self.all(lines).is_err();
    }

    fn all(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            match self.sink.write(octets) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => octets = octets.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe that is full, and that somebody else has told not to wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(FULL);
                }
                Err(error) => return Err(error),
            }
        }
        self.sink.flush()
    }
}
