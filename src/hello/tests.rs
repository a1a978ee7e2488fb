//! The parser against every family of clients, at every prefix and in every cut.

use super::{
    HelloError, MAX_HELLO, Outcome, begins_like_tls, read,
    samples::{Hello, families, modern, sslv2},
};

fn parsed(bytes: &[u8]) -> super::Hello {
    match read(bytes) {
        Outcome::Hello(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_family_offers_what_it_is_known_to_offer() {
    for family in families() {
        let hello = parsed(&family.bytes);
        assert_eq!(hello.offered().as_str(), family.offered, "{}", family.name);
        if let Some(ja4) = &family.ja4 {
            assert_eq!(hello.ja4().as_str(), ja4, "{}", family.name);
        }
    }
}

#[test]
fn every_prefix_of_a_hello_wants_more() {
    for family in families() {
        for end in 0..family.bytes.len() {
            assert_eq!(read(&family.bytes[..end]), Outcome::More, "{} to {end}", family.name);
        }
    }
}

#[test]
fn a_hello_is_the_same_however_it_is_cut_into_records() {
    let whole = parsed(&modern().bytes());
    let length = modern().message().len();
    for size in (1..=length).filter(|size| length.div_ceil(*size) <= 32) {
        let bytes = modern().records(size);
        assert_eq!(parsed(&bytes), whole, "records of {size}");
        assert_eq!(read(&bytes[..bytes.len() - 1]), Outcome::More, "records of {size}");
    }
    assert_eq!(read(&modern().records(1)), Outcome::Malformed(HelloError::TooLarge));
}

#[test]
fn what_is_behind_a_hello_does_not_matter() {
    let mut bytes = modern().bytes();
    let whole = parsed(&bytes);
    bytes.extend([0x14, 3, 3, 0, 1, 1]);
    assert_eq!(parsed(&bytes), whole);
}

#[test]
fn its_fields() {
    let hello = modern().extension("alpn=h2,x").bytes();
    let hello = parsed(&hello);
    assert_eq!(hello.sni.unwrap().as_str(), "localhost");
    assert_eq!(hello.alpn, [b"h2".to_vec(), b"x".to_vec()]);
    assert_eq!(hello.groups.unwrap()[..2], [0x1d, 0x17]);
    assert_eq!(hello.key_shares.unwrap(), [0x1d]);
    assert_eq!(hello.signature_schemes.unwrap()[0], 0x0403);
    assert_eq!(hello.supported_versions.unwrap(), [0x0304, 0x0303]);
}

#[test]
fn names_that_are_none_count_as_not_said() {
    for name in ["10.0.0.1", "a b", "a..b", "ex\u{e4}mple"] {
        let sni = format!("sni={name}");
        let hello = Hello::new(0x0301, 0x0303, "c02b").extension(&sni).bytes();
        assert_eq!(parsed(&hello).sni, None, "{name}");
    }
}

#[test]
fn a_hello_up_to_the_cap_is_read_and_one_above_is_not() {
    let padded = |length: usize| {
        let bare = modern().with(21, Vec::new()).message().len() - 4;
        modern().with(21, vec![0; length - bare])
    };
    parsed(&padded(MAX_HELLO).records(1 << 13));
    let above = padded(MAX_HELLO + 1).records(1 << 13);
    assert_eq!(read(&above), Outcome::Malformed(HelloError::TooLarge));
    // Its length says so long before it is all there.
    assert_eq!(read(&above[..9]), Outcome::Malformed(HelloError::TooLarge));
}

#[test]
fn what_is_no_hello_is_told_apart() {
    let malformed = Outcome::Malformed;
    let cases: [(&[u8], Outcome); 16] = [
        (b"GET / HTTP/1.1\r\n", Outcome::PlainHttp),
        (b"PRI * HTTP/2.0\r\n", Outcome::PlainHttp),
        (b"get ", Outcome::PlainHttp),
        (b"GE", Outcome::More),
        (b"SSH-2.0-OpenSSH_9.2\r\n", malformed(HelloError::NotTls)),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", Outcome::ProxyHeader),
        (b"\r\n\r\n\0\r\nQUIT\n\x21", Outcome::ProxyHeader),
        (b"\r\n\r\n\0\r\n", Outcome::More),
        (b"\r\nGET", malformed(HelloError::NotTls)),
        (&[0x15, 3, 1, 0, 2, 2, 70], malformed(HelloError::NotTls)),
        (&[0x16, 2], malformed(HelloError::BadRecord)),
        (&[0x16, 3, 1, 0, 0], malformed(HelloError::BadRecord)),
        (&[0x16, 3, 1, 0x40, 1], malformed(HelloError::BadRecord)),
        (&[0x16, 3, 1, 0, 1, 2], malformed(HelloError::NotHello)),
        (&[0x16, 3, 1, 0, 4, 1, 0, 0, 0], malformed(HelloError::BadLength)),
        (&[0x80, 5, 2], malformed(HelloError::NotTls)),
    ];
    for (bytes, outcome) in cases {
        assert_eq!(read(bytes), outcome, "{bytes:?}");
    }
}

#[test]
fn another_record_in_between_is_refused() {
    let mut bytes = modern().records(100);
    bytes[105] = 0x17;
    assert_eq!(read(&bytes), Outcome::Malformed(HelloError::BadRecord));
}

#[test]
fn lengths_that_do_not_fit_are_refused_and_nothing_panics() {
    for family in families() {
        for place in 0..family.bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = family.bytes.clone();
                bytes[place] = value;
                // Whatever it is, it is said without a panic.
                drop(read(&bytes));
            }
        }
    }
    let mut short = sslv2(0x0301, "0004");
    short[5] = 1;
    assert_eq!(read(&short), Outcome::Malformed(HelloError::BadLength));
}

#[test]
fn tls_on_a_plain_port_is_known_by_its_first_bytes() {
    for family in families() {
        assert!(begins_like_tls(&family.bytes), "{}", family.name);
    }
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"", b"\r\n", &[0x80, 5]] {
        assert!(!begins_like_tls(bytes), "{bytes:?}");
    }
}
