//! Bundles of authorities: read, and each of them fit to be one.
//!
//! Called by `client` for servers' certificates and by `client_auth` for clients'.

use std::path::Path;

use rustls::{RootCertStore, pki_types::CertificateDer};

use super::pem;
use crate::files::{FileError, Files};

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub(super) enum BundleError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There are no certificates in it.
    #[error(transparent)]
    Pem(#[from] pem::PemError),
    /// One of them is none.
    #[error("certificate {0} in it cannot be an authority: {1}")]
    Unfit(usize, #[source] rustls::Error),
}

/// More than all public authorities together have.
const LONGEST: u64 = 4 << 20;

/// All certificates in a file, as they are and as rustls wants them.
///
/// # Errors
/// Where there is none, or one cannot be an authority.
pub(super) fn bundle(
    file: &Path,
    files: &Files,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), BundleError> {
    let certificates = pem::chain(&files.read(file, LONGEST)?)?;
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|error| BundleError::Unfit(index + 1, error))?;
    }
    Ok((roots, certificates))
}
