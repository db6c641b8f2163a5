//! `vital eval …`: measures retrieval, routing and answers on judged sets. Works without a running server.

mod answers;
mod model;
mod retrieval;
mod routing;

use crate::failure::Exit;
use clap::Subcommand;
use tokio::runtime::Runtime;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Measure lexical, dense and fused search on a BEIR folder: nDCG@10, recall@10, recall@100, MRR
    #[command(after_help = "The folder holds corpus.jsonl, queries.jsonl and qrels/*.tsv.

Example:
  vital eval retrieval eval/pubmedqa --no-dense")]
    Retrieval(retrieval::Flags),
    /// Measure the choice of the expert on written questions
    #[command(after_help = "A line of the file: {\"question\": \"…\", \"experts\": [\"slug\", …]}; any of the experts is right.

Example:
  vital eval routing catalogue/eval/routing.jsonl")]
    Routing(routing::Flags),
    /// Measure answers over the starter library: facts found, questions rightly and wrongly refused
    #[command(
        after_help = "A line of the file: {\"id\": \"…\", \"question\": \"…\", \"facts\": [[\"90 days\", \"90 FDA days\"], …]} or {…, \"unanswerable\": true}.
A scratch installation with a private PostgreSQL is made for it and removed again.

Example:
  vital eval answers catalogue/eval/answers.jsonl"
    )]
    Answers(answers::Flags),
}

/// Measures and prints a table, or JSON.
pub(crate) fn run(verb: Verb, runtime: &Runtime) -> anyhow::Result<Exit> {
    match verb {
        Verb::Retrieval(flags) => retrieval::run(&flags, runtime),
        Verb::Routing(flags) => routing::run(&flags, runtime),
        Verb::Answers(flags) => answers::run(&flags, runtime),
    }
}
