//! Evidence as the composers see it.

pub use crate::knowledge::Evidence;
