//! What writes an answer, and the clients of an organisation's models that are kept between answers.

use super::{
    key_of,
    provider::{ANSWERING, Spec, built},
    store,
};
use crate::{
    Platform,
    usage::{self, Asked, Candidate, Charge, Meter, Metered, OwnPrice, Rates, Seen, Size},
};
use moka::sync::Cache;
use std::{collections::HashMap, sync::Arc, time::Duration};
use time::Date;
use vital_kernel::{Error, ExpertId, ModelId, OpContext, Permission, Result, TenantId};
use vital_llm::{
    ApiKey, ChatRequest, LlmError, Provider,
    gateway::{Attempt, Cached, Caller, Gateway, Keeping, PriceKey, Target, TargetSettings, TargetSpec},
};
use vital_store::{Read, TenantTx};

/// Organisations whose clients are held at once.
const HELD_MAX: u64 = 1_000;
/// How long clients are held that nobody asks.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// How long tests of an organisation are counted.
const TESTS_WITHIN: Duration = Duration::from_secs(60);
/// How long an answer may take in all, the wait for a free place and further models included.
const ANSWER_WITHIN: Duration = Duration::from_secs(10 * 60);
/// What the answer is called that is selected from the passages on this server.
const EXTRACTIVE: &str = "extractive";

/// The code of the error that nothing which is in use can be used.
const UNUSABLE: &str = "provider.none_usable";

/// Name of the target that is the installation's provider.
const INSTALLATION: &str = "installation";

/// One that can write an answer.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The organisation's model; none for the installation's provider.
    pub model: Option<ModelId>,
    /// Provider and model, as people know them.
    pub composer: Arc<str>,
    target: Arc<Target>,
    provider: Provider,
    rates: Rates,
}

impl Writer {
    /// The installation's provider behind the gateway.
    pub(crate) fn installation(gateway: &Gateway, provider: &Provider, concurrent: usize) -> Self {
        Self::new((gateway, concurrent), None, provider.clone(), None, None)
    }

    fn new(
        (gateway, concurrent): (&Gateway, usize),
        model: Option<ModelId>,
        provider: Provider,
        price: Option<OwnPrice>,
        before: Option<&Self>,
    ) -> Self {
        let rates = Rates::new(provider.host(), provider.model(), price);
        let price = PriceKey { provider: provider.name().to_owned(), model: provider.model().to_owned() };
        let composer = format!("{} {}", provider.name(), provider.model()).into();
        let name = model.map_or_else(|| INSTALLATION.to_owned(), |id| id.to_string());
        let settings = TargetSettings { concurrent, cached: true, ..TargetSettings::new(price) };
        let spec = TargetSpec { name, provider: provider.clone(), settings };
        let target = Arc::new(gateway.target(spec, before.map(|writer| &*writer.target)));
        Self { model, composer, target, provider, rates }
    }

    /// The same with another price.
    fn priced(&self, price: Option<OwnPrice>) -> Self {
        Self { rates: Rates::new(self.provider.host(), self.provider.model(), price), ..self.clone() }
    }

    fn candidate<'a>(&'a self, request: &ChatRequest) -> Candidate<'a> {
        Candidate {
            provider: self.provider.name(),
            model: self.provider.model(),
            rates: &self.rates,
            output_max: self.provider.max_output_tokens(request),
        }
    }

    fn asked(&self, request: &ChatRequest) -> Asked {
        Asked {
            provider: self.provider.name().to_owned(),
            model: self.provider.model().to_owned(),
            rates: self.rates.clone(),
            output_max: self.provider.max_output_tokens(request),
        }
    }
}

/// What writes an answer.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Those that may write it, in the order of fallback; empty: it is selected from the passages on this server.
    pub writers: Vec<Writer>,
    /// The number of change of the organisation's settings that they are taken from: kept answers of another one do not count.
    version: i64,
}

impl Choice {
    /// Name of what writes first: `extractive`, or provider and model.
    #[must_use]
    pub fn composer(&self) -> String {
        self.writers.first().map_or_else(|| EXTRACTIVE.to_owned(), |writer| writer.composer.to_string())
    }

