//! Files of cases: refused with their places, or they can be tried.

#![no_main]

use callwarden_fuzz::properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| properties::cases(text));
