//! The tools of a server, page after page.

use crate::{ClientError, Definition, Session, ToolFault, text::readable};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most tools of one server, those that cannot be used included.
pub const TOOLS_MAX: usize = 128;
/// Most pages of a list.
pub const PAGES_MAX: usize = 32;
/// Longest mark of a page, in bytes.
const CURSOR_BYTES_MAX: usize = 4_096;
/// Longest name of a tool that cannot be used, in characters.
const REFUSED_NAME_CHARS_MAX: usize = 60;

/// What a server says its tools are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// Those that can be used, by name.
    pub tools: Vec<Definition>,
    /// Those that cannot.
    pub refused: Vec<RefusedTool>,
}

/// A tool that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedTool {
    /// Its name, readable and short.
    pub name: String,
    /// Why.
    pub fault: ToolFault,
}

pub(crate) async fn read(session: &mut Session) -> Result<Listing, ClientError> {
    let (mut told, mut cursors, mut params) = (Vec::new(), BTreeSet::new(), json!({}));
    loop {
        let mut page = session.ask("tools/list", &params).await?;
        let Some(Value::Array(tools)) = page.get_mut("tools").map(Value::take) else {
            return Err(ClientError::Garbled { what: "its list of tools is no list" });
        };
        told.extend(tools);
        if told.len() > TOOLS_MAX {
            return Err(ClientError::TooMany { what: "tools" });
        }
        let cursor = match page.get("nextCursor") {
            None | Some(Value::Null) => return Ok(sorted(told)),
            Some(Value::String(cursor)) if cursor.is_empty() => return Ok(sorted(told)),
            Some(Value::String(cursor)) if cursor.len() <= CURSOR_BYTES_MAX => cursor.clone(),
            Some(_) => return Err(ClientError::Garbled { what: "the mark of its next page is not readable" }),
        };
        params = json!({"cursor": cursor});
        if !cursors.insert(cursor) {
            return Err(ClientError::Garbled { what: "its list of tools leads in a circle" });
        }
        if cursors.len() >= PAGES_MAX {
            return Err(ClientError::TooMany { what: "pages" });
        }
    }
}

/// A name that stands twice names nothing: neither tool can be used.
fn sorted(told: Vec<Value>) -> Listing {
    let (mut tools, mut refused, mut twice) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    for tool in told {
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        match Definition::read(tool) {
            Ok(tool) if twice.contains(&tool.name) => {}
            Ok(tool) => {
                let name = tool.name.clone();
                if tools.insert(name.clone(), tool).is_some() {
                    tools.remove(&name);
                    refused.push(RefusedTool { name: name.clone(), fault: ToolFault::Twice });
                    twice.insert(name);
                }
            }
            Err(fault) => refused.push(RefusedTool { name: readable(&name, REFUSED_NAME_CHARS_MAX).0, fault }),
        }
    }
    // A name that a tool shares with one that cannot be used is no safer.
    for refused in &mut refused {
        if tools.remove(&refused.name).is_some() {
            refused.fault = ToolFault::Twice;
        }
    }
    Listing { tools: tools.into_values().collect(), refused }
}
