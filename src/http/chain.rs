//! Whom trusted proxies say a request comes from: the right-most address that is not theirs.
//!
//! Called by `asker` for connections of trusted proxies only. Each of them appended the address
//! that it saw, so everything from the first untrusted address leftwards may be a client's
//! invention and is never looked at (nginx's realip and Envoy read it the same way).

use std::net::{IpAddr, SocketAddr};

use hyper::{
    HeaderMap,
    header::{FORWARDED, HeaderName, HeaderValue},
};

use crate::{
    io::{ClientAddr, PeerAddr},
    network::{self, Network},
};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The right-most address that is not trusted; `nearest`, which is, if none can be read.
///
/// `X-Forwarded-For` is asked first: many proxies write it and let a client's `Forwarded` pass.
pub(super) fn client(headers: &HeaderMap, nearest: ClientAddr, trusted: &[Network]) -> ClientAddr {
    if headers.contains_key(X_FORWARDED_FOR) {
        let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
        walk(fields.flat_map(|field| text(field).rsplit(',')).map(node), nearest, trusted)
    } else {
        let fields = headers.get_all(FORWARDED).iter().rev();
        let elements = fields.flat_map(|field| split(text(field), b',').into_iter().rev());
        walk(elements.map(element), nearest, trusted)
    }
}

fn text(field: &HeaderValue) -> &str {
    field.to_str().unwrap_or_default()
}

fn walk(
    leftwards: impl Iterator<Item = Option<ClientAddr>>,
    nearest: ClientAddr,
    trusted: &[Network],
) -> ClientAddr {
    let mut client = nearest;
    for address in leftwards {
        let Some(address) = address else { break };
        client = address;
        if !network::any_has(trusted, client.ip) {
            break;
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`
fn node(text: &str) -> Option<ClientAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(PeerAddr::from(address).into());
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let ip = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => text.parse().ok()?,
    };
    Some(ClientAddr { ip: ip.to_canonical(), port: None })
}

/// The `for` of one `forwarded-element` (RFC 7239 4), which has to be right as a whole.
fn element(text: &str) -> Option<ClientAddr> {
    let mut found = None;
    for pair in split(text, b';') {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value_of(value)?;
        if name.eq_ignore_ascii_case("for") {
            found = Some(node(value)?);
        }
    }
    found
}

/// A token, or what stands in a quoted string; no address has anything that is escaped there.
fn value_of(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        return (!text.contains('"')).then_some(text);
    };
    let inner = quoted.strip_suffix('"')?;
    let mut escaped = false;
    let closes = inner.bytes().any(|byte| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        escaped = byte == b'\\' && !was_escaped;
        byte == b'"' && !was_escaped
    });
    (!closes && !escaped).then_some(inner)
}

/// Splits at a separator that stands in no quoted string.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|character: char| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match character {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
        !quoted && character == char::from(separator)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderName, header::HeaderValue};

    use super::{client, node};
    use crate::{io::ClientAddr, network::Network};

    fn address(text: &str) -> ClientAddr {
        node(text).unwrap()
    }

    /// What is made of these fields from 10.0.0.1, where 10.0.0.0/8 is trusted.
    fn of(fields: &[(&'static str, &str)]) -> String {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = fields.iter().map(field).collect();
        let trusted = [Network::parse("10.0.0.0/8").unwrap(), Network::parse("fd00::/8").unwrap()];
        let client = client(&headers, address("10.0.0.1"), &trusted);
        let port = client.port.map_or_else(String::new, |port| format!(" {port}"));
        format!("{}{port}", client.ip)
    }

    #[test]
    fn the_right_most_untrusted_address_of_x_forwarded_for() {
        let cases = [
            ("203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("1.1.1.1,203.0.113.7:4711 ,10.0.0.2:1", "203.0.113.7 4711"),
            ("[2001:db8::7]:4711", "2001:db8::7 4711"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7, fd00::1", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // What cannot be read ends the walk: what stands behind it is the best that is known.
            ("203.0.113.7, unknown", "10.0.0.1"),
            ("203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"),
            ("203.0.113.7,", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("203.0.113.7:99999", "10.0.0.1"),
            ("[10.0.0.9]", "10.0.0.1"),
        ];
        for (field, client) in cases {
            assert_eq!(of(&[("x-forwarded-for", field)]), client, "{field}");
        }
        let two =
            [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "198.51.100.1, 10.0.0.2")];
        assert_eq!(of(&two), "198.51.100.1");
        assert_eq!(of(&[]), "10.0.0.1");
    }

    #[test]
    fn the_right_most_untrusted_address_of_forwarded() {
        let cases = [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"[2001:db8::7]:4711\";proto=https", "2001:db8::7 4711"),
            ("proto=http; for=203.0.113.7;by=_x, for=10.0.0.2;host=\"a:1\"", "203.0.113.7"),
            ("for=203.0.113.7;host=\"a,b;c\\\"\"", "203.0.113.7"),
            ("for=203.0.113.7;host=\"a\\\"", "10.0.0.1"),
            ("for=203.0.113.7;host=\"a\"b\"", "10.0.0.1"),
            ("for=\"203.0.113\\.7\"", "10.0.0.1"),
            ("for=203.0.113.7;ext=\"a,b;c\"", "203.0.113.7"),
            ("for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("for=_hidden", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
            ("for=2001:db8::7", "2001:db8::7"),
            // A quote that a client left open swallows what was appended, and convinces nobody.
            ("for=1.1.1.1, x=\", for=203.0.113.7", "10.0.0.1"),
            ("for=1.1.1.1, x=\", for=\"[2001:db8::7]\"", "10.0.0.1"),
            ("for=\"1.1.1.1", "10.0.0.1"),
        ];
        for (field, client) in cases {
            assert_eq!(of(&[("forwarded", field)]), client, "{field}");
        }
    }

    #[test]
    fn x_forwarded_for_is_believed_before_forwarded() {
        let both = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(of(&both), "203.0.113.7");
    }
}
