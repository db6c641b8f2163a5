//! Searches a BEIR folder by words alone and prints the ten best documents of each question with their scores, one JSON line a question.
//!
//! Run with `cargo run -p vital-search --example lexical FOLDER`; `script/bm25s-equality` compares it with bm25s.
#![allow(clippy::print_stdout, reason = "a measurement for the terminal")]

use std::{error::Error, path::Path};
use vital_search::eval::{BeirSet, LexicalRun};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("a BEIR folder is needed")?;
    let set = BeirSet::read(Path::new(&folder))?;
    let index = LexicalRun::over(&set)?;
    for query in &set.queries {
        let mut hits = Vec::new();
        for (id, score) in index.search(&query.text)?.into_iter().take(10) {
            hits.extend(set.documents.get(usize::try_from(id.0.as_u128())?).map(|document| (&document.id, score)));
        }
        println!("{}", serde_json::json!({ "query": query.id, "hits": hits }));
    }
    Ok(())
}
