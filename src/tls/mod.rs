//! TLS towards clients: certificates, sites by name, and the handshake.
//!
//! The only module, with `upstream` later, that knows rustls. `snapshot` builds [`Sites`],
//! `greet` calls [`accept()`]. No version below a site's floor may ever get into its settings.

mod accept;
mod certificate;
mod pem;
mod settings;
mod sites;

pub use accept::{Accepted, HandshakeError, TlsStream, accept};
pub use sites::{Site, Sites, build};
