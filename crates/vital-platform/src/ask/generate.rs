//! The task that writes one answer: route, retrieve, write, check, store. It belongs to the turn and not to the browser.

use super::{
    StoredEvent, TurnEvent, TurnState,
    answer::{Searched, Source},
    by_model::{Brief, by_model},
    compose,
    history::{self, Exchange},
    record::TurnRecord,
    recorder::{Recorder, patiently},
    store,
    stream::Live,
    tools::Bench,
    write,
};
use crate::{
    Platform,
    experts::{self, Expert},
    knowledge::{self, Evidence, Retrieval},
    places::Place,
    providers, tools,
    work::Holding,
};
use std::{collections::HashMap, sync::Arc, time::Instant};
use vital_kernel::{AuditAction, AuditEntry, ConversationId, Error, ExpertId, Kind, OpContext, Result, TurnId, limits};
use vital_store::Claimed;
use vital_telemetry::InvokeAgent;

/// A question that was accepted.
pub(super) struct Work {
    pub turn: TurnId,
    pub conversation: ConversationId,
    pub ordinal: i32,
    pub question: String,
    /// What was said before elsewhere.
    pub earlier: Vec<Exchange>,
    pub client_instructions: String,
    pub expert_id: Option<ExpertId>,
    pub job: Claimed,
    /// Keeps the job's lease alive while the answer is written.
    pub held: Holding,
    pub cx: OpContext,
    pub live: Live,
}

/// What a finished turn took, filled in as it becomes known.
#[derive(Default)]
pub(super) struct Outcome {
    pub expert: Option<(ExpertId, i32)>,
    pub expert_slug: Option<String>,
    /// The code of what ended it early, for traces.
    pub problem: Option<&'static str>,
    pub composer: String,
    pub input_tokens: u32,
    pub output_tokens: u32,
    /// What the models cost, in millionths of a millionth of a US dollar; none where one has no price, or none was asked.
    pub pico: Option<i64>,
    /// Rounds with a model.
    pub rounds: u32,
    pub assessed: Option<(super::answer::Confidence, super::answer::TrustNumbers)>,
}

/// Writes the answer of a turn to its end, whatever happens on the way.
pub(super) async fn run(p: Arc<Platform>, work: Work, place: Place) {
    let mut agent = InvokeAgent::begin(work.conversation.0.as_u128());
    let turn = vital_telemetry::within(agent.context(), Box::pin(write_to_end(p, work, place)));
    turn.await.tell(&mut agent);
}

impl Outcome {
    /// Tells of a turn that ended.
    fn tell(&self, agent: &mut InvokeAgent) {
        if let Some((id, _)) = self.expert {
            let name = self.expert_slug.as_deref().filter(|slug| experts::ships(slug));
            agent.expert(id.0.as_u128(), name);
        }
        if self.input_tokens > 0 {
            agent.tokens(u64::from(self.input_tokens), u64::from(self.output_tokens));
        }
        agent.ended(self.problem.map_or(Ok(()), Err));
    }
}

async fn write_to_end(p: Arc<Platform>, work: Work, place: Place) -> Outcome {
    let started = Instant::now();
    let mut recorder = Recorder::start(p.clone(), work.cx.clone(), work.turn, 1, work.live.events.clone());
    recorder.record.earlier.clone_from(&work.earlier);
    recorder.record.client_instructions.clone_from(&work.client_instructions);
    let mut outcome = Outcome::default();
    let (state, problem) = tokio::select! {
        biased;
        () = work.live.stop.cancelled() => (TurnState::Stopped, None),
        () = p.stopping.cancelled() => (TurnState::Interrupted, Some(interruption())),
        result = answer(&p, &work, &mut recorder, &mut outcome) => match result {
            Ok(state) => (state, None),
            Err(error) => {
                outcome.problem = Some(error.code());
                (TurnState::Failed, Some(problem_of(&error)))
            }
        },
    };
    if state == TurnState::Stopped || state == TurnState::Interrupted {
        outcome.problem = Some(state.as_str());
    }
    let ended = end(&p, &work, recorder, &outcome, state, problem, started).await;
    if let Err(error) = &ended
        && error.code() == "turn.ended_elsewhere"
    {
        tracing::info!(turn = %work.turn, "a turn was deleted, or ended by another process, while it was written");
    } else if let Err(error) = ended {
        tracing::error!(?error, turn = %work.turn, "a turn could not be ended; its lease runs out and the next claim ends it");
    }
    p.streams.close(work.turn);
    drop(work.held);
    drop(place);
    outcome
}