    /// Begins an answer: the most that it can cost is held against the budgets, and those that may write it are tried in their order. Returns it
    /// with the name of the one that writes it. The answer settles by itself, also where it is dropped.
    ///
    /// # Errors
    /// `BudgetExhausted` where a budget has not enough left, and `Conflict` where a budget of money meets models without a price: nothing was sent
    /// then. Otherwise why none of them began; nothing was written then.
    pub async fn begin(&self, p: &Platform, cx: &OpContext, meter: Meter, request: &ChatRequest) -> Result<(Metered, String)> {
        let candidates: Vec<_> = self.writers.iter().map(|writer| writer.candidate(request)).collect();
        let mut reservation = usage::reserve(p, cx, meter, request, &candidates).await?;
        let day = reservation.at().date();
        let asked = self.writers.iter().filter(|w| !reservation.priced_only || w.rates.most(0, 0, day).is_some());
        let targets: Vec<_> = asked.map(|writer| writer.target.clone()).collect();
        let keeping = self.keeping(p, cx).await;
        let caller = Caller { tenant: cx.tenant(), keeping, deadline: tokio::time::Instant::now() + ANSWER_WITHIN };
        reservation.sending();
        let stream = match p.gateway.stream(&caller, &targets, request).await {
            Ok(stream) => stream,
            Err(error) => {
                reservation.settle(self.reported(error.attempts(), request, day));
                return Err(error.into());
            }
        };
        match stream.answering().cached {
            Cached::Found => vital_metrics::kept_answer("found", meter.purpose.as_str()),
            Cached::Missing => vital_metrics::kept_answer("missing", meter.purpose.as_str()),
            Cached::NotMeant => {}
        }
        let earlier = self.reported(&stream.answering().attempts, request, day);
        let Some(writer) = self.writer(&stream.answering().target) else {
            return Err(Error::internal("an answer comes from a model that was not asked"));
        };
        let composer = writer.composer.to_string();
        Ok((Metered::new(stream, reservation, writer.asked(request), earlier), composer))
    }

    /// How answers of the organisation are kept, where they are. Without its keys nothing is kept, and the request goes on.
    async fn keeping(&self, p: &Platform, cx: &OpContext) -> Option<Keeping> {
        p.gateway.cache()?;
        let keys = p.db.keys(cx).await.inspect_err(|error| tracing::debug!(%error, "without its keys nothing is kept")).ok()?;
        Some(Keeping { keys, version: self.version })
    }

    fn writer(&self, target: &str) -> Option<&Writer> {
        self.writers.iter().find(|writer| writer.target.name() == target)
    }

    /// What tries came to that gave no answer and reported tokens all the same.
    fn reported(&self, attempts: &[Attempt], request: &ChatRequest, day: Date) -> Vec<Charge> {
        let told = attempts.iter().filter_map(|attempt| Some((self.writer(&attempt.target)?, attempt.usage?)));
        let charge = |(writer, usage): (&Writer, _)| {
            // What was reported is the whole of it: nothing was written.
            let seen = Seen { told: Some(usage), written: 0, whole: true };
            writer.asked(request).charge(&seen, Size::of(request), day)
        };
        told.filter_map(charge).collect()
    }
}

/// The models that may write answers and their prices: those in use, then the installation's provider where it is allowed.
pub(super) async fn priced(p: &Platform, cx: &OpContext) -> Result<Vec<(Option<ModelId>, String, String, Rates)>> {
    let (held, allowed) = held(p, cx, None).await.map(|(held, situation)| (held, situation.installation_allowed))?;
    let shown = |w: &Writer| (w.model, w.provider.name().to_owned(), w.provider.model().to_owned(), w.rates.clone());
    let own = held.order.iter().filter_map(|(id, _)| held.writers.get(id)?.as_ref().ok().map(shown));
    let installation = p.installation.iter().filter(|_| allowed).map(|writer| shown(&writer.priced(held.installation)));
    Ok(own.chain(installation).collect())
}

type Built = std::result::Result<Writer, LlmError>;

/// The models of one organisation, as of one number of change.
struct Held {
    version: i64,
    /// Models that are in use, in their order, with the names that their providers know them by.
    order: Vec<(ModelId, String)>,
    /// The organisation's price of the installation's provider.
    installation: Option<OwnPrice>,
    writers: HashMap<ModelId, Built>,
}

/// What the platform holds of model providers.
pub(crate) struct Remembered {
    held: Cache<TenantId, Arc<Held>>,
    pub(super) tests: Cache<TenantId, u32>,
    /// Requests to one model at once.
    of_model: usize,
}

impl Remembered {
    pub(crate) fn new(of_model: usize) -> Self {
        Self {
            of_model,
            held: Cache::builder().max_capacity(HELD_MAX).time_to_idle(IDLE).build(),
            tests: Cache::builder().max_capacity(HELD_MAX).time_to_live(TESTS_WITHIN).build(),
        }
    }
}

/// Chooses what writes an answer of an expert: the expert's own models, else those of the organisation in their order, else the installation's
/// provider where the organisation allows it, else nobody.
///
/// # Errors
/// `Forbidden` without the permission to ask; `Unavailable` where none of the models that are in use can be used, with the reason of the first.
pub async fn for_answer(p: &Platform, cx: &OpContext, expert: ExpertId) -> Result<Choice> {
    cx.require(Permission::Ask)?;
    choose(p, cx, Some(expert)).await
}

/// Name of what writes the answers of experts without models of their own.
///
/// # Errors
/// `Forbidden` without the permission to see settings.
pub async fn composer(p: &Platform, cx: &OpContext) -> Result<String> {
    cx.require(Permission::SettingsRead)?;
    match choose(p, cx, None).await {
        Err(error) if error.code() == UNUSABLE => Ok("no model: those that are set up cannot be used".to_owned()),
        choice => Ok(choice?.composer()),
    }
}

