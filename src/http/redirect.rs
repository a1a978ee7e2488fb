//! What a request on a plain port gets: sent to HTTPS, refused, or let through.
//!
//! Pure; called by `service`. The target of a redirect is built from checked parts only, so a
//! client can neither split the response nor send another client elsewhere.

use hyper::{Method, http::uri::PathAndQuery};

use super::path::climbs;
use crate::config::{PlainAction, PlainHttp, RedirectOnly};

/// What becomes of a plain request where `planned` is done with all of them.
pub(super) fn action(
    config: &PlainHttp,
    planned: PlainAction,
    method: &Method,
    path: &str,
    has_credentials: bool,
) -> PlainAction {
    let safe = matches!(*method, Method::GET | Method::HEAD) && !has_credentials;
    match planned {
        _ if is_exempt(config, path) => PlainAction::Forward,
        // A client that is redirected never learns that its password went out in clear.
        PlainAction::Redirect if config.redirect_only == RedirectOnly::Safe && !safe => {
            PlainAction::Refuse
        }
        action => action,
    }
}

/// Whether `path` stays in clear.
pub(super) fn is_exempt(config: &PlainHttp, path: &str) -> bool {
    let exempt = |prefix: &String| path.starts_with(prefix.as_str());
    config.exempt_paths.iter().any(exempt) && !climbs(path)
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
    use hyper::{Method, http::uri::PathAndQuery};

    use super::{action, target};
    use crate::config::{PlainAction, PlainHttp, RedirectOnly};

    fn config(https_port: u16) -> PlainHttp {
        PlainHttp {
            https_port,
            exempt_paths: vec!["/.well-known/acme-challenge/".into()],
            ..PlainHttp::default()
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
    fn only_safe_requests_without_credentials_may_be_redirected() {
        let safe = PlainHttp { redirect_only: RedirectOnly::Safe, ..config(443) };
        let cases = [
            (Method::GET, false, PlainAction::Redirect),
            (Method::HEAD, false, PlainAction::Redirect),
            (Method::GET, true, PlainAction::Refuse),
            (Method::POST, false, PlainAction::Refuse),
            (Method::OPTIONS, false, PlainAction::Refuse),
        ];
        for (method, credentials, expected) in cases {
            assert_eq!(action(&safe, safe.action, &method, "/", credentials), expected, "{method}");
            let all = action(&config(443), PlainAction::Redirect, &method, "/", credentials);
            assert_eq!(all, PlainAction::Redirect, "{method}");
        }
        let exempt =
            action(&safe, safe.action, &Method::POST, "/.well-known/acme-challenge/x", true);
        assert_eq!(exempt, PlainAction::Forward);
        let forward = PlainHttp { action: PlainAction::Forward, ..safe };
        assert_eq!(
            action(&forward, forward.action, &Method::POST, "/", true),
            PlainAction::Forward
        );
    }

    #[test]
    fn exempt_paths_cannot_be_climbed_out_of() {
        let base = "/.well-known/acme-challenge/";
        let of =
            |path: &str| action(&config(443), PlainAction::Redirect, &Method::GET, path, false);
        assert_eq!(of(&format!("{base}token")), PlainAction::Forward);
        assert_eq!(of("/v1"), PlainAction::Redirect);
        for tail in
            ["../../v1", "%2e%2E/v1", ".%2e/v1", "x%2f..%2fv1", "..\\v1", "..;/v1", "..%5cv"]
        {
            assert_eq!(of(&format!("{base}{tail}")), PlainAction::Redirect, "{tail}");
        }
    }
}
