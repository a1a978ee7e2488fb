//! The secret that whoever changes something by the admin port has to show.
//!
//! Read while a snapshot is built, so that it changes with a reload; asked by `admin`. It must
//! never be printed, nor compared in a time that tells where it differs.

use std::fmt;

use aws_lc_rs::constant_time;

use crate::{
    config::{FileAt, Problem},
    files::Files,
    named_file,
};

/// A bearer token (RFC 6750).
pub struct Token(Vec<u8>);

impl Token {
    /// What is in `file`.
    ///
    /// # Errors
    /// Where it cannot be read or is too short.
    pub fn load(file: &FileAt, files: &Files) -> Result<Self, Problem> {
        named_file::secret(files, file).map(Self)
    }

    /// Whether an `Authorization` field shows it (RFC 6750 2.1).
    #[must_use]
    pub fn is_shown_by(&self, authorization: &[u8]) -> bool {
        let scheme = authorization.get(..7);
        let bearer = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
        let shown = authorization.get(7..).unwrap_or_default();
        bearer && constant_time::verify_slices_are_equal(shown, &self.0).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn only_the_whole_token_behind_its_scheme_will_do() {
        let token = Token(b"0123456789abcdef".to_vec());
        assert!(token.is_shown_by(b"Bearer 0123456789abcdef"));
        assert!(token.is_shown_by(b"bearer 0123456789abcdef"));
        for wrong in ["", "Bearer", "Bearer ", "0123456789abcdef", "Basic 0123456789abcdef"] {
            assert!(!token.is_shown_by(wrong.as_bytes()), "{wrong}");
        }
        assert!(!token.is_shown_by(b"Bearer 0123456789abcdeg"));
        assert!(!token.is_shown_by(b"Bearer 0123456789abcdef0"));
    }
}
