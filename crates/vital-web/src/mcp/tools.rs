//! The tools: what each takes and gives, who sees it, and which verb it is.

use super::{ask, documents, experts, failure, handler::On};
use crate::problem::{Problem, Reply};
use rmcp::{
    ErrorData,
    model::{CallToolRequestParams, CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use vital_kernel::{Error, Permission};
use vital_platform::tools::{ProgramTool, Reach, call_as_program, program_tools};

/// What a tool gives back: words for a reader, and the same as data.
pub(super) struct Given {
    pub(super) text: String,
    pub(super) data: Value,
}

impl Given {
    /// Data with its words.
    ///
    /// # Errors
    /// `Internal` where the data cannot be written as JSON.
    pub(super) fn new(text: String, data: &impl Serialize) -> Reply<Self> {
        Ok(Self { text, data: serde_json::to_value(data).map_err(Error::internal)? })
    }
}

const LIST_EXPERTS: &str = "list_experts";
const ASK_EXPERT: &str = "ask_expert";
const SEARCH_DOCUMENTS: &str = "search_documents";
const READ_DOCUMENT: &str = "read_document";

/// The permissions that a tool needs; none for a name that is no tool.
fn needed(tool: &str) -> Option<&'static [Permission]> {
    match tool {
        LIST_EXPERTS => Some(&[Permission::ExpertRead]),
        ASK_EXPERT => Some(&ask::NEEDED),
        SEARCH_DOCUMENTS | READ_DOCUMENT => Some(&[Permission::DocumentRead]),
        _ => None,
    }
}

/// The tools that the caller may use: those of the product, then the built-in ones that experts use, too.
///
/// # Errors
/// Where the database does not answer.
pub(super) async fn list(on: &On) -> Result<Vec<Tool>, ErrorData> {
    let all = [list_experts(), ask_expert(), search_documents(), read_document()];
    let may = |tool: &Tool| needed(&tool.name).is_some_and(|needed| needed.iter().all(|permission| on.cx().may(*permission)));
    let built_in = program_tools(&on.app().platform, on.cx()).await.map_err(|error| failure::error(error, on.cx().request_id()))?;
    Ok(all.into_iter().filter(may).chain(built_in.into_iter().map(built_in_tool)).collect())
}

/// Calls a tool.
///
/// # Errors
/// Where there is no such tool. What a tool refuses is a result.
pub(super) async fn call(on: &On, params: CallToolRequestParams) -> Result<CallToolResult, ErrorData> {
    let arguments = Value::Object(params.arguments.unwrap_or_default());
    let unknown = || ErrorData::invalid_params("There is no such tool; `tools/list` names them. Nothing was done.", None);
    let given = match &*params.name {
        LIST_EXPERTS => match read(arguments) {
            Ok(given) => experts::list(on, given).await,
            Err(problem) => Err(problem),
        },
        ASK_EXPERT => match read(arguments) {
            Ok(given) => ask::ask(on, given).await,
            Err(problem) => Err(problem),
        },
        SEARCH_DOCUMENTS => match read(arguments) {
            Ok(given) => documents::search(on, given).await,
            Err(problem) => Err(problem),
        },
        READ_DOCUMENT => match read(arguments) {
            Ok(given) => documents::read(on, given).await,
            Err(problem) => Err(problem),
        },
        other => built_in(on, other, &arguments).await,
    };
    Ok(match given {
        Ok(Given { text, data }) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(data);
            result
        }
        Err(problem) if problem.code() == "tool.unknown" => return Err(unknown()),
        Err(problem) => failure::result(&problem, on.cx().request_id()),
    })
}

/// Calls a tool that experts use, too.
async fn built_in(on: &On, name: &str, arguments: &Value) -> Reply<Given> {
    let value = call_as_program(&on.app().platform, on.cx(), name, arguments).await?;
    Given::new(serde_json::to_string_pretty(&value).map_err(Error::internal)?, &value)
}

fn built_in_tool(of: ProgramTool) -> Tool {
    let object = |schema: &Value| schema.as_object().cloned().unwrap_or_default();
    let outward = of.reach() != Reach::Here;
    let annotations = ToolAnnotations::with_title(of.title()).read_only(true).destructive(false).idempotent(true).open_world(outward);
    Tool::new(of.name(), of.summary(), object(of.input_schema()))
        .with_title(of.title())
        .with_raw_output_schema(object(of.output_schema()).into())
        .with_annotations(annotations)
}

/// Reads the arguments of a tool.
fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let pointer = format!("/{}", error.path().to_string().replace('.', "/"));
        Error::invalid("mcp.arguments", "The arguments do not fit the tool's schema. Nothing was done.")
            .with_field(pointer, format!("{}.", error.inner()))
            .into()
    })
}

