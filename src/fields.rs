//! Whose a header field is: the connection's, ours, or the sender's.
//!
//! `http` takes fields away by it, `config` keeps header rules off them. Servers that turn `-`
//! into `_` (CGI, WSGI) cannot tell `X_Forwarded_For` from `X-Forwarded-For`, so both spellings
//! are ours. Names come in lower case.

/// Fields of one connection (RFC 9110 7.6.1), and `Expect`, which is answered here.
#[must_use]
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields by which an upstream trusts us: only we may set them.
#[must_use]
pub(crate) fn is_ours(name: &str) -> bool {
    let Some(first @ (b'x' | b'f' | b'c')) = name.as_bytes().first() else {
        return false;
    };
    let same = |ours: &str| spelled_alike(name, ours);
    let starts =
        |ours: &str| name.get(..ours.len()).is_some_and(|start| spelled_alike(start, ours));
    match first {
        b'x' => {
            starts("x-forwarded-") || starts("x-tls-") || same("x-request-id") || same("x-real-ip")
        }
        b'f' => same("forwarded"),
        _ => same("client-cert") || same("client-cert-chain"),
    }
}

/// Those of ours that a trusted proxy may have set before us; in this spelling only.
#[must_use]
pub(crate) fn is_kept_from_trusted(name: &str) -> bool {
    matches!(
        name,
        "forwarded" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "x-request-id"
    )
}

/// Which messages a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// To an upstream.
    Request,
    /// To a client.
    Response,
}

/// Whether a header rule may change a field: none that frames a message, and none that we answer
/// for. `X-Real-IP` is a name for an address that operators choose, not we; the name of a request
/// is told to upstreams anyway, and clients may be told.
#[must_use]
pub(crate) fn may_be_ruled(name: &str, side: Side) -> bool {
    let frames = is_hop_by_hop(name) || matches!(name, "content-length" | "trailer");
    let free = name == "x-real-ip" || (side == Side::Response && name == "x-request-id");
    !frames && (free || !is_ours(name))
}

fn spelled_alike(name: &str, ours: &str) -> bool {
    let dashed = name.bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    name.len() == ours.len() && dashed.eq(ours.bytes())
}

#[cfg(test)]
mod tests {
    use super::{Side, is_kept_from_trusted, is_ours, may_be_ruled};

    #[test]
    fn what_only_we_may_set_is_ours_in_every_spelling() {
        let ours = [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_proto",
            "x-forwarded-anything",
            "x-tls-version",
            "x_tls_ja4",
            "x-request-id",
            "x_request_id",
            "x-real-ip",
            "forwarded",
            "client-cert",
            "client_cert_chain",
        ];
        for name in ours {
            assert!(is_ours(name), "{name}");
        }
        for name in ["x-forward", "x-api-key", "from", "content-type", "x-tl", "forwarded-for"] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn rules_keep_off_what_frames_a_message_or_is_ours() {
        let never = [
            "connection",
            "content-length",
            "transfer-encoding",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "forwarded",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-tls-sni",
            "client-cert",
            "x_real_ip",
            "x_request_id",
        ];
        for name in never {
            assert!(!may_be_ruled(name, Side::Request), "{name}");
            assert!(!may_be_ruled(name, Side::Response), "{name}");
        }
        for name in ["x-real-ip", "authorization", "x-own", "server", "via"] {
            assert!(may_be_ruled(name, Side::Request), "{name}");
        }
        assert!(!may_be_ruled("x-request-id", Side::Request));
        assert!(may_be_ruled("x-request-id", Side::Response));
    }

    #[test]
    fn a_trusted_proxy_is_believed_in_one_spelling() {
        assert!(is_kept_from_trusted("x-forwarded-for"));
        for name in ["x_forwarded_for", "x-forwarded-port", "x-tls-version", "x-real-ip"] {
            assert!(!is_kept_from_trusted(name), "{name}");
        }
    }
}
