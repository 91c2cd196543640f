//! starts
fn main() {}
