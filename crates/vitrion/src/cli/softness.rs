//! `vitrion softness`: which ions will move, learned from trajectories.

use super::output::{complain, print, print_json, table};
use super::{Common, ReadArguments, refuse_existing};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;
use vitrion::error::Error;
use vitrion::report::shown;
use vitrion::run_file::SoftnessFile;
use vitrion::softness::{self, MODEL_FILE, Outcome};
use vitrion::threads;
use vitrion_core::observables::Observables;

/// Learn from trajectories which ions will move, and test it
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The softness file
    #[arg(value_name = "SOFTNESS.toml")]
    file: PathBuf,
    /// Folder for model, tables, figures, structures and report [default: the name in the file,
    /// beside it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Replace the results of an earlier call
    #[arg(long)]
    overwrite: bool,
    /// All observables as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    model: &'a PathBuf,
    report: &'a PathBuf,
    results: &'a [Observables],
}

pub(super) fn softness(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    let file = SoftnessFile::read(&arguments.file)?;
    let out = arguments.out.clone().unwrap_or_else(|| file.resolve(&file.name));
    refuse_existing(&out.join(MODEL_FILE), arguments.overwrite)?;
    let start = Instant::now();
    let tell = |what: &str| {
        if !common.quiet {
            complain(&format!("{:7.1} s  {what}", start.elapsed().as_secs_f64()));
        }
    };
    let made = threads::on(common.threads, || {
        softness::carry_out(&file, &out, &arguments.read.options(), &tell)
    })?;
    let Outcome { model, report, results } = &made;
    if arguments.json {
        print_json(&Made { model, report, results });
        return Ok(());
    }
    let mut text = String::new();
    for one in results {
        let rows: Vec<Vec<String>> = one
            .estimates
            .iter()
            .map(|estimate| vec![format!("  {}", estimate.label), shown(estimate).text])
            .collect();
        if !rows.is_empty() {
            writeln!(text, "{}\n{}", one.title, table(&rows)).expect("to a string");
        }
        for caution in &one.cautions {
            writeln!(text, "  caution: {}; {}", caution.message, caution.advice)
                .expect("to a string");
        }
    }
    writeln!(text, "model: {}\nreport: {}", model.display(), report.display())
        .expect("to a string");
    print(&text);
    Ok(())
}
