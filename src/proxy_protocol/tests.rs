//! Headers at every prefix, with every byte changed, and bytes that are none.

use std::net::SocketAddr;

use super::{Beginning, LONGEST, ProxyHeaderError, Source, begins, parse, v2::SIGNATURE};

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

const V4: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0xc0, 0, 1, 0xbb];

fn v6() -> Vec<u8> {
    let mut block = vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    block.extend([0; 16]);
    block.extend([0xc0, 0, 1, 0xbb]);
    block
}

fn client(address: &str) -> Source {
    Source::Client(address.parse::<SocketAddr>().unwrap())
}

/// Right headers, and whom they speak for.
fn good() -> Vec<(Vec<u8>, Source)> {
    let with_value = [V4, &[0x20, 0, 2, 9, 9, 4, 0, 0]].concat();
    // As HAProxy sends it for a client with a certificate; the sum was made apart from our code.
    let summed: &[u8] = &[
        127, 0, 0, 1, 192, 168, 0, 1, 48, 57, 1, 187, 3, 0, 4, 129, 33, 70, 224, 5, 0, 4, 49, 50,
        51, 52, 32, 0, 75, 7, 0, 0, 0, 0, 33, 0, 7, 84, 76, 83, 118, 49, 46, 51, 34, 0, 9, 108,
        111, 99, 97, 108, 104, 111, 115, 116, 37, 0, 7, 82, 83, 65, 52, 48, 57, 54, 36, 0, 10, 82,
        83, 65, 45, 83, 72, 65, 50, 53, 54, 35, 0, 22, 84, 76, 83, 95, 65, 69, 83, 95, 50, 53, 54,
        95, 71, 67, 77, 95, 83, 72, 65, 51, 56, 52,
    ];
    let line = |text: &str| text.as_bytes().to_vec();
    vec![
        (line("PROXY TCP4 203.0.113.7 10.0.0.1 49152 443\r\n"), client("203.0.113.7:49152")),
        (line("PROXY TCP6 2001:db8::7 ::1 49152 0\r\n"), client("[2001:db8::7]:49152")),
        (line("PROXY TCP6 ::ffff:10.0.0.9 ::1 1 2\r\n"), client("[::ffff:10.0.0.9]:1")),
        (line("PROXY UNKNOWN\r\n"), Source::Peer),
        (line("PROXY UNKNOWN what ever\r\n"), Source::Peer),
        (v2(0x21, 0x11, V4), client("203.0.113.7:49152")),
        (v2(0x21, 0x21, &v6()), client("[2001:db8::7]:49152")),
        (v2(0x21, 0x11, &with_value), client("203.0.113.7:49152")),
        (v2(0x21, 0x11, summed), client("127.0.0.1:12345")),
        (v2(0x21, 0x11, &[V4, &[4, 0x0f, 0xe1], &[0; 4065]].concat()), client("203.0.113.7:49152")),
        (v2(0x20, 0x00, &[]), Source::Peer),
        // Health checks that say LOCAL with a family that does not fit, or with values.
        (v2(0x20, 0x11, &[1]), Source::Peer),
        (v2(0x20, 0xff, &[1, 2, 3]), Source::Peer),
        (v2(0x21, 0x00, &[1, 2, 3]), Source::Peer),
        (v2(0x21, 0x12, V4), Source::Peer),
        (v2(0x21, 0x22, &v6()), Source::Peer),
        (v2(0x21, 0x31, &[0; 216]), Source::Peer),
    ]
}

#[test]
fn a_header_is_read_once_it_is_whole_and_not_a_byte_more() {
    for (header, source) in good() {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{end} of {header:?}");
        }
        for behind in [&b""[..], b"\r\n", b"PROXY ", &[0x16, 3, 1], &[0xff; 300]] {
            let bytes = [&header, behind].concat();
            assert_eq!(parse(&bytes), Ok(Some((source, header.len()))), "{header:?}");
        }
    }
}

#[test]
fn what_is_no_header_is_known_at_once() {
    for bytes in [&b"G"[..], b"POST", b"PROXIED", b"PROXY\t", b"\r\n\r\nG", &[0x16], b"\n"] {
        assert_eq!(parse(bytes), Err(ProxyHeaderError::Missing), "{bytes:?}");
        assert_eq!(begins(bytes), Beginning::Other);
    }
    assert_eq!(begins(b""), Beginning::Open);
    assert_eq!(begins(b"PROXY"), Beginning::Open);
    assert_eq!(begins(b"PROXY x"), Beginning::Header);
    assert_eq!(begins(SIGNATURE), Beginning::Header);
}

