//! The `callwarden` binary.

fn main() {}
