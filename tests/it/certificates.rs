//! Certificates and keys: what is wrong with each, in its words and with its file.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use tempfile::TempDir;
use tlsfloor::{
    config,
    files::Files,
    machine::Machine,
    metrics::Metrics,
    snapshot::{Basis, Snapshot},
};

use crate::support::{pki::Pki, private_folder};

/// A folder of PEM files and what is said of a configuration that names `c.pem` and `k.pem`.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(chain: &str, key: &str) -> Self {
        let folder = Self(private_folder());
        folder.write("c.pem", chain);
        folder.write("k.pem", key);
        folder
    }

    /// What others on this machine may do with a file or, without a name, the folder.
    fn mode(&self, name: &str, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.0.path().join(name), permissions).unwrap();
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    /// Warnings, or problems, one a line; the folder itself is left out.
    pub(crate) fn build(&self, more: &str) -> Result<String, String> {
        self.build_with("", more)
    }

    /// As `build`, with more of `[tls]`.
    fn build_with(&self, tls: &str, more: &str) -> Result<String, String> {
        let text = format!(
            "[tls]\ncertificates = [{{ chain = \"c.pem\", key = \"k.pem\" }}]\n{tls}\
             [[upstreams]]\nname = \"a\"\nservers = [\"http://127.0.0.1:1\"]\n{more}"
        );
        let config = config::parse(&text, &self.0.path().join("t.toml")).unwrap();
        let (metrics, files) = (Metrics::new(1), Files::default());
        let basis = Basis {
            generation: 1,
            metrics: &metrics,
            files: &files,
            machine: Machine::ask(),
            before: None,
        };
        let here = format!("{}/", self.0.path().display());
        match Snapshot::build(config, &basis) {
            Ok((_, warnings)) => {
                let lines: Vec<_> = warnings.iter().map(ToString::to_string).collect();
                Ok(lines.join("\n").replace(&here, ""))
            }
            Err(problems) => Err(problems.to_string().replace(&here, "")),
        }
    }
}

const CHAIN: &str = "t.toml:2:27 tls.certificates[0].chain: c.pem: ";
const KEY: &str = "t.toml:2:42 tls.certificates[0].key: k.pem: ";

