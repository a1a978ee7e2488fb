//! The table under floods, its sums, its memory; and what judging and noting cost.

use std::{hint::black_box, net::Ipv4Addr, sync::Arc, time::Duration};

use super::{
    Census, Settings, Sighting, Step,
    book::{Book, Told},
    settings::Mask,
};
use crate::{
    hello::{Hello, Ja4, Outcome, read, samples},
    io::ClientAddr,
    keyed_hash::KeyedHash,
    metrics::{LaneKind, Metrics},
    policy::Reason,
};

fn settings(rows: usize, mask: Mask) -> Arc<Settings> {
    Arc::new(Settings { rows, mask, is_told: false })
}

fn hello(sni: &str) -> Hello {
    let bytes = samples::Hello::new(0x0301, 0x0301, "002f").extension(&format!("sni={sni}"));
    match read(&bytes.bytes()) {
        Outcome::Hello(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

fn client(number: u32) -> ClientAddr {
    ClientAddr { ip: Ipv4Addr::from_bits(number).into(), port: Some(4711) }
}

/// Numbers that look random and are the same in every run.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

/// A book that is noted in by hand.
struct Notes {
    book: Book,
    floor: Arc<str>,
    hello: Hello,
    ja4: Ja4,
}

impl Notes {
    fn new(rows: usize) -> Self {
        let book = Book::new(settings(rows, Mask::Full));
        let hello = hello("api.example.com");
        Self { book, floor: "floor".into(), ja4: hello.ja4(), hello }
    }

    fn note(&mut self, number: u32, lane: LaneKind) {
        let hello = Some((&self.hello, self.ja4));
        let sighting = Sighting { client: client(number), hello, lane };
        let failed = [(&self.floor, Reason::Version)];
        self.book.note(&sighting, 1_800_000_000, failed.into_iter());
    }

    fn tell(&mut self) -> Vec<Told> {
        let (mut all, mut step) = (Vec::new(), Step::Rows(0));
        while step != Step::Done {
            let (told, next) = step.take(&mut self.book);
            all.extend(told);
            step = next;
        }
        all
    }
}

const HEAVY: u32 = 0x0a00_0000;

#[test]
fn a_million_random_clients_do_not_drive_out_the_heavy_ones() {
    const NOISE: u32 = 1_000_000;
    const ROWS: usize = 10_000;
    let (mut notes, mut random) = (Notes::new(ROWS), Random(1));
    // Fifty clients that each come more often than once in as many as there are rows.
    let times = |number: u32| 400 + number;
    let mut true_sum = 0;
    for round in 0..NOISE {
        // Never in 10.0.0.0/8, where the heavy ones are.
        notes.note(0x8000_0000 | random.next(), LaneKind::Refuse);
        true_sum += 1;
        let number = round % 50;
        if round / 50 % 20 == 0 && round / 1000 < times(number) {
            notes.note(HEAVY + number, LaneKind::Legacy);
            true_sum += 1;
        }
    }
    let rows = notes.book.rows(0, usize::MAX);
    assert_eq!(rows.len(), ROWS);
    for number in 0..50 {
        let name = Ipv4Addr::from_bits(HEAVY + number).to_string();
        let found = rows.iter().find(|(row, _)| row.client.to_string() == name);
        let (row, count) = found.unwrap_or_else(|| panic!("{name} was driven out"));
        let (least, truth) = (count - row.error, u64::from(times(number)));
        assert!(least <= truth && truth <= *count, "{name}: {least} <= {truth} <= {count}");
    }
    let told = notes.tell();
    assert_eq!(told.iter().map(|row| row.count).sum::<u64>(), true_sum);
    assert!(told.len() <= ROWS + 2, "rows bound what a flush writes: {}", told.len());
}

#[test]
fn totals_are_true_whatever_was_driven_out_and_whenever_it_was_flushed() {
    let (mut notes, mut random) = (Notes::new(100), Random(7));
    let lanes = [LaneKind::Serve, LaneKind::Legacy, LaneKind::Refuse];
    let (mut noted, mut told) = ([0_u64; 3], [0_u64; 3]);
    let mut others = 0;
    for round in 0..50_000_u32 {
        let lane = usize::from(random.next().to_be_bytes()[3] % 3);
        notes.note(random.next() % 1000, lanes[lane]);
        noted[lane] += 1;
        if round % 7_777 == 0 {
            for row in notes.tell() {
                told[lanes.iter().position(|one| *one == row.group.lane).unwrap()] += row.count;
                others += u64::from(row.row.is_none());
            }
        }
    }
    for row in notes.tell() {
        told[lanes.iter().position(|one| *one == row.group.lane).unwrap()] += row.count;
    }
    assert_eq!(told, noted);
    assert!(others > 0 && notes.book.evicted > 0);
    assert_eq!(notes.book.sums().iter().map(|(_, sum)| sum.noted).sum::<u64>(), 50_000);
    assert!(notes.tell().is_empty(), "nothing is told twice");
}

#[test]
fn ten_thousand_rows_of_the_longest_names_stay_under_4_mb() {
    let mut book = Book::new(settings(10_000, Mask::Full));
    let floor: Arc<str> = "floor".into();
    for number in 0..30_000_u32 {
        let label = format!("{number:050}");
        let hello = hello(&format!("{label}.{label}.{label}.{label}.{:040}.x", 0));
        let sighting = Sighting {
            client: client(number),
            hello: Some((&hello, hello.ja4())),
            lane: LaneKind::Refuse,
        };
        book.note(&sighting, 1_800_000_000, [(&floor, Reason::Version)].into_iter());
    }
    assert_eq!(book.size(), (10_000, 10_000));
    assert!(book.bytes() < 4_000_000, "{} bytes", book.bytes());
    let names: usize =
        book.rows(0, usize::MAX).iter().map(|(row, _)| row.sni.as_ref().unwrap().len()).sum();
    assert_eq!(names, 10_000 * 128, "the longest there are");
}

#[test]
fn a_row_knows_when_where_from_and_what_it_looks_like() {
    let mut notes = Notes::new(100);
    let name = Arc::<str>::from("floor");
    for (at, port) in [(10, 1), (20, 2), (20, 2), (30, 3), (40, 4), (50, 5)] {
        let hello = Some((&notes.hello, notes.hello.ja4()));
        let who = ClientAddr { port: Some(port), ..client(7) };
        let sighting = Sighting { client: who, hello, lane: LaneKind::Legacy };
        notes.book.note(&sighting, at, [(&name, Reason::Version)].into_iter());
    }
    let rows = notes.book.rows(0, 10);
    let [(row, count)] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((*count, row.error, row.first, row.last), (6, 0, 10, 50));
    assert_eq!(row.ports().collect::<Vec<_>>(), [5, 2, 3, 4], "the latest four");
    assert_eq!(row.sni.as_deref(), Some("api.example.com"));
    assert!(!row.stack.phrase().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_table_unless_its_rows_would_mean_something_else() {
    let metrics = Metrics::new(1);
    let census = Census::new(&settings(100, Mask::Full), &metrics);
    let hello = hello("api.example.com");
    let note = || {
        let hello = Some((&hello, hello.ja4()));
        let sighting = Sighting { client: client(7), hello, lane: LaneKind::Refuse };
        census.note(&sighting, Some(Reason::Version), std::iter::empty());
    };
    let clients = || census.view(&[]).unwrap()["clients"].as_array().unwrap().clone();
    note();
    census.adopt(&settings(100, Mask::Full)).await;
    note();
    assert_eq!(clients()[0]["count"], 2);
    let key = || Mask::Hashed(KeyedHash::new(b"0123456789abcdef").into());
    for other in [settings(200, Mask::Full), settings(200, Mask::Network), settings(200, key())] {
        census.adopt(&other).await;
        assert!(clients().is_empty(), "{other:?}");
        note();
    }
    census.adopt(&settings(200, key())).await;
    assert_eq!(clients().len(), 1, "the same key");
    census.adopt(&settings(200, Mask::Hashed(KeyedHash::new(b"fedcba9876543210").into()))).await;
    assert!(clients().is_empty(), "another key");
}

#[test]
fn one_network_with_many_kinds_of_clients_is_doubted() {
    let doubted = |kinds: u32, networks: u32, is_told| {
        let settings = Settings { rows: 1000, mask: Mask::Full, is_told };
        let census = Census::new(&Arc::new(settings), &Metrics::new(1));
        for number in 0..2000_u32 {
            let suites = format!("{:04x}", 0x002f + number % kinds);
            let bytes = samples::Hello::new(0x0301, 0x0301, &suites).bytes();
            let Outcome::Hello(hello) = read(&bytes) else { panic!() };
            let who = client(HEAVY + number % networks * 256 + number % 4);
            let hello = Some((&*hello, hello.ja4()));
            let sighting = Sighting { client: who, hello, lane: LaneKind::Refuse };
            census.note(&sighting, Some(Reason::Version), std::iter::empty());
        }
        let page = census.view(&[]).unwrap();
        page["warning"].as_str().map(str::to_owned)
    };
    let said = doubted(3, 1, false).unwrap();
    assert!(said.contains("10.0.0.0/24") && said.contains("proxy_protocol_from"), "{said}");
    assert_eq!(doubted(1, 1, false), None, "one customer with one kind of client");
    assert_eq!(doubted(3, 5, false), None, "several networks");
    assert_eq!(doubted(3, 1, true), None, "a balancer that says for whom it speaks");
}

#[test]
fn filters_and_what_is_none() {
    let census = Census::new(&settings(100, Mask::Full), &Metrics::new(1));
    let hello = hello("api.example.com");
    for (number, lane) in [(HEAVY + 1, LaneKind::Refuse), (HEAVY + 257, LaneKind::Legacy)] {
        for _ in 0..number - HEAVY {
            let hello = Some((&hello, hello.ja4()));
            let sighting = Sighting { client: client(number), hello, lane };
            census.note(&sighting, Some(Reason::Version), std::iter::empty());
        }
    }
    let ask = |name: &str, value: &str| {
        let page = census.view(&[(name.to_owned(), value.to_owned())]).unwrap();
        let clients = page["clients"].as_array().unwrap();
        clients.iter().map(|row| row["client"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let both = ["10.0.1.1", "10.0.0.1"];
    assert_eq!(ask("limit", "10"), both, "the heaviest first");
    assert_eq!(ask("limit", "1"), both[..1]);
    assert_eq!(ask("client", "10.0.0.0/8"), both);
    assert_eq!(ask("client", "10.0.0.1"), both[1..]);
    assert_eq!(ask("lane", "legacy"), both[..1]);
    assert_eq!(ask("sni", "API.example.com"), both);
    assert_eq!(ask("policy", "tls13"), [""; 0]);
    assert_eq!(ask("reason", "version").len(), 2);
    let bad = |name: &str, value: &str| {
        census.view(&[(name.to_owned(), value.to_owned())]).unwrap_err().to_string()
    };
    assert!(bad("clint", "x").contains("expected client, sni"));
    assert!(bad("lane", "left").contains("serve, legacy, refuse"));
    assert!(bad("limit", "-1").contains("a number of rows"));
}

mod cost;
