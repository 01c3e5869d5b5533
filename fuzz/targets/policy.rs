//! Config files: refused with their places, or they decide.

#![no_main]

use callwarden_fuzz::properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| properties::policy(text));
