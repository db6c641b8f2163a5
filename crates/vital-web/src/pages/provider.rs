//! One model provider of the organisation: its settings, its models and their tests.

use super::{
    View, provider_fields as fields,
    providers::{PATH, UNPROVEN, last_test, state},
    security::Seen,
};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, worded},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{ModelId, ModelProviderId, Permission, Result};
use vital_platform::{
    identity::Caller,
    providers::{self, Model, ModelChange, ModelProvider, ModelProviderChange, ModelTest, TestState},
};

/// Shows one provider.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<ModelProviderId>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    one(&s, &view, &caller, id, &Said { done: seen.done.as_deref(), ..Said::default() }).await
}

/// What the page has to say beside what is stored.
#[derive(Default)]
struct Said<'a> {
    done: Option<&'a str>,
    refused: Option<&'a Refused>,
    tested: Option<(&'a Model, &'a ModelTest)>,
}

async fn one(s: &AppState, view: &View, caller: &Caller, id: ModelProviderId, said: &Said<'_>) -> Reply<Markup> {
    let provider = providers::provider(&s.platform, &caller.cx, id).await?;
    let ask = step_up::asked(s, caller).await?;
    let may = caller.cx.may(Permission::ProviderManage);
    let body = html! {
        p.crumbs { a href=(PATH) { "Model providers" } " › " (provider.name) }
        h2 { (provider.name) }
        @if let Some((model, test)) = said.tested { (outcome(model, test)) }
        (facts(&provider))
        @if may { (change_form(ask, said.refused, &provider)) (switch(ask, said.refused, &provider)) (removal(ask, said.refused, &provider)) }
        h2 { "Models" }
        @if provider.models.is_empty() { p { "No model yet, so nothing is sent to this provider. Add one below." } }
        @for model in &provider.models { (of_model(ask, said.refused, model, may)) }
        @if may { (add(said.refused, &provider)) }
    };
    Ok(settings(view, caller, Tab::Providers, said.done, &["passkey.js"], &body))
}

fn outcome(model: &Model, test: &ModelTest) -> Markup {
    let fine = test.state == TestState::Answers;
    html! {
        p.notice.bad[!fine] role=(if fine { "status" } else { "alert" }) {
            (model.name) ": " (worded(&test.detail))
            @match test.first_token_ms { Some(ms) => { " The first word came after " (ms) " ms, all of it after " (test.took_ms) " ms." } None => { " It took " (test.took_ms) " ms." } }
        }
    }
}

fn facts(p: &ModelProvider) -> Markup {
    html! {
        dl.facts {
            div { dt { "State" } dd { (if p.enabled { "in use" } else { "switched off" }) } }
            div { dt { "Format" } dd { (fields::format(p.format)) } }
            div { dt { "Address" } dd { code { (p.base_url) } } }
            div { dt { "Key" } dd { @match p.key_set_at { Some(at) => { "stored " (ago(at)) ", never shown" } None => "none" } } }
            div { dt { "Changed" } dd { (ago(p.updated_at)) } }
        }
    }
}

fn change_form(ask: StepUp, refused: Option<&Refused>, p: &ModelProvider) -> Markup {
    let action = format!("{PATH}/{}", p.id);
    let says = "This counts from the next answer on. The format cannot change: add another provider for that.";
    let act = Act { action: &action, says, button: "Save", destroys: false };
    let filled = Filled::of("change", refused);
    folded(ask, &filled, &act, "Change name, address or key…", "", &fields::of_present(filled, p))
}

fn switch(ask: StepUp, refused: Option<&Refused>, p: &ModelProvider) -> Markup {
    let action = format!("{PATH}/{}/active", p.id);
    let (says, button, summary) = if p.enabled {
        ("No further answer is written by its models; those being written are finished.", "Switch it off", "Switch it off…")
    } else {
        ("Its models write answers again, in their order.", "Switch it on", "Switch it on…")
    };
    let act = Act { action: &action, says, button, destroys: p.enabled };
    let inner = html! { input type="hidden" name="enabled" value=(if p.enabled { "no" } else { "yes" }); };
    folded(ask, &Filled::of("active", refused), &act, summary, "", &inner)
}

