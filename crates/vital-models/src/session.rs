//! One loaded model: texts in, unit vectors out, on the calling thread and the model's own pool.

use crate::{
    ModelError,
    manifest::{Manifest, NETWORK, TOKENIZER},
};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::{NdTensor, prelude::*};
use std::{path::Path, sync::Arc};
use tokenizers::{Encoding, Tokenizer, TruncationParams};

/// Bytes of a text that are looked at; 256 tokens end long before this in any script.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A loaded model.
pub(crate) struct Session {
    model: Model,
    tokenizer: Arc<Tokenizer>,
    options: RunOptions,
    ids: NodeId,
    mask: NodeId,
    embedding: NodeId,
    dimensions: usize,
}

impl Session {
    /// Verifies and loads the model of a folder, to run on so many threads.
    pub(crate) fn load(dir: &Path, manifest: &Manifest, threads: usize) -> Result<Self, ModelError> {
        manifest.verify(dir)?;
        let refused = |e: &dyn std::fmt::Display| ModelError::Refused(e.to_string());
        let mut tokenizer = Tokenizer::from_file(dir.join(TOKENIZER)).map_err(|e| refused(&e))?;
        // The file's own settings cut at 128 tokens and pad every text to 128.
        let truncation = TruncationParams { max_length: manifest.tokens_max, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| refused(&e))?;
        tokenizer.with_padding(None);
        // Reading tensor by tensor from the file keeps one copy in memory; prepacked weights would add a second.
        let model = ModelOptions::with_all_ops().load_file(dir.join(NETWORK)).map_err(|e| refused(&e))?;
        let node = |name: &str| model.node_id(name).map_err(|e| refused(&e));
        let (ids, mask, embedding) = (node("input_ids")?, node("attention_mask")?, node("embedding")?);
        let pool = Arc::new(ThreadPool::with_num_threads(threads.max(1)));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let tokenizer = Arc::new(tokenizer);
        Ok(Self { model, tokenizer, options, ids, mask, embedding, dimensions: manifest.dimensions })
    }

    /// The word pieces, for counting on other threads.
    pub(crate) fn tokenizer(&self) -> Arc<Tokenizer> {
        Arc::clone(&self.tokenizer)
    }

    /// Embeds texts together, padded to the longest. Any text is accepted; the error is the library's.
    pub(crate) fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = Vec::with_capacity(texts.len());
        for text in texts {
            rows.push(encode(&self.tokenizer, text)?);
        }
        let (count, width) = (rows.len(), rows.iter().map(|r| r.get_ids().len()).max().unwrap_or(0));
        if width == 0 {
            return Err("the tokenizer gave no tokens".into());
        }
        let mut ids = vec![0i32; count * width];
        let mut mask = vec![0i32; count * width];
        for (row, encoding) in rows.iter().enumerate() {
            for (column, id) in encoding.get_ids().iter().enumerate() {
                ids[row * width + column] = i32::try_from(*id).map_err(|e| e.to_string())?;
                mask[row * width + column] = 1;
            }
        }
        let tensor = |data| Value::from(NdTensor::from_data([count, width], data));
        let inputs: Vec<(NodeId, ValueOrView)> = vec![(self.ids, tensor(ids).into()), (self.mask, tensor(mask).into())];
        let mut outputs = self.model.run(inputs, &[self.embedding], Some(self.options.clone())).map_err(|e| e.to_string())?;
        let output: NdTensor<f32, 2> =
            outputs.pop().ok_or("no output")?.try_into().map_err(|_| "the output is not a matrix of f32".to_owned())?;
        if output.shape() != [count, self.dimensions] || output.iter().any(|v| !v.is_finite()) {
            return Err(format!("the output of shape {:?} is not {count} vectors of {} finite numbers", output.shape(), self.dimensions));
        }
        Ok((0..count).map(|row| output.slice(row).to_vec()).collect())
    }
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Encoding, String> {
    let text = text.trim_start();
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    tokenizer.encode_fast(text, true).map_err(|e| e.to_string())
}

/// Counts the tokens of a text; what the model would not read counts as well, as far as the text is looked at.
pub(crate) fn count_tokens(tokenizer: &Tokenizer, text: &str) -> Result<usize, String> {
    let encoding = encode(tokenizer, text)?;
    Ok(encoding.len() + encoding.get_overflowing().iter().map(Encoding::len).sum::<usize>())
}