async fn answer(p: &Arc<Platform>, work: &Work, recorder: &mut Recorder, outcome: &mut Outcome) -> Result<TurnState> {
    let earlier = earlier(p, &work.cx, work.conversation, work.ordinal, &work.earlier).await?;
    let questions: Vec<&str> = earlier.iter().map(|e| e.question.as_str()).collect();
    // A case can be told in one message and asked about in the next.
    let told = questions.last().is_some_and(|last| compose::is_patient_specific(&format!("{last} {}", work.question)));
    if told || compose::is_patient_specific(&work.question) {
        return refuse_patient_specific(p, work, recorder, outcome).await;
    }
    let query = history::search_query(&work.question, &questions);
    // One vector serves routing and retrieval: making it is the dearest step before the first word.
    let vector = knowledge::embed_query(p, &query).await;
    let expert = route(p, work, &query, vector.as_deref(), recorder).await?;
    outcome.expert = Some((expert.id, expert.version));
    outcome.expert_slug = Some(expert.body.slug.clone());
    let found = knowledge::retrieve(p, &work.cx, &query, vector, &expert.body.collections).await?;
    recorder.push(TurnEvent::Retrieved(searched(&query, &found))).await?;
    let choice = providers::for_answer(p, &work.cx, expert.id).await?;
    outcome.composer = choice.composer();
    if choice.writers.is_empty() {
        return write::extractive(p, &work.question, &questions, &found, recorder, outcome).await;
    }
    let offered = tools::for_expert(p, &work.cx, expert.id, &expert.body.tools).await?;
    let bench = Bench::new(p, &work.cx, work.turn, offered);
    let brief = Brief {
        p,
        cx: &work.cx,
        choice: &choice,
        expert: &expert,
        turn: work.turn,
        question: &work.question,
        query: &query,
        earlier: &earlier,
    };
    Box::pin(by_model(&brief, &found, bench, recorder, outcome)).await
}

/// Safety comes before search: advice on one person's health is refused whoever would write the answer.
async fn refuse_patient_specific(p: &Platform, work: &Work, recorder: &mut Recorder, outcome: &mut Outcome) -> Result<TurnState> {
    p.db.write(&work.cx).await?.commit(AuditEntry::new(AuditAction::TurnRefused, "turn", work.turn)).await?;
    outcome.composer = "extractive".to_owned();
    let nothing = Retrieval { evidence: Vec::new(), vector: None, note: None };
    match compose::compose(&work.question, &[], &[], &[], None) {
        compose::Composition::InsufficientEvidence(shortfall) => write::refuse(&shortfall.blocks(), &nothing, recorder).await,
        compose::Composition::Answer(_) => Err(Error::internal("an answer was composed of nothing")),
    }
}

/// What was asked and answered before a turn, oldest first: in its conversation, and as its client `told`.
pub(super) async fn earlier(
    p: &Platform,
    cx: &OpContext,
    conversation: ConversationId,
    ordinal: i32,
    told: &[Exchange],
) -> Result<Vec<Exchange>> {
    let mut all = Vec::new();
    if ordinal > 1 {
        let limit = i64::try_from(limits::HISTORY_TURNS_MAX).unwrap_or(6);
        for (question, record) in store::history(&mut p.db.read(cx).await?, conversation, ordinal, limit).await? {
            let TurnRecord { earlier, answer, .. } = record.unwrap_or_default();
            all.extend(earlier);
            all.push(Exchange { question, answer: answer.map(|a| a.plain_text()).unwrap_or_default() });
        }
    }
    all.extend_from_slice(told);
    let mut recent = if ordinal > 1 { history::recent(all) } else { all };
    // What was refused is no history either: a model never sees it.
    recent.retain(|exchange| !compose::is_patient_specific(&exchange.question));
    Ok(recent)
}

async fn route(p: &Platform, work: &Work, query: &str, vector: Option<&[f32]>, recorder: &mut Recorder) -> Result<Expert> {
    let (expert, automatic, candidates) = match work.expert_id {
        Some(id) => (experts::get(p, &work.cx, id).await?, false, Vec::new()),
        None => {
            let ranked = experts::route_by(p, &work.cx, query, vector).await?;
            let best = ranked.first().ok_or_else(|| Error::internal("routing returned nobody"))?;
            let expert = experts::find(p, &work.cx, &best.expert.slug).await?;
            let flat =
                |c: experts::Candidate| super::Candidate { slug: c.expert.slug, name: c.expert.name, score: c.score, reasons: c.reasons };
            (expert, true, ranked.into_iter().map(flat).collect())
        }
    };
    recorder.push(TurnEvent::Routed { slug: expert.body.slug.clone(), name: expert.body.name.clone(), automatic, candidates }).await?;
    Ok(expert)
}

fn searched(query: &str, found: &Retrieval) -> Searched {
    let mut sources: Vec<Source> = Vec::new();
    let mut place: HashMap<_, usize> = HashMap::new();
    for e in &found.evidence {
        let i = *place.entry(e.document).or_insert_with(|| {
            sources.push(Source { document_id: e.document.0, title: e.title.clone(), passages: 0, score: e.score });
            sources.len() - 1
        });
        sources[i].passages += 1;
    }
    Searched {
        query: query.to_owned(),
        // All of them are: the expert's own only stand a little ahead.
        collections: Vec::new(),
        by_meaning: found.vector.is_some(),
        note: found.note.clone(),
        sources,
        passages: found.evidence.iter().map(Evidence::record).collect(),
    }
}

