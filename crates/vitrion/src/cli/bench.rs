//! `vitrion bench`: how fast this machine is.

mod analysis;
mod device;
mod softness;
mod transport;

use super::output::{complain, print, print_json, table, words};
use super::{Common, ReadArguments};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion::bench::training::{self, TrainingSettings};
use vitrion::bench::{self, Parts, Results, Run, Settings};
use vitrion::error::{Error, InputError};
use vitrion::training::systems_in;
use vitrion::{inputs, threads};
use vitrion_core::{SpeciesTable, io};
use vitrion_model::Precision;
use vitrion_model::train::initial::Shape;
use vitrion_model::train::optimizer::Method;
use vitrion_model::train::{Dataset, Source};

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
    Train(TrainArguments),
    Analysis(analysis::AnalysisArguments),
    Transport(transport::TransportArguments),
    Softness(softness::SoftnessArguments),
    Device(device::DeviceArguments),
}

/// Training: time per atom and step, operations per second, and where the time goes
#[derive(clap::Args)]
struct TrainArguments {
    /// Labelled frames: files, deepmd/npy systems or folders of them
    #[arg(value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Elements of the model, in order
    #[arg(long, value_name = "ELEMENTS", value_delimiter = ',', default_values = ["Li", "P", "S"])]
    species: Vec<String>,
    /// Atoms per batch
    #[arg(long, value_name = "N", default_value_t = 1024)]
    atoms: usize,
    /// Widths of the embedding nets
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [25, 50, 100])]
    embedding: Vec<usize>,
    /// Axis columns of the descriptor
    #[arg(long, value_name = "N", default_value_t = 16)]
    axis: usize,
    /// Widths of the hidden fitting layers
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [240, 240, 240])]
    fitting: Vec<usize>,
    /// Slots per species, as DeePMD-kit has them; they do not change the cost
    #[arg(long, value_name = "N", value_delimiter = ',')]
    sel: Option<Vec<usize>>,
    /// Numbers of threads to try [default: one and all, or --threads]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    on_threads: Option<Vec<usize>>,
    /// Arithmetic: single, double, or both
    #[arg(long, value_name = "P", value_delimiter = ',', default_values = ["single", "double"],
          value_parser = ["single", "double"])]
    precision: Vec<String>,
    /// Optimiser: adam or muon
    #[arg(long, default_value = "adam", value_parser = ["adam", "muon"])]
    optimizer: String,
    /// Steps of each of three timed runs
    #[arg(long, value_name = "N", default_value_t = 20)]
    steps: usize,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
}

/// Dynamics: time per atom and step, operations per second, and where the time goes
#[derive(clap::Args)]
struct MdArguments {
    /// A model file, builtin:li-p-s or builtin:li-p-s-fast
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
    let arguments = match &arguments.what {
        What::Md(arguments) => arguments,
        What::Train(arguments) => return bench_training(arguments, given_threads, common),
        What::Analysis(arguments) => return analysis::bench(arguments, given_threads, common),
        What::Transport(arguments) => return transport::bench(arguments, given_threads, common),
        What::Softness(arguments) => return softness::bench(arguments, given_threads, common),
        What::Device(arguments) => return device::bench(arguments, common),
    };
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

fn one_and_all() -> Vec<usize> {
    let all = threads::available();
    if all > 1 { vec![1, all] } else { vec![1] }
}

fn bench_training(
    arguments: &TrainArguments,
    given_threads: Option<usize>,
    common: &Common,
) -> Result<(), Error> {
    let species = SpeciesTable::new(&arguments.species)
        .map_err(|error| InputError::Usage(format!("--species: {error}")))?;
    let mut sources = Vec::new();
    for path in &arguments.data {
        let failed = |source| InputError::Os { path: path.clone(), doing: "read", source };
        for path in systems_in(path).map_err(failed)? {
            let name = path.display().to_string();
            sources.push(Source { path, group: name.clone(), name, weight: 1.0 });
        }
    }
    let folder = std::env::temp_dir().join(format!("vitrion-bench-{}", std::process::id()));
    let failed = |source| InputError::Os { path: folder.clone(), doing: "create", source };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let packed = folder.join("frames.pack");
    let data = Dataset::open(&sources, &species, &packed, &arguments.read.options(), &|_| {})
        .map_err(InputError::Dataset);
    let settings = TrainingSettings {
        shape: Shape {
            embedding: arguments.embedding.clone(),
            axis: arguments.axis,
            fitting: arguments.fitting.clone(),
            sel: arguments.sel.clone(),
            ..Shape::default()
        },
        atoms: arguments.atoms,
        steps: arguments.steps.max(1),
        threads: arguments
            .on_threads
            .clone()
            .or(given_threads.map(|n| vec![n]))
            .unwrap_or_else(one_and_all),
        precisions: arguments
            .precision
            .iter()
            .map(|word| if word == "single" { Precision::Mixed } else { Precision::Double })
            .collect(),
        optimizer: if arguments.optimizer == "muon" { Method::MUON } else { Method::ADAM },
    };
    let tell = |what: &str| {
        if !common.quiet {
            complain(what);
        }
    };
    let found = data.map_err(Error::from).and_then(|data| training::run(&data, &settings, &tell));
    // the mapped file is gone with its data set
    let _ = std::fs::remove_dir_all(&folder);
    let runs = found?;
    if arguments.json {
        print_json(&runs);
        return Ok(());
    }
    let mut rows = vec![words(&[
        "precision",
        "threads",
        "atoms",
        "frames",
        "neighbours",
        "ms/step",
        "µs/atom",
        "min–max",
        "GFLOP/s",
        "peak",
        "of peak",
    ])];
    for run in &runs {
        rows.push(vec![
            run.precision.to_owned(),
            run.threads.to_string(),
            format!("{:.0}", run.atoms),
            run.frames.to_string(),
            format!("{:.1}", run.neighbors),
            format!("{:.2}", run.ms_per_step),
            format!("{:.1}", run.us_per_atom),
            format!("{:.1}–{:.1}", run.us_min, run.us_max),
            format!("{:.1}", run.gflops),
            format!("{:.1}", run.peak_gflops),
            percent(run.fraction_of_peak),
        ]);
    }
    let mut text = table(&rows);
    let mut rows = vec![words(&["µs/atom"])];
    rows[0].extend(runs[0].parts.iter().map(|(name, _)| (*name).to_owned()));
    for run in &runs {
        let mut row = vec![format!("{}, {} thread(s)", run.precision, run.threads)];
        row.extend(run.parts.iter().map(|(_, us)| format!("{us:.1}")));
        rows.push(row);
    }
    let _ = write!(text, "\n{}", table(&rows));
    print(&text);
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
