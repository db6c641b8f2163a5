//! The gallery of experts and the profile of one.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        access::sign,
        expert::{card, monogram},
        layout::{Section, page},
        text::link_with,
    },
    problem::Reply,
    state::AppState,
};
use axum::extract::{Path, State};
use maud::{Markup, html};
use vital_kernel::Permission;
use vital_platform::{
    experts::{self, Domain, Expert, ExpertAccess, Tone},
    knowledge,
};

/// Shows all experts by field.
pub(crate) async fn gallery(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View) -> Reply<Markup> {
    let all = experts::list(&s.platform, &caller.cx).await?;
    let mut others =
        if caller.cx.may(Permission::ExpertShare) { experts::experts_admin(&s.platform, &caller.cx).await? } else { Vec::new() };
    others.retain(|o| all.iter().all(|e| e.slug != o.slug));
    Ok(page(
        &view,
        "Experts",
        Section::Experts,
        &["filter.js"],
        &html! {
            div.section-head { h1 { "Experts" } span.dim { (all.len()) " with a written charter each" } }
            @if all.is_empty() { p.notice { "The experts of this organisation are being set up. Reload in a moment." } }
            input.filter.js-filter type="search" placeholder="Filter: name, field, topic" aria-label="Filter experts" hidden;
            p.dim.js-none hidden { "No expert has these words in name or field. Ask without choosing: the platform finds the one whose charter fits." }
            @for domain in Domain::ALL {
                section.js-group aria-labelledby=(anchor(domain)) {
                    h2 id=(anchor(domain)) { (domain.title()) }
                    ul.cards.js-filtered { @for e in all.iter().filter(|e| e.domain == domain) { (card(e)) } }
                }
            }
            @if !others.is_empty() {
                section aria-labelledby="others" {
                    h2 #others { "Not shared with you" }
                    ul.rows { @for e in &others { li { a.row href={ "/experts/" (e.slug) "/access" } { span { (e.name) } small { (sign(e.access)) @if let Some(owner) = &e.owner { " of " (owner) } } } } } }
                }
            }
        },
    ))
}

/// Shows one expert: what it is for, how it works, and questions to begin with.
pub(crate) async fn profile(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Path(slug): Path<String>) -> Reply<Markup> {
    let expert = experts::find(&s.platform, &caller.cx, &slug).await?;
    let collections = knowledge::collections(&s.platform, &caller.cx).await.unwrap_or_default();
    let name_of = |slug: &str| collections.iter().find(|c| c.slug == slug).map_or_else(|| slug.to_owned(), |c| c.name.clone());
    let searched: Vec<String> = expert.body.collections.iter().map(|c| name_of(c)).collect();
    let shared = if caller.cx.may(Permission::ExpertShare) {
        experts::experts_admin(&s.platform, &caller.cx).await?.into_iter().find(|e| e.slug == slug)
    } else {
        None
    };
    Ok(page(
        &view,
        &expert.body.name,
        Section::Experts,
        &[],
        &sheet(&expert, &searched, shared.as_ref(), caller.cx.may(Permission::ToolRead)),
    ))
}

/// The anchor of a field in the gallery.
pub(crate) const fn anchor(domain: Domain) -> &'static str {
    match domain {
        Domain::RegulatoryAffairs => "regulatory-affairs",
        Domain::ClinicalDevelopment => "clinical-development",
        Domain::MarketAccess => "market-access",
        Domain::EvidenceGeneration => "evidence-generation",
        Domain::ProductDevelopment => "product-development",
    }
}

const fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Precise => "precise",
        Tone::Pragmatic => "pragmatic",
        Tone::Didactic => "didactic",
        Tone::Cautious => "cautious",
        Tone::Persuasive => "persuasive",
    }
}

fn sheet(e: &Expert, searched: &[String], shared: Option<&ExpertAccess>, may_see_tools: bool) -> Markup {
    let b = &e.body;
    let i = &b.instructions;
    let parts = [
        ("Who", &i.who),
        ("What", &i.what),
        ("Never", &i.never),
        ("Success", &i.success),
        ("When unsure", &i.unsure),
        ("Evidence", &i.evidence),
    ];
    html! {
        article.sheet {
            header.sheet-head {
                (monogram(&b.name))
                div { h1 { (b.name) } p.lead { (b.tagline) } p.dim { a href={ "/experts#" (anchor(b.domain)) } { (b.domain.title()) } " · version " (e.version) " · " (tone(b.tone)) } }
                a.button href=(link_with("/", &[("expert", &b.slug)])) { "Ask this expert" }
            }
            div.columns {
                section aria-labelledby="charter" {
                    h2 #charter { "Charter" }
                    h3 { "Takes" } p { (b.charter.scope) }
                    h3 { "Does not take" } p { (b.charter.limits) }
                    h2 { "Instructions" }
                    dl.parts-list { @for (name, text) in parts { div { dt { (name) } dd { (text) } } } }
                }
                aside aria-label="Begin" {
                    h2 { "Begin with" }
                    ul.rows { @for q in &b.starters { li { a.row href=(link_with("/", &[("question", q), ("expert", &b.slug)])) { span { (q) } } } } }
                    h2 { "Reads first" }
                    ul.tags { @for c in searched { li { span.tag { (c) } } } }
                    p.dim { "Your own documents are always searched." }
                    @if let Some(shared) = shared {
                        h2 { "Who may ask" }
                        p { (sign(shared.access)) " · " a href={ "/experts/" (b.slug) "/access" } { "Change" } }
                    }
                    @if may_see_tools {
                        h2 { "Tools" }
                        p { a href={ "/experts/" (b.slug) "/tools" } { "What it may use" } }
                    }
                }
            }
        }
    }
}
