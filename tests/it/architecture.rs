//! The picture in `src/lib.rs`, held against the sources: who imports whom, and who names which
//! vendor.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The floors of the house, highest first. A module may import what stands below it, or beside it
/// on the same floor; never what stands above.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["app"],
    &["announce", "report"],
    &["reload"],
    &["admin", "listening", "worker"],
    &["listener"],
    &["connection"],
    &["greet", "origin", "park"],
    &["closing", "http", "legacy", "refusal"],
    &["shard"],
    &["shared"],
    &["published"],
    &["snapshot"],
    &[
        "bounds",
        "capacity",
        "census",
        "error_pages",
        "keyed_hash",
        "notice",
        "rollout",
        "route",
        "self_test",
        "telemetry",
        "tls",
        "token",
        "traces",
        "upstream",
        "what_if",
    ],
    &["named_file"],
    &["clients", "config", "metrics", "policy", "port", "refusals"],
    &["hello", "proxy_protocol", "stack"],
    &[
        "chance",
        "client_name",
        "document",
        "drain",
        "fields",
        "files",
        "form",
        "host",
        "io",
        "label",
        "loads",
        "machine",
        "network",
        "pace",
        "panics",
        "process",
        "request_id",
        "session",
        "signals",
        "sockets",
        "systemd",
        "template",
        "timer",
        "tunnel",
        "version",
        "wire",
    ],
];

/// Vendors and the only places that may name them.
const FENCES: &[(&str, &[&str])] = &[
    ("rustls", &["tls/"]),
    ("tokio_rustls", &["tls/"]),
    ("rustls_pemfile", &["tls/pem.rs"]),
    ("rustls_native_certs", &["tls/client.rs"]),
    ("webpki_roots", &["tls/client.rs"]),
    (
        "x509_parser",
        &[
            "tls/certificate.rs",
            "tls/identity.rs",
            "tls/ocsp.rs",
            "tls/revocation.rs",
            "tls/subject.rs",
        ],
    ),
    ("toml", &["config/", "stack/remedy.rs"]),
    ("schemars", &["config/"]),
    ("tracing_subscriber", &["telemetry.rs"]),
    ("tracing_appender", &["telemetry.rs"]),
    (
        "prometheus_client",
        &[
            "metrics/encode.rs",
            "metrics/encode_census.rs",
            "metrics/encode_fleet.rs",
            "metrics/encode_process.rs",
            "metrics/encode_rollout.rs",
        ],
    ),
    ("rcgen", &["cli/"]),
    ("hickory_resolver", &["upstream/resolve.rs"]),
    ("clap", &["cli/"]),
    ("brotli", &["http/coding/encoder.rs"]),
    ("flate2", &["http/coding/encoder.rs", "report/source.rs"]),
    ("zstd", &["http/coding/encoder.rs"]),
    ("csv", &["report/"]),
    ("socket2", &["sockets.rs"]),
    ("listenfd", &["sockets.rs"]),
    ("rustix", &["machine.rs"]),
    ("sd_notify", &["systemd.rs"]),
    (
        "aws_lc_rs",
        &[
            "files.rs",
            "hello/ja4.rs",
            "http/upgrade.rs",
            "keyed_hash.rs",
            "request_id.rs",
            "tls/",
            "token.rs",
        ],
    ),
    (
        "jiff",
        &[
            "announce/",
            "census/",
            "config/",
            "notice.rs",
            "report/moment.rs",
            "rollout/",
            "snapshot.rs",
            "tls/expiry.rs",
            "what_if.rs",
        ],
    ),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "manager", "helper", "helpers", "misc"];

fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&src, &mut found);
    let name = |path: &Path| path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The code without its comments and its tests.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

fn module(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of this crate that a file names behind `crate::`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            found.extend(top_level(list));
        } else {
            found.extend(word(rest));
        }
    }
    found
}

/// The first words of a braced list, however deep its items are.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.extend(word(list[start..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(word(list[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

#[test]
fn imports_point_down() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if matches!(file.as_str(), "lib.rs" | "main.rs") {
            continue;
        }
        let here = module(&file);
        let own = floor(here).unwrap_or_else(|| panic!("{here} stands on no floor"));
        for target in imports(&code(&text)) {
            match floor(&target) {
                Some(other) if other >= own => {}
                Some(_) => wrong.push(format!("{file} imports {target}, which stands above it")),
                None => wrong.push(format!("{file} imports {target}, which stands on no floor")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_stands_on_a_floor_and_in_the_picture() {
    let lib = sources().remove("lib.rs").unwrap();
    let files = sources();
    let modules =
        files.keys().map(|file| module(file)).filter(|name| !matches!(*name, "lib" | "main"));
    for name in modules {
        assert!(FLOORS.iter().any(|floor| floor.contains(&name)), "{name} stands on no floor");
        let drawn = lib.lines().any(|line| line.starts_with("//!") && line.contains(name));
        assert!(drawn, "{name} is not in the picture of src/lib.rs");
    }
}

#[test]
fn vendors_are_named_where_they_belong() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let code = code(&text);
        for (vendor, places) in FENCES {
            let names = code.match_indices(vendor).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                let after = &code[at + vendor.len()..];
                let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-');
                whole && after.starts_with("::")
            });
            if names && !places.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{file} names {vendor}, which belongs in {places:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_and_names_say_something_and_are_short() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{file} has {lines} lines: find the second noun");
        let stem = Path::new(&file).file_stem().unwrap().to_str().unwrap();
        assert!(!EMPTY_NAMES.contains(&stem) && !stem.ends_with("_main"), "{file}");
        assert!(text.starts_with("//! "), "{file} does not say what it is");
    }
}
