//! Numbers for people: thousands, shares, lengths of time.
//!
//! Whole numbers throughout, so that no sum is ever rounded; only what is printed is short.

/// `1,234,567`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.2M`; up to 99,999 in full.
pub(crate) fn short(number: u64) -> String {
    const FULL: u64 = 100_000;
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match units.into_iter().find(|(unit, _)| number >= FULL && number >= *unit) {
        None => thousands(number),
        Some((unit, sign)) => match (number / unit, number % unit * 10 / unit) {
            (whole, tenths) if whole < 100 && tenths > 0 => format!("{whole}.{tenths}{sign}"),
            (whole, _) => format!("{whole}{sign}"),
        },
    }
}

/// A part of a whole in billionths; all of it where there is no whole.
fn billionths(part: u64, whole: u64) -> u32 {
    const ALL: u32 = 1_000_000_000;
    if whole == 0 {
        return if part == 0 { 0 } else { ALL };
    }
    let scaled = u128::from(part.min(whole)) * u128::from(ALL) / u128::from(whole);
    u32::try_from(scaled).unwrap_or(ALL)
}

/// A part of a whole from 0 to 1.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    f64::from(billionths(part, whole)) / 1e9
}

/// A part of a whole in percent, with as many digits as say something.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let percent = f64::from(billionths(part, whole)) / 1e7;
    let text = match percent {
        0.0 if part > 0 => return "< 0.000001 %".to_owned(),
        0.0 => "0".to_owned(),
        _ if percent < 0.01 => format!("{percent:.6}"),
        _ if percent < 1.0 => format!("{percent:.3}"),
        _ if percent < 99.95 => format!("{percent:.1}"),
        _ if part < whole => format!("{percent:.3}"),
        _ => "100".to_owned(),
    };
    format!("{text} %")
}

/// So many in so many seconds, in an hour; one digit behind the point.
pub(crate) fn per_hour(count: u64, seconds: u32) -> f64 {
    let tenths = u128::from(count) * 36_000 / u128::from(seconds.max(1));
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// `90 s`, `45 min`, `5 h`, `12 days`
pub(crate) fn duration(seconds: u32) -> String {
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7200 => format!("{} min", seconds / 60),
        7201..=172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1 client`, `37 clients`
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::{duration, per_hour, percent, share, short, thousands};

    #[test]
    fn numbers() {
        assert_eq!([0, 12, 1_234, 1_234_567].map(thousands), ["0", "12", "1,234", "1,234,567"]);
        let numbers = [412, 99_999, 100_000, 1_200_000, 1_000_000, 123_400_000, 5_100_000_000];
        assert_eq!(numbers.map(short), ["412", "99,999", "100k", "1.2M", "1M", "123M", "5.1G"]);
        assert_eq!(short(u64::MAX), "18446744T");
    }

    #[test]
    fn shares() {
        let shares =
            [(0, 9), (412, 1_200_000), (1, 8), (1, 1_000_000), (9, 9), (999_999, 1_000_000)];
        let expected = ["0 %", "0.034 %", "12.5 %", "0.000100 %", "100 %", "100.000 %"];
        assert_eq!(shares.map(|(part, whole)| percent(part, whole)), expected);
        assert_eq!(percent(1, u64::MAX), "< 0.000001 %");
        assert_eq!((share(1, 4), share(0, 0), share(3, 0)), (0.25, 0.0, 1.0));
    }

    #[test]
    fn rates_and_lengths() {
        assert_eq!((per_hour(5, 1800), per_hour(5, 0)), (10.0, 18_000.0));
        assert_eq!([60, 600, 10_800, 864_000].map(duration), ["60 s", "10 min", "3 h", "10 days"]);
    }
}
