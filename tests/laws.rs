//! The laws of the pure core, over virtual worlds: see `laws/checks.rs` for what is checked at each
//! step. `PROPTEST_CASES=20000 cargo test --test laws` looks longer.

#[cfg(test)]
mod laws {
    pub(crate) mod checks;
    mod facts;
    pub(crate) mod plan;
    pub(crate) mod platform;
    pub(crate) mod reference;
    mod stored;
    pub(crate) mod world;
}

use laws::{plan::plans, world::World};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_world_breaks_a_law(plan in plans()) {
        World::new(&plan).run();
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to look is the caller's choice")]
pub(crate) fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(2_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
