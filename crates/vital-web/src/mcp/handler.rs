//! The protocol's methods: each finds who asks, calls what does it, and gives back what comes.
#![expect(deprecated, reason = "the revisions with sessions have logging, and their conformance suite asks for it")]

use super::{documents, experts, failure, tools};
use crate::{caller::SignedIn, state::AppState};
use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelledNotificationParam, CompleteRequestParams, CompleteResult, CustomRequest,
        CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams,
        ProgressNotificationParam, ProgressToken, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        RequestId, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    },
    service::{NotificationContext, Peer, RequestContext},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};
use tokio_util::sync::CancellationToken;
use vital_kernel::{Error, OpContext};
use vital_platform::identity::Caller;

/// What clients show to their models about this server.
const INSTRUCTIONS: &str = "VITAL Path answers life-science questions from the documents of your organisation. Ask with `ask_expert`; \
    every factual sentence carries marks such as [1] for the passages it stands on: keep them. Find passages with `search_documents` and \
    read around them with `read_document`. Do not send data that identify a patient.";
/// Methods that are known; what comes with one of these names and could not be read has wrong parameters.
const METHODS: [&str; 11] = [
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
];

/// What answers in one session, or to one request that belongs to none.
pub(crate) struct Server {
    /// The calls in work that the client may cancel.
    calls: Mutex<HashMap<RequestId, CancellationToken>>,
    /// Messages below this level are not sent.
    level: AtomicU8,
}

impl Default for Server {
    fn default() -> Self {
        Self { calls: Mutex::default(), level: AtomicU8::new(rank(LoggingLevel::Info)) }
    }
}

/// A call in work; forgotten when it is over.
struct Call<'a> {
    server: &'a Server,
    id: RequestId,
    stop: CancellationToken,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.server.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Server {
    fn begin(&self, id: &RequestId) -> Call<'_> {
        let stop = CancellationToken::new();
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), stop.clone());
        Call { server: self, id: id.clone(), stop }
    }
}

/// A request with whom it comes from.
pub(super) struct On {
    app: AppState,
    caller: Caller,
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    told: AtomicU32,
    level: u8,
    /// Cancelled when the client says that the call is to stop.
    stop: CancellationToken,
}

impl On {
    fn new(server: &Server, context: &RequestContext<RoleServer>, stop: CancellationToken) -> Result<Self, ErrorData> {
        let parts = context.extensions.get::<Parts>().map(|parts| &parts.extensions);
        let app = parts.and_then(|e| e.get::<AppState>()).cloned();
        let caller = parts.and_then(|e| e.get::<SignedIn>()).map(|SignedIn(caller)| caller.clone());
        let Some((app, caller)) = app.zip(caller) else {
            return Err(ErrorData::internal_error("The request came without its caller. Nothing was done.", None));
        };
        // Without a session nothing is logged but for requests that ask for it.
        let level =
            if is_of_2026_07_28(context) { context.meta.log_level().map_or(u8::MAX, rank) } else { server.level.load(Ordering::Relaxed) };
        let told = AtomicU32::new(0);
        Ok(Self { app, caller, peer: context.peer.clone(), token: context.meta.get_progress_token(), told, level, stop })
    }

    pub(super) const fn app(&self) -> &AppState {
        &self.app
    }

    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) const fn cx(&self) -> &OpContext {
        &self.caller.cx
    }

    pub(super) fn error(&self, error: Error) -> ErrorData {
        failure::error(error, self.cx().request_id())
    }

    /// A page of the site as clients can open it.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.app.platform.site().trim_end_matches('/'))
    }

    pub(super) async fn cancelled(&self) {
        self.stop.cancelled().await;
    }

    /// Tells the client how far the call is, if it asked to be told. Who left is not told; the work goes on.
    pub(super) async fn progress(&self, message: String) {
        let Some(token) = self.token.clone() else { return };
        let done = self.told.fetch_add(1, Ordering::Relaxed) + 1;
        let progress = ProgressNotificationParam::new(token, f64::from(done)).with_message(message);
        let _ = self.peer.notify_progress(progress).await;
    }

    /// Tells the client's log what happens.
    pub(super) async fn note(&self, data: Value) {
        self.log(LoggingLevel::Info, data).await;
    }

    /// Tells the client's log what went wrong.
    pub(super) async fn warn(&self, data: Value) {
        self.log(LoggingLevel::Warning, data).await;
    }

    /// Sends the client a message for its log, if it wants those of this level.
    async fn log(&self, level: LoggingLevel, data: Value) {
        if rank(level) >= self.level {
            let _ = self.peer.notify_logging_message(LoggingMessageNotificationParam::new(level, data).with_logger("ask")).await;
        }
    }
}

