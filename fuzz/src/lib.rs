//! What the targets try: the very properties that the ordinary tests try on mangled examples.

#[path = "../../tests/inputs/properties.rs"]
pub mod properties;
