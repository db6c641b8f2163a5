//! The test of a model: one small request through the client that writes answers, and what came of it in words.
//!
//! **Invariant:** a provider that is not reached is told in one way and after one time, whatever the reason (`vital-outbound`): a test is
//! no map of our network. What the provider itself wrote is never shown.

use super::{
    key_of, model,
    provider::{Spec, built, found},
    store,
};
use crate::{
    Platform,
    usage::{self, Asked, Candidate, Meter, OwnPrice, Purpose, Rates, Seen, Size},
};
use futures_util::StreamExt as _;
use moka::{
    Entry,
    ops::compute::{CompResult, Op},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, ModelId, OpContext, Permission, Result, limits};
use vital_llm::{ApiKey, ChatRequest, Delta, LlmError, Message, Provider, Timeouts};

/// Tokens that a test may cost.
const TOKENS: u32 = 16;
/// What is asked.
const QUESTION: &str = "Answer with the word ready.";
/// Shorter than those of answers: somebody waits for a page.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_token: Duration::from_secs(15),
    between_tokens: Duration::from_secs(5),
    total: Duration::from_secs(20),
};

/// What a test of a model found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// It writes.
    Answers,
    /// The provider does not accept the key.
    KeyRefused,
    /// The provider has no such model, or nothing at this address.
    ModelUnknown,
    /// The provider takes no more requests for now.
    Limited,
    /// The provider refused the request for another reason.
    Refused,
    /// Nothing answered at the address.
    NotReached,
    /// It did not write in time.
    TooSlow,
    /// What came is not in the provider's format.
    Unreadable,
}

impl TestState {
    const ALL: [Self; 8] = [
        Self::Answers,
        Self::KeyRefused,
        Self::ModelUnknown,
        Self::Limited,
        Self::Refused,
        Self::NotReached,
        Self::TooSlow,
        Self::Unreadable,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::KeyRefused => "key_refused",
            Self::ModelUnknown => "model_unknown",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::NotReached => "not_reached",
            Self::TooSlow => "too_slow",
            Self::Unreadable => "unreadable",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    const fn of(error: &LlmError) -> Self {
        match error {
            LlmError::Connect | LlmError::Cut => Self::NotReached,
            LlmError::Unauthorized => Self::KeyRefused,
            LlmError::RateLimited { .. } => Self::Limited,
            LlmError::UnknownModel | LlmError::Status { status: 404 } => Self::ModelUnknown,
            LlmError::FirstTokenTimeout | LlmError::Stalled | LlmError::TotalTimeout => Self::TooSlow,
            LlmError::Garbled { .. } | LlmError::FrameTooLarge | LlmError::OutputTooLarge => Self::Unreadable,
            _ => Self::Refused,
        }
    }
}

/// The outcome of a test.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelTest {
    /// What was found.
    pub state: TestState,
    /// The same for people, with what to do.
    pub detail: String,
    /// Time until something was written, in milliseconds; none where nothing was.
    pub first_token_ms: Option<u64>,
    /// Time of the whole test, in milliseconds.
    pub took_ms: u64,
}

