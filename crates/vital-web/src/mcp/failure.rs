//! Failures in the words of the protocol: what the domain refuses is a result that says so, what the protocol cannot take is an error.

use crate::problem::Problem;
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, ErrorCode, MetaObject},
};
use serde_json::{Map, Value, json};
use vital_kernel::{Kind, RequestId};

/// Names our problem in `_meta` of a failed result.
const PROBLEM: &str = "vital-path/problem";
/// For failures that may pass: too often, too much to do. JSON-RPC 2.0 leaves this range to the server.
const PASSING: ErrorCode = ErrorCode(-32_000);
/// For what the caller may not do.
const FORBIDDEN: ErrorCode = ErrorCode(-32_003);

/// The result of a tool that could not do what it was asked: people and models read the detail, programs the code in `_meta`.
pub(super) fn result(problem: &Problem, request: RequestId) -> CallToolResult {
    problem.log(request);
    let fields: String = problem.fields().iter().map(|f| format!("\n{}: {}", f.pointer.trim_start_matches('/'), f.detail)).collect();
    let mut meta = Map::new();
    meta.insert(PROBLEM.to_owned(), body(problem, request));
    let text = format!("{}{fields}", problem.detail());
    CallToolResult::error(vec![ContentBlock::text(text)]).with_meta(Some(MetaObject(meta)))
}

/// The error of a request that is no tool's.
pub(super) fn error(error: vital_kernel::Error, request: RequestId) -> ErrorData {
    let kind = error.kind();
    let problem = Problem::from(error);
    problem.log(request);
    let code = match kind {
        Kind::NotFound => ErrorCode::RESOURCE_NOT_FOUND,
        Kind::Malformed | Kind::Invalid | Kind::TooLarge | Kind::Conflict | Kind::Stale => ErrorCode::INVALID_PARAMS,
        Kind::Unauthenticated | Kind::Forbidden => FORBIDDEN,
        Kind::RateLimited | Kind::BudgetExhausted | Kind::Unavailable | Kind::Upstream | Kind::UpstreamTimeout => PASSING,
        Kind::Internal => ErrorCode::INTERNAL_ERROR,
    };
    ErrorData::new(code, problem.detail().to_owned(), Some(body(&problem, request)))
}

fn body(problem: &Problem, request: RequestId) -> Value {
    serde_json::to_value(problem.body(request)).unwrap_or_else(|_| json!({ "code": problem.code() }))
}
