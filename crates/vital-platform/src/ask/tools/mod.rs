//! The bench of an answer: runs the calls that a model asks for, and turns what they return into evidence that can be cited.
//!
//! **Invariants:** every call and every result is an event before the model reads the result; a call that changes something, and one that
//! would send words out of an answer which holds both the organisation's documents and text from outside, waits for a person; a text that a
//! tool returned is stored as it was before anything can cite it.
//!
//! Deliberately not here: what a tool does (`vital-tools`), and the rounds with the model (`by_model.rs`).

mod decision;
mod source;
mod store;

pub use decision::decide;
pub(super) use source::CALCULATED;
use source::{Content, NewSource, passages_of};
pub use source::{Source, source};

use super::{TurnEvent, draft::Draft, prompt};
use crate::{
    Platform,
    tools::{self, Offered, Reach, Reply},
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::HashSet, sync::Arc, time::Instant};
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, OpContext, Result, TurnId};
use vital_llm::{InvalidToolCall, ToolCall, ToolResult};

/// Most rounds of calls in one answer; after them the model has to answer.
pub(super) const ROUNDS_MAX: usize = 6;
/// Most calls in one answer; those of one round run at once.
const CALLS_MAX: u32 = 16;
/// Most bytes of one result as the model reads it.
const RESULT_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of all results of one answer as the model reads them.
const RESULTS_BYTES_MAX: usize = 160 * 1024;
/// Most bytes of a tool's output, besides texts, in an event.
const VALUE_BYTES_MAX: usize = 8 * 1024;
/// Most bytes of arguments in an event.
const ARGUMENT_BYTES_MAX: usize = 4 * 1024;

/// A text or a document that a call brought in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Brought {
    /// The text, or the document.
    pub id: Uuid,
    /// Its title.
    pub title: String,
    /// True for a text that the tool fetched or calculated, false for a document.
    pub fetched: bool,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolOutcome {
    /// Whether the tool did what it was asked to.
    pub ok: bool,
    /// What came of it, in words.
    pub says: String,
    /// Its output where that is small; null otherwise, and where the texts are all of it.
    pub value: Value,
    /// What it brought in.
    pub brought: Vec<Brought>,
    /// How long it took, in milliseconds, the wait for a person included.
    pub elapsed_ms: u32,
}

/// A call of a tool in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolUse {
    /// Number of the call in the turn, from 1.
    pub call: u32,
    /// Name of the tool.
    pub tool: String,
    /// What people call it.
    pub title: String,
    /// What it is given.
    pub arguments: Value,
    /// Why a person has to approve it; none where nobody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// What came of it; none while it waits or runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ToolOutcome>,
}

/// What a model asked for in one round.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub calls: Vec<ToolCall>,
    pub invalid: Vec<InvalidToolCall>,
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.invalid.is_empty()
    }
}

/// The tools of one answer with what was done with them.
pub(super) struct Bench<'a> {
    p: &'a Platform,
    cx: &'a OpContext,
    turn: TurnId,
    tools: Vec<Arc<Offered>>,
    calls: u32,
    /// Bytes of results handed to the model.
    bytes: usize,
    /// Tools with arguments: the same call is made once.
    earlier: HashSet<String>,
    /// Text from outside the organisation was read.
    outside: bool,
}

/// A call that is about to run.
struct Planned {
    number: u32,
    call: ToolCall,
    tool: Option<Arc<Offered>>,
    approval: Option<String>,
    /// What is told in its place, where it does not run.
    instead: Option<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(p: &'a Platform, cx: &'a OpContext, turn: TurnId, tools: Vec<Offered>) -> Self {
        Self { p, cx, turn, tools: tools.into_iter().map(Arc::new).collect(), calls: 0, bytes: 0, earlier: HashSet::new(), outside: false }
    }

    /// The tools as a request carries them.
    pub(super) fn for_model(&self) -> Vec<vital_llm::Tool> {
        self.tools.iter().map(|tool| tool.for_model()).collect()
    }

