//! A decision told step by step, as `explain` and `verify` print one.

use std::fmt;
use std::io::Write;

use super::{Ended, complain};

/// What was decided, and how.
pub(super) struct Decision {
    /// What is supposed, and what that leaves out.
    pub(super) supposed: Vec<String>,
    /// In order; the last one is the one that failed, if one did.
    pub(super) steps: Vec<String>,
    /// What the web server would get, where there is such a thing and it is known.
    pub(super) answer: Option<String>,
    /// Whether it was a yes.
    pub(super) accepted: bool,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.supposed {
            writeln!(f, "{}", one_line(line))?;
        }
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{}. {}", at + 1, one_line(step))?;
        }
        match &self.answer {
            Some(answer) => writeln!(f, "{}", one_line(answer)),
            None => Ok(()),
        }
    }
}

/// Prints a decision, or what keeps it from being made; how the command ends.
pub(super) fn tell(decided: Result<Decision, Vec<String>>, out: &mut dyn Write) -> Ended {
    match decided {
        Ok(decision) => {
            // A closed pipe changes nothing about the answer, which is the exit code.
            let _ = out.write_all(decision.to_string().as_bytes());
            if decision.accepted {
                Ended::Done
            } else {
                Ended::No
            }
        }
        Err(faults) => {
            for fault in faults {
                complain(fault);
            }
            Ended::Usage
        }
    }
}

/// A text as one line that moves no cursor.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_debug());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        let decision = Decision {
            supposed: vec!["a\u{1b}[2J".into()],
            steps: vec!["b\nc".into(), "d".into()],
            answer: Some("e\rf".into()),
            accepted: false,
        };
        let told = "a\\u{1b}[2J\n1. b\\nc\n2. d\ne\\rf\n";
        assert_eq!(decision.to_string(), told);
        let mut out = Vec::new();
        assert!(matches!(tell(Ok(decision), &mut out), Ended::No));
        assert_eq!(out, told.as_bytes());
        assert!(matches!(tell(Err(Vec::new()), &mut out), Ended::Usage));
    }
}
