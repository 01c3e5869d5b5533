//! A world around the real `model`: a platform, its webhooks, a store, two clocks, and chance. One
//! seed is one world; nothing else decides what happens in it.
//!
//! | file | is |
//! |---|---|
//! | `scenario` | what a seed draws: the policy, the calls, which faults and how often |
//! | `world`, `clock` | time: the agenda, the loop, the two phases; what our clocks say of it |
//! | `life` | the true calls: when they ring, are answered, end |
//! | `platform` | the answers to our requests, and what may be wrong with them |
//! | `account` | the quota that we share with others |
//! | `post` | webhooks: lost, doubled, late, repeated until we answer 2xx |
//! | `daemon`, `changes`, `requests`, `listing`, `store`, `operators` | the engine's part, played plainly |
//! | `logs` | the delivery logs: the platform's, and how the engine reads them |
//! | `rules`, `fields` | policies, and what they come to by the sentences of the spec |
//! | `laws`, `ending` | what must hold after each event, and in the end |
//! | `health` | what health must say, held against what it says |
//! | `books`, `truth` | what that is held against |
//! | `record` | the trace, its hash, and the rare paths that were reached |
//! | `shrink` | the least world that still breaks the law |

mod account;
mod books;
mod changes;
mod clock;
mod daemon;
mod ending;
mod fields;
mod health;
mod laws;
mod life;
mod listing;
mod logs;
mod operators;
mod platform;
mod post;
#[path = "../../promise/mod.rs"]
mod promise;
pub(crate) mod record;
#[path = "../../laws/reference.rs"]
mod reference;
mod requests;
mod rules;
pub(crate) mod scenario;
pub(crate) mod shrink;
mod store;
mod truth;
mod world;

pub(crate) use record::Report;
pub(crate) use scenario::{Fault, Shape};

/// True time, in microseconds since the world began.
type Time = i64;
const SECOND: Time = 1_000_000;
const MINUTE: Time = 60 * SECOND;

/// Lives through the world of a seed.
pub(crate) fn run(shape: &Shape) -> Report {
    world::World::new(shape).run()
}
