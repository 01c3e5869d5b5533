//! Bodies of webhooks: refused with their places, or taken in once.

#![no_main]

use callwarden_fuzz::properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| properties::webhook(body));
