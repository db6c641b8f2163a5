//! `[models]`: the local embedding model.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `dir` | found | Folder of the model. Else `$VITAL_CACHE/minilm`, else `~/.cache/vital-path/minilm`, else `/var/cache/vital-path/minilm`. |
//!
//! Without a model the platform searches by words alone, and says so.

use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Models {
    /// Folder of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<PathBuf>,
}

impl Models {
    /// The folder of the model, or why there is none, for people.
    pub(crate) fn folder(&self) -> Result<PathBuf, String> {
        let places = self.places(&|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let found = places.iter().find(|place| place.join("MODEL.json").is_file());
        found.cloned().ok_or_else(|| {
            let looked: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
            format!(
                "The embedding model is not installed, so search works by words alone. Run script/setup to install it. Looked in: {}",
                looked.join(", ")
            )
        })
    }

    fn places(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
        if let Some(dir) = &self.dir {
            return vec![dir.clone()];
        }
        if let Some(cache) = variable("VITAL_CACHE") {
            return vec![Path::new(&cache).join("minilm")];
        }
        let home = variable("HOME").map(|home| Path::new(&home).join(".cache/vital-path/minilm"));
        home.into_iter().chain([PathBuf::from("/var/cache/vital-path/minilm")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_folder_is_the_only_place_and_the_cache_comes_before_home() {
        let all = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(Models { dir: Some("/mine".into()) }.places(&all), [Path::new("/mine")]);
        assert_eq!(Models::default().places(&all), [Path::new("/VITAL_CACHE/minilm")]);
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/h"));
        assert_eq!(Models::default().places(&home)[0], Path::new("/h/.cache/vital-path/minilm"));
    }

    #[test]
    fn a_missing_model_names_the_place_and_the_remedy() {
        let why = Models { dir: Some("/nonexistent/model".into()) }.folder().unwrap_err();
        assert!(why.contains("/nonexistent/model") && why.contains("script/setup"), "{why}");
    }
}