fn removal(ask: StepUp, refused: Option<&Refused>, p: &ModelProvider) -> Markup {
    let action = format!("{PATH}/{}/delete", p.id);
    let says = "This removes the provider with its key and its models. Answers that they wrote stay and go on naming them.";
    let act = Act { action: &action, says, button: "Remove the provider", destroys: true };
    folded(ask, &Filled::of("delete", refused), &act, "Remove it…", "", &html! {})
}

fn of_model(ask: StepUp, refused: Option<&Refused>, m: &Model, may: bool) -> Markup {
    let at = |verb: &str| format!("{PATH}/models/{}{verb}", m.id);
    let (test, change, active, delete) = (at("/test"), at(""), at("/active"), at("/delete"));
    let form = |verb: &str| format!("{verb}-{}", m.id);
    let (test_form, change_form, delete_form) = (form("test"), form("change"), form("delete"));
    let changed = Filled::of(&change_form, refused);
    let testing = "One small request is sent, as an answer would be. It costs a few tokens at the provider.";
    html! {
        section.model id={ "m-" (m.id) } aria-labelledby={ "h-" (m.id) } {
            div.section-head {
                h3 id={ "h-" (m.id) } { (m.name) }
                @if may {
                    form method="post" action=(active) {
                        input type="hidden" name="enabled" value=(if m.enabled { "no" } else { "yes" });
                        button type="submit" { (if m.enabled { "Switch off" } else { "Switch on" }) span.sr { " " (m.name) } }
                    }
                }
            }
            p.dim { (state(m)) " · at most " (m.max_output_tokens) " tokens · temperature " (m.temperature) " · last test: " (last_test(m)) }
            @if may {
                (folded(ask, &Filled::of(&test_form, refused), &Act { action: &test, says: testing, button: "Test the model", destroys: false }, "Test it…", &m.name, &html! {}))
                (folded(UNPROVEN, &changed, &Act { action: &change, says: "This counts from the next answer on.", button: "Save", destroys: false }, "Change it…", &m.name, &fields::of_model(changed, Some(m))))
                (folded(UNPROVEN, &Filled::of(&delete_form, refused), &Act { action: &delete, says: "The model is no longer used. Answers that it wrote stay.", button: "Remove the model", destroys: true }, "Remove it…", &m.name, &html! {}))
            }
        }
    }
}

fn add(refused: Option<&Refused>, p: &ModelProvider) -> Markup {
    let action = format!("{PATH}/{}/models", p.id);
    let act =
        Act { action: &action, says: "It is put behind all other models of the organisation.", button: "Add the model", destroys: false };
    let filled = Filled::of("model", refused);
    folded(UNPROVEN, &filled, &act, "Add a model…", "", &fields::of_model(filled, None))
}

/// Changes a provider.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = fields::change(&given);
    act(&s, caller, &view, jar, id, "change", given, change).await
}

/// Switches a provider on or off.
pub(crate) async fn activate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = ModelProviderChange { enabled: Some(given.has("enabled", "yes")), ..ModelProviderChange::default() };
    act(&s, caller, &view, jar, id, "active", given, change).await
}

#[expect(clippy::too_many_arguments, reason = "what two forms of one page have in common")]
async fn act(
    s: &AppState,
    caller: Caller,
    view: &View,
    jar: CookieJar,
    id: ModelProviderId,
    form: &str,
    given: Fields,
    change: ModelProviderChange,
) -> Response {
    let by = step_up::prove(s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => providers::change_provider(&s.platform, &by.caller.cx, id, change).await.map(drop),
        Err(error) => Err(error),
    };
    answer(s, view, &by.caller, by.jar, Ok(id), form, given, changed.map(|()| Done::ModelProviderChanged.at(&format!("{PATH}/{id}")))).await
}

