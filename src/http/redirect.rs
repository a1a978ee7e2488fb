//! What a request on a plain port gets: sent to HTTPS, refused, or let through.
//!
//! Pure; called by `service`. The target of a redirect is built from checked parts only, so a
//! client can neither split the response nor send another client elsewhere.

use hyper::http::uri::PathAndQuery;

use super::path::climbs;
use crate::config::{PlainAction, PlainHttp};

/// What `config` says to do with a plain request for `path`.
pub(super) fn action(config: &PlainHttp, path: &str) -> PlainAction {
    let exempt = |prefix: &String| path.starts_with(prefix.as_str());
    if config.exempt_paths.iter().any(exempt) && !climbs(path) {
        PlainAction::Forward
    } else {
        config.action
    }
}

/// The same resource over HTTPS. `host` comes without a port, an IPv6 address with brackets.
pub(super) fn target(config: &PlainHttp, host: &str, path: Option<&PathAndQuery>) -> String {
    let path = path.map_or("/", PathAndQuery::as_str);
    let path = if path.starts_with('/') { path } else { "/" };
    match config.https_port {
        443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use hyper::http::uri::PathAndQuery;

    use super::{action, target};
    use crate::config::{PlainAction, PlainHttp};

    fn config(https_port: u16) -> PlainHttp {
        PlainHttp {
            action: PlainAction::Redirect,
            status: 301,
            https_port,
            exempt_paths: vec!["/.well-known/acme-challenge/".into()],
        }
    }

    #[test]
    fn targets_keep_path_and_query() {
        let path = PathAndQuery::from_static("/a?b=c");
        assert_eq!(target(&config(443), "a.b", Some(&path)), "https://a.b/a?b=c");
        assert_eq!(target(&config(8443), "[::1]", Some(&path)), "https://[::1]:8443/a?b=c");
        assert_eq!(target(&config(443), "a", None), "https://a/");
        let star = PathAndQuery::from_static("*");
        assert_eq!(target(&config(443), "a", Some(&star)), "https://a/");
    }

    #[test]
    fn exempt_paths_cannot_be_climbed_out_of() {
        let base = "/.well-known/acme-challenge/";
        let of = |path: &str| action(&config(443), path);
        assert_eq!(of(&format!("{base}token")), PlainAction::Forward);
        assert_eq!(of("/v1"), PlainAction::Redirect);
        for tail in
            ["../../v1", "%2e%2E/v1", ".%2e/v1", "x%2f..%2fv1", "..\\v1", "..;/v1", "..%5cv"]
        {
            assert_eq!(of(&format!("{base}{tail}")), PlainAction::Redirect, "{tail}");
        }
    }
}
