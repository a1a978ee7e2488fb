//! Files that a configuration names beside certificates: read whole, within a cap.
//!
//! Called while a snapshot is built, by whoever holds what the file says. It must not wait for a
//! pipe nor read without end.

use std::{
    fs::{self, File},
    io::{self, Read},
};

use crate::config::{FileAt, Problem};

/// All bytes of a file, at most `most`.
///
/// # Errors
/// Where it cannot be read, is no file, or is longer.
pub(crate) fn read(file: &FileAt, most: u64) -> Result<Vec<u8>, Problem> {
    let problem = |text: String| Problem { place: file.place.clone(), text };
    let path = file.path.display();
    let bytes =
        bytes(file, most).map_err(|error| problem(format!("cannot read {path}: {error}")))?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= most => Ok(bytes),
        _ => Err(problem(format!("{path} has more than {most} bytes"))),
    }
}

fn bytes(file: &FileAt, most: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(&file.path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(&file.path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::read;
    use crate::config::{FileAt, Place};

    fn at(path: &Path) -> FileAt {
        let place = Place { file: Default::default(), line: 1, column: 1, key: "k".into() };
        FileAt { path: path.to_owned(), place }
    }

    #[test]
    fn a_file_is_read_up_to_its_cap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&at(&path), 5).unwrap(), b"12345");
        let said = |path: &Path, most| read(&at(path), most).unwrap_err().text;
        assert!(said(&path, 4).ends_with("x has more than 4 bytes"));
        assert!(said(&folder.path().join("y"), 4).contains("cannot read"));
        assert!(said(folder.path(), 4).ends_with("it is no file"));
    }
}
