//! The web: REST API, server-rendered pages, event streams and the server loop.
//!
//! **Invariants:** handlers parse, call one verb and map; every route needs a signed-in caller except the constant list in `caller.rs`;
//! every failure leaves through `problem.rs`; every response carries the security headers of `frame.rs`. No domain rule lives here.

mod api;
mod assets;
mod caller;
mod components;
mod csrf;
mod extract;
mod frame;
mod health;
mod openapi;
mod pages;
mod problem;
mod router;
mod server;
mod state;
mod upload;

pub use openapi::openapi;
pub use router::router;
pub use server::serve;
pub use state::AppState;
