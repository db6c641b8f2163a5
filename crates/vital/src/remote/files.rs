//! Finds the files that `vital ingest` is asked to add.
//!
//! A file that is named is always taken, so that the server can say what is wrong with it. In folders only formats that can be read
//! are taken; hidden entries and links are left out, so that a walk ends and stays where it was sent.

use crate::failure::{Exit, Failure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Most files of one command.
const FILES_MAX: usize = 10_000;
/// Deepest folder below a named one.
const DEPTH_MAX: usize = 32;
/// Endings of the formats that can be read.
const ENDINGS: [&str; 14] = ["pdf", "docx", "pptx", "xlsx", "csv", "tsv", "html", "htm", "md", "markdown", "txt", "xml", "nxml", "epub"];

/// Files to add, and what could not be looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The files, those of a folder in the order of their names.
    pub(crate) files: Vec<PathBuf>,
    /// Paths that cannot be read, with the reason.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
}

/// Collects the files at some paths.
///
/// # Errors
/// When there are more than can be added by one command.
pub(crate) fn find(paths: &[PathBuf]) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for path in paths {
        match fs::metadata(path) {
            Ok(stat) if stat.is_dir() => walk(path, DEPTH_MAX, &mut found)?,
            Ok(_) => found.files.push(path.clone()),
            Err(error) => found.unreadable.push((path.clone(), error.to_string())),
        }
    }
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Found) -> anyhow::Result<()> {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => {
            found.unreadable.push((folder.to_owned(), error.to_string()));
            return Ok(());
        }
    };
    let mut entries: Vec<_> = entries.into_iter().filter(|e| !e.file_name().as_encoded_bytes().starts_with(b".")).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // The type of the entry itself: a link is neither file nor folder.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => walk(&path, depth - 1, found)?,
            Ok(kind) if kind.is_dir() => found.unreadable.push((path, format!("more than {DEPTH_MAX} folders deep"))),
            Ok(kind) if kind.is_file() && has_known_ending(&path) => found.files.push(path),
            Ok(_) => {}
            Err(error) => found.unreadable.push((path, error.to_string())),
        }
        if found.files.len() > FILES_MAX {
            return Err(Failure::new(format!("there are more than {FILES_MAX} files"))
                .hint("add folder by folder")
                .exit(Exit::Usage)
                .into());
        }
    }
    Ok(())
}

fn has_known_ending(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_readable_files_and_named_files_are_always_taken() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        fs::create_dir_all(at("docs/deep/.hidden")).unwrap();
        for name in ["docs/b.PDF", "docs/a.md", "docs/deep/c.txt", "docs/deep/.hidden/d.txt", "docs/.e.txt", "docs/f.exe", "g.exe"] {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(temp.path(), at("docs/loop")).unwrap();
        let found = find(&[at("docs"), at("g.exe"), at("missing.pdf")]).unwrap();
        assert_eq!(found.files, [at("docs/a.md"), at("docs/b.PDF"), at("docs/deep/c.txt"), at("g.exe")]);
        assert_eq!(found.unreadable.len(), 1);
        assert_eq!(found.unreadable[0].0, at("missing.pdf"));
    }
}