/// Stores the end of a turn in one transaction: its last events, its record and citations, and the end of its job.
async fn end(
    p: &Arc<Platform>,
    work: &Work,
    recorder: Recorder,
    outcome: &Outcome,
    state: TurnState,
    problem: Option<TurnEvent>,
    started: Instant,
) -> Result<()> {
    let (mut record, seq) = recorder.close().await?;
    let mut last: Vec<TurnEvent> = problem.into_iter().collect();
    if !outcome.composer.is_empty() {
        let elapsed_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        last.push(TurnEvent::Usage {
            composer: outcome.composer.clone(),
            input_tokens: outcome.input_tokens,
            output_tokens: outcome.output_tokens,
            elapsed_ms,
            cost_micros: outcome.pico.map(crate::usage::micros_up),
        });
    }
    let (confidence, trust) = outcome.assessed.clone().unzip();
    last.push(TurnEvent::Done { state, confidence, trust });
    last.iter().for_each(|event| record.apply(event));
    let events: Vec<StoredEvent> = last.into_iter().zip(seq + 1..).map(|(event, seq)| StoredEvent { seq, event }).collect();
    let ending = store::Ending { state, expert: outcome.expert, composer: &outcome.composer, record: &record };
    patiently(|| store_end(p, &work.cx, &work.job, work.turn, &events, &ending)).await?;
    vital_metrics::turn_ended(state.as_str());
    for event in events {
        let _listeners = work.live.events.send(event);
    }
    Ok(())
}

async fn store_end(
    p: &Platform,
    cx: &OpContext,
    job: &Claimed,
    turn: TurnId,
    events: &[StoredEvent],
    ending: &store::Ending<'_>,
) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    if !store::insert_events(&mut tx, turn, events).await? || !store::end_turn(&mut tx, turn, ending).await? {
        return Err(Error::conflict("turn.ended_elsewhere", "Another process has ended this turn."));
    }
    job.finish(&mut tx).await?;
    let cited: Vec<_> = ending.record.answer.iter().flat_map(|a| &a.citations).map(|c| c.document_id).collect();
    let mut entries = vec![AuditEntry::new(AuditAction::TurnFinished, "turn", turn)];
    if !cited.is_empty() {
        entries.push(AuditEntry::about(AuditAction::EvidenceCited, "documents", cited));
    }
    tx.commit_all(entries).await
}

/// Ends a turn whose process fell silent: what had been written is kept, and the reader is told.
///
/// # Errors
/// `Unavailable` when the database does not answer; the job is tried again.
pub(crate) async fn interrupted(p: &Arc<Platform>, job: &Claimed) -> Result<()> {
    let (cx, turn) = (job.context(), TurnId(job.subject));
    if p.streams.is_open(turn) {
        // This process still writes it: the lease had only run out while the database was away.
        return Ok(());
    }
    let mut tx = p.db.write(&cx).await?;
    let left = store::left_behind(&mut tx, turn).await?;
    if let Some((true, seq)) = left {
        let mut record = TurnRecord::default();
        store::all_events(&mut tx, turn).await?.iter().for_each(|e| record.apply(&e.event));
        let last = [interruption(), TurnEvent::Done { state: TurnState::Interrupted, confidence: None, trust: None }];
        last.iter().for_each(|event| record.apply(event));
        let events: Vec<StoredEvent> = last.into_iter().zip(seq + 1..).map(|(event, seq)| StoredEvent { seq, event }).collect();
        store::insert_events(&mut tx, turn, &events).await?;
        store::end_turn(&mut tx, turn, &store::Ending { state: TurnState::Interrupted, expert: None, composer: "", record: &record })
            .await?;
    }
    job.finish(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::TurnFinished, "turn", turn)).await?;
    if let Some((true, _)) = left {
        vital_metrics::turn_ended(TurnState::Interrupted.as_str());
    }
    Ok(())
}

fn interruption() -> TurnEvent {
    TurnEvent::Problem {
        code: "turn.interrupted".to_owned(),
        detail: "The server stopped while this answer was written. Your question and what had been written are kept; ask again to have it answered.".to_owned(),
        retryable: true,
    }
}

fn problem_of(error: &Error) -> TurnEvent {
    if error.kind() == Kind::Internal {
        tracing::error!(?error, "an answer failed");
    }
    let retryable = matches!(error.kind(), Kind::Upstream | Kind::UpstreamTimeout | Kind::Unavailable | Kind::RateLimited | Kind::Internal);
    TurnEvent::Problem { code: error.code().to_owned(), detail: error.detail().to_owned(), retryable }
}
