//! A document as Markdown, for tickets and wikis.
//!
//! Names in it are of clients and customers: whatever Markdown or HTML would read is escaped.

use std::io::{self, Write};

use super::{Document, Section, Snippet, Table, clean};

/// Writes it.
pub(crate) fn write(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {}\n\n**{}**", escaped(&document.title), escaped(&document.headline))?;
    for note in &document.notes {
        writeln!(out, "\n{}", escaped(note))?;
    }
    document.sections.iter().try_for_each(|section| write_section(section, out))
}

fn write_section(section: &Section, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## {}", escaped(&section.heading))?;
    for sentence in &section.sentences {
        writeln!(out, "\n{}", escaped(sentence))?;
    }
    if !section.points.is_empty() {
        writeln!(out)?;
    }
    for point in &section.points {
        writeln!(out, "- {}", escaped(point))?;
    }
    if !section.table.rows.is_empty() {
        write_table(&section.table, out)?;
    }
    for snippet in &section.snippets {
        write_snippet(snippet, out)?;
    }
    for link in &section.links {
        writeln!(out, "\n<{link}>")?;
    }
    Ok(())
}

fn write_table(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    let titles: Vec<_> = table.columns.iter().map(|column| escaped(column.title)).collect();
    let rule = |right: bool| if right { "---:" } else { "---" };
    let rules: Vec<_> = table.columns.iter().map(|column| rule(column.right)).collect();
    writeln!(out, "\n| {} |\n| {} |", titles.join(" | "), rules.join(" | "))?;
    for row in &table.rows {
        let cells: Vec<_> = row.iter().map(|cell| escaped(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// A block between fences that are longer than any in it (CommonMark 4.5).
fn write_snippet(Snippet { title, code }: &Snippet, out: &mut dyn Write) -> io::Result<()> {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(out, "\n### {}\n\n{fence}", escaped(title))?;
    code.lines().try_for_each(|line| writeln!(out, "{}", clean(line)))?;
    writeln!(out, "{fence}")
}

/// Plain text, whatever is in it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in clean(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                safe.push('\\');
                safe.push(character);
            }
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{escaped, write};
    use crate::document::{Document, Section, Table};

    #[test]
    fn cells_are_text() {
        assert_eq!(escaped("a|b <i>*x*</i>\n"), "a\\|b &lt;i&gt;\\*x\\*&lt;/i&gt;\u{fffd}");
    }

    #[test]
    fn a_section() {
        let section = Section {
            heading: "Who".to_owned(),
            table: Table::new(&["client", "#n"]).with([vec!["::1".to_owned(), "7".to_owned()]]),
            links: vec!["https://a.example/".to_owned()],
            ..Section::default()
        };
        let document = Document {
            title: "T".to_owned(),
            headline: "H.".to_owned(),
            notes: vec!["N.".to_owned()],
            sections: vec![section],
        };
        let mut out = Vec::new();
        write(&document, &mut out).unwrap();
        let expected = "# T\n\n**H.**\n\nN.\n\n## Who\n\n| client | n |\n| --- | ---: |\n| ::1 | 7 |\n\n<https://a.example/>\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
