//! One worker's counters of what no configuration names: hellos, handshakes, connections.

use std::time::Duration;

use super::{
    bounds::Bounds,
    cells::{Cell, Histogram, Table},
    census::Agreed,
    labels::{Credentials, Judged, LaneKind, LegacyOutcome, ListenerKind, Plain},
};
use crate::{
    config::PlainAction,
    label::Label,
    policy::Reason,
    proxy_protocol::ProxyHeaderResult,
    session::{Alpn, Cipher, Group, HandshakeFailure, Session},
    version::{Offered, TlsVersion},
};

/// The cells of one worker; only that worker's thread may call what adds.
#[derive(Debug)]
pub struct Counters {
    /// By offered version, verdict, reason (or none) and lane.
    pub(super) hellos: Table<4>,
    /// All connections that sent a hello, by what was agreed on.
    pub(super) agreed: Table<5>,
    /// By version, cipher, group, protocol and whether resumed.
    pub(super) handshakes: Table<5>,
    pub(super) handshake_failures: Table<1>,
    /// By whether resumed.
    pub(super) handshake_durations: [Histogram; 2],
    /// By action and credentials.
    pub(super) plain_http: Table<2>,
    pub(super) proxy_headers: Table<1>,
    pub(super) legacy: Table<1>,
    pub(super) open: [Cell; 2],
    pub(super) parked: Cell,
    pub(super) accept_failures: Cell,
    pub(super) bounds: Bounds,
}

impl Default for Counters {
    fn default() -> Self {
        let (versions, resumed) = (TlsVersion::ALL.len(), 2);
        Self {
            hellos: Table::new([
                Offered::ALL.len(),
                Judged::ALL.len(),
                // One more for a hello that fails nothing.
                Reason::ALL.len() + 1,
                LaneKind::ALL.len(),
            ]),
            agreed: Agreed::table(),
            handshakes: Table::new([
                versions,
                Cipher::ALL.len(),
                Group::ALL.len(),
                Alpn::ALL.len(),
                resumed,
            ]),
            handshake_failures: Table::new([HandshakeFailure::ALL.len()]),
            handshake_durations: Default::default(),
            plain_http: Table::new([Plain::ALL.len(), Credentials::ALL.len()]),
            proxy_headers: Table::new([ProxyHeaderResult::ALL.len()]),
            legacy: Table::new([LegacyOutcome::ALL.len()]),
            open: Default::default(),
            parked: Cell::default(),
            accept_failures: Cell::default(),
            bounds: Bounds::default(),
        }
    }
}

impl Counters {
    /// A hello, and the first reason it fails by, if it does. One that is served has to come to
    /// [`Self::served`] too.
    pub fn hello(&self, offered: Offered, failed: Option<Reason>, lane: LaneKind) {
        let judged = if failed.is_some() { Judged::Fail } else { Judged::Pass };
        let reason = failed.map_or(Reason::ALL.len(), Label::index);
        self.hellos.add([offered.index(), judged.index(), reason, lane.index()]);
        if lane != LaneKind::Serve {
            let agreed = Agreed { offered, version: None, cipher: None, lane, verdict: judged };
            self.agreed.add(agreed.index());
        }
    }

    /// The end of the handshake of a hello that is served, whatever came of it.
    pub fn served(&self, offered: Offered, session: Option<&Session>) {
        let agreed = Agreed {
            offered,
            version: session.map(|session| session.version),
            cipher: session.map(|session| session.cipher),
            lane: LaneKind::Serve,
            verdict: Judged::Pass,
        };
        self.agreed.add(agreed.index());
    }

    /// A handshake that came to its end, and how long after accept that was.
    pub fn handshake(&self, session: &Session, took: Duration) {
        self.handshakes.add([
            session.version.index(),
            session.cipher.index(),
            session.group.index(),
            session.alpn.index(),
            usize::from(session.resumed),
        ]);
        if let Some(durations) = self.handshake_durations.get(usize::from(session.resumed)) {
            durations.observe(took);
        }
    }

    /// A handshake that did not.
    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshake_failures.add([failure.index()]);
    }

    /// A request on a plain port.
    pub fn plain_http(&self, action: PlainAction, credentials: Credentials) {
        self.plain_http.add([Plain::from(action).index(), credentials.index()]);
    }

    /// A PROXY header, or one that did not come.
    pub fn proxy_header(&self, result: ProxyHeaderResult) {
        self.proxy_headers.add([result.index()]);
    }

    /// The end of a connection in the legacy lane.
    pub fn legacy(&self, outcome: LegacyOutcome) {
        self.legacy.add([outcome.index()]);
    }

    /// One more connection.
    pub fn connection_opened(&self, listener: ListenerKind) {
        if let Some(cell) = self.open.get(listener.index()) {
            cell.add(1);
        }
    }

    /// One less.
    pub fn connection_closed(&self, listener: ListenerKind) {
        if let Some(cell) = self.open.get(listener.index()) {
            cell.subtract(1);
        }
    }

    /// A connection rests.
    pub fn parked(&self) {
        self.parked.add(1);
    }

    /// It does not any more.
    pub fn unparked(&self) {
        self.parked.subtract(1);
    }

    /// There was nothing to accept a connection with.
    pub fn accept_failed(&self) {
        self.accept_failures.add(1);
    }
}
