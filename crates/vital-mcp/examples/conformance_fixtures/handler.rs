//! The fixtures by name, as the suite's descriptions of its scenarios ask for them.
#![expect(deprecated, reason = "the suite calls logging, sampling and subscriptions, which the newest revision no longer has")]

use crate::contents::{PNG, WAV, asks, object, tools};
use rmcp::{ErrorData, RoleServer, ServerHandler, model::*, service::RequestContext};
use serde_json::{Value, json};
use std::time::Duration;

/// Between two notifications of a tool.
const STEP: Duration = Duration::from_millis(50);

/// Answers the suite.
#[derive(Default)]
pub(crate) struct Fixtures;

fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn text(text: impl Into<String>) -> ContentBlock {
    ContentBlock::text(text)
}

fn part(value: Value) -> Result<ContentBlock, ErrorData> {
    serde_json::from_value(value).map_err(failed)
}

fn image() -> Result<ContentBlock, ErrorData> {
    part(json!({ "type": "image", "data": PNG, "mimeType": "image/png" }))
}

fn embedded(uri: &str, kind: &str, text: &str) -> Result<ContentBlock, ErrorData> {
    part(json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": text } }))
}

async fn with_logging(cx: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        cx.peer.notify_logging_message(LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(said))).await.map_err(failed)?;
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

async fn with_progress(cx: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    for done in [0.0, 50.0, 100.0] {
        if let Some(token) = cx.meta.get_progress_token() {
            cx.peer.notify_progress(ProgressNotificationParam::new(token, done).with_total(100.0)).await.map_err(failed)?;
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

async fn sampled(cx: &RequestContext<RoleServer>, prompt: &str) -> Result<ContentBlock, ErrorData> {
    let asked = json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }], "maxTokens": 100 });
    let sampled = cx.peer.create_message(serde_json::from_value(asked).map_err(failed)?).await.map_err(failed)?;
    let said = serde_json::to_value(sampled).map_err(failed)?;
    Ok(text(format!("LLM response: {}", said["content"]["text"].as_str().unwrap_or_default())))
}

async fn elicited(cx: &RequestContext<RoleServer>, message: &str, schema: Value, lead: &str) -> Result<ContentBlock, ErrorData> {
    let asked = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let said = cx.peer.create_elicitation(serde_json::from_value(asked).map_err(failed)?).await.map_err(failed)?;
    let action = serde_json::to_value(&said.action).map_err(failed)?;
    Ok(text(format!("{lead}: action={}, content={}", action.as_str().unwrap_or_default(), json!(said.content))))
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let offers = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .build();
        let mut info = ServerConfig::new(offers);
        info.server_info = Implementation::new("conformance-fixtures", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        let tool = |(name, schema)| Tool::new(name, "A fixture of the conformance suite", object(schema));
        Ok(ListToolsResult::with_all_items(tools().into_iter().map(tool).collect()))
    }

    async fn call_tool(&self, params: CallToolRequestParams, cx: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(params.arguments.unwrap_or_default());
        let word = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        let content = match &*params.name {
            "test_simple_text" => vec![text("This is a simple text response for testing.")],
            "test_image_content" => vec![image()?],
            "test_audio_content" => vec![part(json!({ "type": "audio", "data": WAV, "mimeType": "audio/wav" }))?],
            "test_embedded_resource" => {
                vec![embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")?]
            }
            "test_multiple_content_types" => vec![
                text("Multiple content types test:"),
                image()?,
                embedded("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#)?,
            ],
            "test_tool_with_logging" => {
                with_logging(&cx).await?;
                vec![text("Tool with logging executed successfully")]
            }
            "test_tool_with_progress" => {
                with_progress(&cx).await?;
                vec![text("Tool with progress executed successfully")]
            }
            "test_error_handling" => {
                return Ok(CallToolResult::error(vec![text("This tool intentionally returns an error for testing")]).into());
            }
            "test_reconnection" => vec![text("Reconnection test completed successfully")],
            "test_sampling" => vec![sampled(&cx, &word("prompt")).await?],
            name => match asks(name) {
                Some(schema) if name == "test_elicitation" => vec![elicited(&cx, &word("message"), schema, "User response").await?],
                Some(schema) => vec![elicited(&cx, "Please fill in the form", schema, "Elicitation completed").await?],
                None => return Err(ErrorData::invalid_params("There is no such tool", None)),
            },
        };
        Ok(CallToolResult::success(content).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource = |(uri, name, kind)| Resource::new(uri, name).with_description("A fixture").with_mime_type(kind);
        let all = [
            ("test://static-text", "static text", "text/plain"),
            ("test://static-binary", "static binary", "image/png"),
            ("test://watched-resource", "watched", "text/plain"),
        ];
        Ok(ListResourcesResult::with_all_items(all.map(resource).to_vec()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new("test://template/{id}/data", "template").with_description("A fixture");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template.with_mime_type("application/json")]))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = params.uri.as_str();
        let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (uri, id) {
            ("test://static-text", _) => ResourceContents::text("This is the content of the static text resource.", uri),
            ("test://watched-resource", _) => ResourceContents::text("Watched", uri),
            ("test://static-binary", _) => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
            (_, Some(id)) => {
                let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                ResourceContents::text(data.to_string(), uri).with_mime_type("application/json")
            }
            _ => return Err(ErrorData::resource_not_found("There is no such resource", None)),
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
        let prompt = |(name, takes): (&str, &[&str])| {
            let takes = takes.iter().map(|name| PromptArgument::new(*name).with_description("A fixture").with_required(true)).collect();
            Prompt::new(name, Some("A fixture of the conformance suite"), Some(takes))
        };
        let all: [(&str, &[&str]); 4] = [
            ("test_simple_prompt", &[]),
            ("test_prompt_with_arguments", &["arg1", "arg2"]),
            ("test_prompt_with_embedded_resource", &["resourceUri"]),
            ("test_prompt_with_image", &[]),
        ];
        Ok(ListPromptsResult::with_all_items(all.map(prompt).to_vec()))
    }

    async fn get_prompt(&self, params: GetPromptRequestParams, _: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        let arguments = Value::Object(params.arguments.unwrap_or_default());
        let word = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        let contents = match params.name.as_str() {
            "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => {
                vec![text(format!("Prompt with arguments: arg1='{}', arg2='{}'", word("arg1"), word("arg2")))]
            }
            "test_prompt_with_embedded_resource" => vec![
                embedded(&word("resourceUri"), "text/plain", "Embedded resource content for testing.")?,
                text("Please process the embedded resource above."),
            ],
            "test_prompt_with_image" => vec![image()?, text("Please analyze the image above.")],
            _ => return Err(ErrorData::invalid_params("There is no such prompt", None)),
        };
        let message = |content| serde_json::from_value(json!({ "role": "user", "content": content })).map_err(failed);
        Ok(GetPromptResult::new(contents.into_iter().map(message).collect::<Result<_, _>>()?).into())
    }

    async fn complete(&self, params: CompleteRequestParams, _: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        let fitting = ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(&params.argument.value));
        Ok(CompleteResult::new(CompletionInfo::new(fitting.map(str::to_owned).collect()).map_err(failed)?))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
}
