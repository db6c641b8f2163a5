use super::*;
use serde::Deserialize;

/// Vectors of an implementation of its own in double precision; `made_by` in the file says how they were computed.
const REFERENCE: &str = include_str!("../reference.json");

#[derive(Deserialize)]
struct Reference {
    made_by: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    tokens: usize,
    embedding: Vec<f32>,
}

/// The installed model; `script/setup` puts it there, so that its absence is a failure.
fn embedder() -> LocalEmbedder {
    let dir = LocalEmbedder::default_dir().expect("VITAL_MODEL_DIR or HOME is set");
    let embedder = LocalEmbedder::load(&dir, 2).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(embedder.wait(), EmbedderStatus::Ready);
    embedder
}

fn embed(embedder: &LocalEmbedder, lane: EmbedLane, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(embedder.embed(lane, texts.iter().map(|t| (*t).to_owned()).collect()))
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn vectors_are_those_of_the_reference_alone_and_in_a_batch() {
    let reference: Reference = serde_json::from_str(REFERENCE).unwrap();
    assert!(reference.made_by.contains("reference.py") && reference.cases.len() == 8);
    assert_eq!(reference.cases.iter().map(|c| c.tokens).max(), Some(256));
    let embedder = embedder();
    let texts: Vec<&str> = reference.cases.iter().map(|c| c.text.as_str()).collect();
    let together = embed(&embedder, EmbedLane::Bulk, &texts).unwrap();
    for (case, batched) in reference.cases.iter().zip(&together) {
        let alone = embed(&embedder, EmbedLane::Query, &[&case.text]).unwrap().remove(0);
        assert_eq!(alone.len(), embedder.dimensions());
        for vector in [&alone, batched] {
            assert!(cosine(vector, &case.embedding) > 0.9999, "{:?}: {}", case.text, cosine(vector, &case.embedding));
            assert!((vector.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}

#[test]
fn tokens_are_counted_as_the_reference_counts_them_and_beyond_the_limit_too() {
    let embedder = embedder();
    let reference: Reference = serde_json::from_str(REFERENCE).unwrap();
    for case in reference.cases.iter().filter(|c| c.tokens < embedder.tokens_max()) {
        assert_eq!(embedder.count_tokens(&case.text).unwrap(), case.tokens, "{:?}", case.text);
    }
    assert_eq!(embedder.count_tokens(&"pain ".repeat(254)).unwrap(), 256);
    assert!(embedder.count_tokens(&"pain ".repeat(255)).unwrap() > 256);
    assert!(embedder.count_tokens(&"pain ".repeat(100_000)).unwrap() > 256);
}

#[test]
fn near_texts_are_nearer_than_far_ones() {
    let embedder = embedder();
    let texts = ["How long can the drug be stored?", "The shelf life of the product is 24 months.", "The committee elected a chairperson."];
    let vectors = embed(&embedder, EmbedLane::Query, &texts).unwrap();
    assert!(cosine(&vectors[0], &vectors[1]) > cosine(&vectors[0], &vectors[2]) + 0.2);
}

#[test]
fn hostile_texts_are_embedded_and_nothing_gives_nothing() {
    let embedder = embedder();
    let endless = "a\u{301}".repeat(200_000);
    let blank = " ".repeat(100_000) + "dose";
    let vectors = embed(&embedder, EmbedLane::Bulk, &[&endless, "\0\u{feff}\u{202e}", &blank, "[MASK] [SEP] ##ing", "dose"]).unwrap();
    assert_eq!(vectors.len(), 5);
    assert!(cosine(&vectors[2], &vectors[4]) > 0.9999);
    assert!(embed(&embedder, EmbedLane::Query, &[]).unwrap().is_empty());
}

#[test]
fn a_query_overtakes_bulk_work() {
    let embedder = embedder();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let passage = "Stability data support the proposed shelf life of the drug product. ".repeat(20);
    let order = Mutex::new(Vec::new());
    runtime.block_on(async {
        let bulk = embedder.embed(EmbedLane::Bulk, vec![passage; 12]);
        let query = embedder.embed(EmbedLane::Query, vec!["shelf life".to_owned()]);
        let (mut bulk, mut query) = (Some(bulk), Some(query));
        while bulk.is_some() || query.is_some() {
            tokio::select! {
                vectors = async { bulk.as_mut().unwrap().await }, if bulk.is_some() => { order.lock().unwrap().push(("bulk", vectors.unwrap().len())); bulk = None; }
                vectors = async { query.as_mut().unwrap().await }, if query.is_some() => { order.lock().unwrap().push(("query", vectors.unwrap().len())); query = None; }
            }
        }
    });
    assert_eq!(*order.lock().unwrap(), [("query", 1), ("bulk", 12)]);
}

#[test]
fn a_changed_file_shows_in_the_status_and_refuses_work() {
    let installed = LocalEmbedder::default_dir().expect("VITAL_MODEL_DIR or HOME is set");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(installed.join("MODEL.json"), dir.path().join("MODEL.json")).unwrap();
    std::fs::write(dir.path().join("minilm.onnx"), "not a network").unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    let embedder = LocalEmbedder::load(dir.path(), 1).unwrap();
    let EmbedderStatus::Failed(cause) = embedder.wait() else { panic!("not failed") };
    assert!(cause.contains("minilm.onnx") && cause.contains("script/setup"), "{cause}");
    for lane in [EmbedLane::Query, EmbedLane::Bulk] {
        assert!(matches!(embed(&embedder, lane, &["text"]), Err(EmbedError::Unavailable(_))));
    }
}

#[test]
fn a_folder_without_a_model_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let error = LocalEmbedder::load(dir.path(), 1).err().expect("an error").to_string();
    assert!(error.contains("MODEL.json") && error.contains("script/setup"), "{error}");
}
