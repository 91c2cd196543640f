//! What can be wrong with an operator's pages.

use std::fmt;

/// Why a template cannot be used, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    /// There is no page of that name.
    UnknownFile {
        /// The name of the file.
        file: String,
        /// The nearest name that there is.
        nearest: &'static str,
    },
    /// The same file is given twice.
    Twice {
        /// The name of the file.
        file: String,
    },
    /// The file is larger than any page needs.
    TooLarge {
        /// The name of the file.
        file: String,
        /// How large it may be, in octets.
        most: usize,
    },
    /// The template is not one, or a page of it cannot be made.
    Template {
        /// The name of the file.
        file: String,
        /// Where in it, from 1.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
        /// What to write instead.
        remedy: String,
    },
}

impl PageError {
    /// The name of the file that is wrong.
    pub fn file(&self) -> &str {
        match self {
            Self::UnknownFile { file, .. }
            | Self::Twice { file }
            | Self::TooLarge { file, .. }
            | Self::Template { file, .. } => file,
        }
    }

    /// The line of it, from 1, where there is one to name.
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::Template { line, .. } => *line,
            _ => None,
        }
    }

    /// What is wrong.
    pub fn problem(&self) -> String {
        match self {
            Self::UnknownFile { file, .. } => format!("there is no page {file:?}"),
            Self::Twice { file } => format!("{file:?} is given twice"),
            Self::TooLarge { file, most } => {
                format!("{file:?} is larger than {most} octets")
            }
            Self::Template { problem, .. } => problem.clone(),
        }
    }

    /// What to write or do instead.
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownFile { nearest, .. } => {
                format!("call it {nearest:?}, or take it out of the folder")
            }
            Self::Twice { .. } => "keep one of the two".to_owned(),
            Self::TooLarge { .. } => "write a shorter one".to_owned(),
            Self::Template { remedy, .. } => remedy.clone(),
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Template { file, line, .. } = self {
            write!(f, "{file}")?;
            if let Some(line) = line {
                write!(f, " line {line}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.problem(), self.remedy())
    }
}

impl std::error::Error for PageError {}
