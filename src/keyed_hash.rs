//! Short names for secrets: the same secret has the same name, and nobody without the key can tell
//! which secret it is (HMAC-SHA256, RFC 2104).
//!
//! The key is a file's, so that all replicas and the owner make the same names, or one of this
//! process. A secret must never leave by any other way.

use std::{fmt, sync::OnceLock};

use aws_lc_rs::{hmac, rand};

use crate::{
    config::{FileAt, Problem},
    files::Files,
    named_file,
};

/// Makes names with one key.
pub struct KeyedHash(hmac::Key);

impl KeyedHash {
    /// With the key of `file`, without the line end behind it; without a file: this process's own
    /// key, the same for every snapshot. None only where the system has no randomness.
    ///
    /// # Errors
    /// Where the file cannot be read or is too short.
    pub fn load(file: Option<&FileAt>, files: &Files) -> Result<Option<Self>, Problem> {
        let Some(file) = file else { return Ok(process_key().map(|key| Self::new(key))) };
        Ok(Some(Self::new(&named_file::secret(files, file)?)))
    }

    fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The name of `secret`: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self, secret: &[u8]) -> String {
        let tag = hmac::sign(&self.0, secret);
        tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash")
    }
}

fn process_key() -> Option<&'static [u8; 32]> {
    static KEY: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    let random = || {
        let mut key = [0; 32];
        rand::fill(&mut key).is_ok().then_some(key)
    };
    KEY.get_or_init(random).as_ref()
}

#[cfg(test)]
mod tests {
    use super::KeyedHash;
    use crate::{
        config::{FileAt, Place},
        files::Files,
    };

    #[test]
    fn names_are_the_first_digits_of_the_hmac() {
        // RFC 4231 4.3
        let hash = KeyedHash::new(b"Jefe");
        assert_eq!(hash.name(b"what do ya want for nothing?"), "5bdcc146bf60754e");
    }

    #[test]
    fn without_a_file_the_process_has_one_key() {
        let name = || KeyedHash::load(None, &Files::default()).unwrap().unwrap().name(b"secret");
        assert_eq!(name(), name());
        assert_eq!(name().len(), 16);
    }

    #[test]
    fn a_files_line_end_is_no_part_of_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let place = Place { file: Default::default(), line: 1, column: 1, key: "k".into() };
        let file = FileAt { path: path.clone(), place };
        let name = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let loaded =
                KeyedHash::load(Some(&file), &Files::default()).map_err(|problem| problem.text)?;
            Ok::<_, String>(loaded.unwrap().name(b"secret"))
        };
        let bare = name("0123456789abcdef");
        assert_eq!(bare, name("0123456789abcdef\n"));
        assert_eq!(bare, name("0123456789abcdef\r\n"));
        assert_ne!(bare, name("0123456789abcdeg"));
        assert!(
            name("0123456789abcde\n").unwrap_err().contains("has 15 bytes, expected at least 16")
        );
    }
}
