//! A configuration's text: parsed, its shape checked, its problems collected with their places.
//!
//! Called by `config::parse`. The shape is checked against the schema itself, so that the schema
//! and the parser cannot disagree; what has the wrong shape is reported and struck, and the rest
//! is read on, so that one mistake hides no other.

use std::{ops::Range, path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Schema;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer},
};

use super::{Place, Problem, Problems, shape};

/// A text and what is wrong with it so far.
#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    file: Arc<std::path::PathBuf>,
    /// Where each line begins: a file of thousands of exemptions is not walked for each place.
    lines: Vec<usize>,
    problems: Vec<Problem>,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, file: &Path) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0].into_iter().chain(ends.map(|(end, _)| end + 1)).collect();
        Self { text, file: Arc::new(file.to_owned()), lines, problems: Vec::new() }
    }

    /// The folder where relative paths begin.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }

    /// What is written, as far as it has the shape of `S`.
    pub(super) fn read<T: DeserializeOwned + Default, S: JsonSchema>(&mut self) -> T {
        let (mut table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            self.report(error.span().unwrap_or_default(), "", error.message().to_owned());
        }
        self.table(table.get_mut(), &shape::schema::<S>().to_value(), "");
        match T::deserialize(Deserializer::from(table)) {
            Ok(raw) => raw,
            Err(error) => {
                // Only what a schema cannot say, such as an integer beyond 64 bits.
                self.report(error.span().unwrap_or_default(), "", error.message().to_owned());
                T::default()
            }
        }
    }

    /// What it means, or every problem by line.
    pub(super) fn finish<T>(mut self, meant: Option<T>) -> Result<T, Problems> {
        let by_place = |problem: &Problem| (problem.place.line, problem.place.column);
        self.problems.sort_by_key(by_place);
        self.problems.dedup();
        match meant {
            Some(meant) if self.problems.is_empty() => Ok(meant),
            _ => Err(Problems(self.problems)),
        }
    }

    pub(super) fn report(&mut self, span: Range<usize>, key: &str, text: String) {
        let place = self.place(span, key);
        self.problem(place, text);
    }

    pub(super) fn problem(&mut self, place: Place, text: String) {
        self.problems.push(Problem { place, text });
    }

    /// Whether something at or below `key` was reported: what only follows from it is left out.
    pub(super) fn has_reported(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| {
            let below = problem.place.key.strip_prefix(key);
            problem.place.key.is_empty()
                || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    pub(super) fn place(&self, span: Range<usize>, key: &str) -> Place {
        let line = self.lines.partition_point(|begin| *begin <= span.start);
        let begin = line.checked_sub(1).and_then(|before| self.lines.get(before)).copied();
        let before = self.text.get(begin.unwrap_or(0)..span.start).unwrap_or_default();
        let column = before.chars().count() + 1;
        Place { file: Arc::clone(&self.file), line, column, key: key.to_owned() }
    }

    fn table(&mut self, table: &mut DeTable<'_>, schema: &Schema, key: &str) {
        let known = schema.get("properties").and_then(Schema::as_object);
        // A table of whatever names has one shape for all of them.
        let any = schema.get("additionalProperties").filter(|shape| shape.is_object());
        let mut struck = Vec::new();
        for (name, value) in table.iter_mut() {
            let path = join(key, name.get_ref());
            let property = known.and_then(|known| known.get(&**name.get_ref())).or(any);
            let right = match property {
                Some(property) => self.value(value, property, &path),
                None => {
                    let names = known.into_iter().flat_map(|known| known.keys());
                    let names: Vec<&str> = names.map(String::as_str).collect();
                    self.report(name.span(), &path, unknown(name.get_ref(), &names));
                    false
                }
            };
            if !right {
                struck.push(name.clone());
            }
        }
        for name in struck {
            table.remove(&name);
        }
    }

    /// Whether the value has the shape; what is wrong inside it is struck there.
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>, schema: &Schema, key: &str) -> bool {
        let span = value.span();
        let schema = alternative(schema, value.get_ref());
        match (value.get_mut(), kind(schema)) {
            (DeValue::Table(table), "object") => {
                self.table(table, schema, key);
                true
            }
            (DeValue::Array(values), "array") => {
                let items = schema.get("items").unwrap_or(&Schema::Null);
                let all = std::mem::replace(values, DeArray::new()).into_iter().enumerate();
                let right = all.filter_map(|(index, mut value)| {
                    self.value(&mut value, items, &format!("{key}[{index}]")).then_some(value)
                });
                *values = right.collect();
                true
            }
            (DeValue::String(_), "string")
            | (DeValue::Datetime(_), "date-time")
            | (DeValue::Integer(_), "integer")
            | (DeValue::Boolean(_), "boolean") => true,
            (found, expected) => {
                let found = self.shown(found, &span);
                self.report(span, key, format!("found {found}, expected {}", article(expected)));
                false
            }
        }
    }

    /// A value as written, if it is short.
    fn shown(&self, value: &DeValue<'_>, span: &Range<usize>) -> String {
        let written = self.text.get(span.clone()).unwrap_or_default();
        match value {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            _ if written.len() <= 60 => written.to_owned(),
            value => format!("a {}", value.type_str()),
        }
    }
}

/// What a moment looks like, for problems.
pub(super) const MOMENT: &str =
    "a date-time with an offset and without quotes, such as 2027-03-01T09:00:00Z";

/// What a schema asks for.
fn kind(schema: &Schema) -> &str {
    match schema.get("format").and_then(Schema::as_str) {
        // JSON has no date-times; TOML has, and strings are none of them.
        Some("date-time") => "date-time",
        _ => schema.get("type").and_then(Schema::as_str).unwrap_or_default(),
    }
}

/// Of several shapes that a value may have, the one for a list if it is one, else the first.
fn alternative<'s>(schema: &'s Schema, value: &DeValue<'_>) -> &'s Schema {
    let Some(all) = schema.get("anyOf").and_then(Schema::as_array) else { return schema };
    let is_list = matches!(value, DeValue::Array(_));
    let list = all.iter().find(|one| is_list && kind(one) == "array");
    list.or_else(|| all.first()).unwrap_or(schema)
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

fn article(kind: &str) -> &'static str {
    match kind {
        "object" => "a table",
        "array" => "an array",
        "string" => "a string in quotes",
        "date-time" => MOMENT,
        "integer" => "a whole number",
        _ => "true or false",
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("found an unknown key, did you mean \"{near}\"?"),
        None => format!("found an unknown key, expected one of {}", known.join(", ")),
    }
}

/// The known word that a misspelt one was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    /// As similar as two words must be to be each other's typo.
    const ALIKE: f64 = 0.8;
    let alike = known.iter().map(|one| (strsim::jaro_winkler(word, one), *one));
    let best = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(alike, _)| *alike >= ALIKE).map(|(_, one)| one)
}
