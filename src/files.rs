//! Reading files, and knowing afterwards what was in each of them.
//!
//! Whatever a configuration is made of is read through one [`Files`]: the file itself, chains,
//! keys, authorities, texts. `reload` asks it later whether one of them says something else now.
//! It must not wait for a pipe, read without end, or keep what it has read.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or we may not.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is longer than anything of its kind.
    #[error("the file has more than {0} bytes")]
    TooLong(u64),
    /// Something else was in it a moment ago, when it was read for another part of the whole.
    #[error("the file was changed while everything was read; it is tried again")]
    Changed,
}

/// Every file that something was made of, by what was found there.
#[derive(Debug, Default)]
pub struct Files(RefCell<BTreeMap<PathBuf, Seen>>);

/// What a set of files says, in 48 bits: the same wherever they are read in the same order and say
/// the same, whatever the folder.
///
/// A number of a metric is a float, which holds no more bits; it is for comparing replicas and
/// gives nothing away of a secret that has as many bits as ours need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilesHash(u64);

impl FilesHash {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FilesHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// How many had been read before it, the first time.
    order: usize,
    /// As asked for; what is behind it was never looked at.
    most: u64,
    /// SHA-256; none where there was nothing to read.
    content: Option<[u8; 32]>,
}

impl Files {
    /// All bytes of a file, at most `most`. What is read twice says the same both times: else one half
    /// of a configuration would be of files that the other half does not know any more.
    ///
    /// # Errors
    /// Where it cannot be read, is no file, is longer, or has changed since it was read before.
    pub fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
        let read = bytes(path, most);
        let content = read.as_deref().ok().map(hash);
        let mut all = self.0.borrow_mut();
        let order = all.len();
        let seen = all.entry(path.to_owned()).or_insert(Seen { order, most, content });
        if seen.content != content {
            return Err(FileError::Changed);
        }
        Ok(read?).and_then(|bytes| match u64::try_from(bytes.len()) {
            Ok(length) if length <= most => Ok(bytes),
            _ => Err(FileError::TooLong(most)),
        })
    }

    /// What was in a file when it was last read.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<[u8; 32]> {
        self.0.borrow().get(path)?.content
    }

    /// All of them together, in the order in which they were read.
    #[must_use]
    pub fn hash(&self) -> FilesHash {
        let mut seen: Vec<_> = self.0.borrow().values().copied().collect();
        seen.sort_by_key(|seen| seen.order);
        let all: Vec<_> = seen.iter().flat_map(|seen| seen.content.unwrap_or_default()).collect();
        let first = hash(&all).into_iter().take(6);
        FilesHash(first.fold(0, |number, byte| number << 8 | u64::from(byte)))
    }

    /// Whether every file still says the same.
    #[must_use]
    pub fn are_unchanged(&self) -> bool {
        let now = |path: &Path, most| bytes(path, most).ok().as_deref().map(hash);
        self.0.borrow().iter().all(|(path, seen)| now(path, seen.most) == seen.content)
    }
}

/// Why a secret in a file is none, if others on this machine may read it; reading by a group is
/// how Kubernetes lends a file (`fsGroup`) and is nothing to warn of.
#[must_use]
pub fn readers_warning(path: &Path) -> Option<String> {
    const BY_OTHERS: u32 = 0o004;
    const THROUGH_BY_OTHERS: u32 = 0o001;
    let has = |path: &Path, bit| fs::metadata(path).is_ok_and(|data| data.mode() & bit != 0);
    // Links count as what they lead to, and a folder that is closed to others hides what is in it.
    let real = fs::canonicalize(path).ok()?;
    let is_open = has(&real, BY_OTHERS)
        && real.ancestors().skip(1).all(|folder| has(folder, THROUGH_BY_OTHERS));
    is_open.then(|| {
        format!(
            "{}: every user of this machine may read it; `chmod o-r` it, or mount its Kubernetes \
             Secret with `defaultMode: 0440`",
            path.display()
        )
    })
}

/// One byte more than `most` where there are more.
fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
        path::Path,
    };

    use super::{Files, readers_warning};

    #[test]
    fn a_file_is_read_up_to_its_cap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "12345").unwrap();
        let files = Files::default();
        assert_eq!(files.read(&path, 5).unwrap(), b"12345");
        let said = |path: &Path, most| files.read(path, most).unwrap_err().to_string();
        assert_eq!(said(&path, 4), "the file has more than 4 bytes");
        assert!(said(&folder.path().join("y"), 4).contains("cannot be read: No such file"));
        assert!(said(folder.path(), 4).ends_with("it is no file"));
    }

    #[test]
    fn the_same_files_have_the_same_hash_in_any_folder() {
        let hash = |contents: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::default();
            for (name, content) in contents {
                fs::write(folder.path().join(name), content).unwrap();
                files.read(&folder.path().join(name), 9).unwrap();
            }
            files.hash()
        };
        let one = hash(&[("a", "1"), ("b", "2")]);
        assert_eq!(one, hash(&[("z", "1"), ("b", "2")]), "by another name");
        assert_ne!(one, hash(&[("a", "2"), ("b", "1")]), "changed places");
        assert_ne!(one, hash(&[("a", "12"), ("b", "")]), "cut elsewhere");
        assert_ne!(one, hash(&[("a", "1")]), "one is missing");
        assert!(one.number() < 1 << 48);
        assert_eq!(one.to_string().len(), 12);
    }

    #[test]
    fn a_secret_is_open_only_where_others_get_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("x"), folder.path().join("link"));
        fs::write(&path, "secret").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        // A private $TMPDIR hides everything in it.
        let reachable = |folder: &Path| fs::metadata(folder).unwrap().mode() & 1 != 0;
        let hidden = !fs::canonicalize(std::env::temp_dir()).unwrap().ancestors().all(reachable);
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for (folder_mode, file_mode, warns) in [
            (0o755, 0o644, true),
            (0o711, 0o604, true),
            (0o755, 0o640, false),
            (0o750, 0o644, false),
        ] {
            mode(folder.path(), folder_mode);
            mode(&path, file_mode);
            for path in [&path, &link] {
                let said = readers_warning(path);
                assert_eq!(
                    said.is_some(),
                    warns && !hidden,
                    "{folder_mode:o} {file_mode:o}: {said:?}"
                );
            }
        }
        assert_eq!(readers_warning(&folder.path().join("nowhere")), None);
    }

    #[test]
    fn a_file_that_is_read_twice_says_the_same_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "old").unwrap();
        let files = Files::default();
        for _ in 0..2 {
            assert_eq!(files.read(&path, 9).unwrap(), b"old");
        }
        fs::write(&path, "new").unwrap();
        for _ in 0..2 {
            let said = files.read(&path, 9).unwrap_err().to_string();
            assert!(said.contains("changed while everything was read"), "{said}");
        }
        assert!(!files.are_unchanged(), "so that it is tried again");
    }

    #[test]
    fn a_file_that_changes_comes_or_goes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("x"), folder.path().join("y"));
        fs::write(&path, "1").unwrap();
        let files = Files::default();
        files.read(&path, 9).unwrap();
        files.read(&other, 9).unwrap_err();
        assert!(files.are_unchanged());
        fs::write(&path, "1").unwrap();
        assert!(files.are_unchanged(), "the same once more is no change");
        fs::write(&path, "2").unwrap();
        assert!(!files.are_unchanged());
        fs::write(&path, "1").unwrap();
        fs::write(&other, "").unwrap();
        assert!(!files.are_unchanged(), "one came");
        fs::remove_file(&other).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!files.are_unchanged(), "one went");
    }
}
