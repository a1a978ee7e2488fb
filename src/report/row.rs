//! One line of a log, read as far as a report needs it.
//!
//! Most lines are of other kinds and are known as such by a search for one word. What is ours is
//! parsed into types without copying a text. Nothing a line holds can make this fail otherwise
//! than by saying what is wrong with the line.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use super::moment::Moment;
use crate::{
    label::{Label, labels},
    policy::Reason,
    version::Offered,
};

labels! {
    /// What happened to a connection, in the words of rows.
    pub(crate) enum Lane {
        /// Terminated here.
        Serve = "serve",
        /// Passed on to the legacy terminator.
        Legacy = "legacy",
        /// Told why not.
        Refuse = "refuse",
    }
}

labels! {
    /// What a policy said of a hello.
    pub(crate) enum Judged {
        /// It holds it.
        Pass = "pass",
        /// It does not.
        Fail = "fail",
    }
}

/// A line that counts.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    Census(Census<'a>),
    Totals(Totals<'a>),
    Stage(Stage<'a>),
    Exemption(Exemption<'a>),
    Legacy(Legacy<'a>),
    /// Of another kind.
    Other,
}

/// Clients that failed a policy between two times.
#[derive(Debug, Deserialize)]
pub(crate) struct Census<'a> {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    #[serde(borrow)]
    pub(crate) client: Text<'a>,
    #[serde(borrow)]
    pub(crate) sni: Option<Text<'a>>,
    pub(crate) offered_max: Word<Offered>,
    #[serde(borrow)]
    pub(crate) ja4: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) policy: Text<'a>,
    pub(crate) reason: Word<Reason>,
    pub(crate) lane: Word<Lane>,
    pub(crate) count: u64,
    #[serde(borrow)]
    pub(crate) stack: Option<Text<'a>>,
}

/// All hellos between two times, by what was offered and agreed on.
#[derive(Debug, Deserialize)]
pub(crate) struct Totals<'a> {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    pub(crate) offered: Word<Offered>,
    #[serde(borrow)]
    pub(crate) version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) cipher: Option<Text<'a>>,
    pub(crate) lane: Word<Lane>,
    pub(crate) verdict: Word<Judged>,
    pub(crate) count: u64,
}

/// The rollout moved.
#[derive(Debug, Deserialize)]
pub(crate) struct Stage<'a> {
    /// Which rollout, by its configuration key.
    #[serde(borrow)]
    pub(super) rollout: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) from: Text<'a>,
    #[serde(borrow)]
    pub(crate) to: Text<'a>,
    pub(crate) percent: Option<u8>,
    pub(crate) at: Moment,
}

/// Uses of an exemption.
#[derive(Debug, Deserialize)]
pub(crate) struct Exemption<'a> {
    pub(crate) timestamp: Option<Moment>,
    pub(crate) to: Option<Moment>,
    #[serde(borrow)]
    pub(crate) exemption: Text<'a>,
    pub(crate) count: u64,
    #[serde(borrow)]
    pub(crate) owner: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) expires: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) state: Option<Text<'a>>,
}

/// A request as the legacy terminator logs it, for the programs behind one hello; the proxy's own
/// line about a client that it passed on has no program.
#[derive(Debug, Deserialize)]
pub(crate) struct Legacy<'a> {
    #[serde(borrow)]
    pub(crate) client: Text<'a>,
    #[serde(borrow)]
    pub(crate) user_agent: Option<Text<'a>>,
}

/// A text of the line itself, unless it has escapes.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of an optional field; none and "" are the same.
pub(crate) fn text<'a>(field: &'a Option<Text<'a>>) -> Option<&'a str> {
    field.as_ref().map(Text::as_str).filter(|text| !text.is_empty())
}

/// One of a closed set of words.
#[derive(Debug)]
pub(crate) struct Word<L>(pub(crate) L);

impl<'de, L: Label> Deserialize<'de> for Word<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Named(PhantomData)).map(Self)
    }
}

struct Named<L>(PhantomData<L>);