#[test]
fn a_line_holds_the_grammar_to_the_letter() {
    let lines = [
        "PROXY",
        "PROXY TCP4",
        "PROXY TCP5 1.1.1.1 2.2.2.2 1 2",
        "PROXY tcp4 1.1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ",
        "PROXY TCP4  1.1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 01.1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 ::1 ::1 1 2",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 -2",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY UNKNOWNS",
    ];
    for line in lines {
        let bytes = format!("{line}\r\n");
        assert!(parse(bytes.as_bytes()).is_err(), "{line}");
    }
    assert_eq!(parse(b"PROXY UNKNOWN\rx"), Err(ProxyHeaderError::BadLine));
}

#[test]
fn headers_are_bounded() {
    let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
    assert_eq!(parse(line(107).as_bytes()), Ok(Some((Source::Peer, 107))));
    assert_eq!(parse(line(108).as_bytes()), Err(ProxyHeaderError::TooLong));
    assert_eq!(parse(&line(108).as_bytes()[..106]), Ok(None));
    assert_eq!(parse(&line(300).as_bytes()[..107]), Err(ProxyHeaderError::TooLong));
    let longest = v2(0x20, 0, &vec![0; LONGEST - 16]);
    assert_eq!(parse(&longest), Ok(Some((Source::Peer, LONGEST))));
    // Known from its length alone, before the rest has come.
    let longer = v2(0x20, 0, &vec![0; LONGEST - 15]);
    assert_eq!(parse(&longer[..16]), Err(ProxyHeaderError::TooLong));
}

#[test]
fn kinds_and_lengths_that_do_not_fit() {
    let cases = [
        (v2(0x22, 0x11, V4), ProxyHeaderError::BadKind),
        (v2(0x11, 0x11, V4), ProxyHeaderError::BadKind),
        (v2(0x21, 0x13, V4), ProxyHeaderError::BadKind),
        (v2(0x21, 0x41, V4), ProxyHeaderError::BadKind),
        (v2(0x21, 0x11, &V4[..11]), ProxyHeaderError::BadLength),
        (v2(0x21, 0x21, V4), ProxyHeaderError::BadLength),
        (v2(0x21, 0x31, &[0; 215]), ProxyHeaderError::BadLength),
        (v2(0x21, 0x11, &[V4, &[4]].concat()), ProxyHeaderError::BadLength),
        (v2(0x21, 0x11, &[V4, &[4, 0]].concat()), ProxyHeaderError::BadLength),
        (v2(0x21, 0x11, &[V4, &[4, 0, 2, 1]].concat()), ProxyHeaderError::BadLength),
        (v2(0x21, 0x11, &[V4, &[3, 0, 3, 1, 1, 1]].concat()), ProxyHeaderError::BadLength),
        (v2(0x21, 0x11, &[V4, &[3, 0, 4, 1, 1, 1, 1]].concat()), ProxyHeaderError::BadChecksum),
    ];
    for (bytes, error) in cases {
        assert_eq!(parse(&bytes), Err(error), "{bytes:?}");
    }
}

/// Numbers that are the same in every run.
fn numbers() -> impl FnMut() -> u8 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    }
}

/// Whatever comes, it is read to an end, and a header never reaches behind what came.
#[test]
fn no_bytes_do_harm() {
    let mut next = numbers();
    let check = |bytes: &[u8]| {
        if let Ok(Some((_, length))) = parse(bytes) {
            assert!(length <= bytes.len(), "{bytes:?}");
        }
    };
    for _ in 0..20_000 {
        let length = usize::from(next()) % 64;
        let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
        check(&bytes);
        check(&[SIGNATURE, &bytes].concat());
        bytes.extend(b"\r\n");
        check(&[b"PROXY TCP4 ", bytes.as_slice()].concat());
    }
    for (header, _) in good() {
        for at in 0..header.len().min(200) {
            for _ in 0..32 {
                let mut changed = header.clone();
                changed[at] = next();
                check(&changed);
            }
        }
    }
}
