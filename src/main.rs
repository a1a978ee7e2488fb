//! The process: arguments to an exit code.

fn main() {}
