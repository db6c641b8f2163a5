//! The report: rows of figures with their aims, as a table for people and as JSON for machines.

use crate::machine::{Machine, load};
use serde::Serialize;
use std::fmt::Write as _;

/// What the figure was to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// This much or less.
    AtMost(f64),
    /// This much or more.
    AtLeast(f64),
}

/// One row.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    figures: Vec<Figure>,
    aim: Option<Aim>,
    /// Whether the last figure meets the aim.
    met: Option<bool>,
    samples: usize,
    /// Load average of the minute before the row was taken.
    load: f64,
}

/// One figure with its name.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
}

impl Row {
    /// Makes a row of named figures in one unit, taken from so many samples. The aim, where there is one, is for the last figure.
    pub(crate) fn new(
        what: impl Into<String>,
        unit: &'static str,
        figures: &[(&'static str, f64)],
        aim: Option<Aim>,
        samples: usize,
    ) -> Self {
        let figures: Vec<Figure> = figures.iter().map(|(name, value)| Figure { name, value: *value }).collect();
        let last = figures.last().map_or(f64::NAN, |figure| figure.value);
        let met = aim.map(|aim| match aim {
            Aim::AtMost(most) => last <= most,
            Aim::AtLeast(least) => last >= least,
        });
        Self { what: what.into(), unit, figures, aim, met, samples, load: load() }
    }

    fn cells(&self) -> [String; 6] {
        let figures: Vec<String> = self.figures.iter().map(|f| format!("{} {}", f.name, number(f.value)).trim().to_owned()).collect();
        let (aim, met) = match (self.aim, self.met) {
            (Some(Aim::AtMost(most)), Some(met)) => (format!("<= {most}"), yes(met)),
            (Some(Aim::AtLeast(least)), Some(met)) => (format!(">= {least}"), yes(met)),
            _ => (String::new(), String::new()),
        };
        [
            self.what.clone(),
            format!("{} {}", figures.join(" / "), self.unit),
            aim,
            met,
            self.samples.to_string(),
            format!("{:.1}", self.load),
        ]
    }
}

fn yes(met: bool) -> String {
    if met { "yes" } else { "no" }.to_owned()
}

/// Three digits that matter, and no false precision.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All rows of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    quick: bool,
    rows: Vec<Row>,
}

impl Report {
    /// An empty report.
    pub(crate) const fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, rows: Vec::new() }
    }

    /// Adds a row and shows it at once, since a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        crate::say(&format!("    {}", row.cells()[..2].join(": ")));
        self.rows.push(row);
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// None that is known: every value is a number or a text.
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The report as a table in Markdown.
    pub(crate) fn table(&self) -> String {
        let m = &self.machine;
        let head = ["what", "figure", "aim", "met", "samples", "load"].map(str::to_owned);
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        let mut out = format!(
            "{} cores, {}, {:.0} GiB, Linux {}{}\n\n",
            m.cores,
            m.cpu,
            m.memory_gib,
            m.kernel,
            if self.quick { "; --quick" } else { "" }
        );
        for (n, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                let _infallible = write!(out, "| {cell:width$} ");
            }
            out.push_str("|\n");
            if n == 0 {
                widths.iter().for_each(|width| out.push_str(&format!("|{}", "-".repeat(width + 2))));
                out.push_str("|\n");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aim_is_for_the_last_figure_and_no_number_meets_none() {
        let met = |value, aim| Row::new("w", "ms", &[("p50", 1.0), ("p99", value)], Some(aim), 1).met;
        assert_eq!(
            [met(5.0, Aim::AtMost(5.0)), met(5.1, Aim::AtMost(5.0)), met(f64::NAN, Aim::AtMost(5.0))],
            [Some(true), Some(false), Some(false)]
        );
        assert_eq!([met(18.0, Aim::AtLeast(18.0)), met(17.9, Aim::AtLeast(18.0))], [Some(true), Some(false)]);
    }

    #[test]
    fn every_line_of_the_table_is_as_wide_as_the_others() {
        let machine = Machine { cores: 2, cpu: "C".into(), memory_gib: 1.0, kernel: "6".into() };
        let mut report = Report::new(machine, false);
        report.add(Row::new("short", "ms", &[("p50", 1.234)], None, 10));
        report.add(Row::new("a much longer row", "MiB", &[("", 123.4)], Some(Aim::AtMost(80.0)), 1));
        let table = report.table();
        let widths: std::collections::HashSet<usize> = table.lines().skip(2).map(str::len).collect();
        assert_eq!(widths.len(), 1, "{table}");
        assert!(table.contains("p50 1.23 ms") && table.contains("| 123 MiB") && table.contains("<= 80"), "{table}");
    }
}
