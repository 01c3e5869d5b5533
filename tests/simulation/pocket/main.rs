//! Hunts: `hunt SEEDS [FROM]` lives through so many worlds and stops at the first broken law;
//! `hunt seed N` tells of one.

#[path = "../sim/mod.rs"]
mod sim;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use sim::{Shape, record::SOMETIMES};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |nth: usize| arguments.get(nth).and_then(|text| text.parse::<u64>().ok());
    match arguments.first().map(String::as_str) {
        Some("seed") => tell(number(1).unwrap_or_default()),
        Some(_) => hunt(number(0).unwrap_or(1_000), number(1).unwrap_or(0), number(2).unwrap_or(1)),
        None => hunt(1_000, 0, 1),
    }
}

/// Lives through one world, and tells of it.
fn tell(seed: u64) -> ExitCode {
    let report = sim::run(&Shape::whole(seed));
    let Some(broken) = &report.broken else {
        println!("{report}");
        return ExitCode::SUCCESS;
    };
    let (shape, report) = sim::shrink::shrink(seed, broken.law);
    println!("{report}seed {seed}, shrunk to {shape:?}");
    ExitCode::FAILURE
}

/// Lives through many.
fn hunt(seeds: u64, from: u64, threads: u64) -> ExitCode {
    let began = Instant::now();
    let (next, events, found) = (AtomicU64::new(from), AtomicU64::new(0), AtomicBool::new(false));
    let first = Mutex::new(None::<(u64, &'static str)>);
    let reached = Mutex::new(BTreeMap::<&str, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !found.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let report = sim::run(&Shape::whole(seed));
                    events.fetch_add(report.events, Ordering::Relaxed);
                    for (path, times) in report.reached {
                        *reached.lock().unwrap().entry(path).or_default() += times;
                    }
                    if let Some(broken) = report.broken {
                        found.store(true, Ordering::Relaxed);
                        let mut first = first.lock().unwrap();
                        if first.is_none_or(|(known, _)| seed < known) {
                            *first = Some((seed, broken.law));
                        }
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let events = events.into_inner();
    println!("{events} events in {seconds:.1} s, {:.0} a second", events as f64 / seconds);
    let found = *first.lock().unwrap();
    if let Some((seed, law)) = found {
        println!("FOUND by seed {seed}, the {}th: {law}", seed - from + 1);
        return ExitCode::FAILURE;
    }
    let reached = reached.into_inner().unwrap();
    for path in SOMETIMES {
        println!("{:>8} {path}", reached.get(path).copied().unwrap_or_default());
    }
    println!("{seeds} seeds from {from}, no law broken");
    ExitCode::SUCCESS
}
