//! The three encoders as one: bytes in, bytes out, and a flush after which all can be decoded.
//!
//! Used by `coding/body`. Levels and windows are chosen so that one response holds less than a
//! MiB of memory whatever its length.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use zstd::stream::{raw::CParameter, write::Encoder as ZstdEncoder};

use crate::config::Algorithm;

const GZIP_LEVEL: u32 = 5;
const ZSTD_LEVEL: i32 = 3;
const BROTLI_LEVEL: u32 = 4;
/// Windows of 128 KiB: what a response repeats is near.
const WINDOW: u32 = 17;
const BROTLI_BUFFER: usize = 4096;

/// An encoder under way.
pub(super) enum Encoder {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Box<ZstdEncoder<'static, Vec<u8>>>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "gzip",
            Self::Brotli(_) => "br",
            Self::Zstd(_) => "zstd",
        })
    }
}

impl Encoder {
    /// At the beginning of a response.
    pub(super) fn new(algorithm: Algorithm) -> io::Result<Self> {
        let to = Vec::new();
        Ok(match algorithm {
            Algorithm::Gzip => {
                Self::Gzip(Box::new(GzEncoder::new(to, Compression::new(GZIP_LEVEL))))
            }
            Algorithm::Br => Self::Brotli(Box::new(CompressorWriter::new(
                to,
                BROTLI_BUFFER,
                BROTLI_LEVEL,
                WINDOW,
            ))),
            Algorithm::Zstd => {
                let mut encoder = ZstdEncoder::new(to, ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
                encoder.set_parameter(CParameter::HashLog(WINDOW - 1))?;
                encoder.set_parameter(CParameter::ChainLog(WINDOW - 1))?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Takes bytes; what comes of them may be kept back.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Bytes that are ready to be taken.
    pub(super) fn ready(&self) -> usize {
        match self {
            Self::Gzip(encoder) => encoder.get_ref().len(),
            Self::Brotli(encoder) => encoder.get_ref().len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// Takes what is ready.
    pub(super) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }))
    }

    /// Keeps nothing back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// The end, with all that was kept back.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
        }))
    }
}
