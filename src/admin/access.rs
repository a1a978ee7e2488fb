//! Who may change something by the admin port.
//!
//! Asked by `pages` before anything is done. With a token, whoever shows it; without one, whoever
//! reaches the loopback address, but never a web page that somebody on this machine has open: a
//! browser sends such requests too, and says so.

use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN},
    http::uri::Authority,
};

use super::Source;

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The token was not shown.
    Token,
    /// The request is some web page's.
    Page,
}

impl Denied {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Page => StatusCode::FORBIDDEN,
        }
    }

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Token => "show the token of listen.admin_token: Authorization: Bearer TOKEN",
            Self::Page => {
                "a web page may not ask for this; without listen.admin_token, use the loopback address"
            }
        }
    }
}

/// Whether a request with these fields may change something; `is_local` says that it came to a
/// loopback address.
///
/// # Errors
/// Why it may not.
pub(super) fn check(
    headers: &HeaderMap,
    source: &dyn Source,
    is_local: bool,
) -> Result<(), Denied> {
    let shown = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    if !source.may_change(shown) {
        return Err(Denied::Token);
    }
    // A page cannot know the token, so whoever shows it is none.
    if source.has_token() || (is_local && is_at_home(headers)) { Ok(()) } else { Err(Denied::Page) }
}

/// Sent to this machine by its own name (a page can have its own name resolve to a loopback
/// address), and by no page but ours.
fn is_at_home(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(HOST.as_str()).unwrap_or_default();
    let foreign =
        text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let of_other = text(ORIGIN.as_str()).is_some_and(|origin| {
        origin.split_once("://").is_none_or(|(_, authority)| authority != host)
    });
    is_loopback(host) && !foreign && !of_other
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::is_at_home;

    fn home(fields: &[(&'static str, &'static str)]) -> bool {
        let field = |(name, value): &(&'static str, &'static str)| {
            (name.parse().unwrap(), HeaderValue::from_static(value))
        };
        is_at_home(&fields.iter().map(field).collect::<HeaderMap>())
    }

    #[test]
    fn this_machine_may_and_no_page_of_another() {
        for host in ["127.0.0.1:9901", "localhost", "LOCALHOST:9901", "[::1]:9901"] {
            assert!(home(&[("host", host)]), "{host}");
        }
        let host = ("host", "127.0.0.1:9901");
        assert!(home(&[host, ("origin", "http://127.0.0.1:9901")]));
        assert!(home(&[host, ("sec-fetch-site", "none")]));
        for foreign in [
            &[("host", "evil.example:9901")][..],
            &[("host", "evil.example:9901"), ("origin", "http://evil.example:9901")],
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[],
        ] {
            assert!(!home(foreign), "{foreign:?}");
        }
    }
}
