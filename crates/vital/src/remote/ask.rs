//! `vital ask`: asks a question and streams the answer.

use super::{
    client::{Client, Server},
    events::{self, Event},
    transcript::Transcript,
};
use crate::{
    failure::{Exit, Failure},
    terminal,
};
use serde::Deserialize;
use std::io::{self, Read};
use uuid::Uuid;
use vital_kernel::limits;
use vital_platform::ask::{TurnEvent, TurnState};

/// Flags of `vital ask`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Text goes to standard output, everything else to standard error.

Exit codes: 0 answered, 1 stopped or refused, 2 wrong usage, 3 not enough evidence for an answer, 4 not signed in, 5 the server or a provider failed.

Examples:
  vital ask \"When is a Type II variation needed?\"
  vital ask --expert pharmacovigilance-icsr --json \"What is an ICSR?\" | jq -r 'select(.kind == \"token\").text'")]
pub(crate) struct Ask {
    /// The question; `-` reads it from standard input
    question: String,
    /// Expert to ask; the platform chooses unless given (`vital experts` lists them)
    #[arg(long, value_name = "SLUG")]
    expert: Option<String>,
    /// Conversation to go on with; a new one unless given
    #[arg(long, value_name = "ID")]
    conversation: Option<Uuid>,
    /// Print the events as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Created {
    id: Uuid,
}

/// Asks, streams the answer and tells by its exit code how it ended.
pub(crate) async fn run(flags: Ask) -> anyhow::Result<Exit> {
    let question = question(&flags.question)?;
    let client = Client::signed_in(&flags.server)?;
    let conversation = match flags.conversation {
        Some(id) => id,
        None => client.post_once::<Created>("/api/v1/conversations", &serde_json::json!({ "expert": flags.expert })).await?.id,
    };
    let body = serde_json::json!({ "question": question, "expert": flags.expert });
    let turn = client.post_once::<Created>(&format!("/api/v1/conversations/{conversation}/turns"), &body).await?.id;
    let state = if flags.json { print_events(&client, turn).await? } else { print_text(&client, turn).await? };
    Ok(exit(state))
}

fn question(given: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    if given == "-" {
        let read = io::stdin().lock().take(limits::QUESTION_BYTES_MAX as u64 + 1).read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("the question cannot be read from standard input: {error}")).exit(Exit::Usage))?;
    } else {
        given.clone_into(&mut text);
    }
    if text.trim().is_empty() || text.len() > limits::QUESTION_BYTES_MAX {
        return Err(Failure::new(format!("the question is empty or longer than {} KiB", limits::QUESTION_BYTES_MAX / 1024))
            .exit(Exit::Usage)
            .into());
    }
    Ok(text)
}

async fn print_text(client: &Client, turn: Uuid) -> anyhow::Result<Option<TurnState>> {
    let mut transcript = Transcript::new(io::stdout(), terminal::is_coloured());
    events::follow(client, turn, |event: Event| Ok(event.known.map_or(Ok(()), |known| transcript.event(known))?)).await?;
    Ok(transcript.state)
}

async fn print_events(client: &Client, turn: Uuid) -> anyhow::Result<Option<TurnState>> {
    let mut state = None;
    events::follow(client, turn, |event: Event| {
        if let Some(TurnEvent::Done { state: end, .. }) = &event.known {
            state = Some(*end);
        }
        Ok(terminal::data(&event.raw)?)
    })
    .await?;
    Ok(state)
}

const fn exit(state: Option<TurnState>) -> Exit {
    match state {
        Some(TurnState::Answered) => Exit::Done,
        Some(TurnState::NoEvidence) => Exit::NoEvidence,
        Some(TurnState::Stopped) => Exit::Failed,
        Some(TurnState::Running | TurnState::Failed | TurnState::Interrupted) | None => Exit::Server,
    }
}
