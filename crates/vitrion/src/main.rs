//! The program. Exit codes: 0 done, 1 user input, 2 the run failed or was stopped, 3 a bug.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // a panic is a bug whatever the input was
    std::panic::catch_unwind(cli::run).unwrap_or_else(|_| cli::report_bug())
}
