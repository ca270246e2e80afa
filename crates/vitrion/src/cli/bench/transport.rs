//! `vitrion bench transport`: how fast motion is analysed.

use crate::cli::Common;
use crate::cli::output::{complain, print, print_json, table};
use std::fmt::Write as _;
use vitrion::bench::transport::{self, Results, Settings};
use vitrion::error::{Error, InputError};
use vitrion::threads;

/// Analyses of motion: time and memory for free diffusion of known coefficient
#[derive(clap::Args)]
pub(super) struct TransportArguments {
    /// Mobile atoms
    #[arg(long, value_name = "N", default_value_t = 5000)]
    atoms: usize,
    /// Frames
    #[arg(long, value_name = "N", default_value_t = 2000)]
    frames: usize,
    /// Time van Hove functions, scattering and regions as well
    #[arg(long)]
    all: bool,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn bench(
    arguments: &TransportArguments,
    given_threads: Option<usize>,
    common: &Common,
) -> Result<(), Error> {
    if arguments.frames < 100 || arguments.atoms == 0 {
        let message = "--frames must be at least 100 and --atoms at least 1".to_owned();
        return Err(InputError::Usage(message).into());
    }
    let settings = Settings {
        atoms: arguments.atoms,
        frames: arguments.frames,
        threads: given_threads.unwrap_or_else(threads::available),
        all: arguments.all,
    };
    let tell = |what: &str| {
        if !common.quiet {
            complain(what);
        }
    };
    let results = transport::run(&settings, &tell)?;
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    Ok(())
}

fn described(results: &Results) -> String {
    let mut rows = Vec::new();
    let mut row =
        |name: &str, seconds: f64| rows.push(vec![name.to_owned(), format!("{seconds:.3} s")]);
    row("keeping the frames", results.recording_s);
    row("MSD tensor, fourth moment, single atoms, errors", results.msd_s);
    row("MSD at every lag besides", results.every_lag_s);
    row("diffusive lags, D and its error", results.fit_s);
    for (kind, seconds) in &results.others {
        row(&format!("{kind}, alone from the frames"), *seconds);
    }
    let memory = results.peak_mb.map_or(String::new(), |mb| format!("largest memory {mb:.0} MB; "));
    let mut text = format!(
        "{} mobile atoms, {} frames, {} thread(s)\n{}",
        results.atoms,
        results.frames,
        results.threads,
        table(&rows)
    );
    writeln!(
        text,
        "{memory}D = {:.4e} ± {:.1e} cm²/s, the truth is {:.4e}\n{}",
        results.diffusion, results.error, results.truth, results.machine
    )
    .expect("writing to a string cannot fail");
    text
}
