//! What a client is told about its own connection; the JSON form is this and nothing else.
//!
//! Made once an answer from the hello that was kept. It holds what the client sent, so every form
//! has to escape it; lists end after so many entries, because a hello may have thousands.

use std::net::IpAddr;

use serde::Serialize;

use crate::{
    hello::{Hello, iana},
    http::TlsFacts,
    policy::Verdict,
    self_test::{FLOOR, SelfTest},
    session::Session,
    stack::{Remedy, Stack},
    version::Offered,
};

/// Entries of one list that are told.
const LONGEST: usize = 256;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Facts<'a> {
    /// Today's floor.
    pub(super) floor: &'static str,
    pub(super) passes_floor: bool,
    pub(super) policies: Vec<Judged<'a>>,
    pub(super) negotiated: Negotiated,
    pub(super) offered: Shown<'a>,
    pub(super) client: IpAddr,
    pub(super) ja4: &'a str,
    pub(super) stack: Guess,
    pub(super) remedy: &'static Remedy,
}

/// What a policy says.
#[derive(Debug, Serialize)]
pub(super) struct Judged<'a> {
    pub(super) name: &'a str,
    pub(super) minimum: &'static str,
    pub(super) verdict: &'static str,
    pub(super) reason: Option<&'static str>,
}

/// What was agreed.
#[derive(Debug, Serialize)]
pub(super) struct Negotiated {
    pub(super) version: &'static str,
    pub(super) cipher: &'static str,
    pub(super) group: &'static str,
    pub(super) alpn: &'static str,
    pub(super) resumed: bool,
}

/// What was offered.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    pub(super) versions: Vec<String>,
    pub(super) sni: Option<&'a str>,
    pub(super) alpn: Vec<String>,
    pub(super) suites: Vec<Number>,
    pub(super) groups: Vec<Number>,
    pub(super) key_shares: Vec<Number>,
    pub(super) signature_schemes: Vec<Number>,
}

/// A number of a registry.
#[derive(Debug, Serialize)]
pub(super) struct Number {
    pub(super) number: String,
    /// Where it is known.
    pub(super) name: Option<&'static str>,
}

/// What the client looks like.
#[derive(Debug, Serialize)]
pub(super) struct Guess {
    pub(super) word: &'static str,
    pub(super) looks_like: &'static str,
    pub(super) evidence: Option<&'static str>,
    pub(super) what: &'static str,
}

impl<'a> Facts<'a> {
    /// Of a connection whose hello was kept.
    pub(super) fn new(
        tls: &'a TlsFacts,
        hello: &'a Hello,
        test: &'a SelfTest,
        client: IpAddr,
    ) -> Self {
        let policies: Vec<_> = test
            .verdicts(hello)
            .map(|(name, policy, verdict)| Judged::new(name, policy.minimum.as_str(), verdict))
            .collect();
        let stack = Stack::guess(hello);
        let floor = policies.iter().find(|policy| policy.name == FLOOR);
        Self {
            floor: floor.map_or("", |floor| floor.minimum),
            passes_floor: floor.is_some_and(|floor| floor.reason.is_none()),
            policies,
            negotiated: Negotiated::new(&tls.session),
            offered: Shown::new(hello),
            client,
            ja4: tls.ja4.as_str(),
            stack: Guess::new(stack),
            remedy: stack.remedy(),
        }
    }
}

impl<'a> Judged<'a> {
    fn new(name: &'a str, minimum: &'static str, verdict: Verdict) -> Self {
        let (verdict, reason) = match verdict {
            Verdict::Pass => ("pass", None),
            Verdict::Fail(failure) => ("fail", Some(failure.reason.as_str())),
        };
        Self { name, minimum, verdict, reason }
    }
}

impl Negotiated {
    fn new(session: &Session) -> Self {
        Self {
            version: session.version.as_str(),
            cipher: session.cipher.as_str(),
            group: session.group.as_str(),
            alpn: session.alpn.as_str(),
            resumed: session.resumed,
        }
    }
}

impl<'a> Shown<'a> {
    fn new(hello: &'a Hello) -> Self {
        let versions = hello.supported_versions.as_deref();
        let versions = versions.unwrap_or_else(|| std::slice::from_ref(&hello.legacy_version));
        let version = |number: &u16| match Offered::from_wire(*number) {
            Offered::None => format!("{number:#06x}"),
            known => known.as_str().to_owned(),
        };
        let alpn = |name: &Vec<u8>| String::from_utf8_lossy(name).into_owned();
        Self {
            versions: versions.iter().take(LONGEST).map(version).collect(),
            sni: hello.sni.as_ref().map(|host| host.as_str()),
            alpn: hello.alpn.iter().take(LONGEST).map(alpn).collect(),
            suites: numbers(Some(&hello.suites), iana::suite),
            groups: numbers(hello.groups.as_deref(), iana::group),
            key_shares: numbers(hello.key_shares.as_deref(), iana::group),
            signature_schemes: numbers(hello.signature_schemes.as_deref(), iana::scheme),
        }
    }
}

impl Guess {
    fn new(stack: Stack) -> Self {
        Self {
            word: stack.as_str(),
            looks_like: stack.phrase(),
            evidence: stack.evidence(),
            what: &stack.remedy().what,
        }
    }
}

fn numbers(all: Option<&[u16]>, name: fn(u16) -> Option<&'static str>) -> Vec<Number> {
    let number = |number: &u16| Number { number: format!("{number:#06x}"), name: name(*number) };
    all.unwrap_or_default().iter().take(LONGEST).map(number).collect()
}
