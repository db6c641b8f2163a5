//! What models are used for: totals, charts with a table behind each, the forecast, budgets and prices.

use super::{View, usage_budgets};
use crate::{
    api::usage::Days,
    caller::SignedIn,
    components::{
        settings::{Tab, settings},
        text::{bar, count},
    },
    extract::Params,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_kernel::Permission;
use vital_platform::{
    identity::Caller,
    usage::{self, Line, Totals, UsageReport},
};

pub(super) const PATH: &str = "/settings/usage";
/// Height of a chart, in its own units; each day is [`BAR`] wide.
const HEIGHT: i64 = 100;
const BAR: usize = 10;

/// Shows the use of the organisation, or one's own.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(days): Params<Days>) -> Reply<Markup> {
    index(&s, &view, &caller, &days, None).await
}

/// The page, with the form that was refused, if one was.
pub(super) async fn index(
    s: &AppState,
    view: &View,
    caller: &Caller,
    days: &Days,
    refused: Option<&crate::components::form::Refused>,
) -> Reply<Markup> {
    let (from, to) = days.read()?;
    let report = usage::report(&s.platform, &caller.cx, from, to, days.own == Some(true)).await?;
    let everybody = caller.cx.may(Permission::UsageRead);
    let body = html! {
        (head(&report, everybody))
        @if report.total.requests == 0 { (nothing(everybody)) } @else { (charts(&report)) }
        @if everybody && !report.own { (usage_budgets::section(s, caller, refused).await?) }
    };
    Ok(settings(view, caller, Tab::Usage, days.done.as_deref(), &[], &body))
}

/// An amount of millionths of a dollar for people: cents, and more places below one cent.
pub(super) fn dollars(micros: i64) -> String {
    if micros != 0 && micros < 10_000 {
        return format!("${}.{:06}", micros / 1_000_000, micros % 1_000_000);
    }
    let cents = (micros + 5_000) / 10_000;
    format!("${}.{:02}", cents / 100, cents % 100)
}

fn head(report: &UsageReport, everybody: bool) -> Markup {
    html! {
        p.dim {
            @if report.own { "What your own questions and keys used. " } @else { "What everybody's questions and keys used. " }
            "Each request to a model is counted by the provider's own figures, from " (report.from) " to " (report.to) " (UTC)."
        }
        form.filters method="get" action=(PATH) {
            div { label for="from" { "From" } input id="from" name="from" type="date" value=(report.from); }
            div { label for="to" { "To" } input id="to" name="to" type="date" value=(report.to); }
            @if everybody && report.own { input type="hidden" name="own" value="true"; }
            div.filters-acts.all {
                button type="submit" { "Show" }
                @if everybody && !report.own {
                    a.button href={ "/api/v1/usage/export.csv?from=" (report.from) "&to=" (report.to) } download { "Download as table (CSV)" }
                    a.button href={ (PATH) "?own=true" } { "Show my own use" }
                }
                @if everybody && report.own { a.button href=(PATH) { "Show everybody's use" } }
            }
        }
        @if report.total.requests > 0 { (totals(&report.total)) }
        @if let Some(f) = &report.forecast {
            p {
                "This month so far: " strong { (dollars(f.spent_micros)) } ". If it goes on as the last " (count(i64::try_from(f.days).unwrap_or(0), "day", "days"))
                " did, the month will cost about " strong { (dollars(f.expected_micros)) } ", probably between " (dollars(f.low_micros)) " and " (dollars(f.high_micros)) "."
            }
        } @else if !report.own && report.total.requests > 0 {
            p.dim { "A forecast of the month needs seven whole days of use." }
        }
    }
}

fn totals(t: &Totals) -> Markup {
    html! {
        p {
            strong { (dollars(t.cost_micros)) } " for " (count(t.requests, "request", "requests")) ": "
            (count(t.input_tokens, "token", "tokens")) " read, of these " (t.cached_input_tokens) " from a cache, and " (count(t.output_tokens, "token", "tokens")) " written."
            @if t.unpriced > 0 { " " (count(t.unpriced, "request has", "requests have")) " no price and no cost here." }
            @if t.estimated > 0 { " " (count(t.estimated, "request was", "requests were")) " cut or not reported in full, and is counted by rule." }
        }
    }
}

