//! Which program runs where.

use crate::threads;
use std::fs;

/// Commit the program was built from, "unknown" outside a repository.
pub fn commit() -> &'static str {
    option_env!("VITRION_COMMIT").unwrap_or("unknown")
}

/// Processor and its threads, for example "Intel Xeon, 2 threads".
pub fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{model}, {} threads", threads::available())
}
