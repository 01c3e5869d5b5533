//! Layer 2: all mutable state and all loops. It carries what `model` decides.
pub mod clock;
