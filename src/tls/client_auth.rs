//! Which certificates clients have to show, or may, and what is made of them.
//!
//! Built by `sites` for each site that asks for one, asked by rustls in a handshake and by
//! `accept` after it. A chain is verified, then its revocation, then its names, all before the
//! handshake is over; a bad certificate is refused where none would be served.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::{
    Error as TlsError, RootCertStore,
    pki_types::{CertificateDer, UnixTime},
    server::danger::ClientCertVerifier,
};

use super::{
    authorities::bundle,
    certificate::{Findings, is_authority},
    client_verifier::Verifier,
    identity::{ClientCertificate, Identity},
    revocation::Revocation,
};
use crate::config::{self, FileAt, Problem};

/// What one site asks of its clients.
#[derive(Debug)]
pub(super) struct ClientAuth {
    verifier: Arc<Verifier>,
    fingerprint: [u8; 32],
    terms: [u8; 32],
    forward_chain: bool,
}

impl ClientAuth {
    /// Reads the files that `config` names; none where there is a problem.
    pub(super) fn load(config: &config::ClientAuth, findings: &mut Findings<'_>) -> Option<Self> {
        let authorities = authorities(&config.ca, findings);
        let certificates = authorities.as_ref().map_or(&[][..], |(_, certificates)| certificates);
        let stale = config.stale_crl;
        let crl = config.crl.as_ref();
        let revocation = crl.map(|file| Revocation::load(file, stale, certificates, findings));
        let (roots, certificates) = authorities?;
        let revocation = match revocation {
            Some(loaded) => Some(loaded?),
            None => None,
        };
        let [terms, fingerprint] = fingerprints(config, &certificates, revocation.as_ref());
        let verifier = match Verifier::new(config, roots, revocation) {
            Ok(verifier) => Arc::new(verifier),
            Err(error) => {
                let file = crl.unwrap_or(&config.ca);
                let text = format!("{}: {error}", file.path.display());
                findings.problems.push(Problem { place: file.place.clone(), text });
                return None;
            }
        };
        Some(Self { verifier, fingerprint, terms, forward_chain: config.forward_chain })
    }

    /// What rustls asks.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::<Verifier>::clone(&self.verifier)
    }

    /// The same for two sites that ask the same of their clients, whose files say the same.
    pub(super) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The same without the lists of what was revoked: a new list every hour asks nothing else of a
    /// client.
    pub(super) fn terms(&self) -> [u8; 32] {
        self.terms
    }

    /// The file of revocation lists, and when one of them is out of date.
    pub(super) fn expiry(&self) -> Option<(String, i64)> {
        let revocation = self.verifier.revocation.as_ref()?;
        Some((revocation.name.clone(), revocation.ends))
    }

    /// What a client has shown, at the end of its handshake. A session that is taken up brings a
    /// certificate that was verified when it began; it is verified again, because since then it
    /// may have expired or its revocation list gone out of date.
    ///
    /// # Errors
    /// As in a handshake.
    pub(super) fn shown(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
        resumed: bool,
        now: UnixTime,
    ) -> Result<Option<ClientCertificate>, TlsError> {
        let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else {
            let required = self.verifier.client_auth_mandatory();
            return if required { Err(TlsError::NoCertificatesPresented) } else { Ok(None) };
        };
        if resumed {
            self.verifier.verify_client_cert(leaf, rest, now)?;
        }
        let rest = if self.forward_chain { rest } else { &[] };
        Ok(Some(ClientCertificate {
            identity: Identity::read(leaf),
            leaf: leaf.to_vec(),
            chain: rest.iter().map(|certificate| certificate.to_vec()).collect(),
        }))
    }
}

/// Whose certificates count.
fn authorities(
    file: &FileAt,
    findings: &mut Findings<'_>,
) -> Option<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let wrong = match bundle(&file.path, findings.files) {
        Ok(bundle) if bundle.1.iter().any(|certificate| is_authority(certificate)) => {
            return Some(bundle);
        }
        Ok(_) => "found no authority, expected the certificates that clients' are signed by \
            (basic constraints CA)"
            .to_owned(),
        Err(error) => error.to_string(),
    };
    let text = format!("{}: {wrong}", file.path.display());
    findings.problems.push(Problem { place: file.place.clone(), text });
    None
}

