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
mod clock;
mod expiry;
mod identity;
mod ocsp;
mod pem;
mod revocation;
mod settings;
mod sites;
mod subject;
mod tickets;

pub use accept::{Accepted, Failed, HandshakeError, TlsStream, accept};
pub use client::{Agreed, ClientTls, Offer, ServerStream};
pub use expiry::{Ending, Expiring, watch as watch_expiry};
pub use identity::{ClientCertificate, Identity};
pub use sites::{Basis, Site, Sites, Terms, build};
pub use tickets::Tickets;
