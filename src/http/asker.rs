//! Who asks, and what a request is called: of the connection, unless a trusted proxy said more.
//!
//! Made by `service` for each request, because one connection of a trusted proxy brings many
//! clients. Everything that speaks of a client's address asks here; from anybody who is not
//! trusted nothing is taken over.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use super::{Client, chain};
use crate::{io::ClientAddr, shard::View};

/// The name of a request, on both sides.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name of a request that is taken over.
const LONGEST_ID: usize = 128;

/// One request's own facts.
#[derive(Debug)]
pub(super) struct Asker {
    /// Who asks.
    pub address: ClientAddr,
    /// `X-Request-Id`
    pub id: HeaderValue,
}

impl Asker {
    pub(super) fn of(client: &Client, view: &View, headers: &HeaderMap) -> Self {
        if !client.is_trusted {
            return Self { address: client.address, id: client.shard.request_ids.next() };
        }
        let trusted = &view.snapshot.config.listen.trusted_proxies;
        let address = chain::client(headers, client.address, trusted);
        let id = told_id(headers).unwrap_or_else(|| client.shard.request_ids.next());
        Self { address, id }
    }
}

/// The one name that a trusted proxy gave the request, if it may stand in a log.
fn told_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    let id = ids.next().filter(|_| ids.next().is_none())?;
    let fits = (1..=LONGEST_ID).contains(&id.len());
    (fits && id.as_bytes().iter().all(u8::is_ascii_graphic)).then(|| id.clone())
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::{X_REQUEST_ID, told_id};

    #[test]
    fn a_name_is_taken_over_if_it_is_one_and_short() {
        let of = |values: &[&str]| {
            let values = values.iter().map(|value| HeaderValue::from_str(value).unwrap());
            told_id(&values.map(|value| (X_REQUEST_ID, value)).collect::<HeaderMap>())
        };
        assert_eq!(of(&["7f3a-1"]).unwrap(), "7f3a-1");
        assert!(of(&[&"a".repeat(128)]).is_some());
        for bad in [&[][..], &[""], &["a", "a"], &["a b"], &["\t"], &[&"a".repeat(129)]] {
            assert!(of(bad).is_none(), "{bad:?}");
        }
    }
}
