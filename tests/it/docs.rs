//! What is written for people is true: the example configuration and README's snippets.

use std::{fs, path::Path};

use serde_json::Value;
use tlsfloor::config;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

const EXAMPLE: &str = "config/tlsfloor.toml";

/// The keys of a schema, whole paths, without array indexes.
fn keys(schema: &Value, path: &str, found: &mut Vec<String>) {
    let items = &schema["items"];
    let schema = if items["type"] == "object" { items } else { schema };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let has_keys = |shape: &Value| shape["properties"].is_object();
        let is_table = has_keys(property) || has_keys(&property["items"]);
        if is_table {
            keys(property, &path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_example_has_every_key() {
    let mut all = Vec::new();
    keys(&config::schema(), "", &mut all);
    assert!(all.len() > 40, "{all:?}");
    let text = read(EXAMPLE);
    let mut section = String::new();
    let mut shown = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches(['#', ' ']);
        if line.starts_with('[') && line.ends_with(']') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            shown.push(format!("{section}.{key}"));
            // Inline tables: certificates = [{ chain = .., key = .. }]
            for inner in value.split(['{', ',']).filter_map(|part| part.split_once(" = ")) {
                shown.push(format!("{section}.{key}.{}", inner.0.trim()));
            }
        }
    }
    for key in all {
        assert!(shown.contains(&key), "{key} is not in {EXAMPLE}");
    }
}

#[test]
fn the_example_is_the_defaults() {
    let text = read(EXAMPLE);
    let file = Path::new("/x/t.toml");
    let example = config::parse(&text, file).unwrap_or_else(|problems| panic!("{problems}"));
    // Only what has no default, taken from the example itself.
    let least = r#"
        [tls]
        certificates = [{ chain = "../certs/dev.crt", key = "../certs/dev.key" }]
        [[upstreams]]
        name = "api"
        servers = ["http://127.0.0.1:3000"]
    "#;
    let defaults = config::parse(least, file).unwrap();
    assert_eq!(serde_json::to_value(example).unwrap(), serde_json::to_value(defaults).unwrap());
}

#[test]
fn the_example_holds_the_schema() {
    let document: toml::Value = toml::from_str(&read(EXAMPLE)).unwrap();
    let schema = jsonschema::validator_for(&config::schema()).unwrap();
    let document = serde_json::to_value(document).unwrap();
    let errors: Vec<_> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn the_configurations_shown_load() {
    for file in ["README.md", "docs/rollout.md"] {
        let text = read(file);
        let rests = text.split("```toml\n").skip(1);
        let snippets: Vec<&str> = rests.map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!snippets.is_empty(), "{file}");
        for snippet in snippets {
            let loaded = config::parse(snippet, Path::new(file));
            loaded.unwrap_or_else(|problems| panic!("{problems}\nin\n{snippet}"));
        }
    }
}

#[test]
fn the_readme_names_every_command_and_key_section() {
    let readme = read("README.md");
    for command in ["run", "check", "demo", "report", "notice", "schema"] {
        assert!(readme.contains(&format!("tlsfloor {command}")), "{command}");
    }
    for section in config::schema()["properties"].as_object().unwrap().keys() {
        assert!(readme.contains(section.as_str()), "{section}");
    }
}
