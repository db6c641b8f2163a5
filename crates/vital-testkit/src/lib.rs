//! Test doubles and fixtures shared by the workspace; a dev-dependency only.

#[cfg(feature = "app")]
pub mod app;
pub mod authenticator;
pub mod names;
pub mod provider;
pub mod receiver;
pub mod tool_server;
pub mod webhook_receiver;
