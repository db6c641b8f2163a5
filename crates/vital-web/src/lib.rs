//! The web: REST API, server-rendered pages, event streams and the server loop.
//!
//! **Invariants:** handlers parse, call one verb and map; every route needs a signed-in caller except the constant list in `caller.rs`;
//! every failure leaves through `problem.rs`; every response carries the security headers of `frame.rs`. No domain rule lives here.

mod admission;
mod api;
mod assets;
mod caller;
mod compat;
mod components;
mod conditions;
mod connections;
mod cors;
mod csrf;
mod exposition;
mod extract;
mod frame;
mod health;
mod held;
mod host;
mod idempotency;
mod limits;
mod mcp;
mod openapi;
mod pace;
mod pages;
mod problem;
mod protection;
mod proxy;
mod router;
mod scim;
mod server;
mod state;
mod step_up;
mod unread;
mod upload;

pub use admission::Load;
pub use exposition::{Exposition, exposition_router};
pub use host::{Redirect, redirect_router};
pub use limits::Rates;
pub use openapi::openapi;
pub use protection::{Protection, Settings};
pub use proxy::{ForwardedHeader, Proxies};
pub use router::router;
pub use server::{serve, serve_tls};
pub use state::AppState;
