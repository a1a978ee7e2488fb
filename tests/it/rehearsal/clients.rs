//! Who takes part in a rehearsal: each family of clients in a network of its own, one old client in
//! each of many networks, two customers with exemptions.

use std::net::{Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use tlsfloor::rollout::Share;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use super::programme::{GLOBEX, Phase, Programme};
use crate::support::{
    hellos::{Family, Hello, families},
    soon,
};

/// Networks with one old client each, for the ramp.
pub(super) const NETWORKS: u8 = 40;

/// One client that comes at every stage.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    pub(super) hello: Vec<u8>,
    /// The highest version that it offers.
    pub(super) offered: String,
    /// What it fails by; none where it holds the floor.
    pub(super) fails: Option<String>,
    /// The end of its exemption.
    exempt: Option<Timestamp>,
    /// All bytes that it gets where it is refused.
    pub(super) refusal: Vec<u8>,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Served,
    Spared,
    Refused(&'static str),
}

impl Client {
    fn new(family: &Family, address: Ipv4Addr) -> Self {
        let fails = Some(family.ecdsa.clone()).filter(|verdict| verdict != "pass");
        let minor = match family.offered.as_str() {
            "ssl3" => 0,
            "1.0" => 1,
            "1.1" => 2,
            _ => 3,
        };
        let alert = match fails.as_deref() {
            Some("version") if family.name.contains("fell back") => 86,
            Some("version") => 70,
            _ => 40,
        };
        // SSL 2 has no alert that says it.
        let alerted = fails.is_some() && family.offered != "sslv2";
        let refusal = if alerted { vec![0x15, 3, minor, 0, 2, 2, alert] } else { Vec::new() };
        let (name, hello) = (family.name.clone(), family.bytes.clone());
        Self { name, address, hello, offered: family.offered.clone(), fails, exempt: None, refusal }
    }

    /// A TLS 1.0 client.
    fn old(name: String, address: Ipv4Addr, sni: &str, exempt: Option<Timestamp>) -> Self {
        let hello = Hello::new(0x0301, 0x0301, "002f 0035 000a");
        let bytes = hello.extensions(&format!("sni={sni} 0023")).bytes();
        let family = Family {
            name,
            bytes,
            offered: "1.0".to_owned(),
            ecdsa: "version".to_owned(),
            ..Family::default()
        };
        Self { exempt, ..Self::new(&family, address) }
    }

    /// What is to become of it.
    pub(super) fn fate(&self, phase: Phase, now: Timestamp, share: &Share) -> Fate {
        let (percent, why) = phase.refused();
        if self.fails.is_none() {
            Fate::Served
        } else if self.exempt.is_some_and(|end| now < end) {
            Fate::Spared
        } else if share.place(self.address.into()) < u16::from(percent) * 100 {
            Fate::Refused(why)
        } else {
            Fate::Spared
        }
    }
}

/// Everybody.
pub(super) fn all(programme: Programme) -> Vec<Client> {
    let numbered = families().into_iter().zip(0..);
    let family = |(family, number)| Client::new(&family, programme.client(0, number, 10));
    let network = |network| {
        let address = programme.client(1, network, 20);
        Client::old(format!("network {network}"), address, "api.example.com", None)
    };
    let end = |when| Some(programme.at(when));
    let acme = ("acme", programme.acme(), "api.example.com", end("03-15T00:00:00"));
    let globex = ("globex", programme.client(3, 0, 1), GLOBEX, end("06-30T00:00:00"));
    let customer = |(name, address, sni, end): (&str, _, _, _)| {
        Client::old(name.to_owned(), address, sni, end)
    };
    let customers = [acme, globex].map(customer);
    numbered.map(family).chain((0..NETWORKS).map(network)).chain(customers).collect()
}

/// What a connection showed.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The client's port, by which its line is found.
    pub(super) port: u16,
    /// Everything that came.
    pub(super) bytes: Vec<u8>,
}

impl Seen {
    /// The bytes that are the same each time: of a ServerHello its type and record, of anything
    /// else all.
    pub(super) fn shape(&self) -> &[u8] {
        match self.bytes.as_slice() {
            [0x16, 3, minor, _, _, 2, ..] if *minor < 4 => &self.bytes[..3],
            other => other,
        }
    }
}

/// Says hello from an address, ends, and reads to the other side's end.
pub(super) async fn say(to: SocketAddr, from: Ipv4Addr, hello: &[u8]) -> Seen {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = soon(socket.connect(to)).await.unwrap();
    let port = stream.local_addr().unwrap().port();
    stream.write_all(hello).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    let read = soon(stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "{from} to {to}: {read:?} after {bytes:?} in answer to {hello:02x?}");
    Seen { port, bytes }
}
