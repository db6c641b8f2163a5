//! Gives the search terms of texts to other programs: one JSON string a line in, one JSON array of terms a line out.
//!
//! Run with `cargo run -p vital-search --example analyse < TEXTS`; `script/bm25s-equality` feeds bm25s with it.
#![allow(clippy::print_stdout, reason = "a filter for the terminal")]

use std::io::{BufRead, Write, stdin, stdout};

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(stdout().lock());
    for line in stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut out, &vital_search::terms(&text))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
