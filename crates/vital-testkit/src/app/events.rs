//! The event stream of a turn, read frame by frame (WHATWG HTML section 9.2).

use super::PATIENCE;
use serde_json::Value;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number; what the server says beside the turn's own events has none.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
}

/// A stream that is being read; dropping it breaks the connection.
pub struct Events {
    response: reqwest::Response,
    read: Vec<u8>,
}

impl Events {
    pub(super) const fn new(response: reqwest::Response) -> Self {
        Self { response, read: Vec::new() }
    }

    /// The next event; none at the end of the stream, also where it broke off.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.read.windows(2).position(|w| w == b"\n\n") {
                let frame: Vec<u8> = self.read.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8(frame).expect("frames are UTF-8")) {
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream went silent");
            self.read.extend(chunk.ok().flatten()?);
        }
    }

    /// The next events up to the first with this name, which is the last one returned.
    pub async fn up_to(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before `{name}`: {events:#?}"));
            let found = event.name == name;
            events.push(event);
            if found {
                return events;
            }
        }
    }

    /// All events to the end of the stream.
    pub async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// Reads one frame; none where it holds no data, as with comments and `retry`.
fn parse(frame: &str) -> Option<Event> {
    let field = |name: &str| -> Vec<&str> {
        frame.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|v| v.strip_prefix(' ').unwrap_or(v)).collect()
    };
    let data = field("data");
    if data.is_empty() {
        return None;
    }
    let id = field("id").last().map(|id| id.parse().expect("ids are numbers"));
    let name = field("event").last().copied().unwrap_or("message").to_owned();
    // The end mark of OpenAI's format.
    if data == ["[DONE]"] {
        return Some(Event { id, name: "[DONE]".to_owned(), data: Value::Null });
    }
    Some(Event { id, name, data: serde_json::from_str(&data.join("\n")).expect("data is JSON") })
}