    pub(super) fn has_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    /// Runs what the model asked for. Returns the calls as the dialogue carries them, with a result for each.
    pub(super) async fn run(&mut self, wanted: Wanted, draft: &mut Draft<'_>) -> Result<(Vec<ToolCall>, Vec<ToolResult>)> {
        let (mut calls, mut results) = (Vec::new(), Vec::new());
        for invalid in wanted.invalid {
            let (call, result) = invalid.answer();
            let number = self.number();
            draft.event(self.announced(number, &call, None)).await?;
            draft.event(told(number, false, result.content.clone(), 0)).await?;
            calls.push(call);
            results.push(result);
        }
        let holds_own = draft.evidence().iter().any(|e| e.own);
        let mut planned = Vec::new();
        for call in wanted.calls {
            let plan = self.plan(call, holds_own);
            if plan.approval.is_some() {
                decision::ask(self.p, self.cx, self.turn, plan.number).await?;
            }
            draft.event(self.announced(plan.number, &plan.call, plan.approval.clone())).await?;
            planned.push(plan);
        }
        let mut running = FuturesUnordered::new();
        for plan in planned {
            running.push(one(self.p, self.cx, self.turn, plan));
        }
        while let Some(ran) = running.next().await {
            let (plan, reply, elapsed_ms) = ran?;
            let result = self.take(&plan, reply, elapsed_ms, draft).await?;
            calls.push(plan.call);
            results.push(result);
        }
        Ok((calls, results))
    }

