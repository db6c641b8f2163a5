//! The `vital` binary.
fn main() {}
