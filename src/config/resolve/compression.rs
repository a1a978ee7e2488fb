//! `[compression]`

use toml::Spanned;

use super::value::{self, wrong};
use crate::config::{Algorithm, Compression, document::Document, raw, raw::Text};

/// What compresses well and is often asked for.
const TYPES: [&str; 11] = [
    "text/*",
    "application/json",
    "application/problem+json",
    "application/ld+json",
    "application/x-ndjson",
    "application/javascript",
    "application/xml",
    "application/xhtml+xml",
    "application/yaml",
    "application/wasm",
    "image/svg+xml",
];

pub(super) fn compression(
    raw: Option<Spanned<raw::Compression>>,
    document: &mut Document<'_>,
) -> Compression {
    let (raw, _) = value::section(raw);
    let (size, key) = (raw.min_size.as_ref(), "compression.min_size");
    let min_size = value::size(document, size, key, 1 << 10, 0..=1 << 30);
    Compression {
        enabled: value::switch(raw.enabled.as_ref(), false),
        algorithms: algorithms(raw.algorithms, document),
        types: types(raw.types, document),
        min_size,
    }
}

fn algorithms(list: Option<Vec<Text>>, document: &mut Document<'_>) -> Vec<Algorithm> {
    let words = [("zstd", Algorithm::Zstd), ("br", Algorithm::Br), ("gzip", Algorithm::Gzip)];
    let Some(list) = list else {
        return words.map(|(_, algorithm)| algorithm).to_vec();
    };
    let mut algorithms = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let key = format!("compression.algorithms[{index}]");
        let algorithm = value::word(document, Some(text), &key, Algorithm::Gzip, &words);
        if algorithms.contains(&algorithm) && !document.has_reported(&key) {
            wrong(document, text, &key, "an algorithm that is not listed above");
        }
        algorithms.push(algorithm);
    }
    algorithms
}

fn types(list: Option<Vec<Text>>, document: &mut Document<'_>) -> Vec<String> {
    let Some(list) = list else {
        return TYPES.map(str::to_owned).to_vec();
    };
    for (index, text) in list.iter().enumerate() {
        if !is_type(text.get_ref()) {
            let expected = "a content type such as \"application/json\" or \"text/*\"";
            wrong(document, text, &format!("compression.types[{index}]"), expected);
        }
    }
    list.into_iter().map(Spanned::into_inner).collect()
}

fn is_type(text: &str) -> bool {
    let word = |word: &str| {
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".+-".contains(c);
        !word.is_empty() && word.chars().all(right)
    };
    let parts = text.split_once('/');
    parts.is_some_and(|(kind, name)| word(kind) && (name == "*" || word(name)))
}
