//! What a provider does with one request.

use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};
use std::time::Duration;
use tokio::sync::watch;

/// A gate at which a script waits until the test opens it.
#[derive(Clone, Debug, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// Makes a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn opened(self) {
        // The sender lives in `self`, so that the channel cannot close here.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// The tokens that the provider claims; they may be a lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, those from the cache included.
    pub input: u64,
    /// Tokens generated.
    pub output: u64,
    /// Tokens of the prompt from the cache; more than `input` is a lie that the formats can tell.
    pub cached_input: u64,
    /// Tokens of the prompt written to the cache; Google has no such figure.
    pub cache_write_input: u64,
    /// Tokens generated that are reasoning; Anthropic has no such figure.
    pub reasoning: u64,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It was done.
    #[default]
    EndTurn,
    /// It called tools. Google has no reason of its own for that.
    ToolUse,
    /// It reached the allowed number of tokens.
    MaxTokens,
    /// It refused.
    Refusal,
}

/// How the bytes of an answer are cut into HTTP chunks; a step that waits always ends a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Chunking {
    /// A chunk a frame.
    #[default]
    Frames,
    /// As few chunks as possible.
    Whole,
    /// Chunks of this many bytes, at least 1; 1 cuts every character of several bytes.
    Every(usize),
    /// Cuts at these offsets into the bytes of the answer, in rising order.
    At(Vec<usize>),
}

#[derive(Clone, Debug)]
pub(super) enum Head {
    Stream,
    Status { status: StatusCode, headers: HeaderMap, body: Bytes },
    Vectors { vectors: Vec<Vec<f32>>, tokens: u64 },
    Silent,
    Cut,
}

/// What a script says, in no format yet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Text(String),
    Call { id: String, name: String, fragments: Vec<String> },
    Error(String),
    Data(String),
    Forever(String),
    Play(Play),
}

/// What the server does.
#[derive(Clone, Debug)]
pub(super) enum Play {
    Send(Bytes),
    Wait(Gate),
    Pause(Duration),
    Repeat(Bytes),
    Cut,
    Hang,
    End,
}

/// What a provider does with one request: a stream of steps in order, or no stream at all.
///
/// A stream begins and ends as its format asks, unless one of the last steps is [`Script::cut`], [`Script::hang`],
/// [`Script::end_early`], [`Script::error`] or [`Script::forever`].
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) head: Head,
    pub(super) steps: Vec<Step>,
    pub(super) usage: Option<Usage>,
    pub(super) stop: Stop,
    pub(super) event_id: Option<String>,
    pub(super) chunking: Chunking,
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// An answer without text, to which steps are added.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: Head::Stream, steps: Vec::new(), usage: None, stop: Stop::EndTurn, event_id: None, chunking: Chunking::Frames }
    }

    /// A whole answer, a frame a word, with plausible usage.
    #[must_use]
    pub fn answer(text: &str) -> Self {
        let words = text.split_inclusive(' ');
        let output = words.clone().count() as u64;
        words.fold(Self::new(), Self::text).usage(Usage { input: 100, output, ..Usage::default() })
    }

    /// A response with a status and no stream. A number that is no status stands for 500. Of the steps, those that need no
    /// format follow the body, for example [`Script::hang`].
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { head: Head::Status { status, headers: HeaderMap::new(), body: Bytes::new() }, ..Self::new() }
    }

    /// An answer to a request for vectors, whatever the texts are.
    #[must_use]
    pub fn vectors(vectors: Vec<Vec<f32>>, tokens: u64) -> Self {
        Self { head: Head::Vectors { vectors, tokens }, ..Self::new() }
    }

    /// Reads the request and never answers.
    #[must_use]
    pub fn half_open() -> Self {
        Self { head: Head::Silent, ..Self::new() }
    }

    /// Reads the request and closes the connection without a response.
    #[must_use]
    pub fn cut_before_answer() -> Self {
        Self { head: Head::Cut, ..Self::new() }
    }

    /// Adds a header to a response made by [`Script::status`]; one that is not valid is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Head::Status { headers, .. }, Ok(name), Ok(value)) =
            (&mut self.head, HeaderName::try_from(name), HeaderValue::try_from(value))
        {
            headers.append(name, value);
        }
        self
    }

    /// Sets the body of a response made by [`Script::status`].
    #[must_use]
    pub fn body(mut self, text: impl Into<Bytes>) -> Self {
        if let Head::Status { body, .. } = &mut self.head {
            *body = text.into();
        }
        self
    }

    /// Says a piece of text in one frame.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.step(Step::Text(text.into()))
    }

    /// Calls a tool with arguments in these fragments, a frame each; an empty id is left out. Google's format sends calls whole, and
    /// arguments that are no JSON as a string.
    #[must_use]
    pub fn tool_call(self, id: &str, name: &str, fragments: &[&str]) -> Self {
        let fragments = fragments.iter().map(|fragment| (*fragment).to_owned()).collect();
        self.step(Step::Call { id: id.to_owned(), name: name.to_owned(), fragments })
    }

    /// Sends one frame with this data, whatever it is.
    #[must_use]
    pub fn data(self, data: impl Into<String>) -> Self {
        self.step(Step::Data(data.into()))
    }

    /// Sends these bytes as they are.
    #[must_use]
    pub fn raw(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Play(Play::Send(bytes.into())))
    }

    /// Sends the format's error object of this type, for example `overloaded_error`, and ends.
    #[must_use]
    pub fn error(self, kind: impl Into<String>) -> Self {
        self.step(Step::Error(kind.into())).end_early()
    }

    /// Waits until the test opens the gate.
    #[must_use]
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Play(Play::Wait(gate.clone())))
    }

    /// Pauses: the speed of the provider.
    #[must_use]
    pub fn pause(self, time: Duration) -> Self {
        self.step(Step::Play(Play::Pause(time)))
    }

    /// Sends these bytes one at a time with a pause before each.
    #[must_use]
    pub fn drip(self, bytes: &[u8], every: Duration) -> Self {
        bytes.iter().fold(self, |script, byte| script.pause(every).raw(vec![*byte]))
    }

    /// Repeats a frame of text as fast as the client reads, without end.
    #[must_use]
    pub fn forever(self, text: impl Into<String>) -> Self {
        self.step(Step::Forever(text.into()))
    }

    /// Repeats bytes as fast as the client reads, without end.
    #[must_use]
    pub fn forever_raw(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Play(Play::Repeat(bytes.into())))
    }

    /// Breaks the connection, after what was sent before has left.
    #[must_use]
    pub fn cut(self) -> Self {
        self.step(Step::Play(Play::Cut))
    }

    /// Sends nothing more and keeps the connection.
    #[must_use]
    pub fn hang(self) -> Self {
        self.step(Step::Play(Play::Hang))
    }

    /// Ends the response in order but without the format's end mark.
    #[must_use]
    pub fn end_early(self) -> Self {
        self.step(Step::Play(Play::End))
    }

    /// Claims these tokens; without it, none are claimed.
    #[must_use]
    pub const fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Gives a reason to stop.
    #[must_use]
    pub const fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Gives every frame of the answer the same event id.
    #[must_use]
    pub fn same_event_id(mut self, id: impl Into<String>) -> Self {
        self.event_id = Some(id.into());
        self
    }

    /// Chooses how the bytes are cut into chunks.
    #[must_use]
    pub fn chunked(mut self, chunking: Chunking) -> Self {
        self.chunking = chunking;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
