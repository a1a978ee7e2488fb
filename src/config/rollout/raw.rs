//! `[rollout]` and `[plain_http.rollout]` as written: one grammar, and the few keys by which the
//! two differ. See `config::raw`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use toml::Spanned;

use crate::config::{
    raw::{Moment, Number, Switch, Text},
    shape,
};

/// Who is refused when; the keys of both sections.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Rollout {
    /// HOST:PORT of today's TLS terminator, or a list of them; absent: failing hellos are refused at once.
    #[schemars(with = "shape::Servers")]
    pub legacy: Option<Spanned<OneOrMore>>,
    /// The PROXY header before a client's bytes: v2 (with what is known of it), v1 or none.
    #[schemars(with = "shape::ProxyProtocol")]
    pub proxy_protocol: Option<Text>,
    /// How long a connection may last in the legacy lane; 0s is any time.
    #[schemars(with = "shape::Duration")]
    pub legacy_timeout: Option<Text>,
    /// From one check (a connect) of a legacy server to the next; 0s is none.
    #[schemars(with = "shape::Duration")]
    pub legacy_check: Option<Text>,
    /// What requests get after the cut: redirect or refuse.
    #[schemars(with = "shape::Ending")]
    pub to: Option<Text>,
    /// From then on everybody who fails is refused; absent: never.
    #[schemars(with = "shape::Moment")]
    pub cut: Option<Moment>,
    /// Growing shares of the clients that are refused before the cut.
    #[schemars(with = "Vec<RampStep>")]
    pub ramp: Vec<Spanned<RampStep>>,
    /// Times in which all or a share of the clients are refused.
    #[schemars(with = "Vec<Brownout>")]
    pub brownouts: Vec<Spanned<Brownout>>,
    /// Allows steps of the ramp after the cut, which take it back.
    #[schemars(with = "bool")]
    pub allow_loosening: Option<Switch>,
    /// What stops a brownout or a ramp by itself.
    #[schemars(with = "Fuse")]
    pub fuse: Option<Spanned<Fuse>>,
    /// With it a client's place in the ramp is the same on every replica.
    #[schemars(with = "shape::Name")]
    pub salt: Option<Text>,
    /// File of the salt.
    #[schemars(with = "shape::File")]
    pub salt_file: Option<Text>,
    /// File with more exemptions, as `[[exemptions]]`.
    #[schemars(with = "shape::File")]
    pub exemptions_file: Option<Text>,
    /// URL of a page about it, which notices to customers link.
    #[schemars(with = "shape::Url")]
    pub notice: Option<Text>,
    /// Who is spared, and until when.
    #[schemars(with = "Vec<Exemption>")]
    pub exemptions: Vec<Spanned<Exemption>>,
}

/// A share of the clients from a time on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["at", "percent"]))]
pub(in crate::config) struct RampStep {
    /// From when.
    #[schemars(with = "shape::Moment")]
    pub at: Option<Moment>,
    /// How many of a hundred clients.
    #[schemars(with = "shape::Percent")]
    pub percent: Option<Number>,
}

/// A time in which clients are refused: once, or every so often.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from"]))]
pub(in crate::config) struct Brownout {
    /// When it begins; with every: when the first does.
    #[schemars(with = "shape::Moment")]
    pub from: Option<Moment>,
    /// When it ends; with every: when the last has ended. Absent with every: the cut.
    #[schemars(with = "shape::Moment")]
    pub until: Option<Moment>,
    /// How long each lasts; without every: instead of until.
    #[schemars(with = "shape::Duration")]
    pub lasts: Option<Text>,
    /// From one beginning to the next.
    #[schemars(with = "shape::Duration")]
    pub every: Option<Text>,
    /// How many of a hundred clients.
    #[schemars(with = "shape::Share")]
    pub percent: Option<Number>,
}

/// How many refused clients stop a brownout or a ramp.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["refused", "within"]))]
pub(in crate::config) struct Fuse {
    /// More clients than this blow it.
    #[schemars(with = "shape::Clients")]
    pub refused: Option<Number>,
    /// Within which time.
    #[schemars(with = "shape::Duration")]
    pub within: Option<Text>,
    /// Any word; a reload with another one rearms a fuse that has blown.
    #[schemars(with = "shape::Name")]
    pub rearm: Option<Text>,
}

/// Clients that are spared until a time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["owner", "reason", "expires"]))]
pub(in crate::config) struct Exemption {
    /// Networks of clients.
    #[schemars(with = "Vec<shape::Network>")]
    pub clients: Option<Vec<Text>>,
    /// Host names that clients ask for; *.example.com covers one label.
    #[schemars(with = "Vec<shape::HostName>")]
    pub sni: Option<Vec<Text>>,
    /// JA4 fingerprints.
    #[schemars(with = "Vec<shape::Ja4>")]
    pub ja4: Option<Vec<Text>>,
    /// Whose it is.
    #[schemars(with = "shape::Name")]
    pub owner: Option<Text>,
    /// Why.
    #[schemars(with = "shape::Name")]
    pub reason: Option<Text>,
    /// When it ends.
    #[schemars(with = "shape::Moment")]
    pub expires: Option<Moment>,
}

/// What an `exemptions_file` is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct ExemptionsFile {
    /// Who is spared, and until when.
    #[schemars(with = "Vec<Exemption>")]
    pub exemptions: Vec<Spanned<Exemption>>,
}

/// The shape of `[rollout]`.
#[derive(Debug)]
pub(in crate::config) enum TlsRollout {}

/// The shape of `[plain_http.rollout]`.
#[derive(Debug)]
pub(in crate::config) enum PlainRollout {}

/// The shape of its `exemptions_file`.
#[derive(Debug)]
pub(in crate::config) enum PlainExemptionsFile {}

/// A type that is a shape only: that of `$of` without some keys.
macro_rules! without {
    ($name:ident, $of:ty, $($key:literal),*) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let mut schema = <$of>::json_schema(generator);
                $(strike(&mut schema, $key);)*
                schema
            }
        }
    };
}

without!(TlsRollout, Rollout, "/properties/to");
without!(
    PlainRollout,
    Rollout,
    "/properties/legacy",
    "/properties/proxy_protocol",
    "/properties/legacy_timeout",
    "/properties/legacy_check",
    "/properties/notice",
    "/properties/exemptions/items/properties/sni",
    "/properties/exemptions/items/properties/ja4"
);
without!(
    PlainExemptionsFile,
    ExemptionsFile,
    "/properties/exemptions/items/properties/sni",
    "/properties/exemptions/items/properties/ja4"
);

fn strike(schema: &mut Schema, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    let parent = schema.pointer_mut(parent).and_then(|parent| parent.as_object_mut());
    parent.and_then(|parent| parent.remove(key));
}

/// A string, or a list of them.
#[derive(Debug)]
pub(in crate::config) enum OneOrMore {
    /// One; its place is that of the whole.
    One(String),
    /// A list.
    More(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore::More)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
