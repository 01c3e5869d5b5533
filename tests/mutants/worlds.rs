//! The simulator as a test of a mutant: as many worlds as find nearly all of the planted bugs.

#[cfg(test)]
#[expect(dead_code, reason = "nobody is told of the world that noticed")]
mod sim;

#[cfg(test)]
mod run {
    use super::sim::{self, Shape};

    #[test]
    fn no_world_breaks_a_law() {
        for seed in 0..400 {
            let report = sim::run(&Shape::whole(seed));
            assert!(report.broken.is_none(), "seed {seed}: {:?}", report.broken);
        }
    }
}
