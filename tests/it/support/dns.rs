//! A name server on loopback, on a thread of its own: it answers every name alike.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What a question gets.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// These addresses, each to the question for its kind, for so many seconds.
    Addresses(&'static [&'static str], u32),
    /// A response code and nothing else.
    Code(u8),
    /// As the first, but questions for AAAA fail.
    OnlyA(&'static [&'static str], u32),
}

/// A running name server; it ends with the test's process.
pub(crate) struct Names {
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
}

pub(crate) const SERVFAIL: u8 = 2;
pub(crate) const NXDOMAIN: u8 = 3;

impl Names {
    pub(crate) fn start(zone: Zone) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, asked) = (Arc::new(Mutex::new(zone)), Arc::<AtomicUsize>::default());
        let (now, count) = (Arc::clone(&zone), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let zone = now.lock().unwrap().clone();
                count.fetch_add(1, Ordering::SeqCst);
                socket.send_to(&answer(&buffer[..length], &zone), client).unwrap();
            }
        });
        Self { address, zone, asked }
    }

    /// Answers this from now on.
    pub(crate) fn set(&self, zone: Zone) {
        *self.zone.lock().unwrap() = zone;
    }

    /// Questions so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const AAAA: u16 = 28;

/// RFC 1035 4.1; the question is copied, what else came with it is left out.
fn answer(question: &[u8], zone: &Zone) -> Vec<u8> {
    let name = question[12..].iter().position(|byte| *byte == 0).unwrap();
    let end = 12 + name + 5;
    let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
    let none: &[&str] = &[];
    let (code, (addresses, ttl)) = match zone {
        Zone::Addresses(addresses, ttl) => (0, (*addresses, *ttl)),
        Zone::OnlyA(addresses, ttl) if kind != AAAA => (0, (*addresses, *ttl)),
        Zone::OnlyA(..) => (SERVFAIL, (none, 0)),
        Zone::Code(code) => (*code, (none, 0)),
    };
    let parsed = addresses.iter().map(|address| address.parse::<IpAddr>().unwrap());
    let fit: Vec<_> = parsed.filter(|ip| ip.is_ipv6() == (kind == AAAA)).collect();
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(fit.len()).unwrap(), 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    for ip in fit {
        let bytes = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend([0, u8::try_from(bytes.len()).unwrap()]);
        answer.extend(bytes);
    }
    answer
}
