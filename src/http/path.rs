//! Paths as upstreams may read them: what climbs out of a prefix, and a prefix replaced.
//!
//! Called by `service` and `redirect`. Nothing is normalised: routes match the path as it was sent,
//! and so it goes on. What is sure to stay below a prefix here: dot segments are found plain and
//! percent-encoded once, behind `/`, `\` and their encoded forms, and with parameters (`..;a`). An
//! upstream that decodes twice or folds case is not protected by a prefix.

use hyper::{Uri, http::uri::PathAndQuery};

/// The URI with the first `matched` bytes of its path replaced by `new`; none where that path
/// would climb.
///
/// Where the new prefix ends with a slash the rest begins without one, so that no `//` comes about
/// at the seam: some upstreams read what stands behind it as a host.
pub(super) fn rewrite(uri: &Uri, matched: usize, new: &str) -> Option<Uri> {
    let rest = uri.path().get(matched..)?;
    let rest = if new.ends_with('/') { rest.trim_start_matches('/') } else { rest };
    let mut path = String::with_capacity(new.len() + uri.path_and_query()?.as_str().len() + 1);
    path.push_str(new);
    path.push_str(rest);
    if climbs(&path) {
        return None;
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether an upstream could read the path as one above a prefix of it.
pub(super) fn climbs(path: &str) -> bool {
    // How many dots the segment is made of so far; none once anything else is in it.
    let mut dots = Some(0u8);
    let mut bytes = path.bytes();
    while let Some(byte) = decoded(&mut bytes) {
        let ends = matches!(byte, b'/' | b'\\' | b';');
        if ends && dots == Some(2) {
            return true;
        }
        dots = match byte {
            b'/' | b'\\' => Some(0),
            b'.' => dots.and_then(|dots| dots.checked_add(1)).filter(|dots| *dots <= 2),
            _ => None,
        };
    }
    dots == Some(2)
}

/// The next byte; the few that matter here also percent-encoded.
fn decoded(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let byte = bytes.next()?;
    if byte != b'%' {
        return Some(byte);
    }
    let mut ahead = bytes.clone();
    let meant = match (ahead.next(), ahead.next()) {
        (Some(b'2'), Some(b'e' | b'E')) => b'.',
        (Some(b'2'), Some(b'f' | b'F')) => b'/',
        (Some(b'5'), Some(b'c' | b'C')) => b'\\',
        (Some(b'3'), Some(b'b' | b'B')) => b';',
        _ => return Some(byte),
    };
    *bytes = ahead;
    Some(meant)
}

#[cfg(test)]
mod tests {
    use hyper::Uri;

    use super::{climbs, rewrite};

    #[test]
    fn dot_segments_are_found_in_every_spelling() {
        let up = [
            "/a/../b",
            "/a/..",
            "/%2e%2E/b",
            "/.%2e/b",
            "/x%2f..%2fb",
            "/..\\b",
            "/..;/b",
            "/..%5cb",
            "/a/..%3bx",
            "..",
            "/%2F../",
            "/a%5C..",
        ];
        for path in up {
            assert!(climbs(path), "{path}");
        }
        let level =
            ["/", "/a/./b", "/a/...", "/..a", "/a..", "/a/.b/..c", "/%2e%2e%2e", "/%2", "/%"];
        for path in level {
            assert!(!climbs(path), "{path}");
        }
    }

    fn rewritten(uri: &str, matched: &str, new: &str) -> Option<String> {
        let uri: Uri = uri.parse().unwrap();
        rewrite(&uri, matched.len(), new).map(|uri| uri.to_string())
    }

    #[test]
    fn the_matched_prefix_is_replaced_and_the_query_stays() {
        let cases = [
            ("/v1/a?b=/v1/c", "/v1/", "/new/", "/new/a?b=/v1/c"),
            ("/v1/", "/v1/", "/", "/"),
            ("/v1", "/v1", "/new", "/new"),
            ("/v1/a", "/v1", "/new", "/new/a"),
            ("/v1/a%2Fb", "/v1/", "/new/", "/new/a%2Fb"),
            ("/v1//evil.example/x", "/v1/", "/", "/evil.example/x"),
            ("/v1///x?", "/v1/", "/new/", "/new/x?"),
            ("http://a:81/v1/x?y", "/v1/", "/", "http://a:81/x?y"),
        ];
        for (uri, matched, new, expected) in cases {
            assert_eq!(rewritten(uri, matched, new).as_deref(), Some(expected), "{uri}");
        }
    }

    #[test]
    fn no_rewritten_path_climbs() {
        // "/v1..", matched by "/v1", is the alias traversal that nginx is known for.
        let cases = [
            ("/v1/../admin", "/v1/"),
            ("/v1../admin", "/v1"),
            ("/v1%2e%2e/admin", "/v1"),
            ("/v1/x/..%2fadmin", "/v1/"),
        ];
        for (uri, matched) in cases {
            assert_eq!(rewritten(uri, matched, "/new/"), None, "{uri}");
        }
    }
}
