//! Reads the configuration file and says what is wrong with it: file, line, key, and which keys there are.

use super::Config;
use crate::failure::Failure;
use std::{fs::File, io::Read, path::Path};

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or holds anything that is not a known key with a fitting value.
pub(super) fn read(path: &Path) -> anyhow::Result<Config> {
    let fault = |what: String| Failure::new(format!("the configuration file `{}` {what}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| {
        fault(format!("cannot be read: {error}")).hint("write one with `vital config template`, or leave `--config` and `VITAL_CONFIG` out")
    })?;
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| fault(format!("cannot be read: {error}")))?;
    if bytes as u64 > FILE_BYTES_MAX {
        return Err(fault(format!("is larger than {FILE_BYTES_MAX} bytes")).into());
    }
    parse(&text).map_err(|Wrong { line, what, hint }| {
        let failure = Failure::new(format!("in `{}`, line {line}: {what}", path.display()));
        match hint {
            Some(hint) => failure.hint(hint).into(),
            None => failure.into(),
        }
    })
}

/// A fault in the text of the file.
#[derive(Debug)]
struct Wrong {
    /// Its line, from 1.
    line: usize,
    what: String,
    hint: Option<String>,
}

fn parse(text: &str) -> Result<Config, Wrong> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        explain(error.message(), text.lines().nth(line - 1).unwrap_or_default(), section(text, line), line)
    })
}

/// The header of the table that a line belongs to, without its brackets; empty above the first.
fn section(text: &str, line: usize) -> &str {
    let header = |l: &str| l.trim().starts_with('[').then_some(());
    let found = text.lines().take(line).filter(|l| header(l).is_some()).last().unwrap_or_default();
    found.split('#').next().unwrap_or_default().trim().trim_matches(['[', ']']).trim()
}

fn explain(message: &str, line_text: &str, section: &str, line: usize) -> Wrong {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, Some((unknown, known))) = (message.starts_with("unknown field"), quoted.split_first()) {
        // A header in the file may itself be the unknown key.
        let in_section = !section.is_empty() && section != *unknown;
        let place = if in_section { format!("{section}.{unknown}") } else { (*unknown).to_owned() };
        return Wrong {
            line,
            what: format!("unknown key `{place}`"),
            hint: Some(known_keys(unknown, known, in_section.then_some(section))),
        };
    }
    if let (true, Some(missing)) = (message.starts_with("missing field"), quoted.first()) {
        return Wrong {
            line,
            what: format!("`[{section}]` needs the key `{missing}`"),
            hint: Some("`vital config template` shows every key".to_owned()),
        };
    }
    let key = line_text.split_once('=').map(|(key, _)| key.trim()).filter(|key| !key.is_empty() && !key.starts_with(['#', '[']));
    let what = match key {
        Some(key) if section.is_empty() => format!("`{key}`: {}", one_line(message)),
        Some(key) => format!("`{section}.{key}`: {}", one_line(message)),
        None => one_line(message),
    };
    Wrong { line, what, hint: None }
}

fn known_keys(unknown: &str, known: &[&str], section: Option<&str>) -> String {
    let nearest = known.iter().map(|key| (distance(unknown, key), *key)).min().filter(|(far, key)| *far <= key.len() / 3 + 1);
    let meant = nearest.map(|(_, key)| format!("did you mean `{key}`? ")).unwrap_or_default();
    if unknown == "api_key" {
        return "a key never stands in the file: name a variable with `api_key_env` or a file with `api_key_file`".to_owned();
    }
    let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match section {
        Some(section) => format!("{meant}keys of `[{section}]` are {list}"),
        None => format!("{meant}sections are {list}"),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Levenshtein distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Wrong {
        parse(text).unwrap_err()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_keys_nearby() {
        let w = wrong("[log]\nformat = \"text\"\n\n[server] # ours\nlisten = \"127.0.0.1:1\"\nlissten = \"x\"\n");
        assert_eq!((w.line, w.what.as_str()), (6, "unknown key `server.lissten`"));
        assert_eq!(
            w.hint.unwrap(),
            "did you mean `listen`? keys of `[server]` are `listen`, `public_url`, `hosts`, `trusted_proxies`, `forwarded_header`, `data`, `allow_plain_http`"
        );
    }

    #[test]
    fn an_unknown_section_is_named_with_the_sections_there_are() {
        let w = wrong("[log]\n[sever]\nlisten = \"127.0.0.1:1\"\n");
        assert_eq!((w.line, w.what.as_str()), (2, "unknown key `sever`"));
        assert!(w.hint.unwrap().starts_with("did you mean `server`? sections are `server`, `tls`"));
        let w = wrong("listen = \"127.0.0.1:1\"\n");
        assert_eq!((w.line, w.what.as_str()), (1, "unknown key `listen`"));
    }

    #[test]
    fn a_key_in_the_file_is_refused_with_where_it_belongs() {
        let w = wrong("[provider]\nformat = \"openai\"\nmodel = \"m\"\napi_key = \"sk-secret\"\n");
        assert_eq!(w.what, "unknown key `provider.api_key`");
        assert!(w.hint.as_deref().unwrap().contains("api_key_env"));
        assert!(!format!("{w:?}").contains("sk-secret"));
    }

    #[test]
    fn a_bad_value_is_named_with_its_key_and_line() {
        for (text, line, key, says) in [
            ("[server]\nlisten = \"here\"", 2, "`server.listen`", "127.0.0.1:8080"),
            ("[database]\nstart_timeout_s = \"long\"", 2, "`database.start_timeout_s`", "invalid type: string"),
            ("[database]\nstart_timeout_s = -1", 2, "`database.start_timeout_s`", "invalid value"),
            ("[log]\nformat = \"xml\"", 2, "`log.format`", "`text`"),
            ("[server]\nallow_plain_http = 1", 2, "`server.allow_plain_http`", "boolean"),
        ] {
            let w = wrong(text);
            assert_eq!(w.line, line, "{w:?}");
            assert!(w.what.starts_with(key) && w.what.contains(says), "{w:?}");
        }
    }

    #[test]
    fn a_missing_key_and_broken_toml_are_told() {
        assert_eq!(wrong("[provider]\nformat = \"openai\"\n").what, "`[provider]` needs the key `model`");
        assert_eq!(wrong("[server]\nlisten = \n").line, 2);
    }

    #[test]
    fn distances_of_worked_examples() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("listen", "listen"), 0);
    }
}