/// What is asked of a client, and that with everything else that decides who is served; sessions of
/// one must not be taken up under another.
fn fingerprints(
    config: &config::ClientAuth,
    certificates: &[CertificateDer<'_>],
    revocation: Option<&Revocation>,
) -> [[u8; 32]; 2] {
    let mut context = Context::new(&SHA256);
    let parts = |context: &mut Context, parts: &[&[u8]]| {
        // Lengths first: no two lists of parts read alike.
        context.update(&parts.len().to_be_bytes());
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
    };
    let settings = format!("{:?} {:?} {}", config.mode, config.stale_crl, config.forward_chain);
    parts(&mut context, &[settings.as_bytes()]);
    parts(&mut context, &certificates.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let names: Vec<String> = config.names.iter().map(ToString::to_string).collect();
    parts(&mut context, &names.iter().map(String::as_bytes).collect::<Vec<_>>());
    let terms = context.clone();
    let lists = revocation.map_or(&[][..], |revocation| &revocation.lists);
    parts(&mut context, &lists.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    [terms, context].map(|context| {
        let mut fingerprint = [0; 32];
        let digest = context.finish();
        fingerprint.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        fingerprint
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc, time::Duration};

    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
        IsCa, KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
    };
    use rustls::{
        CertificateError, Error as TlsError,
        pki_types::{CertificateDer, UnixTime},
    };

    use super::ClientAuth;
    use crate::{
        client_name::ClientName,
        config::{self, ClientAuthMode, FileAt, Place, StaleCrl},
        files::Files,
        tls::certificate::Findings,
    };

    /// The beginning of a year, some hours aside.
    fn year(year: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600 + 86_400))
    }

    fn file(folder: &Path, name: &str) -> FileAt {
        let place = Place { file: Arc::default(), line: 1, column: 1, key: String::new() };
        FileAt { path: folder.join(name), place }
    }

    fn load(config: &config::ClientAuth) -> ClientAuth {
        let files = Files::default();
        let mut findings = Findings::new(&files, 1_800_000_000);
        let loaded = ClientAuth::load(config, &mut findings);
        loaded.unwrap_or_else(|| panic!("{:?}", findings.problems))
    }

    struct Authority(CertifiedIssuer<'static, KeyPair>);

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
        }

        /// A certificate that ends in 2032.
        fn client(&self) -> CertificateDer<'static> {
            let mut params = CertificateParams::default();
            params.not_after = date_time_ymd(2032, 1, 1);
            let key = KeyPair::generate().unwrap();
            params.signed_by(&key, &self.0).unwrap().der().clone()
        }

        /// A list that is good until 2030.
        fn list(&self, number: u64) -> Vec<u8> {
            let list = CertificateRevocationListParams {
                this_update: date_time_ymd(2020, 1, 1),
                next_update: date_time_ymd(2030, 1, 1),
                crl_number: SerialNumber::from(number),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            list.signed_by(&self.0).unwrap().der().to_vec()
        }
    }

    fn config(folder: &Path) -> config::ClientAuth {
        config::ClientAuth {
            mode: ClientAuthMode::Required,
            ca: file(folder, "ca.pem"),
            crl: Some(file(folder, "a.crl")),
            stale_crl: StaleCrl::Refuse,
            names: Vec::new(),
            forward_chain: false,
        }
    }

    #[test]
    fn a_session_that_is_taken_up_is_verified_again() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        fs::write(folder.path().join("ca.pem"), authority.0.pem()).unwrap();
        fs::write(folder.path().join("a.crl"), authority.list(1)).unwrap();
        let refuse = load(&config(folder.path()));
        let warn = load(&config::ClientAuth { stale_crl: StaleCrl::Warn, ..config(folder.path()) });
        let chain = [authority.client()];
        let shown = |auth: &ClientAuth, resumed, at| {
            auth.shown(Some(&chain), resumed, year(at)).map(|shown| shown.unwrap().leaf)
        };
        let good = Ok(chain[0].to_vec());
        assert_eq!(shown(&refuse, true, 2029), good);
        let stale = shown(&refuse, true, 2031).unwrap_err();
        assert!(
            matches!(
                stale,
                TlsError::InvalidCertificate(CertificateError::ExpiredRevocationListContext { .. })
            ),
            "{stale}"
        );
        assert_eq!(shown(&warn, true, 2031), good);
        let expired = shown(&warn, true, 2033).unwrap_err();
        assert!(
            matches!(
                expired,
                TlsError::InvalidCertificate(CertificateError::ExpiredContext { .. })
            ),
            "{expired}"
        );
        assert_eq!(shown(&warn, false, 2033), good, "rustls has just verified it");
    }

    #[test]
    fn nobody_comes_without_a_certificate_where_one_is_required() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), Authority::new().0.pem()).unwrap();
        let required = config::ClientAuth { crl: None, ..config(folder.path()) };
        let optional = config::ClientAuth { mode: ClientAuthMode::Optional, ..required.clone() };
        let without = |config: &config::ClientAuth| load(config).shown(None, true, year(2029));
        assert_eq!(without(&required).unwrap_err(), TlsError::NoCertificatesPresented);
        assert!(without(&optional).unwrap().is_none());
    }

    #[test]
    fn whatever_decides_who_is_served_is_in_the_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        fs::write(folder.path().join("ca.pem"), authority.0.pem()).unwrap();
        fs::write(folder.path().join("a.crl"), authority.list(1)).unwrap();
        let base = config(folder.path());
        let print = |config: &config::ClientAuth| *load(config).fingerprint();
        let names = |names: &[&str]| {
            let names = names.iter().map(|name| ClientName::parse(name).unwrap()).collect();
            config::ClientAuth { names, ..base.clone() }
        };
        let mut all = vec![
            print(&base),
            print(&config::ClientAuth { mode: ClientAuthMode::Optional, ..base.clone() }),
            print(&config::ClientAuth { stale_crl: StaleCrl::Warn, ..base.clone() }),
            print(&config::ClientAuth { crl: None, ..base.clone() }),
            print(&names(&["a.b"])),
            print(&names(&["a", "b"])),
        ];
        assert_eq!(print(&base), print(&base));
        fs::write(folder.path().join("a.crl"), authority.list(2)).unwrap();
        all.push(print(&base));
        let more = authority.0.pem() + &Authority::new().0.pem();
        fs::write(folder.path().join("ca.pem"), more).unwrap();
        all.push(print(&base));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