/// The order of the levels (RFC 5424), from 0.
const fn rank(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let offers =
            ServerCapabilities::builder().enable_logging().enable_completions().enable_prompts().enable_resources().enable_tools().build();
        let mut info = ServerConfig::new(offers);
        info.server_info = Implementation::new("vital-path", env!("CARGO_PKG_VERSION")).with_title("VITAL Path");
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, cx: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        let on = On::new(self, &cx, CancellationToken::new())?;
        Ok(ListToolsResult::with_all_items(tools::list(&on).await?))
    }

    async fn call_tool(&self, params: CallToolRequestParams, cx: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let call = self.begin(&cx.id);
        let on = On::new(self, &cx, call.stop.clone())?;
        if !is_of_2026_07_28(&cx) {
            return tools::call(&on, params).await.map(Into::into);
        }
        let (left, closing) = (cx.ct.clone(), on.app().closing.clone());
        let mut called = std::pin::pin!(tools::call(&on, params));
        tokio::select! {
            done = &mut called => return done.map(Into::into),
            () = left.cancelled() => {}
        }
        // The server that stops is not a client that leaves.
        if !closing.is_cancelled() {
            call.stop.cancel();
        }
        called.await.map(Into::into)
    }

    async fn list_resources(
        &self,
        params: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let on = On::new(self, &cx, CancellationToken::new())?;
        let cursor = params.and_then(|p| p.cursor);
        let mut all = if cursor.is_none() { experts::resources(&on).await? } else { Vec::new() };
        let (documents, next) = documents::resources(&on, cursor.as_deref()).await?;
        all.extend(documents);
        let mut page = ListResourcesResult::with_all_items(all);
        page.next_cursor = next;
        Ok(page)
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![documents::template(), experts::template()]))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let on = On::new(self, &cx, CancellationToken::new())?;
        let uri = &params.uri;
        let contents = if let Some(named) = uri.strip_prefix(documents::DOCUMENTS) {
            documents::resource_text(&on, uri, named).await?
        } else if let Some(slug) = uri.strip_prefix(experts::EXPERTS) {
            experts::read(&on, uri, slug).await?
        } else {
            return Err(on.error(Error::not_found("mcp.resource", "There is no such resource; `resources/list` names them.")));
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let on = On::new(self, &cx, CancellationToken::new())?;
        Ok(ListPromptsResult::with_all_items(experts::prompts(&on).await?))
    }

    async fn get_prompt(&self, params: GetPromptRequestParams, cx: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        let on = On::new(self, &cx, CancellationToken::new())?;
        let question = params.arguments.as_ref().and_then(|a| a.get("question")).and_then(Value::as_str);
        Ok(experts::prompt(&on, &params.name, question).await?.into())
    }

    async fn complete(&self, params: CompleteRequestParams, cx: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        let on = On::new(self, &cx, CancellationToken::new())?;
        Ok(CompleteResult::new(experts::complete(&on, &params.r#ref, &params.argument).await?))
    }

    async fn set_level(&self, params: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.level.store(rank(params.level), Ordering::Relaxed);
        Ok(())
    }

    async fn on_cancelled(&self, params: CancelledNotificationParam, _: NotificationContext<RoleServer>) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = params.request_id.and_then(|id| calls.get(&id).cloned()) {
            stop.cancel();
        }
    }

    async fn on_custom_request(&self, request: CustomRequest, _: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        Err(if METHODS.contains(&request.method.as_str()) {
            ErrorData::invalid_params("The parameters of this method cannot be read. Nothing was done.", None)
        } else {
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "This method is not offered. Nothing was done.", None)
        })
    }
}

/// Tells whether a request is of the revision without sessions, where a client cancels a request by leaving it (Cancellation,
/// "Transport-Specific Cancellation").
fn is_of_2026_07_28(cx: &RequestContext<RoleServer>) -> bool {
    cx.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}
