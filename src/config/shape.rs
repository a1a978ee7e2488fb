//! The shapes of values: what a schema can say about them.
//!
//! `raw` names them; the patterns say the same as the parsers in `resolve` and `units`, and a
//! test holds that.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

/// The schema of a whole type, in one piece.
pub(super) fn schema<T: JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>()
}

macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident = $schema:tt;)+) => {
        $(
            $(#[$meta])*
            #[derive(Debug)]
            pub(super) enum $name {}

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )+
    };
}

shapes! {
    /// `10s`
    Duration = { "type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$" };
    /// `64KiB`
    Size = { "type": "string", "pattern": "^[0-9]{1,9}(B|KiB|MiB|GiB)$" };
    /// `10.96.0.10`, `127.0.0.1:5353`, `[::1]:53`
    NameServer = { "type": "string", "pattern": "^[0-9a-fA-F.:\\[\\]]+$" };
    /// `0.0.0.0:8443`, `[::]:8443`
    Address = { "type": "string", "pattern": "^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$" };
    /// `10.0.0.0/8`, `2001:db8::/32`, `10.0.0.1`
    Network = { "type": "string", "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$" };
    /// What a client gets whose name is nobody's.
    Stranger = { "type": "string", "enum": ["default", "refuse"] };
    /// A path of a file.
    File = { "type": "string", "minLength": 1 };
    /// Any word.
    Name = { "type": "string", "minLength": 1 };
    /// A header field's value, with variables.
    FieldValue = { "type": "string", "minLength": 1 };
    /// A name, a wildcard, or all.
    HostName = { "type": "string", "minLength": 1, "maxLength": 255 };
    /// Begins with a slash.
    PathPrefix = { "type": "string", "pattern": "^/" };
    /// In capitals.
    Method = { "type": "string", "pattern": "^[^a-z\\s]+$" };
    /// A field's name.
    FieldName = { "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" };
    /// `http://HOST:PORT`
    ServerUrl = { "type": "string", "pattern": "^(http|https|h2c)://[^/?#@]+/?$" };
    /// `http://HOST:PORT`
    CollectorUrl = { "type": "string", "pattern": "^https?://[^/?#@]+/?$" };
    /// A server's share.
    ServerWeight = { "type": "integer", "minimum": 1, "maximum": 1000 };
    /// How a server is chosen.
    Balance = { "type": "string", "enum": ["least_requests", "round_robin", "hash"] };
    /// What a consistent hash is taken of.
    HashKey = { "type": "string", "pattern": "^(client|header:.+)$" };
    /// A status code or a range of them.
    Codes = { "type": "string", "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$" };
    /// What is tried again.
    RetryOn = { "type": "string", "pattern": "^(connect|refused|timeout|5[0-9]{2})$" };
    /// Checks in a row.
    Times = { "type": "integer", "minimum": 1, "maximum": 100 };
    /// Tries after the first.
    Tries = { "type": "integer", "minimum": 0, "maximum": 10 };
    /// A share.
    Percent = { "type": "integer", "minimum": 0, "maximum": 100 };
    /// A share of more than nothing.
    Share = { "type": "integer", "minimum": 1, "maximum": 100 };
    /// How many clients blow a fuse.
    Clients = { "type": "integer", "minimum": 1, "maximum": 100_000 };
    /// Answers a second.
    Rate = { "type": "integer", "minimum": 1, "maximum": 10_000 };
    /// A policy's name.
    PolicyName = { "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$" };
    /// Key exchange groups by their IANA names.
    Group = { "type": "string", "enum": [
        "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "x25519", "secp256r1",
        "secp384r1", "secp521r1", "x448",
    ] };
    /// The cipher suites that are served, by their IANA names.
    Suite = { "type": "string", "enum": [
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ] };
    /// Keys of certificates.
    CertificateKind = { "type": "string", "enum": ["rsa", "ecdsa"] };
    /// Rows of the census.
    Rows = { "type": "integer", "minimum": 100, "maximum": 100_000 };
    /// What a client is called in the census.
    Privacy = { "type": "string", "enum": ["full", "network", "hashed"] };
    /// Copies of the process.
    Replicas = { "type": "integer", "minimum": 1, "maximum": 10_000 };
    /// `10.0.0.9:443`, or a list of such.
    Servers = { "anyOf": [
        { "type": "string", "pattern": "^.+:[0-9]{1,5}$" },
        { "type": "array", "items": { "type": "string", "pattern": "^.+:[0-9]{1,5}$" }, "minItems": 1 },
    ] };
    /// What plain HTTP ends with.
    Ending = { "type": "string", "enum": ["redirect", "refuse"] };
    /// `t13d1516h2_8daaf6152771_e5627efa2ab1`
    Ja4 = { "type": "string", "pattern": "^[0-9a-z:_]{1,36}$" };
    /// A PROXY header's version.
    ProxyProtocol = { "type": "string", "enum": ["none", "v1", "v2"] };
    /// The versions that there are.
    Minimum = { "type": "string", "enum": ["1.2", "1.3"] };
    /// What is asked of clients.
    ClientAuthMode = { "type": "string", "enum": ["required", "optional", "none"] };
    /// What a revocation list does that is out of date.
    StaleCrl = { "type": "string", "enum": ["refuse", "warn"] };
    /// What a plain port does.
    Action = { "type": "string", "enum": ["redirect", "refuse", "forward"] };
    /// How an upstream is told who asks.
    ForwardedStyle = { "type": "string", "enum": ["x-forwarded", "forwarded", "both"] };
    /// Which plain requests are redirected.
    RedirectOnly = { "type": "string", "enum": ["all", "safe"] };
    /// A TOML date-time with an offset; a string where the document is JSON.
    Moment = { "type": "string", "format": "date-time" };
    /// An absolute URL.
    Url = { "type": "string", "pattern": "^https?://[^\\s<>\"\\\\]+$" };
    /// The formats that there are.
    Format = { "type": "string", "enum": ["json", "text"] };
    /// Redirects that may stay.
    RedirectStatus = { "type": "integer", "enum": [301, 302, 307, 308] };
    /// What an unknown host gets.
    UnknownHost = { "type": "integer", "enum": [404, 421] };
    /// Statuses of final answers.
    AnswerStatus = { "type": "integer", "minimum": 200, "maximum": 599 };
    /// Statuses of errors.
    ErrorStatus = { "type": "integer", "minimum": 400, "maximum": 599 };
    /// A share of a split.
    Weight = { "type": "integer", "minimum": 0, "maximum": 1_000_000 };
    /// A TCP port.
    Port = { "type": "integer", "minimum": 1, "maximum": 65535 };
    /// Threads.
    Workers = { "type": "integer", "minimum": 0, "maximum": 1024 };
    /// Log lines.
    Lines = { "type": "integer", "minimum": 0, "maximum": 1_000_000 };
    /// Kept connections.
    Connections = { "type": "integer", "minimum": 0, "maximum": 100_000 };
    /// The codings that there are.
    Algorithm = { "type": "string", "enum": ["zstd", "br", "gzip"] };
    /// `text/html`, `text/*`
    ContentType = { "type": "string", "pattern": "^[a-z0-9.+-]+/([a-z0-9.+-]+|\\*)$" };
    /// Fields of a head.
    Fields = { "type": "integer", "minimum": 8, "maximum": 10_000 };
    /// How many at the most; 0: no limit.
    Cap = { "type": "integer", "minimum": 0, "maximum": 100_000_000 };
    /// What happens to a connection too many.
    AtCapacity = { "type": "string", "enum": ["wait", "close"] };
    /// HTTP/2 streams.
    Streams = { "type": "integer", "minimum": 1, "maximum": 10_000 };
}
