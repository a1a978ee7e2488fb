//! A query as forms write it: pairs with an equals sign, joined by ampersands, percent-encoded.
//!
//! Used for what the admin port is asked and for credentials in plain requests. Nothing is refused:
//! what cannot be decoded stays as it stands.

use std::borrow::Cow;

/// The pairs of a query; a name without a value has an empty one.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let text = |part: &str| String::from_utf8_lossy(&decoded(part.as_bytes())).into_owned();
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (text(name), text(value))
    };
    parts.map(pair).collect()
}

/// As a form says it: `%41` is `A`, `+` is a space. Borrowed where nothing is encoded.
pub(crate) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (b'+', _) => plain.push(b' '),
            (b'%', [high, low, behind @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                let pair = digit(*high).zip(digit(*low));
                plain.extend(pair.map(|(high, low)| (high << 4) | low));
                rest = behind;
            }
            (byte, _) => plain.push(*byte),
        }
    }
    Cow::Owned(plain)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn pairs_with_and_without_a_value() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs(""), []);
        let expected = [pair("client", "203.0.113.0/24"), pair("sni", ""), pair("a b", "%4")];
        assert_eq!(pairs("client=203.0.113.0%2F24&&sni&a+b=%4"), expected);
    }
}
