//! The `filmgate` binary.
fn main() {}
