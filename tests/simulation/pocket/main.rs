//! Hunts: `seeds N [FROM [THREADS]]` and `for SECONDS [FROM [THREADS]]` live through worlds and stop
//! at the first broken law, which is shrunk and told; `bug N` does the same and tells no more than
//! that it was found; `seed N` lives through one.

#[path = "../sim/mod.rs"]
mod sim;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sim::{Shape, record::SOMETIMES};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |nth: usize, or: u64| {
        arguments.get(nth).and_then(|text| text.parse::<u64>().ok()).unwrap_or(or)
    };
    let (from, threads) = (number(2, 0), number(3, 2));
    match arguments.first().map(String::as_str) {
        Some("seed") => tell(number(1, 0)),
        Some("seeds") => Hunt::new(number(1, 1_000), None, from).ends(threads, true),
        Some("bug") => Hunt::new(number(1, 1_000), None, from).ends(threads, false),
        Some("for") => {
            Hunt::new(u64::MAX, Some(Duration::from_secs(number(1, 60))), from).ends(threads, true)
        }
        Some(_) | None => {
            eprintln!("hunt seeds N [FROM [THREADS]] | for SECONDS [FROM [THREADS]] | bug N | seed N");
            ExitCode::from(2)
        }
    }
}

/// Lives through one world, and tells of it.
fn tell(seed: u64) -> ExitCode {
    let report = sim::run(&Shape::whole(seed));
    let Some(broken) = &report.broken else {
        println!("{report}");
        return ExitCode::SUCCESS;
    };
    let law = broken.law;
    let (shape, report) = sim::shrink::shrink(seed, law);
    println!("{report}seed {seed}, shrunk to {shape}");
    println!("to keep it: echo '{seed} {law}' >> tests/simulation/regressions.txt");
    ExitCode::FAILURE
}

/// Many worlds.
struct Hunt {
    began: Instant,
    from: u64,
    seeds: u64,
    lasts: Option<Duration>,
    next: AtomicU64,
    lived: AtomicU64,
    events: AtomicU64,
    is_over: AtomicBool,
    first: Mutex<Option<(u64, &'static str)>>,
    reached: Mutex<BTreeMap<&'static str, u64>>,
}

impl Hunt {
    fn new(seeds: u64, lasts: Option<Duration>, from: u64) -> Self {
        Self {
            began: Instant::now(),
            from,
            seeds,
            lasts,
            next: AtomicU64::new(0),
            lived: AtomicU64::new(0),
            events: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            first: Mutex::default(),
            reached: Mutex::default(),
        }
    }

    fn ends(self, threads: u64, tells: bool) -> ExitCode {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.lives());
            }
        });
        let seconds = self.began.elapsed().as_secs_f64();
        let (lived, events) = (self.lived.into_inner(), self.events.into_inner());
        let pace = events as f64 / seconds;
        println!("{lived} worlds from {}, {events} events in {seconds:.1} s, {pace:.0} a second", self.from);
        if let Some((seed, law)) = self.first.into_inner().unwrap() {
            println!("FOUND by seed {seed}, the {}th: {law}", seed.wrapping_sub(self.from) + 1);
            return if tells { tell(seed) } else { ExitCode::FAILURE };
        }
        let reached = self.reached.into_inner().unwrap();
        for path in SOMETIMES {
            println!("{:>8} {path}", reached.get(path).copied().unwrap_or_default());
        }
        println!("no law broken");
        ExitCode::SUCCESS
    }

    fn lives(&self) {
        while !self.is_over.load(Ordering::Relaxed)
            && self.lasts.is_none_or(|lasts| self.began.elapsed() < lasts)
        {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            if nth >= self.seeds {
                break;
            }
            let seed = self.from.wrapping_add(nth);
            let report = sim::run(&Shape::whole(seed));
            self.lived.fetch_add(1, Ordering::Relaxed);
            self.events.fetch_add(report.events, Ordering::Relaxed);
            for (path, times) in report.reached {
                *self.reached.lock().unwrap().entry(path).or_default() += times;
            }
            if let Some(broken) = report.broken {
                self.is_over.store(true, Ordering::Relaxed);
                let mut first = self.first.lock().unwrap();
                if first.is_none_or(|(known, _)| seed < known) {
                    *first = Some((seed, broken.law));
                }
            }
        }
    }
}
