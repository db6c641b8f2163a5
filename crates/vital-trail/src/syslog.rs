//! Entries as RFC 5424 syslog lines with structured data.
//!
//! Facility 13 (log audit). Values escape `"`, `\` and `]` (section 6.3.3); control characters, which the section leaves to the
//! receiver, become U+FFFD, so that no entry can begin a line of its own.

use crate::{Entry, Hash};
use std::fmt::Write as _;

/// Facility 13, log audit.
const FACILITY: u8 = 13;
const NOTICE: u8 = 5;
const WARNING: u8 = 4;
/// Private enterprise number for documentation (RFC 5612): the ids of structured data need one.
const SD_ID: &str = "vital@32473";

fn value(out: &mut String, name: &str, text: &str) {
    let _infallible = write!(out, " {name}=\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A name as header field: printable ASCII, at most `most` characters, `-` where nothing is left.
fn header(text: &str, most: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// The line, without a newline. `host` is the name of the sending machine.
#[must_use]
pub fn syslog_line(entry: &Entry<'_>, leaf: &Hash, host: &str) -> String {
    let failed = ["failed", "refused", "locked_out", "suspect"].iter().any(|end| entry.action.ends_with(end));
    let priority = FACILITY * 8 + if failed { WARNING } else { NOTICE };
    let mut out = format!("<{priority}>1 {} {} vital-path - {} [{SD_ID}", entry.at, header(host, 255), header(&entry.action, 32));
    value(&mut out, "log", &entry.log.to_string());
    value(&mut out, "seq", &entry.seq.to_string());
    value(&mut out, "id", &entry.id.to_string());
    value(&mut out, "actor", &entry.actor.map_or_else(|| "platform".to_owned(), |id| id.to_string()));
    value(&mut out, "action", &entry.action);
    value(&mut out, "resource", &entry.resource);
    value(&mut out, "resourceId", &entry.resource_id);
    let fields: Vec<&str> = entry.fields.iter().map(|field| &**field).collect();
    value(&mut out, "fields", &fields.join(","));
    value(&mut out, "request", &entry.request.to_string());
    value(&mut out, "node", &entry.node.to_string());
    value(&mut out, "leaf", &hex::encode(leaf));
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::any_entry;
    use proptest::prelude::*;

    /// Reads structured data back, by section 6.3 of the RFC.
    fn read(line: &str) -> Option<Vec<(String, String)>> {
        let (_, mut rest) = line.split_once(&format!("[{SD_ID}"))?;
        let mut found = Vec::new();
        while let Some(after) = rest.strip_prefix(' ') {
            let (name, value) = after.split_once("=\"")?;
            let (mut text, mut chars, mut end) = (String::new(), value.char_indices(), None);
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        end = Some(at + 1);
                        break;
                    }
                    '\\' => text.push(chars.next()?.1),
                    ']' => return None,
                    c => text.push(c),
                }
            }
            found.push((name.to_owned(), text));
            rest = &value[end?..];
        }
        (rest == "]").then_some(found)
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_and_reads_back(entry in any_entry()) {
            let line = syslog_line(&entry, &entry.leaf(), "host.example");
            prop_assert!(!line.contains(|c: char| c.is_control()));
            let found = read(&line).unwrap();
            let expected: String = entry.resource_id.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            prop_assert_eq!(&found[6], &("resourceId".to_owned(), expected));
            prop_assert_eq!(found.len(), 11);
        }
    }
}
