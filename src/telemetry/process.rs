//! The `process_*` metrics that dashboards expect of every exporter, read from `/proc` at a scrape.
//! What cannot be read is left out.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{TypedMetric, counter::ConstCounter, gauge::ConstGauge},
};

/// Reads the process's own figures at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.as_deref().and_then(Stat::read);
        put(
            &mut encoder,
            "process_cpu_seconds",
            "User and system CPU time spent, in seconds",
            stat.map(|stat| ConstCounter::new(stat.cpu_seconds)),
        )?;
        put(
            &mut encoder,
            "process_resident_memory_bytes",
            "Resident memory, in bytes",
            stat.map(|stat| ConstGauge::new(stat.resident_bytes)),
        )?;
        put(
            &mut encoder,
            "process_start_time_seconds",
            "Start of the process, in seconds since the Unix epoch",
            stat.and_then(|stat| Some(ConstGauge::new(booted_at()? + stat.started_after_boot))),
        )?;
        put(
            &mut encoder,
            "process_open_fds",
            "Open file descriptors",
            open_fds().map(ConstGauge::new),
        )?;
        put(
            &mut encoder,
            "process_max_fds",
            "Most file descriptors that may be open",
            max_fds().map(ConstGauge::new),
        )
    }
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: Option<impl EncodeMetric + TypedMetric>,
) -> Result<(), std::fmt::Error> {
    let Some(metric) = metric else {
        return Ok(());
    };
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// What `/proc/self/stat` tells (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    started_after_boot: f64,
    resident_bytes: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The second field, the name in brackets, may hold anything; what follows begins with the
        // third field, `state`.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_seconds: seconds(field(14)? + field(15)?),
            started_after_boot: seconds(field(22)?),
            resident_bytes: field(24)? * rustix::param::page_size() as u64,
        })
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn booted_at() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn open_fds() -> Option<u64> {
    // The directory's own descriptor is one of those that it lists.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64)
}

fn max_fds() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 5 0 3000 9999 25";
        let stat = Stat::read(text).unwrap();
        assert_eq!(stat.cpu_seconds, seconds(200));
        assert_eq!(stat.started_after_boot, seconds(3000));
        assert_eq!(stat.resident_bytes, 25 * rustix::param::page_size() as u64);
    }

    #[test]
    fn this_very_process_can_be_read() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(Stat::read(&stat).unwrap().resident_bytes > 0);
        assert!(booted_at().unwrap() > 1_000_000_000.0);
        assert!(open_fds().unwrap() >= 3);
    }
}
