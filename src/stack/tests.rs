//! Every family of `tests/data/hellos` looks like what it is.

use super::{Stack, rules::RULES};
use crate::{
    hello::{Hello, Outcome, read, samples},
    label::Label,
};

fn hello(bytes: &[u8]) -> Hello {
    match read(bytes) {
        Outcome::Hello(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_family_looks_like_what_it_is() {
    let expected = [
        ("OpenSSL 0.9.8", "openssl-0.9.8"),
        ("OpenSSL 0.9.8, SSL 2 format", "openssl-0.9.8"),
        ("OpenSSL 1.0.0, Python 2.7.3", "openssl-1.0.0"),
        ("Java 6, SSL 2 format", "java-6"),
        ("Java 7", "java-7"),
        ("Windows 7 SChannel, .NET 4.0, IE 8-10", "windows-7"),
        ("Windows XP, IE 8", "windows-xp"),
        ("Windows XP, IE 6, SSL 2 format", "windows-xp"),
        ("Android 2.3", "android-2"),
        ("Android 4.1", "android-4"),
        ("Safari 6, OS X 10.8", "macos-10.8"),
        ("curl with NSS, CentOS 6", "nss-3.15"),
        ("a modern library pinned to TLS 1.0", "pinned"),
        ("TLS 1.1 and no more", "unknown"),
        ("SSL 3", "ssl-3"),
        ("SSL 2", "scanner"),
        ("OpenSSL 1.0.1", "openssl-1.0.1"),
        ("OpenSSL 3.0", "current"),
        ("OpenSSL 3.5, post-quantum", "current"),
        ("Java 8", "java-8"),
        ("Windows 8.1 SChannel, IE 11", "windows-8.1"),
        ("Safari 8, CBC only", "macos-10.9"),
        ("Android 5", "tls-1.2"),
        ("Chrome 101", "current"),
        ("Firefox 58, a draft of TLS 1.3", "tls-1.2"),
        ("TLS 1.2, groups nobody here has", "tls-1.2"),
        ("TLS 1.2 with RSA signatures only", "tls-1.2"),
        ("TLS 1.2 without signature_algorithms", "tls-1.2"),
        ("TLS 1.2 that says it fell back", "fallback"),
        ("TLS 1.3 without 1.2", "current"),
        ("Windows Vista, IE 7", "windows-vista"),
        ("Windows 7 without updates, IE 8", "windows-7"),
        ("Python 2.7.3, no host name", "python-2"),
        (".NET Framework 4.5 on Windows 10", "dotnet-framework"),
        ("GnuTLS 2.12", "gnutls-2"),
        ("Windows 10 SChannel, TLS 1.2", "windows-10"),
        ("a scanner", "scanner"),
    ];
    let families = samples::families();
    for family in &families {
        let word = expected.iter().find(|(name, _)| *name == family.name);
        let (_, word) = word.unwrap_or_else(|| panic!("nothing is expected of {}", family.name));
        assert_eq!(Stack::guess(&hello(&family.bytes)).as_str(), *word, "{}", family.name);
    }
    assert_eq!(families.len(), expected.len());
}

#[test]
fn every_rule_is_reached_by_a_family_and_says_why() {
    let families: Vec<_> =
        samples::families().iter().map(|family| Stack::guess(&hello(&family.bytes))).collect();
    for rule in RULES {
        assert!(families.contains(&rule.stack), "no family for {}", rule.stack);
        assert_eq!(rule.stack.evidence(), Some(rule.evidence), "one rule for each stack");
    }
    // What no hello alone can show.
    let named: Vec<_> = RULES.iter().map(|rule| rule.stack).collect();
    let rest = Stack::ALL.iter().filter(|stack| !named.contains(stack));
    assert_eq!(rest.collect::<Vec<_>>(), [&Stack::Unknown, &Stack::Middlebox]);
}

#[test]
fn several_programs_behind_one_old_hello_are_a_middlebox() {
    assert_eq!(Stack::Windows7.behind(2), Stack::Windows7);
    assert_eq!(Stack::Windows7.behind(3), Stack::Middlebox);
}

#[test]
fn java_without_the_ssl_2_format_is_still_java() {
    let suites = "0004 0005 002f 0035 c002 c004 0033 00ff";
    let java = samples::Hello::new(0x0301, 0x0301, suites).extensions("groups=0017 points");
    assert_eq!(Stack::guess(&hello(&java.bytes())), Stack::Java6);
}

#[test]
fn a_list_of_versions_that_ends_below_1_2_is_pinned() {
    let pinned =
        samples::Hello::new(0x0301, 0x0303, "c014 0035 00ff").extensions("versions=0302,0301");
    assert_eq!(Stack::guess(&hello(&pinned.bytes())), Stack::Pinned);
}

#[test]
fn a_word_of_another_release_is_unknown() {
    assert_eq!(Stack::from_word("java-7"), Stack::Java7);
    assert_eq!(Stack::from_word("java-99"), Stack::Unknown);
}
