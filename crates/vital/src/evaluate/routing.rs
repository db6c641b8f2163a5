//! `vital eval routing`: how often the right expert is first, or among the first three.

use super::model::{ModelFlags, embed};
use crate::{
    failure::{Exit, Failure},
    terminal,
};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf, time::Instant};
use tokio::runtime::Runtime;
use vital_platform::experts::{built_in, rank_for_evaluation};

/// Flags of `vital eval routing`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The questions, a JSON object a line
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelFlags,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    question: String,
    experts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    questions: usize,
    by_meaning: bool,
    first: f64,
    among_three: f64,
    mrr: f64,
    per_question_ms: f64,
    misses: Vec<Miss>,
}

#[derive(Debug, Serialize)]
struct Miss {
    question: String,
    expected: Vec<String>,
    first: String,
    /// Rank of the best right expert, from 1; none where no right one was ranked.
    rank: Option<usize>,
}

pub(super) fn run(flags: &Flags, runtime: &Runtime) -> anyhow::Result<Exit> {
    let judged = read(flags)?;
    let model = flags.model.load()?;
    let questions: Vec<String> = judged.iter().map(|j| j.question.clone()).collect();
    let begun = Instant::now();
    let ranked = rank_for_evaluation(&questions, |texts| embed(runtime, model.as_ref(), texts))?;
    let took_ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let report = measure(&judged, &ranked, model.is_some(), took_ms);
    if flags.json {
        terminal::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Done)
}

fn read(flags: &Flags) -> anyhow::Result<Vec<Judged>> {
    let shown = flags.file.display();
    let text = fs::read_to_string(&flags.file).map_err(|error| Failure::new(format!("`{shown}` cannot be read: {error}")))?;
    let known: Vec<String> = built_in()?.into_iter().map(|expert| expert.slug).collect();
    let mut judged = Vec::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let item: Judged = serde_json::from_str(line).map_err(|error| Failure::new(format!("`{shown}` line {number}: {error}")))?;
        if let Some(unknown) = item.experts.iter().find(|slug| !known.contains(slug)) {
            return Err(Failure::new(format!("`{shown}` line {number}: there is no expert `{}`", terminal::plain(unknown))).into());
        }
        judged.push(item);
    }
    if judged.is_empty() {
        return Err(Failure::new(format!("`{shown}` holds no questions")).into());
    }
    Ok(judged)
}

fn measure(judged: &[Judged], ranked: &[Vec<String>], by_meaning: bool, took_ms: f64) -> Report {
    let ranks: Vec<Option<usize>> =
        judged.iter().zip(ranked).map(|(j, r)| r.iter().position(|slug| j.experts.contains(slug)).map(|above| above + 1)).collect();
    let count = judged.len() as f64;
    let within = |most: usize| ranks.iter().flatten().filter(|rank| **rank <= most).count() as f64 / count;
    let misses = judged.iter().zip(ranked).zip(&ranks).filter(|(_, rank)| **rank != Some(1)).map(|((j, r), rank)| Miss {
        question: j.question.clone(),
        expected: j.experts.clone(),
        first: r.first().cloned().unwrap_or_default(),
        rank: *rank,
    });
    Report {
        questions: judged.len(),
        by_meaning,
        first: within(1),
        among_three: within(3),
        mrr: ranks.iter().flatten().map(|rank| 1.0 / *rank as f64).sum::<f64>() / count,
        per_question_ms: took_ms / count,
        misses: misses.collect(),
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let how = if report.by_meaning { "words and meaning" } else { "words alone" };
    terminal::data(&format!("{:<18} {:>9} {:>7} {:>9} {:>7} {:>12}", "routing by", "questions", "first", "first 3", "MRR", "ms/question"))?;
    terminal::data(&format!(
        "{how:<18} {:>9} {:>7.4} {:>9.4} {:>7.4} {:>12.2}",
        report.questions, report.first, report.among_three, report.mrr, report.per_question_ms
    ))?;
    for miss in &report.misses {
        let rank = miss.rank.map_or_else(|| "not ranked".to_owned(), |rank| format!("rank {rank}"));
        terminal::talk(&terminal::plain(&format!(
            "{rank}: {} (expected {}, first {})",
            miss.question,
            miss.expected.join(" or "),
            miss.first
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_of_a_worked_example() {
        let judged = |experts: &[&str]| Judged { question: "q".into(), experts: experts.iter().map(|e| (*e).into()).collect() };
        let ranking = |slugs: &[&str]| slugs.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let set = [judged(&["a"]), judged(&["b", "c"]), judged(&["z"]), judged(&["d"])];
        let ranked = [ranking(&["a", "b"]), ranking(&["a", "c"]), ranking(&["a"]), ranking(&["a", "b", "c", "d"])];
        let report = measure(&set, &ranked, false, 8.0);
        assert_eq!((report.first, report.among_three, report.per_question_ms), (0.25, 0.5, 2.0));
        assert!((report.mrr - (1.0 + 0.5 + 0.25) / 4.0).abs() < 1e-12);
        assert_eq!(report.misses.iter().map(|m| m.rank).collect::<Vec<_>>(), [Some(2), None, Some(4)]);
    }
}
