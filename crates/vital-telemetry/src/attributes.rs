//! The names of all attributes that can leave, with their types.
//!
//! `semconv.toml` says where each comes from and on which spans it stands; a test compares the two.

/// The conventions that the names follow: repository and state.
pub const SEMCONV: &str = "open-telemetry/semantic-conventions-genai 004902b8cb70 over open-telemetry/semantic-conventions 1.42.0";

/// What kind of value an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// Yes or no.
    Bool,
}

impl Type {
    /// The name in the registry file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Texts => "string[]",
            Self::Int => "int",
            Self::Double => "double",
            Self::Bool => "boolean",
        }
    }
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub value: Type,
}

macro_rules! attributes {
    ($($id:ident $name:literal $value:ident;)*) => {
        $(pub(crate) const $id: &str = $name;)*

        /// All of them.
        pub const ALL: &[Attribute] = &[$(Attribute { name: $name, value: Type::$value }),*];
    };
}

attributes! {
    OPERATION "gen_ai.operation.name" Text;
    PROVIDER "gen_ai.provider.name" Text;
    CONVERSATION "gen_ai.conversation.id" Text;
    REQUEST_MODEL "gen_ai.request.model" Text;
    REQUEST_STREAM "gen_ai.request.stream" Bool;
    REQUEST_MAX_TOKENS "gen_ai.request.max_tokens" Int;
    REQUEST_TEMPERATURE "gen_ai.request.temperature" Double;
    REQUEST_TOP_P "gen_ai.request.top_p" Double;
    FINISH_REASONS "gen_ai.response.finish_reasons" Texts;
    FIRST_CHUNK "gen_ai.response.time_to_first_chunk" Double;
    INPUT_TOKENS "gen_ai.usage.input_tokens" Int;
    OUTPUT_TOKENS "gen_ai.usage.output_tokens" Int;
    CACHE_READ_TOKENS "gen_ai.usage.cache_read.input_tokens" Int;
    CACHE_CREATION_TOKENS "gen_ai.usage.cache_creation.input_tokens" Int;
    REASONING_TOKENS "gen_ai.usage.reasoning.output_tokens" Int;
    DIMENSIONS "gen_ai.embeddings.dimension.count" Int;
    AGENT_ID "gen_ai.agent.id" Text;
    AGENT_NAME "gen_ai.agent.name" Text;
    TOOL_NAME "gen_ai.tool.name" Text;
    TOOL_CALL "gen_ai.tool.call.id" Text;
    TOOL_TYPE "gen_ai.tool.type" Text;
    INPUT_MESSAGES "gen_ai.input.messages" Text;
    OUTPUT_MESSAGES "gen_ai.output.messages" Text;
    SYSTEM_INSTRUCTIONS "gen_ai.system_instructions" Text;
    ERROR_TYPE "error.type" Text;
    SERVER_ADDRESS "server.address" Text;
    SERVER_PORT "server.port" Int;
    HTTP_METHOD "http.request.method" Text;
    HTTP_ROUTE "http.route" Text;
    HTTP_STATUS "http.response.status_code" Int;
    URL_SCHEME "url.scheme" Text;
    SERVICE_NAME "service.name" Text;
    SERVICE_VERSION "service.version" Text;
    SERVICE_INSTANCE "service.instance.id" Text;
}
