//! The steps of a decision, for `certbound explain`; a request has nobody to tell them to.

use std::cell::RefCell;

/// Collects what was found, in order.
#[derive(Debug, Default)]
pub struct Steps(RefCell<Vec<String>>);

impl Steps {
    /// What was found so far.
    pub fn into_lines(self) -> Vec<String> {
        self.0.into_inner()
    }

    /// Adds a finding.
    pub fn add(&self, line: String) {
        self.0.borrow_mut().push(line);
    }
}