/// Sends one small request to a model, as an answer would, and tells what came. It costs a few tokens at the provider.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `RateLimited` after too many tests; `NotFound`. A model that
/// cannot be used is no error: the answer says why.
pub async fn test_model(p: &Platform, cx: &OpContext, id: ModelId) -> Result<ModelTest> {
    cx.require(Permission::ProviderManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.read(cx).await?;
    let model = model::found(&mut tx, id).await?;
    let row = found(&mut tx, model.provider).await?;
    let key = row.api_key.as_deref().map(|sealed| tx.open_text(key_of(row.id), sealed)).transpose()?.map(ApiKey::new);
    let price = store::prices(&mut tx).await?.get(&Some(id)).copied();
    tx.end().await?;
    admit(p, cx)?;
    let tokens = TOKENS.min(model.max_output_tokens);
    let spec = Spec { name: &row.name, model: &model.name, max_output_tokens: tokens, temperature: model.temperature, timeouts: TIMEOUTS };
    let begun = Instant::now();
    let outcome = match built(p, row.format, &row.base_url, key, spec) {
        Ok(provider) => metered(p, cx, &provider, price, begun).await?,
        Err(error) => Err(error),
    };
    let took_ms = millis(begun.elapsed());
    let state = outcome.as_ref().map_or_else(TestState::of, |_| TestState::Answers);
    let detail = says(state, outcome.as_ref().err());
    let mut tx = p.db.write(cx).await?;
    if !store::set_tested(&mut tx, id, state).await? {
        return Err(model::unknown());
    }
    tx.commit(AuditEntry::new(AuditAction::ModelTested, "model", id)).await?;
    Ok(ModelTest { state, detail, first_token_ms: outcome.ok().flatten().map(millis), took_ms })
}

type Asking = std::result::Result<Option<Duration>, LlmError>;

/// Asks within the budgets, and settles what it came to.
async fn metered(p: &Platform, cx: &OpContext, provider: &Provider, price: Option<OwnPrice>, begun: Instant) -> Result<Asking> {
    let request = ChatRequest { messages: vec![Message::user(QUESTION)], ..ChatRequest::default() };
    let rates = Rates::new(provider.host(), provider.model(), price);
    let output_max = provider.max_output_tokens(&request);
    let candidate = Candidate { provider: provider.name(), model: provider.model(), rates: &rates, output_max };
    let mut reservation = usage::reserve(p, cx, Meter::of(Purpose::Test), &request, &[candidate]).await?;
    let day = reservation.at().date();
    reservation.sending();
    let mut seen = Seen::default();
    let outcome = ask(provider, &request, begun, &mut seen).await;
    let asked = Asked { provider: provider.name().to_owned(), model: provider.model().to_owned(), rates, output_max };
    reservation.settle(asked.charge(&seen, Size::of(&request), day).into_iter().collect());
    Ok(outcome)
}

/// The time to the first text; none where the model ended without any, as one that only reasoned within the few tokens.
async fn ask(provider: &Provider, request: &ChatRequest, begun: Instant, seen: &mut Seen) -> Asking {
    let mut stream = provider.stream(request).await?;
    let mut first = None;
    while let Some(delta) = stream.next().await {
        seen.item(Some(&delta));
        if matches!(delta?, Delta::Text(_)) {
            first.get_or_insert_with(|| begun.elapsed());
        }
    }
    Ok(first)
}

fn says(state: TestState, error: Option<&LlmError>) -> String {
    match state {
        TestState::Answers => "The model answers.".to_owned(),
        TestState::KeyRefused => {
            "The provider was reached and refused the key. Check that the key is whole, not revoked, and has the right to use this model.".to_owned()
        }
        TestState::ModelUnknown => {
            "The provider was reached and has no such model, or nothing at this address. Check the model's name (at Azure that of the deployment) and the path of the address.".to_owned()
        }
        TestState::Limited => "The provider was reached and takes no more requests for now: its limit or its credit is used up.".to_owned(),
        TestState::NotReached => {
            "No answer came from this address. Check how it is written; whoever runs the platform may have to allow it.".to_owned()
        }
        TestState::TooSlow => "The provider did not write in time. A local model may still be loading: try again in a minute.".to_owned(),
        TestState::Unreadable => {
            "Something answers at this address, but not in this provider's format. Check the address and the format.".to_owned()
        }
        TestState::Refused => match error {
            Some(LlmError::Status { status }) => format!(
                "The provider was reached and refused the request with the status {status}. Check the model's name, its temperature (reasoning models want 1) and the key."
            ),
            Some(error) => error.to_string(),
            None => "The provider refused the request.".to_owned(),
        },
    }
}

fn admit(p: &Platform, cx: &OpContext) -> Result<()> {
    let counted = p.providers.tests.entry(cx.tenant()).and_compute_with(|seen| match seen.map_or(0, Entry::into_value) {
        n if n >= limits::MODEL_TESTS_MAX => Op::Nop,
        n => Op::Put(n + 1),
    });
    if matches!(counted, CompResult::Unchanged(_)) {
        return Err(Error::rate_limited(
            "provider.too_many_tests",
            "Too many tests within a minute. Nothing was sent; wait a minute, then try again.",
        )
        .with_retry_after(Duration::from_secs(60)));
    }
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