    fn number(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    fn plan(&mut self, call: ToolCall, holds_own: bool) -> Planned {
        let number = self.number();
        let tool = self.tools.iter().find(|t| t.name == call.name).cloned();
        let instead = match &tool {
            _ if number > CALLS_MAX => {
                Some(format!("An answer may call tools {CALLS_MAX} times, so this call was not made. Answer from what you have."))
            }
            None => {
                let names: Vec<&str> = self.tools.iter().map(|t| t.name.as_str()).collect();
                Some(format!("There is no tool of this name. The tools are: {}.", names.join(", ")))
            }
            Some(_) => self.earlier.contains(&key(&call)).then(|| "This very call was made before; its result stands above.".to_owned()),
        };
        let approval = tool.as_deref().filter(|_| instead.is_none()).and_then(|tool| self.approval(tool, holds_own));
        Planned { number, call, tool, approval, instead }
    }

    /// Why a person has to approve a call of a tool.
    fn approval(&self, tool: &Offered, holds_own: bool) -> Option<String> {
        if tool.writes {
            return Some("This tool can change something elsewhere.".to_owned());
        }
        (tool.reach != Reach::Here && self.outside && holds_own).then(|| {
            "This answer holds your organisation's documents and text from outside. What the expert sends out now could carry the one on the word of the other.".to_owned()
        })
    }

    fn announced(&self, number: u32, call: &ToolCall, approval: Option<String>) -> TurnEvent {
        let title = self.tools.iter().find(|t| t.name == call.name).map_or_else(|| "Unknown tool".to_owned(), |t| t.title.clone());
        let tool = call.name.chars().take(vital_llm::NAME_BYTES_MAX).collect();
        TurnEvent::ToolCall { call: number, tool, title, arguments: small(&call.arguments, ARGUMENT_BYTES_MAX), approval }
    }

    /// Takes in what a call returned: stores texts, adds passages to the evidence, tells the reader. Returns what the model is told.
    async fn take(
        &mut self,
        plan: &Planned,
        reply: std::result::Result<Reply, String>,
        elapsed_ms: u32,
        draft: &mut Draft<'_>,
    ) -> Result<ToolResult> {
        let call_id = plan.call.id.clone();
        let (Some(tool), Ok(reply)) = (plan.tool.as_deref(), &reply) else {
            let says = reply.err().unwrap_or_else(|| "This call was not made.".to_owned());
            draft.event(told(plan.number, false, says.clone(), elapsed_ms)).await?;
            return Ok(ToolResult { call_id, content: says, is_error: true });
        };
        let sources = source::sources(tool, &plan.call.arguments, reply);
        self.store(tool, &sources).await?;
        self.outside |= tool.reach != Reach::Here;
        let mut brought: Vec<Brought> = Vec::new();
        let mut content = if reply.value.is_null() || !reply.texts.is_empty() {
            String::new()
        } else {
            text_of(&small(&reply.value, RESULT_BYTES_MAX / 2))
        };
        let room = RESULT_BYTES_MAX.min(RESULTS_BYTES_MAX.saturating_sub(self.bytes));
        let passages = reply.evidence.iter().cloned().chain(sources.iter().flat_map(|s| passages_of(&tool.name, s)));
        let (mut taken, mut left) = (0, 0);
        for evidence in passages {
            let piece = prompt::passage(draft.number_of(&evidence), &evidence);
            if content.len() + piece.len() > room {
                left += 1;
                continue;
            }
            content.push_str(&piece);
            taken += 1;
            if !brought.iter().any(|b| b.id == evidence.document.0) {
                brought.push(Brought { id: evidence.document.0, title: evidence.title.clone(), fetched: evidence.fetched.is_some() });
            }
            draft.add(evidence);
        }
        if left > 0 {
            content.push_str(&format!("\n({left} further passages were left out: they do not fit. Ask more narrowly to see them.)"));
        }
        let nothing = taken == 0 && content.is_empty();
        if nothing {
            "Nothing was found.".clone_into(&mut content);
        }
        self.bytes += content.len();
        self.earlier.insert(key(&plan.call));
        let says = match (nothing, taken, left) {
            (true, ..) => "Nothing was found.".to_owned(),
            (_, 0, _) => "Done.".to_owned(),
            (_, n, 0) => format!("{n} {} to cite.", if n == 1 { "passage" } else { "passages" }),
            (_, n, left) => format!("{n} passages to cite; {left} more did not fit."),
        };
        let outcome = ToolOutcome { ok: true, says, value: small(&reply.value, VALUE_BYTES_MAX), brought, elapsed_ms };
        draft.event(TurnEvent::ToolResult { call: plan.number, outcome }).await?;
        Ok(ToolResult { call_id, content, is_error: false })
    }

    async fn store(&self, tool: &Offered, sources: &[NewSource]) -> Result<()> {
        let mut tx = self.p.db.write(self.cx).await?;
        for source in sources {
            store::insert_source(&mut tx, self.turn, &tool.name, source).await?;
        }
        tx.commit(AuditEntry::new(AuditAction::ToolCalled, "tool_call", format!("{}:{}", self.turn, tool.name))).await
    }
}

/// Runs one call, after a person approved it where one has to.
async fn one(p: &Platform, cx: &OpContext, turn: TurnId, plan: Planned) -> Result<(Planned, std::result::Result<Reply, String>, u32)> {
    let started = Instant::now();
    let reply = match (&plan.instead, plan.tool.as_deref()) {
        (Some(says), _) => Err(says.clone()),
        (None, None) => Err("There is no tool of this name.".to_owned()),
        (None, Some(tool)) => match &plan.approval {
            Some(_) => match decision::wait(p, cx, turn, plan.number).await? {
                Some(true) => call(p, cx, tool, &plan.call).await,
                Some(false) => Err("The person who asked did not approve this call, so it was not made. Answer without it.".to_owned()),
                None => Err("Nobody approved this call in time, so it was not made. Answer without it.".to_owned()),
            },
            None => call(p, cx, tool, &plan.call).await,
        },
    };
    Ok((plan, reply, u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX)))
}

/// Makes a call; what went wrong is in words for the model and the reader.
async fn call(p: &Platform, cx: &OpContext, tool: &Offered, call: &ToolCall) -> std::result::Result<Reply, String> {
    Box::pin(tools::run(p, cx, tool, &call.id, &call.arguments)).await.map_err(|failure| failure.says)
}

fn told(call: u32, ok: bool, says: String, elapsed_ms: u32) -> TurnEvent {
    TurnEvent::ToolResult { call, outcome: ToolOutcome { ok, says, value: Value::Null, brought: Vec::new(), elapsed_ms } }
}

/// Tool and arguments as one text. Objects keep their keys in order, so equal arguments are equal texts.
fn key(call: &ToolCall) -> String {
    format!("{} {}", call.name, call.arguments)
}

/// A value if it is small, else what can be said of it.
fn small(value: &Value, bytes_max: usize) -> Value {
    let bytes = value.to_string().len();
    if bytes <= bytes_max {
        return value.clone();
    }
    let mut said = Map::new();
    said.insert("left_out".to_owned(), Value::from(format!("{bytes} bytes")));
    Value::Object(said)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
