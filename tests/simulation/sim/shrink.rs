//! The least world that still breaks the law: fewer calls, fewer kinds of fault, a shorter time.

use super::{Fault, Report, Shape, run};

/// Shrinks a world that breaks a law, and tells its last events.
pub(crate) fn shrink(seed: u64, law: &str) -> (Shape, Report) {
    let mut shape = Shape::whole(seed);
    let breaks = |shape: &Shape| run(shape).broken.is_some_and(|broken| broken.law == law);
    for calls in [1, 2, 3, 4, 6, 8, 12, 16, 24] {
        let fewer = Shape { calls, ..shape.clone() };
        if breaks(&fewer) {
            shape = fewer;
            break;
        }
    }
    for minutes in [1, 2, 3, 5, 8] {
        let shorter = Shape { minutes, ..shape.clone() };
        if breaks(&shorter) {
            shape = shorter;
            break;
        }
    }
    for fault in Fault::ALL {
        let mut simpler = shape.clone();
        simpler.without.push(*fault);
        if breaks(&simpler) {
            shape = simpler;
        }
    }
    let told = Shape { tells: true, ..shape.clone() };
    (shape, run(&told))
}
