//! From a request to the first item of its answer: the tries at each target, in order.

use super::{
    Gateway, backoff,
    cache::{CacheKey, Keeping, Recording},
    error::{Attempt, Fault, GatewayError},
    observe,
    slots::{Entered, Permit},
    stream::{Answering, Cached, GatewayStream, Live, is_targets_fault},
    target::Target,
};
use crate::{ChatRequest, Delta, DeltaStream, LlmError, TokenUsage};
use futures_util::StreamExt as _;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use vital_kernel::TenantId;

/// How long after the first failure at a target its last retry may begin, where another target can take the request. So a
/// target that fails at once is left within two seconds.
pub const FAILOVER_WITHIN: Duration = Duration::from_secs(1);
/// Longest wait before a retry, also where a provider asks for a longer one: a person is waiting, and is told when to come back instead.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a target must have been silent for a caller's deadline to count against it.
const SILENCE_BLAMED: Duration = Duration::from_secs(10);

/// Most targets that one request is offered to; those behind them are not tried.
pub const TRIED_MAX: usize = 16;

/// On whose behalf a request is made.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose turn in the queue and whose kept answers.
    pub tenant: TenantId,
    /// How their answers are kept; none neither keeps nor looks for any.
    pub keeping: Option<Keeping>,
    /// When the answer must be complete, waiting and retries included.
    pub deadline: Instant,
}

/// How a target was left without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The next one is tried.
    FallBack,
    /// No other one would help.
    GiveUp,
}

/// An answer that has begun.
struct Begun {
    head: [Option<Delta>; 2],
    rest: DeltaStream,
}

/// A try that failed, with what the provider had counted by then.
struct Failed {
    fault: Fault,
    usage: Option<TokenUsage>,
}

impl Gateway {
    /// Sends a request to the first of these targets that answers, and returns with the first item of the answer in hand.
    ///
    /// # Errors
    /// [`GatewayError`] with every try, if no target began an answer within the deadline; nothing was shown then.
    pub async fn stream(&self, caller: &Caller, targets: &[Arc<Target>], request: &ChatRequest) -> Result<GatewayStream, GatewayError> {
        let targets = &targets[..targets.len().min(TRIED_MAX)];
        let mut attempts = Vec::new();
        for (at, target) in targets.iter().enumerate() {
            let looked_up = self.look_up(caller, target, request).await;
            let recording = match looked_up {
                LookedUp::Found(kept) => return Ok(GatewayStream::replay(target.answering(attempts, Duration::ZERO, Cached::Found), kept)),
                LookedUp::Missing(recording) => Some(recording),
                LookedUp::NotMeant => None,
            };
            let others = others_open(&targets[at + 1..]);
            match try_target(caller, target, request, others, &mut attempts).await {
                Ok((mut live, queued)) => {
                    let cached = if recording.is_some() { Cached::Missing } else { Cached::NotMeant };
                    live.recording = recording;
                    return Ok(GatewayStream::live(target.answering(attempts, queued, cached), live));
                }
                Err(Left::FallBack) => {}
                Err(Left::GiveUp) => break,
            }
        }
        if attempts.is_empty() { Err(GatewayError::NoTarget) } else { Err(GatewayError::NoAnswer { attempts }) }
    }

    async fn look_up(&self, caller: &Caller, target: &Target, request: &ChatRequest) -> LookedUp {
        let (Some(cache), Some(keeping)) = (self.cache.as_ref().filter(|_| target.settings.cached), &caller.keeping) else {
            return LookedUp::NotMeant;
        };
        let Some(sent) = target.source.repeatable(request) else { return LookedUp::NotMeant };
        let key = CacheKey::new(caller.tenant, keeping, &target.name, &sent);
        match cache.get(keeping, &key).await {
            Some(kept) => LookedUp::Found(kept),
            None => LookedUp::Missing(Recording::new(cache.clone(), keeping.clone(), key)),
        }
    }
}

/// What the exact cache had.
enum LookedUp {
    Found(Arc<[Delta]>),
    /// Nothing yet: the answer may be kept.
    Missing(Recording),
    /// The request is none of those whose answers are kept.
    NotMeant,
}

impl Target {
    fn answering(&self, attempts: Vec<Attempt>, queued: Duration, cached: Cached) -> Answering {
        Answering { target: Arc::clone(&self.name), price: Arc::clone(&self.price), attempts, queued, cached }
    }
}

/// Tells whether one of the targets would let a request in.
fn others_open(targets: &[Arc<Target>]) -> bool {
    targets.iter().any(|target| target.breaker.shut().is_none())
}