fn nothing(everybody: bool) -> Markup {
    html! {
        p { "No model was asked in these days. As soon as one writes an answer, this page shows what it read and wrote, what that cost, and for which expert." }
        @if everybody { p { "Answers that are sentences of your sources, word for word, cost nothing and are not counted. " a href="/settings/providers" { "Set up a model provider" } " to have answers written." } }
    }
}

fn charts(report: &UsageReport) -> Markup {
    html! {
        section aria-labelledby="days-h" {
            h2 #days-h { "By day" }
            (columns(&report.days))
            details.act { summary { "As a table" } (table("Day", &report.days)) }
        }
        @for (id, title, lines) in [("models", "Model", &report.models), ("experts", "Expert", &report.experts), ("people", "Person", &report.people)] {
            @if !lines.is_empty() {
                section aria-labelledby={ (id) "-h" } { h2 id={ (id) "-h" } { "By " (title.to_lowercase()) } (shares(title, lines)) }
            }
        }
    }
}

/// What a line is drawn by: its cost, or its tokens where nothing has a price.
fn size(line: &Line, priced: bool) -> i64 {
    if priced { line.totals.cost_micros } else { line.totals.input_tokens + line.totals.output_tokens }
}

fn columns(days: &[Line]) -> Markup {
    let priced = days.iter().any(|d| d.totals.cost_micros > 0);
    let most = days.iter().map(|d| size(d, priced)).max().unwrap_or(0).max(1);
    let dearest = days.iter().max_by_key(|d| size(d, priced));
    let what = if priced { "Cost of each day" } else { "Tokens of each day" };
    let day = |line: Option<&Line>| line.map_or_else(String::new, |d| d.name.clone());
    let most_on = dearest.map_or_else(String::new, |d| format!("; most on {}: {}", d.name, amount(d, priced)));
    let caption = format!("{what}, from {} to {}{most_on}", day(days.first()), day(days.last()));
    html! {
        p.fine aria-hidden="true" { (caption) "." }
        svg.chart viewBox={ "0 0 " (days.len() * BAR) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(caption) {
            @for (n, day) in days.iter().enumerate() {
                @let height = i64::try_from(i128::from(size(day, priced)) * i128::from(HEIGHT) / i128::from(most)).unwrap_or(0);
                rect.bar-part x=(n * BAR + 1) y=(HEIGHT - height) width=(BAR - 2) height=(height) { title { (day.name) ": " (amount(day, priced)) } }
            }
        }
    }
}

fn amount(line: &Line, priced: bool) -> String {
    if priced { dollars(line.totals.cost_micros) } else { count(size(line, false), "token", "tokens") }
}

fn shares(title: &str, lines: &[Line]) -> Markup {
    let priced = lines.iter().any(|l| l.totals.cost_micros > 0);
    let most = lines.iter().map(|l| size(l, priced)).max().unwrap_or(0).max(1);
    #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
    let share = |line: &Line| size(line, priced) as f32 / most as f32;
    html! {
        table.sheet-list {
            thead { tr { th { (title) } th { "Cost" } th { span.sr { "Share" } } th { "Requests" } th { "Tokens" } } }
            tbody {
                @for line in lines {
                    tr {
                        td data-label=(title) { (line.name) }
                        td data-label="Cost" { (cost(&line.totals)) }
                        td { (bar(share(line))) }
                        td data-label="Requests" { (line.totals.requests) }
                        td data-label="Tokens" { (line.totals.input_tokens + line.totals.output_tokens) }
                    }
                }
            }
        }
    }
}

fn cost(t: &Totals) -> String {
    if t.requests > 0 && t.unpriced == t.requests { "no price".to_owned() } else { dollars(t.cost_micros) }
}

fn table(title: &str, lines: &[Line]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { (title) } th { "Cost" } th { "Requests" } th { "Tokens read" } th { "Tokens written" } } }
            tbody {
                @for line in lines {
                    tr {
                        td data-label=(title) { (line.name) }
                        td data-label="Cost" { (cost(&line.totals)) }
                        td data-label="Requests" { (line.totals.requests) }
                        td data-label="Tokens read" { (line.totals.input_tokens) }
                        td data-label="Tokens written" { (line.totals.output_tokens) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_cents_and_small_ones_all_places() {
        assert_eq!(
            [0, 1, 9_999, 10_000, 1_235_000, 1_999_995_000].map(dollars),
            ["$0.00", "$0.000001", "$0.009999", "$0.01", "$1.24", "$2000.00"]
        );
    }
}
