//! The budgets of the organisation and the prices of its models, as part of the page of use.

use super::{
    View,
    usage::{PATH, dollars, index},
};
use crate::{
    api::usage::Days,
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        text::{bar, moment},
    },
    extract::{Form, Id},
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use vital_kernel::{BudgetId, Error, ModelId, Permission, Result};
use vital_platform::{
    experts,
    identity::{self, Caller, MemberFilter},
    providers::{self, ModelPrice, NewPrice},
    usage::{self, Budget, BudgetScope, BudgetState, NewBudget, Period},
};

/// People that the form offers.
const PEOPLE_MAX: i64 = 200;

/// Shows budgets and prices, with the forms for whoever may set them.
pub(super) async fn section(s: &AppState, caller: &Caller, refused: Option<&Refused>) -> Reply<Markup> {
    let (p, cx) = (&s.platform, &caller.cx);
    let budgets = usage::budgets(p, cx).await?;
    let prices = providers::prices(p, cx).await?;
    let may = cx.may(Permission::BudgetManage);
    let who = if may { subjects(s, caller).await? } else { Vec::new() };
    Ok(html! {
        section aria-labelledby="budgets-h" {
            h2 #budgets-h { "Budgets" }
            @for b in budgets.iter().filter(|b| b.state != BudgetState::Within) { (warning(b)) }
            @if budgets.is_empty() {
                p { "There is no budget, so requests to models are limited by nothing but the providers. With one, the most that a request can cost is held before it goes out, and what does not fit is refused before anything is sent." }
            } @else { (table(&budgets, may)) }
            @if may { (form(&Filled::of("budget", refused), &who)) }
        }
        section aria-labelledby="prices-h" {
            h2 #prices-h { "Prices" }
            p { "Models at OpenAI, Anthropic and Google have the list price that ships with the product, where it has one. Set the price of your own contract, or 0 for a model on your own machines: a budget of money cannot cover a model without a price." }
            @if prices.is_empty() { p { "No model is set up." } }
            @for price in &prices { (price_of(price, may, refused)) }
        }
    })
}

async fn subjects(s: &AppState, caller: &Caller) -> Result<Vec<(String, String)>> {
    let (p, cx) = (&s.platform, &caller.cx);
    let mut who = vec![
        ("organisation".to_owned(), "The whole organisation".to_owned()),
        ("every_person".to_owned(), "Every person, each for themselves".to_owned()),
    ];
    let people = identity::members(p, cx, &MemberFilter { limit: PEOPLE_MAX, ..MemberFilter::default() }).await?;
    who.extend(people.into_iter().map(|m| (format!("person:{}", m.id), m.display_name)));
    who.extend(experts::list(p, cx).await?.into_iter().map(|e| (format!("expert:{}", e.slug), format!("Expert: {}", e.name))));
    Ok(who)
}

fn name(b: &Budget) -> String {
    match (b.scope, &b.name) {
        (BudgetScope::Organisation, _) => "The whole organisation".to_owned(),
        (BudgetScope::EveryPerson, _) => "Every person".to_owned(),
        (_, Some(name)) => name.clone(),
        (BudgetScope::Person, None) => "A person".to_owned(),
        (BudgetScope::Expert, None) => "An expert".to_owned(),
    }
}

fn warning(b: &Budget) -> Markup {
    html! {
        p.notice.bad[b.state == BudgetState::Exhausted] role="status" {
            (name(b)) ": the " (b.period.adjective()) " budget is "
            @if b.state == BudgetState::Exhausted { "used up. Requests are refused until it renews or is raised." } @else { "nearly used up." }
        }
    }
}

