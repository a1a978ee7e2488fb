//! A document on a terminal: 100 columns, no colours, nothing cut off.
//!
//! What is too wide for a column goes on in the next line of its cell.

use std::io::{self, Write};

use super::{Column, Document, Plot, Section, Snippet, clean};

const WIDTH: usize = 100;
/// Columns of words are not made narrower than this.
const LEAST: usize = 12;
/// Between two columns.
const GAP: usize = 2;
const BAR: usize = 30;

/// Writes it.
pub(crate) fn write(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n", document.title)?;
    paragraph(&document.headline, out)?;
    for note in &document.notes {
        paragraph(note, out)?;
    }
    for section in document.sections.iter().filter(|section| !section.roomy) {
        writeln!(out, "\n{}\n{}", section.heading, "-".repeat(section.heading.chars().count()))?;
        for sentence in &section.sentences {
            paragraph(sentence, out)?;
        }
        for point in &section.points {
            paragraph(&format!("- {point}"), out)?;
        }
        table(section, out)?;
        for Snippet { title, code } in &section.snippets {
            writeln!(out, "\n{}", clean(title))?;
            code.lines().try_for_each(|line| writeln!(out, "  {}", clean(line)))?;
        }
    }
    Ok(())
}

fn paragraph(text: &str, out: &mut dyn Write) -> io::Result<()> {
    wrapped(&clean(text), WIDTH).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn table(section: &Section, out: &mut dyn Write) -> io::Result<()> {
    let (columns, rows) = cells(section);
    if rows.is_empty() {
        return Ok(());
    }
    let widths = widths(&columns, &rows);
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    for row in std::iter::once(&titles).chain(&rows) {
        line(&columns, &widths, row, out)?;
    }
    Ok(())
}

/// The cells, with a bar behind each day.
fn cells(section: &Section) -> (Vec<Column>, Vec<Vec<String>>) {
    let clean = |row: &Vec<String>| row.iter().map(|cell| clean(cell)).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = section.table.rows.iter().map(clean).collect();
    let mut columns = section.table.columns.clone();
    if let Some(Plot::Days(days)) = &section.plot {
        let most = days.iter().map(|(_, count)| *count).max().unwrap_or(0);
        columns.push(Column { title: "", right: false });
        let shown = days.iter().skip(days.len().saturating_sub(rows.len()));
        for (row, (_, count)) in rows.iter_mut().zip(shown) {
            row.push("#".repeat(bar(*count, most)));
        }
    }
    (columns, rows)
}

/// The length of a bar; what is more than nothing can be seen.
fn bar(count: u64, most: u64) -> usize {
    let room = u128::try_from(BAR).unwrap_or(0);
    let length = (u128::from(count) * room).div_ceil(u128::from(most.max(1)));
    usize::try_from(length).unwrap_or(BAR)
}

/// As wide as their cells; if that is too much, the widest are made narrower: first as long as no
/// word is broken, then further.
fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths = longest(columns, rows, |cell| cell.chars().count());
    let words = longest(columns, rows, |cell| {
        cell.split(' ').map(|word| word.chars().count()).max().unwrap_or(0)
    });
    narrow(&mut widths, columns, &words);
    narrow(&mut widths, columns, &vec![LEAST; columns.len()]);
    widths
}

fn longest(columns: &[Column], rows: &[Vec<String>], of: impl Fn(&str) -> usize) -> Vec<usize> {
    let longest = |(at, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| of(cell));
        cells.max().unwrap_or(0).max(column.title.chars().count())
    };
    columns.iter().enumerate().map(longest).collect()
}

fn narrow(widths: &mut [usize], columns: &[Column], least: &[usize]) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > WIDTH {
        let all = widths.iter_mut().zip(columns).zip(least);
        let words = all.filter(|((width, column), least)| !column.right && **width > **least);
        match words.map(|((width, _), _)| width).max_by_key(|width| **width) {
            Some(widest) => *widest -= 1,
            None => return,
        }
    }
}

fn line(
    columns: &[Column],
    widths: &[usize],
    row: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let cells: Vec<Vec<String>> =
        row.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut text = String::new();
        for ((column, width), cell) in columns.iter().zip(widths).zip(&cells) {
            let part = cell.get(at).map_or("", String::as_str);
            let part =
                if column.right { format!("{part:>width$}") } else { format!("{part:<width$}") };
            text.push_str(&part);
            text.push_str(&" ".repeat(GAP));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// Lines of at most `width` characters, broken between words where that is possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        loop {
            let Some(line) = lines.last_mut() else { return lines };
            let (used, length) = (line.chars().count(), word.chars().count());
            let space = usize::from(used > 0);
            if used + space + length <= width {
                line.push_str(if used > 0 { " " } else { "" });
                line.push_str(&word);
                break;
            }
            if used == 0 {
                let rest = word.chars().skip(width.max(1)).collect();
                *line = word.chars().take(width.max(1)).collect();
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, bar, wrapped, write};
    use crate::document::{Document, Plot, Section, Table};

    #[test]
    fn words_go_on_in_the_next_line() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn bars_show_whatever_is_more_than_nothing() {
        assert_eq!([bar(0, 0), bar(0, 9), bar(1, 1_000_000), bar(9, 9)], [0, 0, 1, 30]);
    }

    #[test]
    fn a_table_fits_and_no_word_of_it_is_lost() {
        let long = "word ".repeat(60);
        let row = vec!["203.0.113.7\u{1b}[2J".to_owned(), "1,234".to_owned(), long.clone()];
        let section = Section {
            heading: "Who".to_owned(),
            table: Table::new(&["client", "#connections", "looks like"]).with([row]),
            plot: Some(Plot::Days(vec![("d".to_owned(), 4)])),
            ..Section::default()
        };
        let document = Document { headline: long, sections: vec![section], ..Document::default() };
        let mut out = Vec::new();
        write(&document, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.matches("word").count(), 120);
        assert!(text.contains("       1,234") && text.contains("client"), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("####"), "{text}");
    }
}