/// Chooses the models of this name that are in use, in the organisation's order: the same model at several providers stands in for itself.
///
/// # Errors
/// `Forbidden` without the permission to use models; `NotFound` where there is none of this name in use or the organisation lets no program
/// use any, which cannot be told apart; `Unavailable` where none of them can be used.
pub async fn for_model(p: &Platform, cx: &OpContext, name: &str) -> Result<Choice> {
    cx.require(Permission::ModelUse)?;
    let (held, situation) = held(p, cx, None).await?;
    let named = held.order.iter().filter(|(_, known)| situation.direct_models && known == name);
    let mut named = named.filter_map(|(id, _)| Some((*id, held.writers.get(id)?))).peekable();
    if named.peek().is_none() {
        let detail =
            "There is no model of this name that programs may use here. Nothing was sent anywhere; `/v1/models` lists what there is.";
        return Err(Error::not_found("model.unknown", detail));
    }
    usable(named, held.version)
}

/// Lists the names of the models that the caller's programs may use, in the organisation's order, each once: none where they may use none.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn direct_models(p: &Platform, cx: &OpContext) -> Result<Vec<String>> {
    if !cx.may(Permission::ModelUse) {
        return Ok(Vec::new());
    }
    let (held, situation) = held(p, cx, None).await?;
    let mut names: Vec<String> = Vec::new();
    for (_, name) in held.order.iter().filter(|_| situation.direct_models) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// What this node holds of the organisation's models, read again where it is old.
async fn held(p: &Platform, cx: &OpContext, expert: Option<ExpertId>) -> Result<(Arc<Held>, store::Situation)> {
    let mut tx = p.db.read(cx).await?;
    let situation = store::situation(&mut tx, expert).await?;
    let before = p.providers.held.get(&cx.tenant());
    let held = match before {
        Some(held) if held.version == situation.version => held,
        before => {
            let fresh = Arc::new(load(p, &mut tx, situation.version, before.as_deref()).await?);
            p.providers.held.insert(cx.tenant(), fresh.clone());
            fresh
        }
    };
    tx.end().await?;
    Ok((held, situation))
}

async fn choose(p: &Platform, cx: &OpContext, expert: Option<ExpertId>) -> Result<Choice> {
    let (held, situation) = held(p, cx, expert).await?;
    if situation.own.is_empty() && held.order.is_empty() {
        let allowed = p.installation.iter().filter(|_| situation.installation_allowed);
        return Ok(Choice { writers: allowed.map(|writer| writer.priced(held.installation)).collect(), version: held.version });
    }
    let wanted = if situation.own.is_empty() { held.order.iter().map(|(id, _)| *id).collect() } else { situation.own };
    usable(wanted.into_iter().filter_map(|id| Some((id, held.writers.get(&id)?))), held.version)
}

/// Those that can be used. Where something is in use and nothing can be used, nobody else takes its place.
fn usable<'a>(wanted: impl Iterator<Item = (ModelId, &'a Built)>, version: i64) -> Result<Choice> {
    let (mut writers, mut first) = (Vec::new(), None);
    for (model, built) in wanted {
        match built {
            Ok(writer) => writers.push(writer.clone()),
            Err(error) => {
                tracing::warn!(%error, %model, "a model of an organisation cannot be used and is passed over");
                first.get_or_insert_with(|| error.clone());
            }
        }
    }
    match first {
        Some(error) if writers.is_empty() => Err(Error::unavailable(
            UNUSABLE,
            "None of the models that your organisation set up for this can be used, so nothing was sent anywhere. A question to an expert is kept; an administrator should test the models under Settings, Model providers.",
        )
        .with_source(error)),
        _ => Ok(Choice { writers, version }),
    }
}

/// Makes the models of an organisation ready. What is under way at a model goes on and counts for the one that takes its place.
async fn load(p: &Platform, tx: &mut TenantTx<Read>, version: i64, before: Option<&Held>) -> Result<Held> {
    let mut held = Held { version, order: Vec::new(), installation: None, writers: HashMap::new() };
    if version == 0 {
        return Ok(held);
    }
    let prices = store::prices(tx).await?;
    held.installation = prices.get(&None).copied();
    let rows = store::providers(tx, None).await?;
    for model in store::models(tx).await?.into_iter().filter(|m| m.in_use) {
        let Some(row) = rows.iter().find(|row| row.id == model.provider) else { continue };
        let key = row.api_key.as_deref().map(|sealed| tx.open_text(key_of(row.id), sealed)).transpose()?.map(ApiKey::new);
        let spec = Spec {
            name: &row.name,
            model: &model.name,
            max_output_tokens: model.max_output_tokens,
            temperature: model.temperature,
            timeouts: ANSWERING,
        };
        held.order.push((model.id, model.name.clone()));
        let former = before.and_then(|held| held.writers.get(&model.id)?.as_ref().ok());
        let provider = built(p, row.format, &row.base_url, key, spec);
        let price = prices.get(&Some(model.id)).copied();
        let writer = provider.map(|provider| Writer::new((&p.gateway, p.providers.of_model), Some(model.id), provider, price, former));
        held.writers.insert(model.id, writer);
    }
    Ok(held)
}
