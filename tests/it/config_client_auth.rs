//! What is wrong with `client_auth`: its keys, and the files that it names.

use crate::{certificates, config::with, support::pki::Pki};

#[test]
fn what_is_wrong_with_the_keys() {
    let ca = "ca = \"c.pem\"";
    let names = "expected a host (\"a.example.com\", \"*.example.com\"), a URI \
        (\"spiffe://example.com/a\", \"spiffe://example.com/prod/*\") or a mailbox \
        (\"a@example.com\")";
    let cases = [
        ("mode = \"required\"", "7:1 tls.client_auth.ca: found nothing, expected the PEM file of the authorities".to_owned()),
        ("ca = \"\"", "8:6 tls.client_auth.ca: found \"\", expected the name of a file".to_owned()),
        (
            &format!("mode = \"optinal\"\n{ca}"),
            "8:8 tls.client_auth.mode: found \"optinal\", expected \"optional\"?".to_owned(),
        ),
        (
            &format!("stale_crl = \"warn\"\n{ca}"),
            "8:13 tls.client_auth.stale_crl: found \"warn\", expected a crl beside it, which could be stale".to_owned(),
        ),
        (
            &format!("names = [\"*\"]\n{ca}"),
            format!("8:10 tls.client_auth.names[0]: found \"*\", {names}"),
        ),
    ];
    for (piece, said) in cases {
        let problems = with(&format!("[tls.client_auth]\n{piece}\n")).unwrap_err().to_string();
        assert_eq!(problems, format!("t.toml:{said}"));
    }
    assert!(with("[tls.client_auth]\nmode = \"none\"\n").unwrap().tls.client_auth.is_none());
    let inherits = "[tls.client_auth]\nca = \"c.pem\"\n[[tls.hosts]]\nnames = [\"a\"]\n\
        [[tls.hosts]]\nnames = [\"b\"]\nclient_auth = { mode = \"none\" }\n";
    let tls = with(inherits).unwrap().tls;
    assert_eq!(tls.hosts[0].client_auth, tls.client_auth);
    assert_eq!(tls.hosts[1].client_auth, None);
}

#[test]
fn what_is_wrong_with_the_files() {
    let (ca, other) = (Pki::called("clients"), Pki::called("others"));
    let server = Pki::shared().issue(&["localhost"]);
    let folder = certificates::Folder::new(server.chain_pem(), server.key_pem());
    folder.write("ca.pem", ca.authority_pem());
    folder.write("two.pem", ca.authority_pem() + &other.authority_pem());
    folder.write("none.crl", "x");
    folder.write("der.crl", [0x30, 0x03, 0x02, 0x01, 0x00]);
    folder.write("good.crl", ca.revokes(&[], 2040));
    folder.write("other.crl", other.revokes(&[], 2040));
    folder.write("old.crl", ca.revokes(&[], 2021));
    let build = |keys: &str| folder.build(&format!("[tls.client_auth]\n{keys}\n"));
    let wrong = [
        ("ca = \"gone.pem\"", "7:6 tls.client_auth.ca: gone.pem: the file cannot be read: "),
        (
            "ca = \"k.pem\"",
            "7:6 tls.client_auth.ca: k.pem: found a private key, expected certificates",
        ),
        (
            "ca = \"c.pem\"",
            "7:6 tls.client_auth.ca: c.pem: found no authority, expected the certificates that clients' are signed by",
        ),
        (
            "crl = \"gone.crl\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: gone.crl: the file cannot be read: ",
        ),
        (
            "crl = \"none.crl\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: none.crl: found no PEM block",
        ),
        (
            "crl = \"ca.pem\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: ca.pem: found no revocation list (X509 CRL, or DER)",
        ),
        (
            "crl = \"der.crl\"\nca = \"ca.pem\"",
            "7:7 tls.client_auth.crl: der.crl: list 1 in it cannot be understood: ",
        ),
    ];
    for (keys, said) in wrong {
        let problems = build(keys).unwrap_err();
        assert!(problems.starts_with(&format!("t.toml:{said}")), "{said}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
    let doubtful = [
        ("good.crl\"", "ca.pem", vec![]),
        (
            "old.crl\"",
            "ca.pem",
            vec![
                "the list of CN=clients is out of date since Jan  1 00:00:00 2021 +00:00; clients with certificates from it are refused until it is renewed",
            ],
        ),
        (
            "old.crl\"\nstale_crl = \"warn\"",
            "ca.pem",
            vec![
                "the list of CN=clients is out of date since Jan  1 00:00:00 2021 +00:00; it counts on until it is renewed",
            ],
        ),
        (
            "other.crl\"",
            "ca.pem",
            vec![
                "the list is of CN=others, which is no authority in ca; it counts only for clients that send that one's certificate",
                "there is no list of CN=clients: clients with certificates from it are refused",
            ],
        ),
        (
            "good.crl\"",
            "two.pem",
            vec!["there is no list of CN=others: clients with certificates from it are refused"],
        ),
    ];
    for (crl, ca, said) in doubtful {
        let warnings = build(&format!("crl = \"{crl}\nca = \"{ca}\"")).unwrap();
        let texts = warnings.lines().filter_map(|line| line.splitn(3, ": ").nth(2));
        let warnings: Vec<_> = texts.collect();
        assert_eq!(warnings, said);
    }
}
