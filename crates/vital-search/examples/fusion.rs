//! Compares ways to join lexical and dense search on BEIR folders that hold vectors: `documents.f32` and `queries.f32`, little-endian
//! floats, one row for each line of `corpus.jsonl` and `queries.jsonl`.
//!
//! Run with `cargo run -p vital-search --example fusion [--terms FOLDER_OF_TABLES] FOLDER...`; `script/fusion-comparison` makes the folders.
//! Prints nDCG@10 of both halves and what each rule adds to the better one.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measurement for the terminal")]

use std::{collections::BTreeMap, path::Path};
use uuid::Uuid;
use vital_kernel::PassageId;
use vital_search::{
    Expansions, FusionRule, Question,
    eval::{BeirSet, LexicalRun, ndcg_at},
    fuse,
};

const DEPTH: usize = 100;

fn main() {
    let mut folders: Vec<String> = std::env::args().skip(1).collect();
    let mut tables = Expansions::default();
    if folders.first().is_some_and(|argument| argument == "--terms") {
        for file in std::fs::read_dir(&folders[1]).expect("a folder of tables").map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|e| e == "toml") {
                tables = tables.with("table", Expansions::read("table", &std::fs::read_to_string(&file).unwrap()).expect("a table"));
            }
        }
        folders.drain(..2);
    }
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (n, folder) in folders.iter().enumerate() {
        let found = compare(Path::new(folder), &tables);
        if n == 0 {
            println!("{:<16} {}", "set", found.iter().map(|(name, _)| format!("{name:>10}")).collect::<String>());
        }
        let best = found[0].1.max(found[1].1);
        print!("{:<16}", Path::new(folder).file_name().unwrap_or_default().to_string_lossy());
        for (index, (_, value)) in found.iter().enumerate() {
            if index < 3 {
                print!("{value:>10.4}");
            } else {
                print!("{:>+10.4}", value - best);
                let sum = sums.entry(index).or_insert((0.0, f64::INFINITY));
                *sum = (sum.0 + value - best, sum.1.min(value - best));
            }
        }
        println!();
    }
    for (name, value) in [("mean", 0), ("least", 1)] {
        let row = sums.values().map(|(sum, least)| if value == 0 { sum / folders.len() as f64 } else { *least });
        println!("{name:<16}{:>30}{}", "", row.map(|v| format!("{v:>+10.4}")).collect::<String>());
    }
}

/// nDCG@10 of each system over one set.
fn compare(folder: &Path, tables: &Expansions) -> Vec<(&'static str, f64)> {
    let set = BeirSet::read(folder).expect("a BEIR folder");
    let lexical = LexicalRun::over(&set).expect("an index");
    let (documents, queries) =
        (vectors(&folder.join("documents.f32"), set.documents.len()), vectors(&folder.join("queries.f32"), set.queries.len()));
    let mut sums: Vec<(&'static str, f64)> = Vec::new();
    let mut questions = 0usize;
    for (query, vector) in set.queries.iter().zip(&queries) {
        let Some(judged) = set.judged.get(&query.id).filter(|j| j.values().any(|grade| *grade > 0)) else { continue };
        let cosine = |id: PassageId| product(vector, &documents[id.0.as_u128() as usize]);
        let mut near: Vec<(PassageId, f32)> =
            (0..documents.len()).map(|n| PassageId(Uuid::from_u128(n as u128))).map(|id| (id, cosine(id))).collect();
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        near.truncate(DEPTH);
        let plain = Question::words(&query.text);
        let placed = plain.clone().with_nearness();
        let worded = placed.clone().with_expansions(&query.text, &tables.of(&query.text));
        let [words, nearby, wide] = [&plain, &placed, &worded].map(|question| lexical.ask(question).unwrap());
        let list = |hits: &[vital_search::Hit]| hits.iter().map(|h| (h.passage, h.score)).collect::<Vec<_>>();
        let join = |rule| lexical.join(&plain, &words, &near, cosine, rule).unwrap().iter().map(|f| (f.id, f.score)).collect::<Vec<_>>();
        let fused = |rule| fuse(&list(&words.hits), &near, rule).iter().map(|f| (f.id, f.score)).collect::<Vec<_>>();
        let chosen = FusionRule::for_question(words.reach, plain.identifiers());
        let whole = |question: &Question, found: &vital_search::Found| {
            let rule = FusionRule::for_question(found.reach, question.identifiers());
            lexical.join(question, found, &near, cosine, rule).unwrap().iter().map(|f| (f.id, f.score)).collect::<Vec<_>>()
        };
        let systems = [
            ("lexical", list(&words.hits)),
            ("dense", near.clone()),
            ("nearness", list(&nearby.hits)),
            ("rrf 60", fused(FusionRule::ReciprocalRank)),
            ("mm, 0", fused(FusionRule::Convex { dense_weight: 0.5 })),
            ("mm .5", join(FusionRule::Convex { dense_weight: 0.5 })),
            ("mm .6", join(FusionRule::Convex { dense_weight: 0.6 })),
            ("z .4", join(FusionRule::Standard { dense_weight: 0.4 })),
            ("z .5", join(FusionRule::Standard { dense_weight: 0.5 })),
            ("z .6", join(FusionRule::Standard { dense_weight: 0.6 })),
            ("learned", join(chosen)),
            ("+near", whole(&placed, &nearby)),
            ("+wordings", whole(&worded, &wide)),
        ];
        sums.resize(systems.len(), ("", 0.0));
        for (sum, (name, ranking)) in sums.iter_mut().zip(systems) {
            let ranking: Vec<String> = ranking.iter().take(10).map(|(id, _)| set.documents[id.0.as_u128() as usize].id.clone()).collect();
            *sum = (name, sum.1 + ndcg_at(10, &ranking, judged));
        }
        questions += 1;
    }
    sums.into_iter().map(|(name, sum)| (name, sum / questions.max(1) as f64)).collect()
}

fn product(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn vectors(path: &Path, count: usize) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).expect("vectors");
    let floats: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    floats.chunks(floats.len() / count.max(1)).map(<[f32]>::to_vec).collect()
}
