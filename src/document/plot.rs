//! Plots as inline SVG: bars, because what is shown are counts.
//!
//! Drawn in whole units of a fixed box that the page scales; every bar has its number as a title.

use std::io::{self, Write};

use super::{
    Plot,
    figures::{short, thousands},
    html::escaped,
};

const WIDTH: usize = 800;
const HEIGHT: usize = 180;
/// Above and below the bars of days, for words.
const EDGE: usize = 20;
/// One bar of a word.
const ROW: usize = 24;
/// Where the bars of words begin and end.
const LEFT: usize = 160;
const RIGHT: usize = 720;

/// Draws it under a name for who cannot see it.
pub(crate) fn write(plot: &Plot, name: &str, out: &mut dyn Write) -> io::Result<()> {
    match plot {
        Plot::Days(days) => write_days(days, &escaped(name), out),
        Plot::Bars(bars) => write_bars(bars, &escaped(name), out),
    }
}

fn write_days(days: &[(String, u64)], name: &str, out: &mut dyn Write) -> io::Result<()> {
    let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else {
        return Ok(());
    };
    let most = most(days);
    writeln!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}\">")?;
    let ground = HEIGHT - EDGE;
    for (at, (day, count)) in days.iter().enumerate() {
        let (left, right) = (at * WIDTH / days.len(), (at + 1) * WIDTH / days.len());
        let gap = usize::from(right - left > 3);
        let height = part(*count, most, ground - EDGE);
        writeln!(
            out,
            "<rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{height}\"><title>{}: {}</title></rect>",
            ground - height,
            (right - left).saturating_sub(gap).max(1),
            escaped(day),
            thousands(*count)
        )?;
    }
    writeln!(
        out,
        "<line x1=\"0\" y1=\"{ground}\" x2=\"{WIDTH}\" y2=\"{ground}\"/>\n\
         <text x=\"0\" y=\"14\">{}</text>\n<text x=\"0\" y=\"{base}\">{}</text>\n\
         <text x=\"{WIDTH}\" y=\"{base}\" text-anchor=\"end\">{}</text>\n</svg>",
        short(most),
        escaped(first),
        escaped(last),
        base = HEIGHT - 4,
    )
}

fn write_bars(bars: &[(String, u64)], name: &str, out: &mut dyn Write) -> io::Result<()> {
    let (most, height) = (most(bars), bars.len() * ROW);
    writeln!(out, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{name}\">")?;
    for (at, (word, count)) in bars.iter().enumerate() {
        let (top, length) = (at * ROW, part(*count, most, RIGHT - LEFT));
        writeln!(
            out,
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{length}\" height=\"{}\"/>\
             <text x=\"{}\" y=\"{base}\">{}</text>",
            LEFT - 8,
            escaped(word),
            top + 4,
            ROW - 8,
            LEFT + length + 6,
            short(*count),
            base = top + 16,
        )?;
    }
    writeln!(out, "</svg>")
}

fn most(bars: &[(String, u64)]) -> u64 {
    bars.iter().map(|(_, count)| *count).max().unwrap_or(0)
}

/// The length of a bar; what is more than nothing can be seen.
fn part(count: u64, most: u64, room: usize) -> usize {
    let units = u128::try_from(room).unwrap_or(0);
    let length = (u128::from(count) * units).div_ceil(u128::from(most.max(1)));
    usize::try_from(length).unwrap_or(room)
}
