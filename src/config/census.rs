//! `[census]`: how much is kept of clients that fail. As written, as meant, and from one to the
//! other.
//!
//! Read by `resolve`; `census` carries it out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{
    FileAt,
    document::Document,
    raw::{Number, Text},
    resolve::value::{self, wrong},
    shape,
};

/// What is kept of clients that fail the floor or a policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Rows kept, the heaviest ones; the rest is summed as "other".
    #[schemars(with = "shape::Rows")]
    pub rows: Option<Number>,
    /// What a client is called: full (address, IPv6 /64), network (/24, /48) or hashed.
    #[schemars(with = "shape::Privacy")]
    pub privacy: Option<Text>,
    /// File of the key for hashed; the same on all replicas.
    #[schemars(with = "shape::File")]
    pub hash_key: Option<Text>,
}

/// `[census]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Rows at the most.
    pub rows: usize,
    /// What a client is called.
    #[serde(flatten)]
    pub privacy: Privacy,
}

/// `census.privacy`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "privacy", rename_all = "lowercase")]
pub enum Privacy {
    /// By its IPv4 address or IPv6 /64.
    Full,
    /// By its /24 or /48.
    Network,
    /// By a name that only the owner of the key can tell.
    Hashed {
        /// The key.
        hash_key: FileAt,
    },
}

impl Default for Census {
    fn default() -> Self {
        Self { rows: 10_000, privacy: Privacy::Full }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    Network,
    Hashed,
}

pub(super) fn census(raw: Option<Spanned<Raw>>, document: &mut Document<'_>) -> Census {
    let (raw, span) = value::section(raw);
    let default = Census::default();
    let most = 100..=100_000;
    let rows = value::number(document, raw.rows.as_ref(), "census.rows", default.rows, most);
    let words = [("full", Form::Full), ("network", Form::Network), ("hashed", Form::Hashed)];
    let form = raw.privacy.as_ref();
    let form = value::word(document, form, "census.privacy", Form::Full, &words);
    let file = value::file(document, raw.hash_key.as_ref(), "census.hash_key");
    if let (Some(text), true) = (&raw.hash_key, form != Form::Hashed) {
        wrong(document, text, "census.hash_key", "privacy = \"hashed\" beside it");
    }
    let privacy = match (form, file) {
        (Form::Network, _) => Privacy::Network,
        (Form::Hashed, Some(hash_key)) => Privacy::Hashed { hash_key },
        (Form::Hashed, None) => {
            let what = "a file with a secret of at least 16 bytes: without one, whoever can read \
                        a row could find its address by trying all";
            value::missing(document, span, "census.hash_key", what);
            Privacy::Full
        }
        (Form::Full, _) => Privacy::Full,
    };
    Census { rows, privacy }
}
