//! Carrying it out, and what is printed.

use super::super::super::Common;
use super::super::super::output::{complain, print, print_json, table, words};
use super::super::percent;
use super::DeviceArguments;
use std::fmt::Write as _;
use std::path::Path;
use vitrion::bench::device::{self, DeviceResults, DeviceSettings};
use vitrion::device::Device;
use vitrion::error::{Error, InputError};
use vitrion::inputs;
use vitrion::run_file::DeviceChoice;
use vitrion::training::write_json;
use vitrion_core::io;
use vitrion_model::Precision;

/// Kernels that are listed.
const LISTED: usize = 8;

pub(in super::super) fn bench(arguments: &DeviceArguments, common: &Common) -> Result<(), Error> {
    let usage = InputError::Usage;
    let Some(choice @ DeviceChoice::Cuda(_)) = DeviceChoice::parse(&arguments.device) else {
        let found = &arguments.device;
        return Err(usage(format!("--device: expected cuda or cuda:N, found \"{found}\"")).into());
    };
    let Device::Cuda(device) = Device::choose(choice, |_| Ok(())).map_err(usage)? else {
        unreachable!("a CUDA device was asked for")
    };
    let (model, _) = inputs::model(&arguments.model, Path::new(&arguments.model)).map_err(usage)?;
    let structure = match &arguments.structure {
        None => inputs::bench_structure(),
        Some(path) => {
            io::read_first(path, &arguments.read.options()).map_err(InputError::Io)?.structure
        }
    };
    let settings = DeviceSettings {
        sizes: if arguments.quick { Vec::new() } else { arguments.sizes.clone() },
        precisions: (arguments.precision.iter())
            .map(|word| if word == "mixed" { Precision::Mixed } else { Precision::Double })
            .collect(),
        steps: arguments.steps,
        timestep: arguments.timestep,
        temperature: arguments.temperature,
        skin: arguments.skin,
        effort: if arguments.quick { 0.0 } else { 1.0 },
    };
    let tell = |what: &str| {
        if !common.quiet {
            complain(what);
        }
    };
    let results = device::run(&device, &model, &structure, &settings, &tell)?;
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    if let Some(path) = &arguments.save {
        write_json(path, &results)?;
    }
    if results.passed() {
        return Ok(());
    }
    let failed = results.comparisons.iter().filter(|comparison| !comparison.passed);
    let named: Vec<&str> = failed.map(|comparison| comparison.what.as_str()).collect();
    Err(usage(format!("the device does not pass: {}", named.join("; "))).into())
}

fn described(results: &DeviceResults) -> String {
    let mut text = format!(
        "{}\nvitrion {} ({}), {}\n\n",
        results.device, results.version, results.commit, results.model
    );
    let mut rows = vec![words(&["result", "found", "limit", ""])];
    for comparison in &results.comparisons {
        rows.push(vec![
            comparison.what.clone(),
            format!("{:.1e} {}", comparison.found, comparison.unit),
            comparison.limit.map_or("-".to_owned(), |limit| format!("{limit:.0e}")),
            if comparison.passed { "ok" } else { "FAILED" }.to_owned(),
        ]);
    }
    let _ = writeln!(text, "{}", table(&rows));
    if !results.peaks.is_empty() {
        let mut rows = vec![words(&["ceiling", "TFLOP/s", "GB/s"])];
        for (precision, flops, bytes) in &results.peaks {
            rows.push(vec![
                (*precision).to_owned(),
                format!("{:.2}", flops * 1e-3),
                format!("{bytes:.0}"),
            ]);
        }
        let _ = writeln!(text, "{}", table(&rows));
    }
    let heading = [
        "precision",
        "atoms",
        "neighbours",
        "µs/atom/step",
        "min–max",
        "ns/day",
        "GFLOP/s",
        "of peak",
        "kB/atom",
        "launches",
    ];
    let mut rows = vec![words(&heading)];
    for run in &results.runs {
        rows.push(vec![
            run.precision.to_owned(),
            run.atoms.to_string(),
            format!("{:.1}", run.neighbors),
            format!("{:.4}", run.us_per_atom_step),
            format!("{:.4}–{:.4}", run.us_min, run.us_max),
            format!("{:.3}", run.ns_per_day),
            format!("{:.0}", run.gflops),
            percent(run.fraction_of_peak),
            format!("{:.2}", run.kb_per_atom),
            format!("{:.0}", run.launches),
        ]);
    }
    if !results.runs.is_empty() {
        let _ = writeln!(text, "{}", table(&rows));
    }
    for run in &results.runs {
        let _ = writeln!(
            text,
            "{} atoms, {} [µs/atom/step, each launch waited for]: {}",
            run.atoms,
            run.precision,
            longest(&run.kernels)
        );
    }
    let heading = ["training", "precision", "atoms", "ms/step", "min–max", "launches"];
    let mut rows = vec![words(&heading)];
    for run in &results.training {
        rows.push(vec![
            run.optimizer.to_owned(),
            run.precision.to_owned(),
            run.atoms.to_string(),
            format!("{:.3}", run.ms_per_step),
            format!("{:.3}–{:.3}", run.ms_min, run.ms_max),
            format!("{:.0}", run.launches),
        ]);
    }
    if !results.training.is_empty() {
        let _ = writeln!(text, "\n{}", table(&rows));
    }
    for run in &results.training {
        let _ = writeln!(
            text,
            "{} [ms/step, each launch waited for]: {}",
            run.optimizer,
            longest(&run.kernels)
        );
    }
    for skipped in &results.skipped {
        let _ = writeln!(text, "skipped: {skipped}");
    }
    text
}

/// The kernels that take longest, and how long.
fn longest(kernels: &[(String, f64)]) -> String {
    let named = kernels.iter().take(LISTED).map(|(name, time)| format!("{name} {time:.4}"));
    named.collect::<Vec<_>>().join(", ")
}
