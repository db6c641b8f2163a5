//! What is asked of a model and what comes back, the same for every wire format.

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person who asks.
    User,
    /// The model.
    Assistant,
}

/// One message of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of the person who asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// A message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// One request to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatRequest {
    /// The instructions; left out of the request when empty.
    pub system: String,
    /// The dialogue, oldest message first; at least one.
    pub messages: Vec<Message>,
    /// Most tokens to generate for this request, at least 1; cannot exceed the provider's own setting, which `None` takes.
    pub max_output_tokens: Option<u32>,
}

/// Tokens of one request as the provider counts them; reported, not verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenUsage {
    /// Tokens of the prompt, those read from a cache included.
    pub input: u64,
    /// Tokens generated.
    pub output: u64,
    /// Tokens of the prompt read from the provider's cache; at most `input`.
    pub cached_input: u64,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had said what it wanted to say, or met a stop sequence.
    EndTurn,
    /// It reached the allowed number of tokens, so the answer is cut off.
    MaxTokens,
    /// It refused, or a content filter of the provider did.
    Refusal,
    /// The format gave no reason or one that is unknown here.
    Other,
}

/// One step of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// The next piece of text; never empty.
    Text(String),
    /// The tokens of the whole request so far: it replaces any earlier figure.
    Usage(TokenUsage),
    /// The answer is complete; always the last item.
    Stop(StopReason),
}
