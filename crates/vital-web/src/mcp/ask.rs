//! The tool `ask_expert`: a turn like every other, told sentence by sentence while it is written.

use super::{
    answer::{self, marked},
    handler::On,
    tools::Given,
};
use crate::{
    limits,
    problem::{Problem, Reply},
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, pin::pin};
use uuid::Uuid;
use vital_kernel::{ConversationId, Error, Permission};
use vital_platform::ask::{self, Question, Turn, TurnEvent, TurnState};

/// Leaves the choice of the expert to the platform.
const AUTO: &str = "auto";
/// What answering takes, asked for before anything is stored: the answer is written with the rights of the caller.
pub(super) const NEEDED: [Permission; 4] =
    [Permission::Ask, Permission::ConversationRead, Permission::ExpertRead, Permission::DocumentRead];

/// What to ask whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    question: String,
    expert: Option<String>,
    conversation_id: Option<Uuid>,
}

/// The schema of what comes back.
pub(super) fn gives() -> Value {
    answer::gives()
}

/// Asks, tells how it goes, and gives the answer with its citations.
pub(super) async fn ask(on: &On, asked: Asked) -> Reply<Given> {
    for permission in NEEDED {
        on.cx().require(permission)?;
    }
    limits::asking(on.app(), on.caller()).await?;
    let platform = &on.app().platform;
    let expert = asked.expert.filter(|slug| slug != AUTO);
    let question = Question { text: asked.question, expert, earlier: Vec::new(), client_instructions: String::new(), repeats: None };
    let turn = match asked.conversation_id {
        None => ask::ask_anew(platform, on.cx(), question).await?,
        Some(id) => ask::ask(platform, on.cx(), ConversationId(id), question).await?,
    };
    if !follow(on, &turn).await? {
        return Err(unfinished(&turn).into());
    }
    let turn = ask::turn(platform, on.cx(), turn.id).await?;
    match (turn.state, &turn.problem) {
        (TurnState::Answered | TurnState::NoEvidence | TurnState::Stopped, _) => {
            let (words, answered) = answer::told(on, turn);
            Given::new(words, &answered)
        }
        (_, Some(problem)) => Err(Problem::of_turn(problem)),
        (_, None) => Err(unfinished(&turn).into()),
    }
}

/// Follows an answer to its end, stopping it when the client says so. False where the server stops before.
async fn follow(on: &On, turn: &Turn) -> Reply<bool> {
    let events = ask::follow(on.app().platform.clone(), on.caller().clone(), turn.id, 0).await?;
    let mut events = pin!(events.take_until(on.app().closing.clone().cancelled_owned()));
    let mut telling = Telling::default();
    let mut stopping = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = on.cancelled(), if !stopping => {
                stopping = true;
                ask::cancel(&on.app().platform, on.cx(), turn.id).await?;
                continue;
            }
        };
        match event.transpose()?.map(|stored| stored.event) {
            None => return Ok(false),
            Some(TurnEvent::Done { .. }) => return Ok(true),
            Some(event) => telling.tell(on, event).await,
        }
    }
}

fn unfinished(turn: &Turn) -> Error {
    let detail = format!(
        "The answer could not be followed to its end. The question and what was written are kept in the product, in the conversation {}.",
        turn.conversation_id
    );
    Error::unavailable("turn.unfinished", detail)
}

/// Tells a client how an answer comes along: who takes it, what was read, and each sentence as it ends.
#[derive(Default)]
struct Telling {
    open: BTreeMap<u32, (String, Vec<u32>)>,
}

impl Telling {
    async fn tell(&mut self, on: &On, event: TurnEvent) {
        match event {
            TurnEvent::Routed { slug, name, automatic, .. } => {
                on.note(json!({ "event": "routed", "expert": slug, "automatic": automatic })).await;
                on.progress(format!("{name} takes the question.")).await;
            }
            TurnEvent::Retrieved(searched) => on.progress(format!("{} documents were read.", searched.sources.len())).await,
            TurnEvent::Token { sentence, text, .. } => self.open.entry(sentence).or_default().0.push_str(&text),
            TurnEvent::Citation { sentence, citation } => {
                let cited = &mut self.open.entry(sentence).or_default().1;
                if !cited.contains(&citation.n) {
                    cited.push(citation.n);
                }
            }
            TurnEvent::Check { sentence, .. } => {
                if let Some((text, cited)) = self.open.remove(&sentence) {
                    on.progress(marked(&text, &cited)).await;
                }
            }
            TurnEvent::Problem { code, detail, .. } => {
                on.warn(json!({ "event": "problem", "code": code, "detail": detail })).await;
            }
            _ => {}
        }
    }
}
