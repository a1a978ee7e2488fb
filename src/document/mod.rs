//! A text in words, before it has a form: headings, sentences, tables, plots, snippets.
//!
//! Made by `report`, `announce` and the self-test host, given a form by `text`, `markdown` and
//! `html`. All of it is plain text: a form has to escape it, because names in it come from clients
//! and customers.

pub(crate) mod figures;
pub(crate) mod html;
pub(crate) mod markdown;
mod plot;
pub(crate) mod text;

/// A whole text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) title: String,
    /// The answer in a sentence.
    pub(crate) headline: String,
    /// What has to be known to read it rightly.
    pub(crate) notes: Vec<String>,
    pub(crate) sections: Vec<Section>,
}

/// One question and its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) sentences: Vec<String>,
    /// A list.
    pub(crate) points: Vec<String>,
    pub(crate) plot: Option<Plot>,
    pub(crate) table: Table,
    /// Long texts, for forms that have room.
    pub(crate) roomy: bool,
    /// Something to copy.
    pub(crate) snippets: Vec<Snippet>,
    /// Addresses to read on.
    pub(crate) links: Vec<String>,
}

/// Lines of code under a title.
#[derive(Clone, Debug)]
pub(crate) struct Snippet {
    pub(crate) title: String,
    pub(crate) code: String,
}

/// Rows of cells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A column's heading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Numbers stand to the right.
    pub(crate) right: bool,
}

/// Something to look at.
#[derive(Clone, Debug)]
pub(crate) enum Plot {
    /// One bar a day, from left to right.
    Days(Vec<(String, u64)>),
    /// One bar a word, from top to bottom.
    Bars(Vec<(String, u64)>),
}

impl Table {
    /// Columns by their titles; those that begin with `#` are numbers.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &&'static str| match title.strip_prefix('#') {
            Some(title) => Column { title, right: true },
            None => Column { title, right: false },
        };
        Self { columns: titles.iter().map(column).collect(), rows: Vec::new() }
    }

    /// With these rows.
    pub(crate) fn with(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Without the columns that have nothing in any row.
    pub(crate) fn without_empty(mut self) -> Self {
        let used: Vec<bool> = (0..self.columns.len())
            .map(|at| self.rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.is_empty())))
            .collect();
        keep(&mut self.columns, &used);
        for row in &mut self.rows {
            keep(row, &used);
        }
        self
    }
}

/// A text without control characters, which could steer a terminal or end a line.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn keep<T>(items: &mut Vec<T>, used: &[bool]) {
    let mut used = used.iter();
    items.retain(|_| used.next().copied().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_with_nothing_in_them_go() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let table = Table::new(&["a", "b", "#c"]).with([row(["1", "", "3"]), row(["", "", "6"])]);
        let table = table.without_empty();
        assert_eq!(table.columns.iter().map(|c| c.title).collect::<Vec<_>>(), ["a", "c"]);
        assert!(table.columns[1].right);
        assert_eq!(table.rows[0], ["1", "3"]);
    }
}