#[test]
fn each_problem_in_its_words() {
    let pki = Pki::shared();
    let good = pki.issue(&["localhost"]);
    let rsa = pki.issue_rsa(&["localhost"]);
    let old = pki.issue_expired(&["localhost"]);
    let (chain, key) = (good.chain_pem(), good.key_pem());
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let broken = chain.replacen("MII", "!!!", 1);
    let twice = format!("{key}{key}");
    let cases = [
        (chain, rsa.key_pem(), KEY, "the key does not belong to the certificate in the chain file"),
        (old.chain_pem(), old.key_pem(), CHAIN, "the certificate expired on "),
        (key, key, CHAIN, "found a private key, expected certificates; are chain and key swapped?"),
        (
            chain,
            chain,
            KEY,
            "found certificates, expected a private key; are chain and key swapped?",
        ),
        (chain, &encrypted, KEY, "the private key is encrypted; decrypt it with "),
        (chain, &twice, KEY, "found 2 private keys, expected one"),
        ("", key, CHAIN, "the file is empty"),
        ("x", key, CHAIN, "found no PEM block; convert DER with "),
        (&broken, key, CHAIN, "found a PEM block that cannot be read: "),
    ];
    for (chain, key, place, said) in cases {
        let problems = Folder::new(chain, key).build("").unwrap_err();
        assert!(problems.starts_with(&format!("{place}{said}")), "{said}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
    let folder = Folder::new(chain, key);
    std::fs::remove_file(folder.0.path().join("k.pem")).unwrap();
    let problems = folder.build("").unwrap_err();
    assert!(problems.starts_with(&format!("{KEY}the file cannot be read: ")), "{problems}");
}

#[test]
fn every_problem_is_said_at_once() {
    let problems = Folder::new("", "").build("").unwrap_err();
    assert_eq!(problems.lines().count(), 2, "{problems}");
}

#[test]
fn a_host_without_a_certificate_for_its_name_is_a_problem() {
    let good = Pki::shared().issue(&["api.example.com", "*.example.org"]);
    let folder = Folder::new(good.chain_pem(), good.key_pem());
    let host = |name: &str| format!("[[tls.hosts]]\nnames = [\"{name}\"]\n");
    for name in ["api.example.com", "a.example.org", "*.example.org"] {
        assert_eq!(folder.build(&host(name)), Ok(String::new()), "{name}");
    }
    for name in ["pay.example.com", "a.b.example.org", "example.org", "*.example.com"] {
        let problems = folder.build(&host(name)).unwrap_err();
        let said = format!(
            "t.toml:6:1 tls.hosts[0].names: no certificate has the name {name}: c.pem has api.example.com, *.example.org"
        );
        assert_eq!(problems, said);
    }
}

#[test]
fn a_route_without_a_certificate_for_its_host_is_doubtful() {
    let good = Pki::shared().issue(&["api.example.com"]);
    let folder = Folder::new(good.chain_pem(), good.key_pem());
    let route = |host: &str| format!("[[routes]]\nhost = \"{host}\"\nupstream = \"a\"\n");
    assert_eq!(folder.build(&route("api.example.com")), Ok(String::new()));
    let warning = folder.build(&route("b.example.com")).unwrap();
    assert!(
        warning.starts_with("t.toml:6:1 routes[0]: no certificate has the name b.example.com"),
        "{warning}"
    );
}

#[test]
fn a_chain_that_does_not_begin_with_its_leaf_is_mended() {
    let pki = Pki::shared();
    let good = pki.issue(&["localhost"]);
    let turned = format!("{}{}", pki.authority_pem(), good.chain_pem());
    let warning = Folder::new(&turned, good.key_pem()).build("").unwrap();
    assert!(warning.contains("does not begin with the leaf"), "{warning}");
    let right = format!("{}{}", good.chain_pem(), pki.authority_pem());
    assert_eq!(Folder::new(&right, good.key_pem()).build(""), Ok(String::new()));
}

#[test]
fn a_key_that_others_may_read_is_warned_of() {
    let good = Pki::shared().issue(&["localhost"]);
    let folder = Folder::new(good.chain_pem(), good.key_pem());
    folder.mode("", 0o755);
    let reachable = |folder: &Path| std::fs::metadata(folder).unwrap().mode() & 1 != 0;
    if !std::fs::canonicalize(folder.0.path()).unwrap().ancestors().all(reachable) {
        // A private $TMPDIR hides everything in it.
        assert_eq!(folder.build(""), Ok(String::new()));
        return;
    }
    for (mode, warns) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
        folder.mode("k.pem", mode);
        let warning = folder.build("").unwrap();
        assert_eq!(warning.starts_with(&format!("{KEY}every user of this machine")), warns);
        assert_eq!(warning.is_empty(), !warns, "{mode:o}: {warning}");
    }
    let secret = "a".repeat(32);
    folder.write("t.key", &secret);
    folder.mode("t.key", 0o644);
    let tickets = folder.build_with("ticket_secret = \"t.key\"\n", "").unwrap();
    let place = "t.toml:3:17 tls.ticket_secret: t.key: every user of this machine may read it";
    assert!(tickets.starts_with(place), "{tickets}");
    assert!(tickets.contains("chmod o-r") && tickets.contains("defaultMode: 0440"), "{tickets}");
}

#[test]
fn both_forms_of_an_encrypted_key_are_told() {
    let good = Pki::shared().issue(&["localhost"]);
    let older = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                 DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n\
                 AAAA\n-----END EC PRIVATE KEY-----\n";
    let newer =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for key in [older, newer] {
        let problem = Folder::new(good.chain_pem(), key).build("").unwrap_err();
        let said =
            "the private key is encrypted; decrypt it with `openssl pkey -in FILE -out FILE`";
        assert_eq!(problem, format!("{KEY}{said}"));
    }
}

#[test]
fn each_form_of_key_is_read() {
    let pki = Pki::shared();
    let forms = [
        (pki.issue(&["localhost"]), "EC PRIVATE KEY"),
        (pki.issue_rsa(&["localhost"]), "RSA PRIVATE KEY"),
    ];
    for (issued, older) in forms {
        let folder = Folder::new(issued.chain_pem(), issued.key_pem());
        assert_eq!(folder.build(""), Ok(String::new()), "PKCS#8");
        let pkcs8 = pem::parse(issued.key_pem()).unwrap();
        let inner = private_key(pkcs8.contents()).to_vec();
        folder.write("k.pem", pem::encode(&pem::Pem::new(older, inner)));
        assert_eq!(folder.build(""), Ok(String::new()), "{older}");
    }
}

/// The SEC1 or PKCS#1 key inside a PKCS#8 one (RFC 5208 5): a version, an algorithm, and then it.
fn private_key(pkcs8: &[u8]) -> &[u8] {
    let (whole, _) = content(pkcs8);
    let (_version, rest) = content(whole);
    let (_algorithm, rest) = content(rest);
    content(rest).0
}

/// The content of the first DER value, and what is behind it.
fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let long = usize::from(der[1].saturating_sub(0x80));
    let length = match long {
        0 => usize::from(der[1]),
        _ => der[2..2 + long].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    der[2 + long..].split_at(length)
}
