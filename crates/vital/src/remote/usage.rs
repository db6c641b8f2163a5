//! `vital usage`: what requests to models came to, and the ledger as a table.

use super::client::{Client, Server};
use crate::{
    failure::Exit,
    terminal::{self, plain},
};
use reqwest::Method;
use time::{Date, format_description::well_known::Iso8601};
use vital_platform::usage::{Line, UsageReport, csv_cell};

/// `vital usage …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Usage {
    /// Show what was used and what it cost
    #[command(after_help = "Whoever may not see everybody's use sees their own. A program gives its key as VITAL_TOKEN.

Examples:
  vital usage report --from 2026-11-01 --by model
  vital usage report --by person --csv > people.csv
  vital usage report --json | jq .total.cost_micros")]
    Report(Report),
    /// Write the ledger as a table (CSV): each request with its exact cost
    #[command(after_help = "It is recorded in the audit trail. At most 100,000 rows.

Example:
  vital usage export --from 2026-11-01 --to 2026-11-30 > november.csv")]
    Export(Export),
}

/// Which days, by the calendar in UTC.
#[derive(Debug, clap::Args)]
pub(crate) struct Days {
    /// The first day [default: 30 days up to the last one]
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Date>,
    /// The last day [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Date>,
}

/// Flags of `vital usage report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    #[command(flatten)]
    days: Days,
    /// What the lines are about
    #[arg(long, value_name = "WHAT", default_value = "day")]
    by: By,
    /// Only your own use
    #[arg(long)]
    own: bool,
    /// Print the whole report as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the lines as a table (CSV)
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    server: Server,
}

/// Flags of `vital usage export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    days: Days,
    #[command(flatten)]
    server: Server,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// Each day.
    Day,
    /// Each provider and model.
    Model,
    /// Each expert.
    Expert,
    /// Each person or service account.
    Person,
}

fn day(text: &str) -> Result<Date, String> {
    // The format knows weeks and days of the year too.
    let by_month = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let read = Date::parse(text, &Iso8601::DATE).ok().filter(|_| by_month);
    read.ok_or_else(|| "write a day as 2026-11-23".to_owned())
}

impl Days {
    fn query(&self) -> String {
        let one = |name: &str, day: Option<Date>| day.map(|day| format!("{name}={day}"));
        let given: Vec<String> = [one("from", self.from), one("to", self.to)].into_iter().flatten().collect();
        given.join("&")
    }
}

/// Does what was said.
pub(crate) async fn run(verb: Usage) -> anyhow::Result<Exit> {
    match verb {
        Usage::Report(flags) => report(flags).await,
        Usage::Export(flags) => {
            let client = Client::with_key_or_signed_in(&flags.server)?;
            let request = client.request(Method::GET, &format!("/api/v1/usage/export.csv?{}", flags.days.query()));
            let mut table = request.send().await.map_err(|error| client.unreachable(&error))?;
            if !table.status().is_success() {
                return Err(client.problem_of(table).await);
            }
            // Piece by piece: it may be larger than what is read of other replies.
            while let Some(piece) = table.chunk().await.map_err(|error| client.unreachable(&error))? {
                terminal::bytes(&piece)?;
            }
            Ok(Exit::Done)
        }
    }
}

async fn report(flags: Report) -> anyhow::Result<Exit> {
    let client = Client::with_key_or_signed_in(&flags.server)?;
    let own = if flags.own { "own=true" } else { "" };
    let report: UsageReport = client.get(&format!("/api/v1/usage?{}&{own}", flags.days.query())).await?;
    let lines = match flags.by {
        By::Day => &report.days,
        By::Model => &report.models,
        By::Expert => &report.experts,
        By::Person => &report.people,
    };
    if flags.json {
        terminal::json(&report)?;
    } else if flags.csv {
        terminal::data(&table(lines))?;
    } else {
        terminal::data(&plain(&words(&report, flags.by, lines)))?;
    }
    Ok(Exit::Done)
}

const HEAD: &str = "name,id,requests,input_tokens,cached_input_tokens,output_tokens,cost_usd,unpriced,estimated";

/// The lines as CSV (RFC 4180), without the last line's end.
fn table(lines: &[Line]) -> String {
    lines.iter().fold(HEAD.to_owned(), |out, line| {
        let (t, id) = (&line.totals, line.id.map(|id| id.to_string()).unwrap_or_default());
        let (name, cost) = (csv_cell(&line.name), dollars(t.cost_micros));
        let counts = format!("{},{},{},{}", t.requests, t.input_tokens, t.cached_input_tokens, t.output_tokens);
        format!("{out}\r\n{name},{id},{counts},{cost},{},{}", t.unpriced, t.estimated)
    })
}

/// Millionths of a dollar, with all places.
fn dollars(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn words(report: &UsageReport, by: By, lines: &[Line]) -> String {
    let (t, whose) = (&report.total, if report.own { "your own use" } else { "everybody's use" });
    let mut out = format!(
        "{} to {} (UTC), {whose}: {} {} for {} requests, {} tokens read and {} written",
        report.from,
        report.to,
        dollars(t.cost_micros),
        report.currency,
        t.requests,
        t.input_tokens,
        t.output_tokens
    );
    for (count, what) in [(t.unpriced, "without a price"), (t.estimated, "counted by rule")] {
        if count > 0 {
            out.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(f) = &report.forecast {
        out.push_str(&format!(
            "\nthis month: {} so far, about {} in all ({} to {}) if it goes on like this",
            dollars(f.spent_micros),
            dollars(f.expected_micros),
            dollars(f.low_micros),
            dollars(f.high_micros)
        ));
    }
    // Days without a request tell nothing on a terminal.
    let shown: Vec<&Line> = lines.iter().filter(|line| by != By::Day || line.totals.requests > 0).collect();
    let width = shown.iter().map(|line| line.name.chars().count()).max().unwrap_or_default();
    for line in shown {
        let t = &line.totals;
        out.push_str(&format!(
            "\n  {:<width$}  {:>14}  {:>8} requests  {:>12} read  {:>12} written",
            line.name,
            dollars(t.cost_micros),
            t.requests,
            t.input_tokens,
            t.output_tokens
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_platform::usage::Totals;

    fn line(name: &str) -> Line {
        let totals = Totals { requests: 2, input_tokens: 30, output_tokens: 4, cost_micros: 1_500_001, ..Totals::default() };
        Line { id: None, name: name.to_owned(), totals }
    }

    #[test]
    fn a_name_is_neither_a_formula_nor_a_second_cell() {
        let table = table(&[line("=1+1"), line("a, \"b\"")]);
        let rows: Vec<&str> = table.split("\r\n").collect();
        assert_eq!(rows, [HEAD, "'=1+1,,2,30,0,4,1.500001,0,0", "\"a, \"\"b\"\"\",,2,30,0,4,1.500001,0,0"]);
    }

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        assert!(day("2026-11-23").is_ok());
        for wrong in ["", "2026-02-30", "23.11.2026", "2026-11-23T00:00Z", "2026-W48-1"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }
}
