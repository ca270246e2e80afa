//! `vitrion bench`: how fast this machine is.

use super::output::{complain, print, print_json, table, words};
use super::{Common, ReadArguments};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion::bench::{self, Parts, Results, Run, Settings};
use vitrion::error::{Error, InputError};
use vitrion::{inputs, threads};
use vitrion_core::io;
use vitrion_model::Precision;

/// Width of the bar that shows where the time goes.
const BAR: usize = 60;

/// Measure how fast this machine is
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Md(MdArguments),
}

/// Dynamics: time per atom and step, operations per second, and where the time goes
#[derive(clap::Args)]
struct MdArguments {
    /// A model file or builtin:li-p-s
    #[arg(long, value_name = "MODEL", default_value = "builtin:li-p-s")]
    model: String,
    /// A structure file; its first frame is used [default: β-Li3PS4]
    #[arg(long, value_name = "FILE")]
    structure: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Atoms; the structure is repeated to at least as many [default: 1000,4000,12000, or FILE as it
    /// is]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    sizes: Option<Vec<usize>>,
    /// Numbers of threads to try [default: one and all, or --threads]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    on_threads: Option<Vec<usize>>,
    /// Arithmetic: mixed, double, or both
    #[arg(long, value_name = "P", value_delimiter = ',', default_values = ["mixed", "double"],
          value_parser = ["mixed", "double"])]
    precision: Vec<String>,
    /// Steps of each of three timed runs [default: about two seconds]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Timestep [fs]
    #[arg(long, value_name = "FS", default_value_t = 0.5)]
    timestep: f64,
    /// Temperature of the NVT run [K]
    #[arg(long, value_name = "K", default_value_t = 300.0)]
    temperature: f64,
    /// Skin of the neighbour list [Å]
    #[arg(long, value_name = "A", default_value_t = 1.0)]
    skin: f64,
    /// Evaluate the embedding nets themselves instead of their tables (slow)
    #[arg(long)]
    exact: bool,
    /// Also compare a committee of so many members with a single model
    #[arg(long, value_name = "K", default_value_t = 0)]
    committee: usize,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn bench(
    arguments: &Arguments,
    given_threads: Option<usize>,
    common: &Common,
) -> Result<(), Error> {
    let What::Md(arguments) = &arguments.what;
    let (model, _) =
        inputs::model(&arguments.model, Path::new(&arguments.model)).map_err(InputError::Usage)?;
    let structure = match &arguments.structure {
        None => inputs::bench_structure(),
        Some(path) => {
            io::open(path, &arguments.read.options())
                .map_err(InputError::Io)?
                .next()
                .ok_or_else(|| InputError::Usage(format!("{}: no frame in it", path.display())))?
                .map_err(InputError::Io)?
                .structure
        }
    };
    let one_and_all = || {
        let all = threads::available();
        if all > 1 { vec![1, all] } else { vec![1] }
    };
    let settings = Settings {
        sizes: arguments.sizes.clone().unwrap_or_else(|| match arguments.structure {
            Some(_) => Vec::new(),
            None => vec![1000, 4000, 12_000],
        }),
        threads: arguments
            .on_threads
            .clone()
            .or(given_threads.map(|n| vec![n]))
            .unwrap_or_else(one_and_all),
        precisions: arguments
            .precision
            .iter()
            .map(|word| if word == "mixed" { Precision::Mixed } else { Precision::Double })
            .collect(),
        steps: arguments.steps,
        timestep: arguments.timestep,
        temperature: arguments.temperature,
        skin: arguments.skin,
        exact: arguments.exact,
        committee: arguments.committee,
    };
    bench::validate(&settings)?;
    let tell = |what: &str| {
        if !common.quiet {
            complain(what);
        }
    };
    let results = bench::run(&model, &structure, &settings, &tell)?;
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    Ok(())
}

fn described(results: &Results) -> String {
    let mut text = format!("{}\n\n", results.machine);
    let mut rows = vec![words(&["measured peak", "threads", "GFLOP/s"])];
    for peak in &results.peaks {
        let kind = if peak.precision == "mixed" { "f32" } else { "f64" };
        rows.push(vec![
            format!("{kind} multiply-add"),
            peak.threads.to_string(),
            format!("{:.1}", peak.gflops),
        ]);
    }
    let _ = writeln!(text, "{}", table(&rows));
    let heading = [
        "precision",
        "atoms",
        "threads",
        "µs/atom/step",
        "min–max",
        "ns/day",
        "GFLOP/s",
        "of peak",
        "executed",
        "fitting",
        "kB/atom",
        "set-up",
    ];
    let mut rows = vec![words(&heading)];
    for run in &results.runs {
        rows.push(vec![
            run.precision.to_owned(),
            run.atoms.to_string(),
            run.threads.to_string(),
            format!("{:.2}", run.us_per_atom_step),
            format!("{:.2}–{:.2}", run.us_min, run.us_max),
            format!("{:.3}", run.ns_per_day),
            format!("{:.1}", run.gflops),
            percent(run.fraction_of_peak),
            percent(run.fraction_of_peak_executed),
            percent(run.fitting_fraction_of_peak),
            format!("{:.2}", run.kb_per_atom),
            format!("{:.2} s", run.setup_s),
        ]);
    }
    text.push_str(&table(&rows));
    text.push_str(
        "of peak: operations of the method by the documented count; executed: those carried out, \
         and of\nthem the fitting nets alone\n\n",
    );
    let mut rows = vec![words(&[
        "µs/atom/step",
        "neighbour",
        "environment",
        "embedding",
        "fitting",
        "force",
        "integrate",
        "output",
        "list search",
    ])];
    for run in &results.runs {
        let p = run.breakdown;
        let mut row = vec![name(run)];
        row.extend(parts(p).iter().map(|(_, us)| format!("{us:.2}")));
        row.push(format!("{:.2} × {}", run.list_build_us_per_atom, run.list_builds));
        rows.push(row);
    }
    let _ = writeln!(text, "{}", table(&rows));
    for run in &results.runs {
        let _ = writeln!(text, "{}\n  {}", name(run), bar(run.breakdown));
    }
    text.push_str(
        "n neighbour, v environment, e embedding, F fitting, f force, i integrate, o output\n",
    );
    if let Some(run) = results.runs.first() {
        let _ = writeln!(text, "{:.1} neighbours; {}", run.neighbors, run.tables);
    }
    for run in &results.committees {
        let _ = writeln!(
            text,
            "committee of {} ({}, {} atoms, {} thread(s)): {:.2} µs/atom, {:.2} × one model",
            run.members,
            run.precision,
            run.atoms,
            run.threads,
            run.committee_us_per_atom,
            run.ratio
        );
    }
    text
}

fn name(run: &Run) -> String {
    format!("{} atoms, {}, {} thread(s)", run.atoms, run.precision, run.threads)
}

fn percent(fraction: f64) -> String {
    format!("{:.0} %", 100.0 * fraction)
}

fn parts(p: Parts) -> [(char, f64); 7] {
    [
        ('n', p.neighbor),
        ('v', p.environment),
        ('e', p.embedding),
        ('F', p.fitting),
        ('f', p.force),
        ('i', p.integrate),
        ('o', p.output),
    ]
}

/// One letter per share of the time.
fn bar(p: Parts) -> String {
    let parts = parts(p);
    let total: f64 = parts.iter().map(|(_, us)| us).sum();
    let letters = |us: f64| (us / total * BAR as f64).round() as usize;
    parts.iter().flat_map(|(letter, us)| std::iter::repeat_n(*letter, letters(*us))).collect()
}
