//! Durations and sizes as people write them: `250ms`, `10s`, `64KiB`.
//!
//! Called by `resolve`. Whole numbers with a unit and nothing else, so that no value can be read
//! two ways.

use std::time::Duration;

/// What a duration looks like, for problems.
pub(super) const DURATION: &str =
    "a duration such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"365d\"";

/// What a size looks like, for problems.
pub(super) const SIZE: &str = "a size such as \"512B\", \"64KiB\" or \"1MiB\"";

/// Nine digits are enough for everything and overflow nothing.
const DIGITS: usize = 9;

/// `250ms`, `10s`, `5m`, `1h`, `365d`; none for anything else.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        "h" => Some(Duration::from_secs(number * 3600)),
        "d" => Some(Duration::from_secs(number * 86_400)),
        _ => None,
    }
}

/// `512B`, `64KiB`, `1MiB`, `1GiB`, in bytes.
pub(super) fn size(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number * factor).ok()
}

/// A size as people write it, in the largest unit that holds it whole.
pub(super) fn shown(bytes: usize) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = |(_, bits): &(&str, u32)| bytes > 0 && bytes.trailing_zeros() >= *bits;
    match units.into_iter().find(whole) {
        Some((unit, bits)) => format!("{}{unit}", bytes >> bits),
        None => format!("{bytes}B"),
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    (digits.len() <= DIGITS).then_some((digits.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, shown, size};

    #[test]
    fn durations() {
        let cases = [
            ("0s", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("365d", 31_536_000_000),
            ("999999999d", 86_399_999_913_600_000),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1S", "1w", "1234567890s"] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20)];
        for (text, bytes) in cases {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(shown(bytes), text);
        }
        for text in ["", "64", "64KB", "64kib", "64 KiB", "-1B", "1TiB"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }
}
