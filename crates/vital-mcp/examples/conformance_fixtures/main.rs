//! A fixture server for the conformance suite of the Model Context Protocol: the product's transport (`vital_mcp::Endpoint`) with the
//! tools, resources and prompts that the suite calls by name. It knows nobody and is for tests alone.
//!
//! `cargo run -p vital-mcp --example conformance_fixtures -- 127.0.0.1:0` prints the address that it listens on.
#![expect(clippy::print_stdout, reason = "its output is how the script learns the address")]

mod contents;
mod handler;

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::IntoResponse as _, routing::any};
use handler::Fixtures;
use std::{env, io, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use vital_mcp::{Bounds, Endpoint, Owner};

const BOUNDS: Bounds = Bounds { sessions_per_owner: 256, sessions: 256, idle: Duration::from_secs(60), message_bytes: 256 * 1024 };

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let endpoint = Arc::new(Endpoint::new(Fixtures::default, BOUNDS, CancellationToken::new()));
    let answer = move |request: Request| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            match endpoint.answer(Owner("suite".to_owned()), request).await {
                Ok(response) => response.map(Body::new),
                Err(refused) => (StatusCode::NOT_FOUND, refused.to_string()).into_response(),
            }
        }
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/mcp", any(answer))).await
}
