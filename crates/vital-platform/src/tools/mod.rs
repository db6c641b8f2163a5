//! Tools that experts call while they answer.

pub mod servers;
