//! What writes the answers of an organisation: its models in their order, its providers, the installation's, and experts with models of their own.

use super::{
    View,
    provider_fields::{self as fields, Preset},
    security::Seen,
};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, count},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{ModelId, Permission};
use vital_platform::{
    identity::Caller,
    providers::{self, ExpertModels, Model, ModelProvider, ProviderPolicy, ProviderPolicyChange, TestState},
};

pub(super) const PATH: &str = "/settings/providers";
/// A form that asks for no second factor: it changes neither where content goes nor with which key.
pub(super) const UNPROVEN: StepUp = StepUp { proven: true, factor: true, passkey: false };
/// Models that the form of an expert offers at least.
const EXPERT_MODELS: usize = 3;

/// Shows what writes answers.
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    index(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn index(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let (p, cx) = (&s.platform, &caller.cx);
    let (all, models, policy) = (providers::providers(p, cx).await?, providers::models(p, cx).await?, providers::policy(p, cx).await?);
    let experts = providers::models_of_experts(p, cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let may = caller.cx.may(Permission::ProviderManage);
    let body = html! {
        p.dim { "An answer is written by the first model in this order that is in use; if it cannot answer, the next one does. Each is given the question and the passages found for it; whoever writes, every sentence is checked against your sources." }
        (now(&models, &policy))
        @if !models.is_empty() { (order(&models, may)) }
        @if !all.is_empty() { (table(&all)) }
        @if may {
            section aria-labelledby="add-h" {
                h2 #add-h { "Add a provider" }
                @for preset in Preset::ALL { (add(ask, preset, refused)) }
            }
        }
        @if !models.is_empty() { (of_experts(&experts, &models, may)) }
        (installation(ask, refused, &policy, may))
        (direct(ask, refused, &policy, models.iter().find(|m| m.in_use), may))
    };
    Ok(settings(view, caller, Tab::Providers, done, &["passkey.js"], &body))
}

fn now(models: &[Model], policy: &ProviderPolicy) -> Markup {
    let first = models.iter().find(|m| m.in_use);
    html! {
        p {
            @match (first, policy.installation.as_ref().filter(|_| policy.installation_allowed)) {
                (Some(m), _) => { "Now: " strong { (m.name) } " at " strong { (m.provider_name) } "." }
                (None, Some(i)) => { "No model of your own is in use, so " strong { (i.model) } " at " code { (i.host) } " writes the answers, which whoever runs this installation set up for all organisations." }
                (None, None) => { strong { "Extractive: " } "no model is in use, so answers are sentences of your sources, word for word, and nothing leaves this server." }
            }
        }
        @if models.is_empty() {
            p { "With a provider of your own, answers are written under your contract and with your key: a service such as OpenAI, Azure OpenAI, Anthropic or Google, or a model on your own machines with Ollama or vLLM. Add one below, test it, and it is used from the next answer on." }
        }
    }
}

fn order(models: &[Model], may: bool) -> Markup {
    html! {
        section aria-labelledby="order-h" {
            h2 #order-h { "Models in their order" }
            table.sheet-list {
                thead { tr { th { "Model" } th { "Provider" } th { "State" } th { "Last test" } @if may { th { span.sr { "Move" } } } } }
                tbody {
                    @for (i, m) in models.iter().enumerate() {
                        tr id={ "m-" (m.id) } {
                            td data-label="Model" { (i + 1) ". " (m.name) }
                            td data-label="Provider" { a href={ (PATH) "/" (m.provider) } { (m.provider_name) } }
                            td data-label="State" { (state(m)) }
                            td data-label="Last test" { (last_test(m)) }
                            @if may { td.acts-cell { (moves(m, i == 0, i + 1 == models.len())) } }
                        }
                    }
                }
            }
        }
    }
}

fn moves(m: &Model, first: bool, last: bool) -> Markup {
    html! {
        form.moves method="post" action={ (PATH) "/models/" (m.id) "/move" } {
            button.quiet type="submit" name="to" value="up" disabled[first] aria-label={ "Move " (m.name) " up" } { "↑" }
            button.quiet type="submit" name="to" value="down" disabled[last] aria-label={ "Move " (m.name) " down" } { "↓" }
        }
    }
}

/// Whether a model is used, for people.
pub(super) const fn state(m: &Model) -> &'static str {
    match (m.in_use, m.enabled) {
        (true, _) => "in use",
        (false, true) => "not used: its provider is switched off",
        (false, false) => "switched off",
    }
}

/// What the last test found, for people.
pub(super) fn last_test(m: &Model) -> Markup {
    let words = |state| match state {
        TestState::Answers => "answered",
        TestState::KeyRefused => "key refused",
        TestState::ModelUnknown => "model unknown",
        TestState::Limited => "takes no more requests",
        TestState::Refused => "refused",
        TestState::NotReached => "not reached",
        TestState::TooSlow => "too slow",
        TestState::Unreadable => "not its format",
    };
    html! { @match m.tested_at.zip(m.test_state) { Some((at, state)) => { (words(state)) ", " (ago(at)) } None => "never" } }
}

fn table(all: &[ModelProvider]) -> Markup {
    html! {
        section aria-labelledby="providers-h" {
            h2 #providers-h { "Providers" }
            table.sheet-list {
                thead { tr { th { "Name" } th { "Format" } th { "Address" } th { "Key" } th { "State" } } }
                tbody {
                    @for p in all {
                        tr {
                            td data-label="Name" { a href={ (PATH) "/" (p.id) } { (p.name) } }
                            td data-label="Format" { (fields::format(p.format)) }
                            td data-label="Address" { (p.base_url) }
                            td data-label="Key" { @match p.key_set_at { Some(at) => { "stored " (ago(at)) } None => "none" } }
                            td data-label="State" { (if p.enabled { "in use" } else { "switched off" }) ", " (count(i64::try_from(p.models.len()).unwrap_or(i64::MAX), "model", "models")) }
                        }
                    }
                }
            }
        }
    }
}

fn add(ask: StepUp, preset: Preset, refused: Option<&Refused>) -> Markup {
    let says = "From the next answer on, questions and the passages found for them go to this address.";
    let act = Act { action: PATH, says, button: "Add the provider", destroys: false };
    let filled = Filled::of(preset.as_str(), refused);
    folded(ask, &filled, &act, &format!("{}…", preset.title()), "", &fields::of_new(filled, preset))
}

fn of_experts(experts: &[ExpertModels], models: &[Model], may: bool) -> Markup {
    let name = |id: &ModelId| models.iter().find(|m| m.id == *id).map_or("", |m| m.name.as_str());
    let own: Vec<&ExpertModels> = experts.iter().filter(|e| !e.models.is_empty()).collect();
    html! {
        section aria-labelledby="experts-h" {
            h2 #experts-h { "Experts with models of their own" }
            @if own.is_empty() { p { "None: every expert uses the order above." } } @else {
                ul.plain { @for e in own { li { a href={ (PATH) "/experts/" (e.slug) } { (e.name) } ": " (e.models.iter().map(name).collect::<Vec<_>>().join(", then ")) } } }
            }
            @if may {
                details.act {
                    summary { "Choose the models of an expert…" }
                    ul.plain { @for e in experts { li { a href={ (PATH) "/experts/" (e.slug) } { (e.name) } } } }
                }
            }
        }
    }
}

fn installation(ask: StepUp, refused: Option<&Refused>, policy: &ProviderPolicy, may: bool) -> Markup {
    let action = format!("{PATH}/installation");
    let allowed = policy.installation_allowed;
    let (says, button) = if allowed {
        ("Where no model of your own is in use, answers are then sentences of your sources, word for word.", "Forbid it")
    } else {
        (
            "Where no model of your own is in use, questions and the passages found for them then go to the installation's provider.",
            "Allow it",
        )
    };
    let act = Act { action: &action, says, button, destroys: allowed };
    let inner = html! { input type="hidden" name="allowed" value=(if allowed { "no" } else { "yes" }); };
    html! {
        section aria-labelledby="installation-h" {
            h2 #installation-h { "The installation's provider" }
            p {
                @match &policy.installation {
                    Some(i) => { "Whoever runs this installation set " strong { (i.model) } " at " code { (i.host) } " up for all organisations. It " }
                    None => "Whoever runs this installation has set none up for all organisations. If that changes, it "
                }
                @if allowed { "may write your answers where no model of your own is in use." } @else { "may not write your answers." }
            }
            @if may { (folded(ask, &Filled::of("installation", refused), &act, if allowed { "Forbid it…" } else { "Allow it…" }, "", &inner)) }
        }
    }
}

/// Whether programs may send prompts of their own to the models.
fn direct(ask: StepUp, refused: Option<&Refused>, policy: &ProviderPolicy, model: Option<&Model>, may: bool) -> Markup {
    let action = format!("{PATH}/direct");
    let allowed = policy.direct_models;
    let (says, button) = if allowed {
        ("Programs that use models directly get an error from then on. Experts answer as before.", "Forbid it")
    } else {
        (
            "Prompts and answers then pass as they are: nothing is searched, and nothing that comes back is bound to your sources. Each use leaves an entry in the trail, with names and counts of tokens and without content.",
            "Allow it",
        )
    };
    let act = Act { action: &action, says, button, destroys: allowed };
    let inner = html! { input type="hidden" name="allowed" value=(if allowed { "no" } else { "yes" }); };
    html! {
        section aria-labelledby="direct-h" {
            h2 #direct-h { "Models for other programs" }
            p {
                "Programs that speak OpenAI's or Anthropic's interface can ask your models through this server at " code { "/v1" } ", past the experts. That "
                @if allowed { strong { "is allowed" } " to members and service accounts whose role and key hold " code { "model.use" } "." }
                @else { strong { "is not allowed" } "." }
                @if let Some(m) = model { " The name of the first model there: " code { "models/" (m.name) } "." }
            }
            @if may { (folded(ask, &Filled::of("direct", refused), &act, if allowed { "Forbid it…" } else { "Allow it…" }, "", &inner)) }
        }
    }
}

/// Adds a provider.
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let added = match by.outcome {
        Ok(()) => providers::add_provider(&s.platform, &by.caller.cx, fields::new(&given)).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(provider) => step_up::done(by.jar, &Done::ModelProviderAdded.at(&format!("{PATH}/{}", provider.id))),
        Err(error) => {
            let refused = Refused::new(Preset::parse(given.one("preset")).as_str(), given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Allows or forbids the installation's provider.
pub(crate) async fn decide(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let change = ProviderPolicyChange { installation_allowed: Some(given.has("allowed", "yes")), ..ProviderPolicyChange::default() };
    decided(&s, caller, &view, jar, given, ("installation", change)).await
}

/// Allows or forbids programs to use models directly.
pub(crate) async fn decide_direct(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let change = ProviderPolicyChange { direct_models: Some(given.has("allowed", "yes")), ..ProviderPolicyChange::default() };
    decided(&s, caller, &view, jar, given, ("direct", change)).await
}

async fn decided(
    s: &AppState,
    caller: Caller,
    view: &View,
    jar: CookieJar,
    given: Fields,
    (form, change): (&'static str, ProviderPolicyChange),
) -> Response {
    let by = step_up::prove(s, caller, jar, &given).await;
    let decided = match by.outcome {
        Ok(()) => providers::set_policy(&s.platform, &by.caller.cx, change).await,
        Err(error) => Err(error),
    };
    match decided {
        Ok(()) => step_up::done(by.jar, &Done::ProviderPolicy.at(PATH)),
        Err(error) => {
            let refused = Refused::new(form, given, error);
            step_up::again(by.jar, &refused, index(s, view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Moves a model up or down.
pub(crate) async fn move_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ModelId>,
    Form(given): Form<Fields>,
) -> Reply<Response> {
    providers::move_model(&s.platform, &caller.cx, id, given.has("to", "up")).await?;
    Ok(Redirect::to(&format!("{}#m-{id}", Done::ModelsOrdered.at(PATH))).into_response())
}

/// Shows the models of an expert.
pub(crate) async fn expert(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Path(slug): Path<String>) -> Reply<Markup> {
    expert_page(&s, &view, &caller, &slug, None).await
}

async fn expert_page(s: &AppState, view: &View, caller: &Caller, slug: &str, refused: Option<&Refused>) -> Reply<Markup> {
    let expert = providers::expert_models(&s.platform, &caller.cx, slug).await?;
    let models = providers::models(&s.platform, &caller.cx).await?;
    let (action, filled) = (format!("{PATH}/experts/{slug}"), Filled::of("expert", refused));
    let places = EXPERT_MODELS.max(expert.models.len() + 1).min(models.len());
    let body = html! {
        p.crumbs { a href=(PATH) { "Model providers" } " › " (expert.name) }
        h2 { "Models of " (expert.name) }
        p { "Without models of its own, the expert uses the order of the organisation. With some, its questions go to these and to no other: when none of them is in use, its answers are sentences of your sources, word for word." }
        @if models.is_empty() { p { "There is no model yet. " a href=(PATH) { "Add a provider first." } } }
        @else if caller.cx.may(Permission::ProviderManage) {
            form.stack method="post" action=(action) {
                (filled.notice())
                @for place in 0..places { (choice(filled, filled.given(), &expert, &models, place)) }
                p.field-hint { "Leave all empty for the order of the organisation." }
                button.primary type="submit" { "Save" }
            }
        }
    };
    Ok(settings(view, caller, Tab::Providers, None, &[], &body))
}

fn choice(filled: Filled<'_>, refused: Option<&Fields>, expert: &ExpertModels, models: &[Model], place: usize) -> Markup {
    let id = filled.id(&format!("models-{place}"));
    let chosen =
        |m: &Model| refused.map_or_else(|| expert.models.get(place) == Some(&m.id), |given| sent(given).nth(place) == Some(Some(m.id)));
    let fault = refused.and_then(|given| fault(filled, given, place));
    let hint = format!("{id}-hint");
    html! {
        label for=(id) { @if place == 0 { "First" } @else { "If that one cannot answer" } }
        select id=(id) name="models" aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| &hint)] {
            option value="" { "None" }
            @for m in models { option value=(m.id) selected[chosen(m)] { (m.name) " at " (m.provider_name) @if !m.in_use { " (" (state(m)) ")" } } }
        }
        @if let Some(fault) = fault { p.field-hint.bad id=(hint) { (fault) } }
    }
}

/// What was chosen in each place; none where a place was left empty.
fn sent(given: &Fields) -> impl Iterator<Item = Option<ModelId>> {
    given.all("models").map(|v| v.parse().ok())
}

/// The fault of a place. Faults count the models that were named, and leave out the places that were left empty.
fn fault<'a>(filled: Filled<'a>, given: &Fields, place: usize) -> Option<&'a str> {
    sent(given).nth(place).flatten()?;
    let named = sent(given).take(place).flatten().count().to_string();
    filled.faults("models").into_iter().find(|(at, _)| *at == named).map(|(_, detail)| detail)
}

/// Chooses the models of an expert.
pub(crate) async fn choose(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Path(slug): Path<String>,
    Form(given): Form<Fields>,
) -> Response {
    match providers::set_expert_models(&s.platform, &caller.cx, &slug, &given.parsed::<ModelId>("models")).await {
        Ok(_) => step_up::done(jar, &Done::ExpertModels.at(PATH)),
        Err(error) => {
            let refused = Refused::new("expert", given, error);
            step_up::again(jar, &refused, expert_page(&s, &view, &caller, &slug, Some(&refused))).await
        }
    }
}
