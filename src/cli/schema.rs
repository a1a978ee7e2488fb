//! `tlsfloor schema`: the configuration's JSON Schema, for editors and pipelines.

use super::{Failure, print};
use crate::config;

pub(super) fn run() -> Result<(), Failure> {
    print(&format!("{:#}", config::schema()))
}