/// Tries one target until it answers or is left; `others` tells whether another can take the request.
async fn try_target(
    caller: &Caller,
    target: &Target,
    request: &ChatRequest,
    others: bool,
    attempts: &mut Vec<Attempt>,
) -> Result<(Live, Duration), Left> {
    target.budget.request();
    let mut until = None;
    for retry in 0.. {
        let began = Instant::now();
        let failed = match attempt(caller, target, request).await {
            Ok(begun) => return Ok(begun),
            Err(failed) => failed,
        };
        let now = Instant::now();
        let until = *until.get_or_insert(if others { caller.deadline.min(now + FAILOVER_WITHIN) } else { caller.deadline });
        let (pause, left) = what_next(target, &failed.fault, retry, until);
        let took = now - began;
        tracing::warn!(model_target = &*target.name, error = failed.fault.code(), ?took, ?pause, "a model target gave no answer");
        attempts.push(Attempt { target: Arc::clone(&target.name), fault: failed.fault, usage: failed.usage, took });
        match pause {
            Some(pause) => sleep(pause).await,
            None => return Err(left),
        }
    }
    Err(Left::FallBack)
}

/// The wait before the next try at the same target, if there is to be one, and what follows otherwise.
fn what_next(target: &Target, fault: &Fault, retry: u32, until: Instant) -> (Option<Duration>, Left) {
    let error = match fault {
        Fault::Provider(error) => error,
        Fault::Deadline => return (None, Left::GiveUp),
        Fault::BreakerOpen { .. } | Fault::Overloaded(_) => return (None, Left::FallBack),
    };
    match error {
        // A refusal is an answer, and a request that cannot be sent cannot be sent elsewhere either.
        LlmError::ContentFiltered | LlmError::Request { .. } => return (None, Left::GiveUp),
        error if !error.retryable() || retry >= target.settings.retries => return (None, Left::FallBack),
        _ => {}
    }
    let retry_after = match error {
        LlmError::RateLimited { retry_after } => *retry_after,
        _ => None,
    };
    let pause = backoff::wait(retry, retry_after);
    if pause > RETRY_WAIT_MAX {
        return (None, Left::FallBack);
    }
    // The budget is asked last, for asking takes a retry out of it.
    let allowed = until.saturating_duration_since(Instant::now()) > pause && target.budget.retry();
    (allowed.then_some(pause), Left::FallBack)
}

/// One try: a slot, the breaker, the call, and the first item that can be shown.
async fn attempt(caller: &Caller, target: &Target, request: &ChatRequest) -> Result<(Live, Duration), Failed> {
    let refused = |fault| Failed { fault, usage: None };
    if let Some(retry_in) = target.breaker.shut() {
        return Err(refused(Fault::BreakerOpen { retry_in }));
    }
    let entered = Instant::now();
    let permit = slot(caller, target).await.map_err(refused)?;
    let sent = Instant::now();
    // Asked again, for the breaker may have opened while the request waited.
    let mut ticket = target.breaker.enter().map_err(|retry_in| refused(Fault::BreakerOpen { retry_in }))?;
    let (mut usage, mut chat) = (None, target.source.observed(request));
    observe::sends(&mut chat, request);
    let begun = timeout_at(caller.deadline, begin(target, request, &mut usage)).await;
    if let Some(usage) = usage.filter(|_| !matches!(begun, Ok(Ok(_)))) {
        observe::item(&mut chat, &Delta::Usage(usage));
    }
    match begun {
        Ok(Ok(Begun { head, rest })) => {
            ticket.answered();
            head.iter().flatten().for_each(|item| observe::item(&mut chat, item));
            let deadline = Box::pin(sleep_until(caller.deadline));
            Ok((Live { head, rest, chat, ticket, deadline, recording: None, permit }, sent - entered))
        }
        Ok(Err(error)) => {
            chat.failed(error.code());
            if is_targets_fault(&error) {
                ticket.failed();
            }
            Err(Failed { fault: Fault::Provider(error), usage })
        }
        Err(_) => {
            chat.failed(Fault::Deadline.code());
            if sent.elapsed() >= SILENCE_BLAMED {
                ticket.failed();
            }
            Err(Failed { fault: Fault::Deadline, usage })
        }
    }
}

async fn slot(caller: &Caller, target: &Target) -> Result<Permit, Fault> {
    match target.lane.enter(caller.tenant).map_err(Fault::Overloaded)? {
        Entered::Now(permit) => Ok(permit),
        Entered::Later(waiting) => timeout_at(caller.deadline, waiting).await.map_err(|_| Fault::Deadline),
    }
}

/// Calls the provider and waits for the first item that can be shown; `usage` is what it counted by then.
async fn begin(target: &Target, request: &ChatRequest, usage: &mut Option<TokenUsage>) -> Result<Begun, LlmError> {
    let mut rest = target.source.open(request).await?;
    loop {
        match rest.next().await.ok_or(LlmError::Cut)?? {
            Delta::Usage(counted) => *usage = Some(counted),
            shown => return Ok(Begun { head: [usage.map(Delta::Usage), Some(shown)], rest }),
        }
    }
}