/// Removes a provider.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let removed = match by.outcome {
        Ok(()) => providers::remove_provider(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    answer(&s, &view, &by.caller, by.jar, Ok(id), "delete", given, removed.map(|()| Done::ModelProviderRemoved.at(PATH))).await
}

/// On to the next page, or the provider's own again with what was refused.
#[expect(clippy::too_many_arguments, reason = "what the forms of one page have in common")]
async fn answer(
    s: &AppState,
    view: &View,
    caller: &Caller,
    jar: CookieJar,
    page: Result<ModelProviderId>,
    form: &str,
    given: Fields,
    outcome: Result<String>,
) -> Response {
    match outcome {
        Ok(address) => step_up::done(jar, &address),
        Err(error) => {
            let refused = Refused::new(form, given, error);
            let again = async {
                let said = Said { refused: Some(&refused), ..Said::default() };
                one(s, view, caller, page?, &said).await
            };
            step_up::again(jar, &refused, again).await
        }
    }
}

/// Adds a model.
pub(crate) async fn add_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let added = match fields::new_model(&given) {
        Ok(new) => providers::add_model(&s.platform, &caller.cx, id, new).await,
        Err(error) => Err(error),
    };
    let to = added.map(|m| format!("{}#m-{}", Done::ModelAdded.at(&format!("{PATH}/{id}")), m.id));
    answer(&s, &view, &caller, jar, Ok(id), "model", given, to).await
}

/// The provider whose page a model is on.
async fn page_of(s: &AppState, caller: &Caller, id: ModelId) -> Result<ModelProviderId> {
    providers::model(&s.platform, &caller.cx, id).await.map(|m| m.provider)
}

/// Changes a model.
pub(crate) async fn change_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = fields::model_change(&given);
    model_act(&s, &caller, &view, jar, id, given, change).await
}

/// Switches a model on or off.
pub(crate) async fn activate_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = ModelChange { enabled: Some(given.has("enabled", "yes")), ..ModelChange::default() };
    model_act(&s, &caller, &view, jar, id, given, Ok(change)).await
}

async fn model_act(
    s: &AppState,
    caller: &Caller,
    view: &View,
    jar: CookieJar,
    id: ModelId,
    given: Fields,
    change: Result<ModelChange>,
) -> Response {
    let page = page_of(s, caller, id).await;
    let changed = match change {
        Ok(change) => providers::change_model(&s.platform, &caller.cx, id, change).await,
        Err(error) => Err(error),
    };
    let to = changed.map(|m| format!("{}#m-{id}", Done::ModelChanged.at(&format!("{PATH}/{}", m.provider))));
    answer(s, view, caller, jar, page, &format!("change-{id}"), given, to).await
}

/// Removes a model.
pub(crate) async fn remove_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelId>,
    Form(given): Form<Fields>,
) -> Response {
    let page = page_of(&s, &caller, id).await;
    let to = match (&page, providers::remove_model(&s.platform, &caller.cx, id).await) {
        (Ok(provider), Ok(())) => Ok(Done::ModelRemoved.at(&format!("{PATH}/{provider}"))),
        (_, Err(error)) => Err(error),
        (Err(_), Ok(())) => Ok(Done::ModelRemoved.at(PATH)),
    };
    answer(&s, &view, &caller, jar, page, &format!("delete-{id}"), given, to).await
}

/// Tests a model and shows what came.
pub(crate) async fn test_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ModelId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let tested = match by.outcome {
        Ok(()) => providers::test_model(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    let page = page_of(&s, &by.caller, id).await;
    let shown = match tested {
        Ok(test) => providers::model(&s.platform, &by.caller.cx, id).await.map(|model| (model, test)),
        Err(error) => Err(error),
    };
    match shown {
        Ok((model, test)) => {
            let said = Said { tested: Some((&model, &test)), ..Said::default() };
            (by.jar, one(&s, &view, &by.caller, model.provider, &said).await).into_response()
        }
        Err(error) => answer(&s, &view, &by.caller, by.jar, page, &format!("test-{id}"), given, Err(error)).await,
    }
}
