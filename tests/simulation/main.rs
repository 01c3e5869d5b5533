//! The simulator's short run: the worlds of past failures first, then as many as fit in a minute,
//! drawn by the revision. `tests/simulation/hunt` is for the long ones.

#[cfg(test)]
mod sim;

#[cfg(test)]
mod run {
    use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, sync::Mutex, thread};

    use super::sim::{self, Report, Shape, record::SOMETIMES};

    /// Worlds of the short run.
    const WORLDS: u64 = 300;

    #[test]
    fn past_failures_stay_mended() {
        let list = fs::read_to_string(folder().join("regressions.txt")).unwrap();
        let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let seed = line.split_whitespace().next().and_then(|seed| seed.parse().ok());
            must_hold(seed.expect("a line begins with its seed"));
        }
    }

    #[test]
    fn no_world_breaks_a_law_and_every_rare_path_is_taken() {
        let first = revision();
        let reached = Mutex::new(BTreeMap::<&str, u64>::new());
        thread::scope(|scope| {
            for part in 0..2 {
                let reached = &reached;
                scope.spawn(move || {
                    for nth in (part..WORLDS).step_by(2) {
                        let report = must_hold(first.wrapping_add(nth));
                        let mut reached = reached.lock().unwrap();
                        for (path, times) in report.reached {
                            *reached.entry(path).or_default() += times;
                        }
                    }
                });
            }
        });
        let reached = reached.into_inner().unwrap();
        let missed: Vec<_> = SOMETIMES.iter().filter(|path| !reached.contains_key(*path)).collect();
        assert!(missed.is_empty(), "never, from seed {first}: {missed:?}");
    }

    #[test]
    fn the_same_seed_is_the_same_world() {
        for seed in 0..10 {
            let shape = Shape::whole(seed);
            let (once, again) = (sim::run(&shape), sim::run(&shape));
            assert_eq!((once.hash, once.events), (again.hash, again.events), "seed {seed}");
        }
    }

    #[test]
    fn every_planted_bug_still_applies() {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut patches = 0;
        for entry in fs::read_dir(folder().join("planted")).unwrap() {
            let patch = entry.unwrap().path();
            let check = Command::new("git")
                .args(["apply", "--check"])
                .arg(&patch)
                .current_dir(root)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&check.stderr);
            assert!(check.status.success(), "{}: {said}", patch.display());
            patches += 1;
        }
        assert!(patches >= 30, "{patches} planted bugs");
    }

    fn must_hold(seed: u64) -> Report {
        let report = sim::run(&Shape::whole(seed));
        if let Some(broken) = &report.broken {
            let (shape, told) = sim::shrink::shrink(seed, broken.law);
            panic!("seed {seed}, shrunk to {shape:?}:\n{told}");
        }
        report
    }

    /// The first seed: drawn by the revision, so that each has worlds of its own.
    fn revision() -> u64 {
        let head = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
        let head = head.map(|head| String::from_utf8_lossy(&head.stdout).trim().to_owned());
        u64::from_str_radix(&head.unwrap_or_default(), 16).unwrap_or(1)
    }

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation")
    }
}
