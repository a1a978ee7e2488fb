//! A report in words, before it has a form: headings, sentences, tables, plots.
//!
//! Made by `pages`, given a form by `text`, `markdown` and `html`. All of it is plain text: a
//! form has to escape it, because names in it come from clients and customers.

/// A report.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) title: String,
    /// The answer in a sentence.
    pub(super) headline: String,
    /// What has to be known to read it rightly.
    pub(super) notes: Vec<String>,
    pub(super) sections: Vec<Section>,
}

/// One question and its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) sentences: Vec<String>,
    pub(super) plot: Option<Plot>,
    pub(super) table: Table,
    /// Long texts, for forms that have room.
    pub(super) roomy: bool,
    /// Addresses to read on.
    pub(super) links: Vec<String>,
}

/// Rows of cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A column's heading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Numbers stand to the right.
    pub(super) right: bool,
}

/// Something to look at.
#[derive(Clone, Debug)]
pub(super) enum Plot {
    /// One bar a day, from left to right.
    Days(Vec<(String, u64)>),
    /// One bar a word, from top to bottom.
    Bars(Vec<(String, u64)>),
}

impl Table {
    /// Columns by their titles; those that begin with `#` are numbers.
    pub(super) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &&'static str| match title.strip_prefix('#') {
            Some(title) => Column { title, right: true },
            None => Column { title, right: false },
        };
        Self { columns: titles.iter().map(column).collect(), rows: Vec::new() }
    }

    /// With these rows.
    pub(super) fn with(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Without the columns that have nothing in any row.
    pub(super) fn without_empty(mut self) -> Self {
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
pub(super) fn clean(text: &str) -> String {
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