fn table(budgets: &[Budget], may: bool) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Whose" } th { "Each" } th { "Used" } th { span.sr { "Share" } } th { "Renews" } @if may { th { span.sr { "Remove" } } } } }
            tbody {
                @for b in budgets {
                    tr {
                        td data-label="Whose" { (name(b)) }
                        td data-label="Each" { (b.period.as_str()) }
                        td data-label="Used" {
                            @if let Some(limit) = b.limit_micros { (dollars(b.spent_micros)) " of " (dollars(limit)) }
                            @if b.limit_micros.is_some() && b.limit_tokens.is_some() { ", " }
                            @if let Some(limit) = b.limit_tokens { (b.spent_tokens) " of " (limit) " tokens" }
                        }
                        td { (bar(share(b))) }
                        td data-label="Renews" { (moment(b.renews_at)) }
                        @if may { td.acts-cell { form method="post" action={ (PATH) "/budgets/" (b.id) "/delete" } { button.quiet type="submit" aria-label={ "Remove the budget of " (name(b)) } { "Remove" } } } }
                    }
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
fn share(b: &Budget) -> f32 {
    let of = |spent: i64, limit: Option<i64>| limit.map_or(0.0, |limit| spent as f32 / limit.max(1) as f32);
    of(b.spent_tokens, b.limit_tokens).max(of(b.spent_micros, b.limit_micros))
}

fn form(filled: &Filled<'_>, who: &[(String, String)]) -> Markup {
    html! {
        details.act open[filled.is_refused()] {
            summary { "Set a budget…" }
            form.stack method="post" action={ (PATH) "/budgets" } {
                (filled.notice())
                label for=(filled.id("who")) { "Whose use" }
                select id=(filled.id("who")) name="who" { @for (value, name) in who { option value=(value) selected[filled.value("who", "organisation") == value] { (name) } } }
                label for=(filled.id("period")) { "Renews each" }
                select id=(filled.id("period")) name="period" {
                    option value="month" selected[filled.value("period", "month") == "month"] { "month" }
                    option value="day" selected[filled.value("period", "month") == "day"] { "day" }
                }
                (optional(filled, "dollars", "US dollars", "Empty for no limit in money.", "0.01"))
                (filled.hint("limit_micros", ""))
                (optional(filled, "limit_tokens", "Tokens", "Those read and those written. Empty for no limit in tokens.", "1"))
                label for=(filled.id("soft_percent")) { "Tell administrators at (percent)" }
                input id=(filled.id("soft_percent")) name="soft_percent" type="number" min="1" max="100" value=(filled.value("soft_percent", "80")) required;
                (filled.hint("soft_percent", ""))
                p.field-hint { "A budget that is there already for the same period gets these limits." }
                button.primary type="submit" { "Set the budget" }
            }
        }
    }
}

fn optional(filled: &Filled<'_>, field: &str, label: &str, hint: &str, step: &str) -> Markup {
    html! {
        label for=(filled.id(field)) { (label) }
        input id=(filled.id(field)) name=(field) type="number" min="0" step=(step) inputmode="decimal" value=(filled.value(field, ""))
            aria-invalid=[(!filled.faults(field).is_empty()).then_some("true")] aria-describedby=[filled.described(field, hint)];
        (filled.hint(field, hint))
    }
}

fn price_of(price: &ModelPrice, may: bool, refused: Option<&Refused>) -> Markup {
    let key = price.model.map_or_else(|| "installation".to_owned(), |id| id.to_string());
    let form_name = format!("price-{key}");
    let filled = Filled::of(&form_name, refused);
    let own = |amount: fn(&usage::OwnPrice) -> u64| price.own.as_ref().map_or(String::new(), |own| decimal(amount(own)));
    let (input, output) = (own(|p| p.input), own(|p| p.output));
    html! {
        p {
            strong { (price.name) } " at " (price.provider) ": "
            @match &price.own {
                Some(own) => { "$" (decimal(own.input)) " for a million tokens read, $" (decimal(own.output)) " for a million written (set here)" }
                None if price.priced => "list price"
                None => "no price"
            }
        }
        @if may {
            details.act open[filled.is_refused()] {
                summary { "Set the price of " (price.name) "…" }
                form.stack method="post" action={ (PATH) "/prices" } {
                    (filled.notice())
                    input type="hidden" name="model" value=(key);
                    (optional(&filled, "input", "US dollars for a million tokens read", "", "0.000001"))
                    (optional(&filled, "output", "US dollars for a million tokens written", "Leave both empty for the list price.", "0.000001"))
                    @if price.own.is_some() { p.field-hint { "Now " (input) " and " (output) "." } }
                    button.primary type="submit" { "Save" }
                }
            }
        }
    }
}

/// Millionths of a dollar as dollars, without loss.
fn decimal(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Dollars as people write them, in millionths; none where nothing is written.
fn micros(pointer: &str, text: &str) -> Result<Option<u64>> {
    let text = text.trim().trim_start_matches('$');
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        Error::invalid("usage.amount", "Some fields need another look. Nothing was stored.")
            .with_field(pointer, "Write an amount such as 12.50, with at most six places.")
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str, most: usize| part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 9) || !digits(fraction, 6) || whole.is_empty() && fraction.is_empty() {
        return Err(wrong());
    }
    format!("{whole}{fraction:0<6}").parse().map(Some).map_err(|_| wrong())
}

async fn budget_in(s: &AppState, caller: &Caller, given: &Fields) -> Result<NewBudget> {
    let (scope, id) = given.one("who").split_once(':').unwrap_or((given.one("who"), ""));
    let unknown = || Error::invalid("budget.invalid", "Choose whose use the budget limits. Nothing was stored.");
    let scope = match scope {
        "organisation" => BudgetScope::Organisation,
        "every_person" => BudgetScope::EveryPerson,
        "person" => BudgetScope::Person,
        "expert" => BudgetScope::Expert,
        _ => return Err(unknown()),
    };
    let tokens = given.one("limit_tokens").trim();
    let limit_tokens = if tokens.is_empty() {
        None
    } else {
        let wrong = |_| {
            Error::invalid("budget.invalid", "Some fields need another look. Nothing was stored.")
                .with_field("/limit_tokens", "Write a whole number.")
        };
        Some(tokens.parse().map_err(wrong)?)
    };
    Ok(NewBudget {
        scope,
        user: if scope == BudgetScope::Person { Some(id.parse().map_err(|_| unknown())?) } else { None },
        expert: if scope == BudgetScope::Expert { Some(experts::find(&s.platform, &caller.cx, id).await?.id) } else { None },
        period: if given.one("period") == "day" { Period::Day } else { Period::Month },
        limit_tokens,
        limit_micros: micros("/dollars", given.one("dollars"))?,
        soft_percent: given.one("soft_percent").parse().ok(),
    })
}

fn price_in(given: &Fields) -> Result<(Option<ModelId>, Option<NewPrice>)> {
    let model = given.one("model").parse().ok();
    if model.is_none() && given.one("model") != "installation" {
        return Err(Error::invalid("usage.price_invalid", "Choose a model. Nothing was stored."));
    }
    let price = match (micros("/input", given.one("input"))?, micros("/output", given.one("output"))?) {
        (None, None) => None,
        (input, output) => Some(NewPrice { input: input.unwrap_or(0), cached_input: None, cache_write: None, output: output.unwrap_or(0) }),
    };
    Ok((model, price))
}

async fn again(s: &AppState, view: &View, caller: &Caller, form: String, given: Fields, error: Error) -> Reply<Response> {
    let refused = Refused::new(form, given, error);
    if !refused.is_mendable() {
        return Err(refused.problem().clone());
    }
    let page = index(s, view, caller, &Days::default(), Some(&refused)).await?;
    Ok((refused.problem().status(), page).into_response())
}

/// Sets a budget.
pub(crate) async fn set(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Form(given): Form<Fields>) -> Reply<Response> {
    // First: the forms are on nobody else's page, so there is no page to show them on again.
    caller.cx.require(Permission::BudgetManage)?;
    let set = match budget_in(&s, &caller, &given).await {
        Ok(new) => usage::set_budget(&s.platform, &caller.cx, new).await.map(drop),
        Err(error) => Err(error),
    };
    match set {
        Ok(()) => Ok(Redirect::to(&Done::BudgetSet.at(PATH)).into_response()),
        Err(error) => again(&s, &view, &caller, "budget".to_owned(), given, error).await,
    }
}

/// Removes a budget.
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<BudgetId>) -> Reply<Response> {
    usage::remove_budget(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to(&Done::BudgetRemoved.at(PATH)).into_response())
}

/// Sets the price of a model, or goes back to the list's.
pub(crate) async fn set_price(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Form(given): Form<Fields>,
) -> Reply<Response> {
    caller.cx.require(Permission::BudgetManage)?;
    let set = match price_in(&given) {
        Ok((model, Some(price))) => providers::set_price(&s.platform, &caller.cx, model, price).await,
        Ok((model, None)) => providers::remove_price(&s.platform, &caller.cx, model).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(()) => Ok(Redirect::to(&Done::PriceSet.at(PATH)).into_response()),
        Err(error) => {
            let form = format!("price-{}", given.one("model"));
            again(&s, &view, &caller, form, given, error).await
        }
    }
}
