//! `vital eval answers`: asks every question of a written set on the real path, in a fresh installation of its own with the starter
//! library, and counts the facts found and the refusals.

use super::model::ModelFlags;
use crate::{
    config::Config,
    database,
    failure::{Exit, Failure},
    serve::INDEX_FOLDER,
    terminal,
};
use futures_util::{StreamExt as _, pin_mut};
use std::{fs, net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};
use tokio::runtime::Runtime;
use vital_kernel::{Embedder, OpContext, RequestId, Role};
use vital_platform::{
    ModelLoad, Parts, Platform,
    ask::{
        self, Question, TurnState,
        compose::eval::{Case, Outcome, Report, measure, read_cases},
    },
    identity::{self, Caller, Came, NewUser, SignIn},
    knowledge::{self, DocumentFilter},
    tenancy,
};
use vital_store::embedded::DataFolder;

/// Flags of `vital eval answers`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The questions, a JSON object a line
    file: PathBuf,
    /// Print every answer as well
    #[arg(long)]
    show: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelFlags,
}

/// How long the starter library may take to become searchable by meaning.
const LIBRARY_WAIT: Duration = Duration::from_secs(600);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) fn run(flags: &Flags, runtime: &Runtime) -> anyhow::Result<Exit> {
    let shown = flags.file.display();
    let text = fs::read_to_string(&flags.file).map_err(|error| Failure::new(format!("`{shown}` cannot be read: {error}")))?;
    let cases = read_cases(&text)?;
    let embedder = match flags.model.load()? {
        Some(model) => Ok(Arc::new(model) as Arc<dyn Embedder>),
        None => Err("left out on purpose".to_owned()),
    };
    let answered = runtime.block_on(answer_all(&cases, embedder))?;
    let mut outcomes = answered.iter();
    let report = measure(&cases, |_| outcomes.next().cloned().unwrap_or(Outcome::Refused));
    if flags.json {
        terminal::json(&as_json(&report))?;
    } else {
        if flags.show {
            for (case, outcome) in cases.iter().zip(&answered) {
                terminal::data(&format!(
                    "## {}\n{}\n",
                    case.question,
                    match outcome {
                        Outcome::Answered(text) => text,
                        Outcome::Refused => "(refused)",
                    }
                ))?;
            }
        }
        terminal::data(report.to_string().trim_end())?;
    }
    Ok(Exit::Done)
}

fn as_json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "fact_recall": report.fact_recall(), "facts": report.facts, "facts_found": report.facts_found,
        "answerable": report.answerable, "wrongly_refused": report.wrongly_refused,
        "unanswerable": report.unanswerable, "wrongly_answered": report.wrongly_answered, "missed": report.missed,
    })
}

/// Makes an installation in a temporary folder, asks everything, and takes it down again.
async fn answer_all(cases: &[Case], embedder: Result<Arc<dyn Embedder>, String>) -> anyhow::Result<Vec<Outcome>> {
    let temporary = tempfile::Builder::new().prefix("vital-eval-").tempdir()?;
    let mut config = Config::default();
    config.server.data = temporary.path().to_owned();
    let folder = DataFolder::claim(temporary.path()).await?;
    terminal::talk("setting up a scratch installation with the starter library");
    let (db, cluster) = database::for_server(&config, &folder).await?;
    let by_meaning = embedder.is_ok();
    let index_folder = temporary.path().join(INDEX_FOLDER);
    // No file is uploaded here, so no parser is needed.
    let platform = Platform::new(Parts {
        db,
        index_folder,
        parser: Vec::new(),
        embedder,
        provider: None,
        site: config.site(config.server.listen),
        mailer: config.mail.open(temporary.path())?,
        toolbox: config.toolbox(None)?,
        erasure_ledger: temporary.path().join(database::ERASURES_FILE),
        egress: config.egress_rules()?,
        trail: config.audit.settings(&config.server),
        name_server: config.tls.name_server,
        authority: config.tls.authority()?,
        alone: true,
        models: ModelLoad::default(),
        answers: None,
    })?;
    let work = tokio::spawn(vital_platform::work::run(Arc::clone(&platform)));
    let outcomes = ask_all(&platform, cases, by_meaning).await;
    platform.stop().await;
    work.await??;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    outcomes
}

async fn ask_all(platform: &Arc<Platform>, cases: &[Case], by_meaning: bool) -> anyhow::Result<Vec<Outcome>> {
    let caller = member(platform).await?;
    tokio::time::timeout(LIBRARY_WAIT, library_ready(platform, &caller.cx, by_meaning)).await??;
    let bar = indicatif::ProgressBar::new(cases.len() as u64);
    let mut outcomes = Vec::with_capacity(cases.len());
    for case in cases {
        outcomes.push(ask_one(platform, &caller, &case.question).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(outcomes)
}

async fn member(platform: &Arc<Platform>) -> anyhow::Result<Caller> {
    let tenant = tenancy::create_tenant(platform, "Evaluation").await?;
    let (email, password) = ("evaluation@localhost.invalid".to_owned(), RequestId::new().to_string());
    let new = NewUser { display_name: "Evaluation".into(), email: email.clone(), password: password.clone(), roles: vec![Role::Member] };
    identity::create_user(platform, &identity::operator_context(tenant), new).await?;
    let came = Came { address: Ipv4Addr::LOCALHOST.into(), device: "vital eval".to_owned(), domain_of: None };
    let token = identity::sign_in(platform, SignIn { email, password, came }).await?.done()?;
    Ok(identity::authenticate(platform, token.reveal(), RequestId::new()).await?)
}

async fn library_ready(platform: &Platform, cx: &OpContext, by_meaning: bool) -> anyhow::Result<()> {
    loop {
        let filter = DocumentFilter { starter: Some(true), limit: i64::MAX, ..DocumentFilter::default() };
        let all = knowledge::documents(platform, cx, filter).await?;
        let done = |d: &knowledge::Document| d.state == knowledge::DocumentState::Ready && (!by_meaning || d.embedded == d.passages);
        if !all.is_empty() && all.iter().all(done) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn ask_one(platform: &Arc<Platform>, caller: &Caller, question: &str) -> anyhow::Result<Outcome> {
    let cx = &caller.cx;
    let conversation = ask::open_conversation(platform, cx, None).await?;
    let asked = ask::ask(platform, cx, conversation.id, Question { text: question.to_owned(), ..Question::default() }).await?;
    let events = ask::follow(Arc::clone(platform), caller.clone(), asked.id, 0).await?;
    pin_mut!(events);
    while let Some(event) = events.next().await {
        event?;
    }
    let turn = ask::turn(platform, cx, asked.id).await?;
    match (turn.state, turn.answer) {
        (TurnState::Answered, Some(answer)) => Ok(Outcome::Answered(answer.plain_text())),
        (TurnState::NoEvidence, _) => Ok(Outcome::Refused),
        (state, _) => anyhow::bail!("`{question}` ended as {state:?}: {:?}", turn.problem),
    }
}