fn schema(properties: &Value, required: &[&str]) -> JsonObject {
    let schema = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    if let Value::Object(schema) = schema { schema } else { JsonObject::new() }
}

fn tool(name: &'static str, title: &str, description: &'static str, takes: JsonObject, gives: JsonObject, reads_only: bool) -> Tool {
    let annotations = ToolAnnotations::with_title(title).read_only(reads_only).destructive(false).idempotent(reads_only).open_world(false);
    Tool::new(name, description, takes).with_title(title).with_raw_output_schema(gives.into()).with_annotations(annotations)
}

fn list_experts() -> Tool {
    let expert = json!({ "type": "object", "properties": {
        "slug": { "type": "string", "description": "Stable name; `ask_expert` takes it." },
        "name": { "type": "string" },
        "domain": { "type": "string" },
        "tagline": { "type": "string" },
    }, "required": ["slug", "name", "domain", "tagline"] });
    tool(
        LIST_EXPERTS,
        "List experts",
        "Lists the life-science experts that you may ask, with their stable names.",
        schema(&json!({}), &[]),
        schema(&json!({ "experts": { "type": "array", "items": expert } }), &["experts"]),
        true,
    )
}

fn ask_expert() -> Tool {
    let takes = json!({
        "question": { "type": "string", "minLength": 1, "description": "The question, in full sentences, without names of patients." },
        "expert": { "type": "string", "default": "auto", "description": "Stable name of the expert, or `auto` to have one chosen." },
        "conversation_id": { "type": "string", "format": "uuid", "description": "A conversation of yours to go on with; a new one unless given." },
    });
    tool(
        ASK_EXPERT,
        "Ask an expert",
        "Asks a life-science expert. The answer is written from the organisation's documents: each factual sentence carries marks such as [1] \
         that name the exact passage it stands on. Progress tells each sentence as it is written. The answer is kept in the product.",
        schema(&takes, &["question"]),
        schema(&ask::gives(), &["state", "text", "sentences", "citations", "conversation_id", "turn_id", "url"]),
        false,
    )
}

fn search_documents() -> Tool {
    let takes = json!({
        "query": { "type": "string", "minLength": 1, "description": "Words or a question." },
        "limit": { "type": "integer", "minimum": 1, "maximum": documents::HITS_MAX, "default": documents::HITS },
        "collection": { "type": "string", "description": "Stable name of a collection; all unless given." },
    });
    let hit = json!({ "type": "object", "properties": {
        "document": { "type": "string", "format": "uuid" },
        "title": { "type": "string" },
        "heading_path": { "type": "array", "items": { "type": "string" } },
        "page": { "type": ["integer", "null"] },
        "start": { "type": "integer", "description": "First byte in the document's text." },
        "end": { "type": "integer", "description": "One past the last byte." },
        "text": { "type": "string" },
        "score": { "type": "number" },
        "url": { "type": "string" },
    }, "required": ["document", "title", "start", "end", "text", "score", "url"] });
    let gives =
        json!({ "by_meaning": { "type": "boolean" }, "note": { "type": ["string", "null"] }, "hits": { "type": "array", "items": hit } });
    tool(
        SEARCH_DOCUMENTS,
        "Search documents",
        "Finds passages in the documents that you may read, by words and by meaning, each with its address.",
        schema(&takes, &["query"]),
        schema(&gives, &["by_meaning", "hits"]),
        true,
    )
}

fn read_document() -> Tool {
    let takes = json!({
        "document": { "type": "string", "format": "uuid", "description": "Its id, as search and citations name it." },
        "start": { "type": "integer", "minimum": 0, "default": 0, "description": "First byte." },
        "length": { "type": "integer", "minimum": 1, "maximum": documents::WINDOW_MAX, "default": documents::WINDOW, "description": "At most so many bytes." },
    });
    let gives = json!({
        "document": { "type": "string", "format": "uuid" },
        "title": { "type": "string" },
        "version": { "type": ["string", "null"], "description": "SHA-256 of the whole text." },
        "start": { "type": "integer" },
        "end": { "type": "integer" },
        "size": { "type": "integer", "description": "Bytes of the whole text." },
        "next": { "type": ["integer", "null"], "description": "Where to go on; null at the end." },
        "text": { "type": "string" },
        "url": { "type": "string" },
    });
    tool(
        READ_DOCUMENT,
        "Read a document",
        "Reads a part of the text that citations point into, by bytes.",
        schema(&takes, &["document"]),
        schema(&gives, &["document", "title", "start", "end", "size", "text", "url"]),
        true,
    )
}
