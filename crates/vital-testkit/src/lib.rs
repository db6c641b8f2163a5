//! Test doubles and fixtures shared by the workspace; a dev-dependency only.

pub mod provider;
