//! `vitrion bench analysis`: how fast structure is analysed.

use super::one_and_all;
use crate::cli::output::{complain, print, print_json, table, words};
use crate::cli::{Common, ReadArguments};
use std::fmt::Write as _;
use std::path::PathBuf;
use vitrion::bench::analysis::{self, Results, Settings};
use vitrion::error::{Error, InputError};

/// Structural analyses: time per frame of each, of reading, and of all in one pass
#[derive(clap::Args)]
pub(super) struct AnalysisArguments {
    /// The trajectory [default: β-Li3PS4 with thermal noise, written as extended XYZ]
    #[arg(value_name = "TRAJECTORY")]
    trajectory: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Atoms of the trajectory that is made, at least
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    atoms: usize,
    /// Frames of the trajectory that is made
    #[arg(long, value_name = "N", default_value_t = 40)]
    frames: usize,
    /// Kinds of analyses [default: all that suit the elements]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<String>,
    /// `[[analysis]]` tables with settings, as for `vitrion analyze`
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    config: Option<PathBuf>,
    /// Numbers of threads to try [default: one and all, or --threads]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    on_threads: Option<Vec<usize>>,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn bench(
    arguments: &AnalysisArguments,
    given_threads: Option<usize>,
    common: &Common,
) -> Result<(), Error> {
    if arguments.frames == 0 || arguments.atoms == 0 {
        let message = "--frames and --atoms must be at least 1".to_owned();
        return Err(InputError::Usage(message).into());
    }
    let settings = Settings {
        trajectory: arguments.trajectory.clone(),
        read: arguments.read.options(),
        atoms: arguments.atoms,
        frames: arguments.frames,
        threads: arguments
            .on_threads
            .clone()
            .or(given_threads.map(|n| vec![n]))
            .unwrap_or_else(one_and_all),
        only: arguments.only.clone(),
        config: arguments.config.clone(),
    };
    let tell = |what: &str| {
        if !common.quiet {
            complain(what);
        }
    };
    let results = analysis::run(&settings, &tell)?;
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    Ok(())
}

fn described(results: &Results) -> String {
    let mut text = String::new();
    for run in &results.runs {
        let mut rows = vec![words(&["", "ms/frame", "µs/atom/frame"])];
        let per_atom = |ms: f64| format!("{:.3}", 1e3 * ms / results.atoms as f64);
        let mut row = |name: &str, ms: f64| {
            rows.push(vec![name.to_owned(), format!("{ms:.2}"), per_atom(ms)]);
        };
        row("reading", run.reading_ms_per_frame);
        for part in &run.analyses {
            row(part.kind, part.ms_per_frame);
        }
        row("sum of these", run.sum_of_parts_ms_per_frame);
        row("all in one pass", run.one_pass_ms_per_frame);
        let memory = run
            .resident_mb
            .map_or(String::new(), |mb| format!(", {mb:.0} MB with all frames kept"));
        writeln!(
            text,
            "{} thread(s), {} atoms, {} frames; median of three\n{}read at {:.0} MB/s; one pass is \
             {:.2} of the sum{memory}\n",
            run.threads,
            results.atoms,
            results.frames,
            table(&rows),
            run.megabytes_per_second,
            run.ratio,
        )
        .expect("writing to a string cannot fail");
    }
    write!(text, "{}", results.machine).expect("writing to a string cannot fail");
    text
}
