//! Where lines come from: files, gzip files, standard input.
//!
//! Hands out one line at a time from one buffer, whatever the input's size. A line that is longer
//! than any of ours is passed over, never held; gzip is known by its first bytes, not by a name.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;

/// Longest line that is looked at.
const MAX_LINE: usize = 1 << 20;
const BUFFER: usize = 1 << 18;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One input, as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file, gzip or not.
    File(PathBuf),
}

impl Input {
    /// How messages name it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Its size on disk, where it has one.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => {
                let data = path.metadata().ok()?;
                data.is_file().then_some(data.len())
            }
        }
    }

    /// Opens it; `read` grows by the bytes that are taken from it.
    pub(super) fn open(&self, read: &Rc<Cell<u64>>) -> io::Result<Lines> {
        let raw: Box<dyn Read> = match self {
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => Box::new(File::open(path)?),
        };
        Lines::new(Counted { raw, read: Rc::clone(read) })
    }
}

/// Counts what passes.
struct Counted<R> {
    raw: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.raw.read(buffer)?;
        self.read.set(self.read.get().saturating_add(u64::try_from(length).unwrap_or(0)));
        Ok(length)
    }
}

/// The lines of one input.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

/// What comes next.
pub(super) enum Next<'a> {
    /// A line, its end left out.
    Line(&'a [u8]),
    /// A line that is longer than any of ours.
    TooLong,
    /// Nothing.
    End,
}

impl Lines {
    fn new(raw: impl Read + 'static) -> io::Result<Self> {
        let mut plain = BufReader::with_capacity(BUFFER, raw);
        let reader: Box<dyn BufRead> = if plain.fill_buf()?.starts_with(&GZIP) {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self { reader, line: Vec::new(), number: 0 })
    }

    /// The number of the line that was last handed out, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let mut whole = self.reader.by_ref().take(most);
        if whole.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(Next::End);
        }
        self.number += 1;
        if let Some(line) = self.line.strip_suffix(b"\n") {
            return Ok(Next::Line(line));
        }
        if self.line.len() < MAX_LINE {
            return Ok(Next::Line(&self.line));
        }
        self.reader.skip_until(b'\n')?;
        Ok(Next::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::{Compression, write::GzEncoder};

    use super::{Lines, MAX_LINE, Next};

    fn all(bytes: Vec<u8>) -> Vec<String> {
        let mut lines = Lines::new(Cursor::new(bytes)).unwrap();
        let mut found = Vec::new();
        loop {
            match lines.next().unwrap() {
                Next::Line(line) => found.push(String::from_utf8(line.to_vec()).unwrap()),
                Next::TooLong => found.push("too long".to_owned()),
                Next::End => return found,
            }
        }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_with_and_without_an_end() {
        assert_eq!(all(b"a\n\nb".to_vec()), ["a", "", "b"]);
        assert!(all(Vec::new()).is_empty());
    }

    #[test]
    fn gzip_of_several_members_is_one_text() {
        assert_eq!(all([gzip("a\nb"), gzip("c\nd\n")].concat()), ["a", "bc", "d"]);
    }

    #[test]
    fn a_line_beyond_the_cap_is_passed_over() {
        let long = "x".repeat(MAX_LINE * 2 + 7);
        assert_eq!(all(format!("a\n{long}\nb\n").into_bytes()), ["a", "too long", "b"]);
        assert_eq!(all(format!("a\n{long}").into_bytes()), ["a", "too long"]);
        let most = "x".repeat(MAX_LINE - 1);
        assert_eq!(all(format!("{most}\nb\n").into_bytes()), [&most, "b"]);
    }

    #[test]
    fn gzip_that_breaks_off_is_an_error() {
        let mut broken = gzip(&"a line\n".repeat(1000));
        broken.truncate(broken.len() - 9);
        let mut lines = Lines::new(Cursor::new(broken)).unwrap();
        let end = loop {
            match lines.next() {
                Ok(Next::Line(_)) => {}
                Ok(_) => panic!("it ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}
