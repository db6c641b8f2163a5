//! tmp
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::allow_attributes_without_reason)]
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let t = std::time::Instant::now();
    match vital_documents::parse(&path, &bytes, &Default::default()) {
        Ok(p) => {
            let el = t.elapsed();
            for b in &p.blocks {
                println!("{:?} p{:?}: {}", b.kind, b.page, &p.text[b.start..b.end]);
            }
            let t2 = std::time::Instant::now();
            let ps = vital_documents::passages(&p, &Default::default());
            eprintln!(
                "title {:?} pages {:?} blocks {} text {} warnings {:?} in {el:?}; {} passages mean {} in {:?}",
                p.title,
                p.pages,
                p.blocks.len(),
                p.text.len(),
                p.warnings,
                ps.len(),
                ps.iter().map(|p| p.end - p.start).sum::<usize>() / ps.len(),
                t2.elapsed()
            );
        }
        Err(e) => println!("{} {e}", e.code()),
    }
}
