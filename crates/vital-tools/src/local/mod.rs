//! Tools that run in this process and send nothing.

pub(crate) mod calculate;
pub(crate) mod dates;
mod distributions;
mod roots;
pub(crate) mod sample_size;
pub(crate) mod two_by_two;
