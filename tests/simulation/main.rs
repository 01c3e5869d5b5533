//! The simulator's short run. The worlds of past failures first; then a hunt of two minutes, on the
//! model built optimised; then three planted bugs. Worlds and bugs are drawn by what the revision
//! contains: each has its own, and the same ones wherever it is run. A find is a fault of the core, or
//! of a law, though the change that meets it need not have brought it.
//! `tests/simulation/hunt` is for the long runs, and does the work of the short one.

#[cfg(test)]
mod sim;

#[cfg(test)]
mod run {
    use std::{
        fs,
        path::PathBuf,
        process::{Command, Output},
    };

    use super::sim::{self, Shape, record::SOMETIMES};

    /// How long the hunt lasts, in seconds: with builds and planted bugs it is three minutes.
    const SECONDS: &str = "120";

    #[test]
    fn past_failures_stay_mended() {
        let list = fs::read_to_string(folder().join("regressions.txt")).unwrap();
        let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let seed = line.split_whitespace().next().and_then(|seed| seed.parse().ok());
            must_hold(seed.expect("a line begins with its seed"));
        }
    }

    /// Both of these build the pocket, and want all cores: one after the other.
    #[test]
    fn no_world_breaks_a_law_and_three_planted_bugs_are_found() {
        let told = hunt(&["for", SECONDS, &first_world()]);
        for path in SOMETIMES {
            let reached = told.lines().find_map(|line| line.trim().strip_suffix(path));
            let times = reached.and_then(|times| times.trim().parse::<u64>().ok());
            assert!(times.is_some_and(|times| times > 0), "never {path}:\n{told}");
        }
        hunt(&["three", &revision()]);
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

    /// What is hunted is what is shipped: the pocket has the same versions as the whole.
    #[test]
    fn the_pocket_has_the_versions_of_the_whole() {
        let packages = |path: PathBuf| -> Vec<(String, String)> {
            let lock = fs::read_to_string(path).unwrap();
            let value = |block: &str, key: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(key));
                line.unwrap_or_default().trim_matches('"').to_owned()
            };
            let blocks = lock.split("[[package]]").skip(1);
            blocks.map(|block| (value(block, "name = "), value(block, "version = "))).collect()
        };
        let whole = packages(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"));
        for package in packages(folder().join("pocket/Cargo.lock")) {
            let is_ours = package.0 == "callwarden";
            assert!(is_ours || whole.contains(&package), "{package:?} is another in the whole");
        }
    }

    fn must_hold(seed: u64) {
        let report = sim::run(&Shape::whole(seed));
        if let Some(broken) = &report.broken {
            let (shape, told) = sim::shrink::shrink(seed, broken.law);
            panic!("{told}seed {seed}, shrunk to {shape}");
        }
    }

    fn hunt(arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } =
            Command::new(folder().join("hunt")).args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&stdout).into_owned();
        let cried = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "hunt {}\n{told}{cried}", arguments.join(" "));
        told
    }

    /// The first of the revision's own worlds.
    fn first_world() -> String {
        let drawn = u32::from_str_radix(revision().get(..8).unwrap_or_default(), 16);
        drawn.unwrap_or_default().to_string()
    }

    /// What the revision contains, in hexadecimal: a merge of the same has the same. Empty where
    /// there is no repository.
    fn revision() -> String {
        let tree = Command::new("git")
            .args(["rev-parse", "HEAD^{tree}"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        tree.map(|tree| String::from_utf8_lossy(&tree.stdout).trim().to_owned()).unwrap_or_default()
    }

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation")
    }
}
