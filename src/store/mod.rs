//! The store: every call, kept over crashes (spec §8).

mod row;

pub use row::Row;
