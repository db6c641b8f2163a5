//! The local model for measurements: waited for, and used from code that is not async.

use crate::{config::Models, failure::Failure, serve::embedder, terminal};
use std::path::PathBuf;
use tokio::runtime::Runtime;
use vital_kernel::{EmbedLane, Embedder, EmbedderStatus, Error, Result};
use vital_models::LocalEmbedder;

/// Flags about the model.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelFlags {
    /// Leave the embedding model out: words alone
    #[arg(long, visible_alias = "lexical")]
    no_dense: bool,
    /// Folder of the embedding model; what script/setup installed unless given
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
}

impl ModelFlags {
    /// Loads the model and waits for it; none where it is left out.
    ///
    /// # Errors
    /// When it is wanted and cannot be used: a measurement must not silently be another one.
    pub(super) fn load(&self) -> anyhow::Result<Option<LocalEmbedder>> {
        if self.no_dense {
            return Ok(None);
        }
        let unusable = |why: String| Failure::new(why).hint("leave the model out with `--no-dense`");
        let model = embedder::open(&Models { dir: self.model.clone() }).map_err(unusable)?;
        terminal::talk(&format!("loading {}", model.model()));
        match model.wait() {
            EmbedderStatus::Failed(why) => Err(unusable(format!("the embedding model cannot be used: {why}")).into()),
            EmbedderStatus::Ready | EmbedderStatus::Loading => Ok(Some(model)),
        }
    }
}

/// Embeds texts from code that is not async; nothing without a model.
pub(super) fn embed(runtime: &Runtime, model: Option<&LocalEmbedder>, texts: Vec<String>) -> Result<Option<Vec<Vec<f32>>>> {
    let Some(model) = model else { return Ok(None) };
    runtime.block_on(model.embed(EmbedLane::Bulk, texts)).map(Some).map_err(Error::internal)
}
