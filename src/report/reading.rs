//! The reading of all inputs, line by line, into whatever takes rows.
//!
//! A damaged line is counted and the first few are named; an input that cannot be read is kept as
//! an error and the others are read all the same. Nothing here ends a report.

use std::{cell::Cell, io, rc::Rc};

use serde::Serialize;

use super::{
    row::{self, Damage, Row},
    source::{Input, Lines, Next},
};

/// Lines between two words about progress.
const STEP: u64 = 1 << 14;

/// Damaged lines that are named.
const NAMED: usize = 10;

/// How far reading has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes read of all inputs, as they are on disk.
    pub read: u64,
    /// Bytes there are, unless one input has no size.
    pub all: Option<u64>,
    /// Lines read.
    pub lines: u64,
}

/// Lines that are damaged or not ours.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Damaged {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<DamagedLine>,
}

/// A damaged line.
#[derive(Clone, Debug, Serialize)]
pub struct DamagedLine {
    /// Where.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// An input that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: cannot be read")]
pub struct Unreadable {
    /// Which.
    pub file: String,
    /// Why.
    #[source]
    pub cause: io::Error,
}

/// Takes what counts of a log.
pub(crate) trait Rows {
    /// One more row.
    fn add(&mut self, row: &Row<'_>);
}

/// The reading of all inputs.
pub(crate) struct Reading<'a, R> {
    pub(crate) rows: R,
    pub(crate) damaged: Damaged,
    pub(crate) unreadable: Vec<Unreadable>,
    pub(crate) lines: u64,
    read: Rc<Cell<u64>>,
    all: Option<u64>,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a, R: Rows> Reading<'a, R> {
    pub(crate) fn new(rows: R, inputs: &[Input], progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            rows,
            damaged: Damaged::default(),
            unreadable: Vec::new(),
            lines: 0,
            read: Rc::default(),
            all: inputs.iter().map(Input::size).sum(),
            progress,
        }
    }

    pub(crate) fn input(&mut self, input: &Input) {
        let read = input.open(&self.read).and_then(|mut lines| self.lines(input, &mut lines));
        if let Err(cause) = read {
            self.unreadable.push(Unreadable { file: input.name(), cause });
        }
    }

    fn lines(&mut self, input: &Input, lines: &mut Lines) -> io::Result<()> {
        loop {
            let row = match lines.next()? {
                Next::Line(line) => row::read(line),
                Next::TooLong => Err(Damage::TooLong),
                Next::End => return Ok(()),
            };
            match row {
                Ok(Row::Other) => {}
                Ok(row) => self.rows.add(&row),
                Err(damage) => {
                    let number = lines.number();
                    self.damaged.add(input, number, &damage);
                }
            }
            self.lines += 1;
            if self.lines.is_multiple_of(STEP) {
                (self.progress)(Progress {
                    read: self.read.get(),
                    all: self.all,
                    lines: self.lines,
                });
            }
        }
    }
}

impl Damaged {
    fn add(&mut self, input: &Input, line: u64, damage: &Damage) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(DamagedLine { file: input.name(), line, what: damage.to_string() });
        }
    }
}
