//! `vitrion bench softness`: how fast softness is computed and trained.

use crate::cli::Common;
use crate::cli::output::{complain, print, print_json, table};
use std::path::PathBuf;
use vitrion::bench::softness::{self, Results, Settings};
use vitrion::error::{Error, InputError};
use vitrion::threads;

/// Softness: time of features, of D²min and of the fit of a plane
#[derive(clap::Args)]
pub(super) struct SoftnessArguments {
    /// Ions
    #[arg(long, value_name = "N", default_value_t = 2000)]
    ions: usize,
    /// Frames
    #[arg(long, value_name = "N", default_value_t = 20)]
    frames: usize,
    /// Samples of the fit
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    samples: usize,
    /// Features of a sample
    #[arg(long, value_name = "N", default_value_t = 150)]
    features: usize,
    /// Weight of the errors beside the penalty
    #[arg(long, value_name = "C", default_value_t = 1.0)]
    c: f64,
    /// Write the samples of the fit to a file (f64, row by row, 1 or 0 for mobile last), to time
    /// another program with the same
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn bench(
    arguments: &SoftnessArguments,
    given_threads: Option<usize>,
    common: &Common,
) -> Result<(), Error> {
    if arguments.frames < 2 || arguments.ions < 10 || arguments.samples < 100 {
        let message = "--frames must be at least 2, --ions 10, --samples 100".to_owned();
        return Err(InputError::Usage(message).into());
    }
    let settings = Settings {
        ions: arguments.ions,
        frames: arguments.frames,
        samples: arguments.samples,
        features: arguments.features,
        c: arguments.c,
        threads: given_threads.unwrap_or_else(threads::available),
        data: arguments.data.clone(),
    };
    let tell = |what: &str| {
        if !common.quiet {
            complain(what);
        }
    };
    let results = softness::run(&settings, &tell)?;
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    Ok(())
}

fn described(results: &Results) -> String {
    let Results { ions, frames, functions, samples, width, .. } = results;
    let rows = [
        (format!("{functions} functions of {ions} ions in {frames} frames"), results.features_s),
        ("D²min from each frame to the next".to_owned(), results.non_affine_s),
        (
            format!("fit of {samples} samples × {width}, {} iterations", results.iterations),
            results.fit_s,
        ),
    ];
    let rows: Vec<Vec<String>> =
        rows.map(|(what, seconds)| vec![what, format!("{seconds:.3} s")]).to_vec();
    let memory = results.peak_mb.map_or(String::new(), |mb| format!("largest memory {mb:.0} MB\n"));
    format!("{}{memory}{}, {} thread(s)\n", table(&rows), results.machine, results.threads)
}
