//! Measures what other wordings of a question's concepts add to lexical search, by their weight.
//!
//! Run with `cargo run -p vital-search --example expansion FOLDER_OF_TABLES FOLDER...` on BEIR folders. Prints nDCG@10 and recall@100.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measurement for the terminal")]

use std::path::Path;
use vital_search::{
    Expansions, Question,
    eval::{BeirSet, LexicalRun, ndcg_at, recall_at},
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut tables = Expansions::default();
    for file in std::fs::read_dir(arguments.next().expect("a folder of tables")).expect("a folder of tables") {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let domain = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            tables = tables.with(&domain, Expansions::read(&domain, &std::fs::read_to_string(&path).unwrap()).expect("a table"));
        }
    }
    println!("{} entries", tables.len());
    for folder in arguments {
        let set = BeirSet::read(Path::new(&folder)).expect("a BEIR folder");
        let lexical = LexicalRun::over(&set).expect("an index");
        let judged = |id: &str| set.judged.get(id).filter(|j| j.values().any(|grade| *grade > 0));
        let queries: Vec<_> = set.queries.iter().filter(|q| judged(&q.id).is_some()).collect();
        let expanded = queries.iter().filter(|q| !tables.of(&q.text).is_empty()).count();
        println!("{folder}: {} questions, {expanded} with other wordings", queries.len());
        for weight in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
            let (mut ndcg, mut recall) = (0.0, 0.0);
            for query in &queries {
                let mut expansions = tables.of(&query.text);
                expansions.iter_mut().for_each(|e| e.weight = weight);
                let question = Question::words(&query.text).with_expansions(&query.text, &expansions);
                let hits = lexical.ask(&question).unwrap().hits;
                let ranking: Vec<String> = hits.iter().map(|h| set.documents[h.passage.0.as_u128() as usize].id.clone()).collect();
                let judged = judged(&query.id).expect("kept for it");
                ndcg += ndcg_at(10, &ranking, judged);
                recall += recall_at(100, &ranking, judged);
            }
            let n = queries.len().max(1) as f64;
            println!("  weight {weight:.1}  nDCG@10 {:.4}  recall@100 {:.4}", ndcg / n, recall / n);
        }
    }
}
