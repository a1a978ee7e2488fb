//! TLS on both sides: certificates, sites by name, and the handshakes.
//!
//! The only module that knows rustls. `snapshot` builds [`Sites`] and [`ClientTls`], `greet`
//! calls [`accept()`], `upstream` connects. No version below a site's floor may ever get into its settings.

mod accept;
mod certificate;
mod client;
mod clock;
mod expiry;
mod ocsp;
mod pem;
mod settings;
mod sites;
mod tickets;

pub use accept::{Accepted, HandshakeError, TlsStream, accept};
pub use client::{Agreed, ClientTls, Offer, ServerStream};
pub use expiry::{Ending, Expiring, watch as watch_expiry};
pub use sites::{Basis, Site, Sites, build};
pub use tickets::Tickets;
