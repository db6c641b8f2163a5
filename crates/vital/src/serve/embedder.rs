//! The local embedding model of the server: loaded in the background, optional.

use crate::config::Models;
use std::{num::NonZero, sync::Arc, thread::available_parallelism};
use vital_kernel::Embedder;
use vital_models::LocalEmbedder;

/// Begins to load the model; or tells, for people, why there is none.
pub(crate) fn load(models: &Models) -> Result<Arc<dyn Embedder>, String> {
    open(models).map(|embedder| Arc::new(embedder) as Arc<dyn Embedder>)
}

/// As [`load`], for commands that wait for the model.
pub(crate) fn open(models: &Models) -> Result<LocalEmbedder, String> {
    let folder = models.folder()?;
    let threads = available_parallelism().map_or(1, NonZero::get);
    LocalEmbedder::load(&folder, threads).map_err(|error| {
        format!("The embedding model cannot be used ({error}), so search works by words alone. Run script/setup to install it again.")
    })
}
