//! The process: arguments in, an exit code out.
//!
//! All else is in the library, so that tests run the same code.

use std::process::ExitCode;

/// Lower memory under many connections than the system's allocator; chosen by the image's build.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tlsfloor::cli::run()
}
