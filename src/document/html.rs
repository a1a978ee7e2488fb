//! A document as one HTML page that needs nothing else: no script, no font, no address.
//!
//! Its policy forbids everything but its own style, so that even a mistake in escaping could load
//! and run nothing. Light or dark as the reader's system is; it prints well.

use std::io::{self, Write};

use super::{Document, Section, Snippet, Table, clean, plot};

const STYLE: &str = include_str!("page.css");

/// Writes it.
pub(crate) fn write(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    let title = escaped(&document.title);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"headline\">{}</p>",
        escaped(&document.headline)
    )?;
    for note in &document.notes {
        writeln!(out, "<p class=\"note\">{}</p>", escaped(note))?;
    }
    document.sections.iter().try_for_each(|section| write_section(section, out))?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_section(section: &Section, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section>\n<h2>{}</h2>", escaped(&section.heading))?;
    for sentence in &section.sentences {
        writeln!(out, "<p>{}</p>", escaped(sentence))?;
    }
    if !section.points.is_empty() {
        writeln!(out, "<ul>")?;
        for point in &section.points {
            writeln!(out, "<li>{}</li>", escaped(point))?;
        }
        writeln!(out, "</ul>")?;
    }
    if let Some(plot) = &section.plot {
        plot::write(plot, &section.heading, out)?;
    }
    if !section.table.rows.is_empty() {
        write_table(&section.table, out)?;
    }
    for Snippet { title, code } in &section.snippets {
        writeln!(out, "<h3>{}</h3>\n<pre><code>{}</code></pre>", escaped(title), lines(code))?;
    }
    for link in &section.links {
        let link = escaped(link);
        writeln!(out, "<p><a href=\"{link}\" rel=\"noreferrer\">{link}</a></p>")?;
    }
    writeln!(out, "</section>")
}

fn write_table(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    let class = |right: bool| if right { " class=\"number\"" } else { "" };
    write!(out, "<div class=\"scroll\"><table>\n<thead><tr>")?;
    for column in &table.columns {
        let class = class(column.right);
        write!(out, "<th scope=\"col\"{class}>{}</th>", escaped(column.title))?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in &table.rows {
        write!(out, "<tr>")?;
        for (column, cell) in table.columns.iter().zip(row) {
            write!(out, "<td{}>{}</td>", class(column.right), escaped(cell))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}

/// Plain text of several lines, each escaped.
fn lines(code: &str) -> String {
    code.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// Plain text, in elements and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in clean(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::document::{Document, Plot, Section, Table};

    #[test]
    fn a_name_that_is_html_stays_text_everywhere() {
        let evil = "<script>alert(1)</script>\"'&";
        let section = |plot| Section {
            heading: evil.to_owned(),
            sentences: vec![evil.to_owned()],
            table: Table::new(&["client"]).with([vec![evil.to_owned()]]),
            plot: Some(plot),
            ..Section::default()
        };
        let bars = vec![(evil.to_owned(), 7), ("b".to_owned(), 0)];
        let document = Document {
            title: evil.to_owned(),
            headline: evil.to_owned(),
            notes: vec![evil.to_owned()],
            sections: vec![section(Plot::Bars(bars.clone())), section(Plot::Days(bars))],
        };
        let mut out = Vec::new();
        write(&document, &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(!page.contains("<script") && !page.contains("alert(1)</script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
        assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"), "{page}");
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<section>").count(), page.matches("</section>").count());
    }
}
