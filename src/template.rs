//! Texts with variables in braces: `{client_address}`, `{sni}`; `{{` and `}}` are braces.
//!
//! Parsed by `config` once a snapshot, filled in by `http` for each request that needs it. What a
//! client sent comes in through variables only, and the whole is checked to be a header value.

use std::borrow::Cow;

use hyper::header::HeaderValue;
use serde::Serialize;

use crate::label::{Label, labels};

labels! {
    /// What a text may say of a request.
    pub enum Variable {
        /// Who asks.
        ClientAddress = "client_address",
        /// From which port, where that is known.
        ClientPort = "client_port",
        /// `1.2` or `1.3`; nothing on plain ports.
        TlsVersion = "tls_version",
        /// The cipher suite's IANA name.
        TlsCipher = "tls_cipher",
        /// The name that the client asked for in its hello.
        Sni = "sni",
        /// The fingerprint of its hello.
        Ja4 = "ja4",
        /// The subject of the client's verified certificate (RFC 4514).
        ClientCertSubject = "client_cert_subject",
        /// The first host, URI or mailbox among its subjectAltNames.
        ClientCertSan = "client_cert_san",
        /// Its SHA-256 in hexadecimal.
        ClientCertFingerprint = "client_cert_fingerprint",
        /// `X-Request-Id`
        RequestId = "request_id",
        /// The request's host, without a port.
        Host = "host",
        /// The request's path, without its query.
        Path = "path",
    }
}

/// A parsed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    written: Box<str>,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// Nothing to fill in: made once.
    Fixed(HeaderValue),
    Pieces(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// Why a text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other half.
    #[error("a brace that is not closed or not opened")]
    Brace,
    /// A variable that there is not.
    #[error("an unknown variable")]
    Unknown(String),
    /// Empty, with spaces around it, or with a character that no field may have.
    #[error("not a header field's value")]
    Value,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let pieces = pieces(text)?;
        let texts = pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Variable(_) => None,
        });
        let value = HeaderValue::from_str(&texts.collect::<String>());
        let value = value.map_err(|_invalid| TemplateError::Value)?;
        if text.is_empty() || text.trim() != text || !text.is_ascii() {
            return Err(TemplateError::Value);
        }
        let fixed = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
        let content = if fixed { Content::Fixed(value) } else { Content::Pieces(pieces) };
        Ok(Self { written: text.into(), content })
    }

    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = Variable> {
        let pieces = match &self.content {
            Content::Fixed(_) => &[],
            Content::Pieces(pieces) => pieces.as_slice(),
        };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(variable) => Some(*variable),
        })
    }

    /// The text with `value` for each variable; none if one of them is empty.
    pub fn fill<'a>(
        &self,
        mut value: impl FnMut(Variable) -> Option<Cow<'a, str>>,
    ) -> Option<HeaderValue> {
        let pieces = match &self.content {
            Content::Fixed(value) => return Some(value.clone()),
            Content::Pieces(pieces) => pieces,
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Variable(variable) => {
                    text.push_str(&value(*variable).filter(|value| !value.is_empty())?);
                }
            }
        }
        HeaderValue::try_from(text).ok()
    }
}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        plain.push_str(before);
        if let Some(after) = behind.strip_prefix("{{") {
            plain.push('{');
            rest = after;
        } else if let Some(after) = behind.strip_prefix("}}") {
            plain.push('}');
            rest = after;
        } else {
            let inner = behind.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (name, after) = inner.split_once('}').ok_or(TemplateError::Brace)?;
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Variable(variable(name)?));
            rest = after;
        }
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

fn variable(name: &str) -> Result<Variable, TemplateError> {
    let known = Variable::ALL.iter().find(|variable| variable.as_str() == name);
    known.copied().ok_or_else(|| TemplateError::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Template, TemplateError, Variable};

    fn filled(text: &str) -> Option<String> {
        let value = Template::parse(text).unwrap().fill(|variable| match variable {
            Variable::Sni => None,
            Variable::Host => Some("".into()),
            Variable::Path => Some("a\nb".into()),
            variable => Some(format!("<{variable}>").into()),
        });
        value.map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn variables_are_filled_in_and_braces_escaped() {
        let cases = [
            ("plain", "plain"),
            ("{ja4}", "<ja4>"),
            ("a {client_address}:{client_port} b", "a <client_address>:<client_port> b"),
            ("{{sni}}", "{sni}"),
            ("{{{ja4}}}", "{<ja4>}"),
            ("{{}}", "{}"),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_empty_variable_or_one_that_fits_no_field_makes_nothing() {
        for text in ["{sni}", "a{sni}", "{ja4} {host}", "{path}"] {
            assert_eq!(filled(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_text() {
        for text in ["{", "}", "{ja4", "ja4}", "{{ja4}", "{ja4}}", "a{"] {
            assert_eq!(Template::parse(text), Err(TemplateError::Brace), "{text}");
        }
        for text in ["", " a", "a ", "a\nb", "a\r\nX: b", "\0", "\u{fc}"] {
            assert_eq!(Template::parse(text), Err(TemplateError::Value), "{text:?}");
        }
        for text in ["{}", "{JA4}", "{ ja4 }", "{{{x}"] {
            assert!(matches!(Template::parse(text), Err(TemplateError::Unknown(_))), "{text}");
        }
    }
}