impl<L: Label> Visitor<'_> for Named<L> {
    type Value = L;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = L::ALL.iter().map(|member| member.as_str()).collect();
        write!(f, "one of {}", words.join(", "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<L, E> {
        L::named(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("longer than any line of ours")]
    TooLong,
    #[error("not text in UTF-8")]
    NotText,
    #[error("no JSON object; was it written with log.format = \"json\"?")]
    NoObject,
    #[error("a JSON object that breaks off")]
    BrokenOff,
    #[error("{0}")]
    Fields(#[from] serde_json::Error),
    #[error("`from` is after `to`")]
    Backwards,
}

/// Reads a line; what stands before its object (`[pod/name/container]`) is passed over.
pub(crate) fn read(line: &[u8]) -> Result<Row<'_>, Damage> {
    let line = std::str::from_utf8(line).map_err(|_not_utf8| Damage::NotText)?.trim();
    if line.is_empty() {
        return Ok(Row::Other);
    }
    let (_, object) = line.split_at(line.find('{').ok_or(Damage::NoObject)?);
    match kind(object) {
        Some(kind) => by_kind(kind, object),
        // Written by others, with spaces, or no event at all: a parser has to say.
        None => {
            let only: Only<'_> = serde_json::from_str(object)?;
            text(&only.event).map_or(Ok(Row::Other), |kind| by_kind(kind, object))
        }
    }
}

#[derive(Deserialize)]
struct Only<'a> {
    #[serde(borrow)]
    event: Option<Text<'a>>,
}

/// The kind as our own log writes it. In a text its quotes would be escaped, so this is a key.
fn kind(object: &str) -> Option<&str> {
    const KEY: &str = "\"event\":\"";
    let (_, rest) = object.split_once(KEY)?;
    rest.split_once('"').map(|(kind, _)| kind)
}

fn by_kind<'a>(kind: &str, object: &'a str) -> Result<Row<'a>, Damage> {
    let row = match kind {
        "census" => Row::Census(serde_json::from_str(object)?),
        "totals" => Row::Totals(serde_json::from_str(object)?),
        "stage" => Row::Stage(serde_json::from_str(object)?),
        "exemption" => Row::Exemption(serde_json::from_str(object)?),
        "legacy" => Row::Legacy(serde_json::from_str(object)?),
        _ if object.ends_with('}') => Row::Other,
        _ => return Err(Damage::BrokenOff),
    };
    match &row {
        Row::Census(Census { from, to, .. }) | Row::Totals(Totals { from, to, .. })
            if from > to =>
        {
            Err(Damage::Backwards)
        }
        _ => Ok(row),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Row, read, text};
    use crate::{policy::Reason, version::Offered};

    const CENSUS: &str = r#"{"timestamp":"2027-01-12T10:01:00.000001Z","level":"INFO","event":"census","from":"2027-01-12T10:00:00Z","to":"2027-01-12T10:01:00Z","client":"203.0.113.7","sni":"api.example.com","offered_max":"1.0","ja4":"t10d","policy":"floor","reason":"version","lane":"legacy","count":7,"stack":"java-7"}"#;

    fn damage(line: &str) -> String {
        read(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_census_row_whatever_stands_before_it() {
        let spaced = CENSUS.replace("\":", "\" : ");
        for line in [
            CENSUS.to_owned(),
            format!("[pod/tlsfloor-0/proxy] {CENSUS}"),
            format!("  {CENSUS}\r"),
            format!("tlsfloor-1  | {CENSUS}"),
            spaced,
        ] {
            let Row::Census(row) = read(line.as_bytes()).unwrap() else { panic!("{line}") };
            assert_eq!((row.client.as_str(), row.count), ("203.0.113.7", 7));
            assert_eq!((row.offered_max.0, row.lane.0), (Offered::Tls10, Lane::Legacy));
            assert_eq!(row.reason.0, Reason::Version);
            assert_eq!(text(&row.sni), Some("api.example.com"));
            assert_eq!(row.from.to_string(), "2027-01-12T10:00:00Z");
        }
    }

    #[test]
    fn what_need_not_be_there() {
        let bare =
            CENSUS.replace("\"api.example.com\"", "null").replace(",\"stack\":\"java-7\"", "");
        let Row::Census(row) = read(bare.as_bytes()).unwrap() else { panic!("{bare}") };
        assert!(row.sni.is_none() && row.stack.is_none());
    }

    #[test]
    fn other_lines_are_no_error() {
        for line in [
            "",
            "{}",
            r#"{"event":"access","status":200}"#,
            r#"{"event":"refused","client":"203.0.113.7"}"#,
            r#"{"message":"\"event\":\"census\""}"#,
            r#"{"event":7.5e0,"a":1}"#.replace("7.5e0", "\"x\"").as_str(),
        ] {
            assert!(matches!(read(line.as_bytes()), Ok(Row::Other)), "{line}");
        }
    }

    #[test]
    fn damaged_lines_say_what_is_wrong() {
        assert!(damage("hello").contains("no JSON object"));
        assert!(damage("[1, 2]").contains("no JSON object"));
        assert!(damage("thread 'w' panicked at src/x.rs {").contains("EOF"));
        assert!(damage(CENSUS.split_at(150).0).contains("EOF"));
        assert!(damage(r#"{"event":"access","stat"#).contains("breaks off"));
        assert!(damage(&CENSUS.replace("\"count\":7,", "")).contains("missing field `count`"));
        assert!(damage(&CENSUS.replace("\"count\":7", "\"count\":-7")).contains("-7"));
        assert!(
            damage(&CENSUS.replace("\"legacy\"", "\"left\"")).contains("serve, legacy, refuse")
        );
        assert!(damage(&CENSUS.replace("T10:00", "T10h00")).contains("a time such as"));
        assert!(damage(&CENSUS.replace("T10:00:00Z", "T11:00:00Z")).contains("after"));
        assert_eq!(
            read(b"{\"event\":\"census\xff\"}").unwrap_err().to_string(),
            "not text in UTF-8"
        );
    }

    #[test]
    fn whatever_a_line_holds_it_is_said_without_a_panic() {
        for end in 0..CENSUS.len() {
            assert!(
                matches!(read(CENSUS.split_at(end).0.as_bytes()), Err(_) | Ok(Row::Other)),
                "to {end}"
            );
            for byte in [0, b'"', b'{', b'\\', 0x80, 0xff] {
                let mut line = CENSUS.as_bytes().to_vec();
                line[end] = byte;
                drop(read(&line));
            }
        }
    }

    #[test]
    fn the_other_kinds() {
        let totals = r#"{"event":"totals","from":"2027-01-12T10:00:00Z","to":"2027-01-12T10:01:00Z","offered":"1.3","version":"1.3","cipher":"TLS_AES_128_GCM_SHA256","lane":"serve","verdict":"pass","count":9}"#;
        assert!(matches!(read(totals.as_bytes()), Ok(Row::Totals(row)) if row.count == 9));
        let stage = r#"{"event":"stage","from":"observe","to":"brownout","stage":"brownout","percent":100,"at":"2027-01-12T10:00:00Z"}"#;
        assert!(matches!(read(stage.as_bytes()), Ok(Row::Stage(row)) if row.percent == Some(100)));
        let used = r#"{"timestamp":"2027-01-12T10:00:00Z","event":"exemption","exemption":"acme","count":3}"#;
        assert!(matches!(read(used.as_bytes()), Ok(Row::Exemption(row)) if row.count == 3));
        let legacy = r#"{"event":"legacy","client":"203.0.113.7","user_agent":"curl/7.19"}"#;
        assert!(matches!(read(legacy.as_bytes()), Ok(Row::Legacy(_))));
        let ours = r#"{"event":"legacy","client":"203.0.113.7","connection":"01"}"#;
        assert!(matches!(read(ours.as_bytes()), Ok(Row::Legacy(_))));
    }
}
