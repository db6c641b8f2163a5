//! `vital replay`: an answer played again from its record.

use super::client::{Client, Server};
use crate::{
    failure::Exit,
    terminal::{self, plain},
};
use serde::Deserialize;
use uuid::Uuid;

/// Flags of `vital replay`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The passages are opened at the recorded bytes, searched for again with the recorded query, and where sentences were selected and not
written by a model, selected again. Exit code 0: the same passages in the same order and, where it can be repeated, the same answer; 1 otherwise.

Example:
  vital replay 0199e6a2-7d1c-7c3e-9f59-2a0f2f6b8f11
  vital replay 0199e6a2-7d1c-7c3e-9f59-2a0f2f6b8f11 --json | jq .same_order"
)]
pub(crate) struct Replay {
    /// Id of the turn, as `vital ask --json` and the address of the answer show it
    turn: Uuid,
    /// Print the whole replay as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// What is printed of a replay.
#[derive(Deserialize)]
struct Replayed {
    turn: Turn,
    passages: Vec<Passage>,
    newcomers: Vec<Newcomer>,
    same_passages: bool,
    same_order: bool,
    answer: String,
}

#[derive(Deserialize)]
struct Turn {
    question: String,
}

#[derive(Deserialize)]
struct Passage {
    rank: u32,
    rank_now: Option<u32>,
    title: Option<String>,
    document_id: Uuid,
    start: u64,
    end: u64,
    score: f32,
}

#[derive(Deserialize)]
struct Newcomer {
    rank_now: u32,
    title: String,
    document_id: Uuid,
    start: u64,
    end: u64,
}

/// Replays an answer.
pub(crate) async fn run(flags: Replay) -> anyhow::Result<Exit> {
    let client = Client::with_key_or_signed_in(&flags.server)?;
    let value: serde_json::Value = client.get(&format!("/api/v1/turns/{}/replay", flags.turn)).await?;
    let replay: Replayed = serde_json::from_value(value.clone())?;
    if flags.json {
        terminal::data(&serde_json::to_string_pretty(&value)?)?;
    } else {
        terminal::data(&written(&replay))?;
    }
    let same = replay.same_order && matches!(replay.answer.as_str(), "same" | "written_by_model" | "no_answer");
    Ok(if same { Exit::Done } else { Exit::Failed })
}

fn written(r: &Replayed) -> String {
    let mut lines = vec![plain(&r.turn.question), String::new()];
    for p in &r.passages {
        let now = match p.rank_now {
            Some(now) if now == p.rank => "same place".to_owned(),
            Some(now) => format!("now {now}"),
            None => "not found now".to_owned(),
        };
        let title = p.title.as_deref().map_or_else(|| "(can no longer be opened)".to_owned(), plain);
        lines.push(format!("{:>3}. {:.3}  {now:<14} {title}  [{} {}-{}]", p.rank, p.score, p.document_id, p.start, p.end));
    }
    for n in &r.newcomers {
        lines.push(format!("  +  now {:<3} {}  [{} {}-{}]", n.rank_now, plain(&n.title), n.document_id, n.start, n.end));
    }
    let passages = match (r.same_order, r.same_passages) {
        (true, _) => "the same passages in the same order",
        (false, true) => "the same passages in another order",
        (false, false) => "other passages",
    };
    let answer = match r.answer.as_str() {
        "same" => "the same sentences",
        "different" => "other sentences",
        "written_by_model" => "written by a model, which cannot be repeated",
        _ => "no answer from evidence",
    };
    lines.push(String::new());
    lines.push(format!("search: {passages}; answer: {answer}"));
    lines.join("\n")
}
