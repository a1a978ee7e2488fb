//! TLS on both sides: certificates, sites by name, and the handshakes.
//!
//! The only module that knows rustls. `snapshot` builds [`Sites`] and [`ClientTls`], `greet`
//! calls [`accept()`], `upstream` connects. No version below a site's floor may ever get into its settings.

mod accept;
mod authorities;
mod certificate;
mod client;
mod client_auth;
mod client_verifier;
mod identity;
mod pem;
mod revocation;
mod settings;
mod sites;
mod subject;

pub use accept::{Accepted, Failed, HandshakeError, TlsStream, accept};
pub use client::{Agreed, ClientTls, Offer, ServerStream};
pub use identity::{ClientCertificate, Identity};
pub use sites::{Site, Sites, build};
