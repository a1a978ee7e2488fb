//! The heads of HTTP/2 frames in a stream of bytes, in whatever pieces it comes (RFC 9113 4.1).
//!
//! Sans-io; fed by `gauge` with what a client sends. It looks at nine bytes a frame and steps over
//! the rest, keeps no payload and judges nothing: hyper reads the same bytes and does that.
#![deny(clippy::arithmetic_side_effects)]

/// What a connection begins with (RFC 9113 3.4).
const PREFACE: usize = 24;
const HEAD: usize = 9;

/// A frame, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of payload.
    pub length: u32,
    /// RFC 9113 6.
    pub kind: u8,
    /// By kind.
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
}

/// Where in the stream of bytes it is.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to step over.
    skip: usize,
    head: [u8; HEAD],
    /// Bytes of `head` that have come.
    have: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE, head: [0; HEAD], have: 0 }
    }
}

impl Frames {
    /// The next frame that begins in `bytes`, which are moved on to what is behind its head; none
    /// once they are used up.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skipped = self.skip.min(bytes.len());
        self.skip = self.skip.saturating_sub(skipped);
        *bytes = bytes.get(skipped..)?;
        let wanted = HEAD.saturating_sub(self.have).min(bytes.len());
        let (head, rest) = bytes.split_at_checked(wanted)?;
        let until = self.have.saturating_add(wanted);
        self.head.get_mut(self.have..until)?.copy_from_slice(head);
        (*bytes, self.have) = (rest, until);
        if self.have < HEAD {
            return None;
        }
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        (self.have, self.skip) = (0, usize::try_from(length).unwrap_or(usize::MAX));
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        Some(Frame { length, kind, flags, stream })
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Frames};

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
        bytes.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]);
        bytes.extend([0, 0, 2, 1, 5, 0x80, 0, 1, 3, 9, 9]);
        let frame = |length, kind, flags, stream| Frame { length, kind, flags, stream };
        let expected = [frame(6, 4, 0, 0), frame(0, 4, 1, 0), frame(2, 1, 5, 259)];
        for size in 1..=bytes.len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some(frame) = frames.next(&mut piece) {
                    found.push(frame);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
        for end in 0..bytes.len() {
            let mut frames = Frames::default();
            let mut piece = &bytes[..end];
            let count = std::iter::from_fn(|| frames.next(&mut piece)).count();
            assert!(count <= expected.len() && piece.is_empty(), "at {end}");
        }
    }
}
