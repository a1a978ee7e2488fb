//! Files that a configuration names, and the problem at their key where they cannot be used.
//!
//! Called while a snapshot is built, by whoever holds what such a file says.

use crate::{
    config::{FileAt, Problem},
    files::Files,
};

/// All bytes of a file, at most `most`.
///
/// # Errors
/// Where it cannot be read, is no file, or is longer.
pub(crate) fn read(files: &Files, file: &FileAt, most: u64) -> Result<Vec<u8>, Problem> {
    files.read(&file.path, most).map_err(|error| Problem {
        place: file.place.clone(),
        text: format!("{}: {error}", file.path.display()),
    })
}
