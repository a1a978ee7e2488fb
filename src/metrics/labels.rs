//! Label sets that belong to no other module.

use crate::{config::PlainAction, label::labels, version::TlsVersion};

labels! {
    /// Which kind of port a connection came to.
    pub enum ListenerKind {
        /// TLS.
        Https = "https",
        /// Plain HTTP.
        Http = "http",
    }
}

labels! {
    /// What a client speaks.
    pub enum Protocol {
        /// HTTP/1.0
        Http10 = "http/1.0",
        /// HTTP/1.1
        Http11 = "http/1.1",
        /// HTTP/2
        Http2 = "h2",
    }
}

labels! {
    /// The TLS version that a request came over.
    pub enum ServedVersion {
        /// Plain HTTP.
        None = "none",
        /// TLS 1.2
        Tls12 = "1.2",
        /// TLS 1.3
        Tls13 = "1.3",
    }
}

impl From<TlsVersion> for ServedVersion {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::Tls12 => Self::Tls12,
            TlsVersion::Tls13 => Self::Tls13,
        }
    }
}

labels! {
    /// What a plain request got.
    pub enum Plain {
        /// Sent to HTTPS.
        Redirect = "redirect",
        /// 403.
        Refuse = "refuse",
        /// Forwarded in clear.
        Forward = "forward",
    }
}

impl From<PlainAction> for Plain {
    fn from(action: PlainAction) -> Self {
        match action {
            PlainAction::Redirect => Self::Redirect,
            PlainAction::Refuse => Self::Refuse,
            PlainAction::Forward => Self::Forward,
        }
    }
}

labels! {
    /// The most telling credentials that a plain request carried.
    pub enum Credentials {
        /// None were found.
        None = "none",
        /// `Authorization`
        Authorization = "authorization",
        /// `Cookie`
        Cookie = "cookie",
        /// One of `plain_http.credential_headers`.
        Header = "header",
        /// One of `plain_http.credential_params`.
        Parameter = "parameter",
    }
}

labels! {
    /// How a request to an upstream came out.
    pub enum UpstreamOutcome {
        /// A whole response.
        Success = "success",
        /// The client went away first.
        Canceled = "canceled",
        /// No server is up, or no address is known.
        NoServer = "no_server",
        /// Too many requests under way, and too many waiting.
        Overloaded = "overloaded",
        /// No TLS with the server.
        TlsFailed = "tls_failed",
        /// Given back unprocessed.
        Refused = "refused",
        /// The kept connection had ended; the request was sent on another.
        Stale = "stale",
        /// A response by whose code the request was sent once more.
        Retried = "retried",
        /// Asked to switch protocols over HTTP/2, where nobody can.
        NoUpgrade = "no_upgrade",
        /// We have no descriptor or port left to connect with.
        NoSocket = "no_socket",
        /// Nothing listens there.
        ConnectRefused = "connect_refused",
        /// No way there.
        ConnectFailed = "connect_failed",
        /// No connection in time.
        ConnectTimeout = "connect_timeout",
        /// No response head in time.
        ResponseTimeout = "response_timeout",
        /// No HTTP response.
        ResponseMalformed = "response_malformed",
        /// Closed before a response.
        ClosedEarly = "closed_early",
        /// The body stood still.
        BodyTimeout = "body_timeout",
        /// The body broke off.
        BodyTruncated = "body_truncated",
    }
}

labels! {
    /// Why a request to an upstream was sent once more.
    pub enum RetryReason {
        /// The kept connection had ended.
        Stale = "stale",
        /// No connection.
        Connect = "connect",
        /// Given back unprocessed.
        Refused = "refused",
        /// No response head in time.
        Timeout = "timeout",
        /// A status code that is tried again.
        Code = "code",
        /// Not sent once more: the budget was spent.
        OverBudget = "over_budget",
    }
}

labels! {
    /// Whether a hello holds the floor.
    pub enum Judged {
        /// It does.
        Pass = "pass",
        /// It does not.
        Fail = "fail",
    }
}

labels! {
    /// What happens to a connection.
    pub enum LaneKind {
        /// Terminated here.
        Serve = "serve",
        /// Its bytes go to today's terminator.
        Legacy = "legacy",
        /// Told why not.
        Refuse = "refuse",
    }
}

labels! {
    /// What became of a connection in the legacy lane.
    pub enum LegacyOutcome {
        /// Both sides have ended it.
        Done = "done",
        /// One side broke it off.
        Broken = "broken",
        /// Nothing moved for too long.
        Idle = "idle",
        /// It lasted longer than it may.
        Timeout = "timeout",
        /// The server ended it first, without a byte.
        Unanswered = "unanswered",
        /// What the server said was no TLS.
        NotTls = "not_tls",
        /// No legacy server could be reached.
        ConnectFailed = "connect_failed",
        /// None answered in time.
        ConnectTimeout = "connect_timeout",
    }
}

labels! {
    /// The stages of a rollout.
    pub enum StageKind {
        /// Nobody is refused.
        Observe = "observe",
        /// Everybody, or a share, is refused for a while.
        Brownout = "brownout",
        /// A share is refused for good.
        Ramp = "ramp",
        /// Everybody is refused for good.
        Cut = "cut",
    }
}
