//! Files that a configuration names, and the problem at their key where they cannot be used.
//!
//! Called while a snapshot is built, by whoever holds what such a file says. A secret must never
//! get into a problem.

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

/// A shorter secret could be found by trying.
const SHORTEST: usize = 16;
const LONGEST: u64 = 4096;

/// A secret, without the line end behind it.
///
/// # Errors
/// Where it cannot be read or is too short.
pub(crate) fn secret(files: &Files, file: &FileAt) -> Result<Vec<u8>, Problem> {
    let mut bytes = read(files, file, LONGEST)?;
    for end in *b"\n\r" {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    if bytes.len() < SHORTEST {
        let path = file.path.display();
        let text = format!("{path} has {} bytes, expected at least {SHORTEST}", bytes.len());
        return Err(Problem { place: file.place.clone(), text });
    }
    Ok(bytes)
}
