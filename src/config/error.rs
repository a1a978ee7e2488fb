//! What is wrong with a configuration, said in one line a problem: place, found, expected.
//!
//! Filled by `config` itself, by `tls` (certificates) and by `snapshot`; printed by `cli`.

use std::{fmt, path::PathBuf, sync::Arc};

/// Where a value stands: the file, the line and column of it, and the key's whole path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The configuration file as it was named.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// For example `tls.certificates[0].key`.
    pub key: String,
}

impl Place {
    /// None in a file.
    #[must_use]
    pub fn bare(key: &str) -> Self {
        Self { file: Arc::default(), line: 1, column: 1, key: key.to_owned() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key } = self;
        if file.as_os_str().is_empty() {
            return f.write_str(key);
        }
        write!(f, "{}:{line}:{column} {key}", file.display())
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was found there and what is expected, for example `found "1.4", expected "1.2" or "1.3"`.
    pub text: String,
}

impl Problem {
    /// One that has no place in a file.
    #[must_use]
    pub fn bare(key: &str, text: String) -> Self {
        Self { place: Place::bare(key), text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Every problem of a configuration, in the order of their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for problem in &self.0 {
            if !first {
                f.write_str("\n")?;
            }
            first = false;
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
