//! Times as rows have them: RFC 3339, in whole seconds.
//!
//! Kept in 32 bits, because a record of a client has three of them; that lasts until 2106.

use std::fmt;

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(pub(crate) u32);

/// Seconds of a day.
pub(crate) const DAY: u32 = 24 * 60 * 60;

impl Moment {
    /// By its text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at: Timestamp = text.parse().ok()?;
        u32::try_from(at.as_second()).ok().map(Self)
    }

    /// Its day, counted from 1970.
    pub(crate) const fn day(self) -> u32 {
        self.0 / DAY
    }

    /// Its minute, counted from 1970.
    pub(crate) const fn minute(self) -> u32 {
        self.0 / 60
    }

    /// The first moment of a day.
    pub(crate) const fn of_day(day: u32) -> Self {
        Self(day.saturating_mul(DAY))
    }

    /// Only the date.
    pub(crate) fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }

    /// For people: `2027-01-12 10:00`, in UTC.
    pub(crate) fn short(self) -> String {
        self.to_string().replace('T', " ").chars().take(16).collect()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(i64::from(self.0)) {
            Ok(at) => write!(f, "{at}"),
            Err(_beyond) => Err(fmt::Error),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"2027-01-12T10:00:00Z\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
                Moment::parse(text)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn there_and_back() {
        let at = Moment::parse("2027-01-12T10:00:07.123456Z").unwrap();
        assert_eq!(at.to_string(), "2027-01-12T10:00:07Z");
        assert_eq!(at, Moment::parse("2027-01-12T11:00:07+01:00").unwrap());
        assert_eq!((at.date(), at.short()), ("2027-01-12".into(), "2027-01-12 10:00".into()));
        assert_eq!(Moment::of_day(at.day()).to_string(), "2027-01-12T00:00:00Z");
        for wrong in ["", "2027-01-12", "yesterday", "1969-01-01T00:00:00Z", "2200-01-01T00:00:00Z"]
        {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
