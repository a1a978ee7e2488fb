//! A distinguished name as text (RFC 4514), in visible ASCII whatever is in it.
//!
//! Called by `identity` for a client's subject and by `revocation` for an authority's. The text is
//! what `openssl x509 -subject -nameopt RFC2253` and nginx write of the same name.

use x509_parser::{
    asn1_rs::ToDer,
    x509::{AttributeTypeAndValue, X509Name},
};

/// The name, its last part first (RFC 4514 2.1).
pub(super) fn written(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let parts: Vec<String> = parts
        .into_iter()
        .rev()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.join(",")
}

/// Types that have a name of their own (RFC 4514 3, and the one that OpenSSL adds).
const TYPES: [(&str, &str); 10] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    match (TYPES.iter().find(|(known, _)| *known == number), attribute.as_str()) {
        (Some((_, name)), Ok(value)) => format!("{name}={}", escaped(value)),
        // RFC 4514 2.4: the encoding itself, where there is no text or no name for it.
        (known, _) => {
            let name = known.map_or(number.as_str(), |(_, name)| name);
            let value = attribute.attr_value().to_der_vec();
            // What was parsed can be written; else its content says as much.
            let value = value.unwrap_or_else(|_| attribute.as_slice().to_vec());
            format!("{name}=#{}", hexadecimal(&value))
        }
    }
}

/// RFC 4514 2.4; what is no visible ASCII is written by its bytes.
fn escaped(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        let at_edge = (byte == b' ' && (at == 0 || at == last)) || (byte == b'#' && at == 0);
        let special = matches!(byte, b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\');
        if !(b' '..=b'~').contains(&byte) {
            text.push('\\');
            text.push_str(&hexadecimal(&[byte]));
            continue;
        }
        if at_edge || special {
            text.push('\\');
        }
        text.push(char::from(byte));
    }
    text
}

/// Bytes in small letters.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}
