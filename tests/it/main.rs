//! The integration tests, one module a behaviour.
