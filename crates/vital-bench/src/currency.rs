//! Withdrawing a document on which 10,000 answers stand: they are found, marked and their owners told in one request.

use crate::{
    api::Api,
    row::{Aim, Report, Row},
    samples::{Samples, ms},
    server::{Server, Setting},
};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _};
use std::time::Instant;
use vital_store::embedded::Cluster;

/// Answers that cite the document.
const ANSWERS: i64 = 10_000;
/// Times that it is withdrawn; between two it holds again.
const TIMES: usize = 11;
/// The aim, in milliseconds.
const MARK_MS_MAX: f64 = 1_000.0;
/// The document. No article of the library says this.
const TEXT: &str = "# Stability of zorilvanib\n\nThe retest period of zorilvanib is 24 months at 25 °C.\n";
/// Copies of an answer and its citations, a conversation for each ten. The administrator's connection is not fenced.
const COPIES: &str = "with conversations_new as (
        insert into conversations (tenant_id, id, owner_id, title, turn_count, created_at, updated_at)
        select c.tenant_id, md5('c' || g)::uuid, c.owner_id, null, 10, c.created_at, c.updated_at
        from conversations c join turns t on t.conversation_id = c.id, generate_series(0, $2 / 10) g where t.id = $1),
    turns_new as (
        insert into turns (tenant_id, id, conversation_id, ordinal, question, state, answer, created_at, finished_at)
        select t.tenant_id, md5('t' || g)::uuid, md5('c' || g / 10)::uuid, g % 10 + 1, t.question, t.state, t.answer, t.created_at, t.finished_at
        from turns t, generate_series(1, $2 - 1) g where t.id = $1)
    insert into citations (tenant_id, turn_id, n, sentence, document_id, version_hash, start_byte, end_byte)
    select c.tenant_id, md5('t' || g)::uuid, c.n, c.sentence, c.document_id, c.version_hash, c.start_byte, c.end_byte
    from citations c, generate_series(1, $2 - 1) g where c.turn_id = $1";

/// Makes the answers and withdraws the document again and again.
///
/// # Errors
/// When the server refuses, or marks another number of answers.
pub(crate) async fn measure(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    crate::say("marking 10,000 answers on a document that is withdrawn");
    let server = Server::start(setting).await?;
    let api = Api::set_up(&server).await?;
    api.library_ready(false).await?;
    let document = api.upload("stability.md", TEXT.to_owned()).await?;
    api.documents_ready(false).await?;
    let conversation = api.open_conversation().await?;
    api.ask(&conversation, "What is the retest period of zorilvanib?").await?;
    let shown = api.read(&format!("/api/v1/conversations/{conversation}")).await?;
    let turn: uuid::Uuid = shown["turns"][0]["id"].as_str().context("there is no turn")?.parse()?;
    let running = Cluster::connect_to_running(setting.data())?.context("the private database does not run")?;
    let mut connection = running.connect().await?;
    sqlx::query(COPIES).bind(turn).bind(i32::try_from(ANSWERS)?).execute(&mut connection).await?;
    sqlx::query("analyze").execute(&mut connection).await?;
    connection.close().await?;

    let path = format!("/api/v1/documents/{document}/appraisal");
    let appraisal = |status: &str| json!({ "authority": "own", "level": null, "status": status });
    let mut taken = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        let changed: Value = api.put(&path, &appraisal("withdrawn")).await?;
        taken.push(ms(begun.elapsed()));
        ensure!(changed["answers"] == ANSWERS, "{} answers were marked and not {ANSWERS}", changed["answers"]);
        api.put(&path, &appraisal("current")).await?;
    }
    server.stop()?;
    let taken = Samples::new(taken);
    let figures = [("p50", taken.percentile(50.0)), ("max", taken.percentile(100.0))];
    report.add(Row::new("withdrawing a document with 10,000 answers on it", "ms", &figures, Some(Aim::AtMost(MARK_MS_MAX)), taken.len()));
    Ok(())
}
