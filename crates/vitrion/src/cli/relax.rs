//! `vitrion relax`: structures at the minimum of their energy or enthalpy.

use super::output::{complain, print, print_json, table};
use super::predict::load;
use super::{Common, ReadArguments, quantity, refuse_existing};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion_core::io::{self, CreateOptions};
use vitrion_core::units::{self, Kind};
use vitrion_core::{Frame, Labels, Matrix3, Structure, math};
use vitrion_md::{Coupling, MdError, MinimizeSettings, Minimum, minimize};

/// Move atoms, and the cell if asked to, to the minimum of the energy (FIRE)
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model file, builtin:li-p-s or builtin:li-p-s-fast
    #[arg(value_name = "MODEL")]
    model: String,
    /// A structure, or frames that are relaxed one by one
    #[arg(value_name = "STRUCTURE")]
    structure: PathBuf,
    /// Where to write, for example relaxed.extxyz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    read: ReadArguments,
    /// Let the cell move: isotropic, anisotropic, triclinic, or free Cartesian axes with coupled
    /// ones together such as "xy, z"
    #[arg(long, value_name = "COUPLING")]
    cell: Option<String>,
    /// External pressure, with --cell [default: "0 GPa"]
    #[arg(long, value_name = "PRESSURE", requires = "cell")]
    pressure: Option<String>,
    /// Largest force that may be left on an atom
    #[arg(long, value_name = "FORCE", default_value = "0.01 eV/A")]
    force_tolerance: String,
    /// Largest deviation of the stress that may be left, with --cell
    #[arg(long, value_name = "PRESSURE", default_value = "0.01 GPa")]
    stress_tolerance: String,
    /// Most steps
    #[arg(long, value_name = "N", default_value_t = 5000)]
    steps: u64,
    /// Arithmetic: double or mixed
    #[arg(long, default_value = "double", value_parser = ["double", "mixed"])]
    precision: String,
    /// Replace FILE if it exists
    #[arg(long)]
    overwrite: bool,
    /// Everything as JSON, in eV, Å and GPa
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Relaxed {
    frame: usize,
    formula: String,
    converged: bool,
    steps: u64,
    energy_ev: f64,
    /// Largest force on an atom.
    force_ev_per_a: f64,
    stress_gpa: Matrix3,
    cell_a: Matrix3,
    density_g_per_cm3: f64,
    /// Of the volume, against the start.
    volume_ratio: f64,
}

pub(super) fn relax(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    refuse_existing(&arguments.out, arguments.overwrite)?;
    let settings = settings(arguments)?;
    let mut potential = load(&arguments.model, &arguments.precision, false)?;
    let options = CreateOptions { overwrite: arguments.overwrite, ..CreateOptions::default() };
    let path = &arguments.structure;
    let source = io::open(path, &arguments.read.options()).map_err(InputError::Io)?;
    let mut sink = None;
    let mut found = Vec::new();
    for (number, frame) in source.enumerate() {
        let frame = frame.map_err(InputError::Io)?;
        let bar = bar(common.quiet, settings.steps);
        let minimum = minimize(&frame.structure, &mut *potential, &settings, &mut |p| {
            bar.set_position(p.step);
            bar.set_message(format!("{:.4} eV, {:.4} eV/Å", p.enthalpy, p.force));
            true
        });
        bar.finish_and_clear();
        let minimum = minimum.map_err(|error| named(path, number, &error))?;
        if !minimum.converged {
            complain(&format!(
                "warning: {}, frame {}: not converged after {} steps, a force of {:.4} eV/Å is \
                 left; raise --steps or look at the structure",
                path.display(),
                number + 1,
                minimum.last.step,
                minimum.last.force
            ));
        }
        found.push(described(number, &frame.structure, &minimum));
        // the file is made once there is something to write
        let sink = match &mut sink {
            Some(sink) => sink,
            None => sink.insert(io::create(&arguments.out, &options).map_err(InputError::Io)?),
        };
        let mut relaxed = Frame::from(minimum.structure);
        relaxed.labels = Labels { energy: Some(minimum.energy), ..Labels::default() };
        sink.write(&relaxed)?;
    }
    let Some(sink) = sink else {
        let message = format!("{}: there are no frames", path.display());
        return Err(InputError::Usage(message).into());
    };
    sink.finish()?;
    if arguments.json {
        print_json(&found);
    } else {
        print(&listed(&found));
    }
    Ok(())
}

fn settings(arguments: &Arguments) -> Result<MinimizeSettings, InputError> {
    let coupling = arguments.cell.as_deref().map(|name| {
        Coupling::from_name(name).ok_or_else(|| {
            InputError::Usage(format!(
                "--cell \"{name}\": expected isotropic, anisotropic, triclinic, or free axes with \
                 coupled ones together such as \"xy, z\""
            ))
        })
    });
    let pressure = arguments.pressure.as_deref().unwrap_or("0 GPa");
    Ok(MinimizeSettings {
        force_tolerance: quantity("--force-tolerance", &arguments.force_tolerance, Kind::Force)?,
        stress_tolerance: quantity(
            "--stress-tolerance",
            &arguments.stress_tolerance,
            Kind::Pressure,
        )?,
        pressure: quantity("--pressure", pressure, Kind::Pressure)?,
        coupling: coupling.transpose()?,
        steps: arguments.steps,
        ..MinimizeSettings::default()
    })
}

fn named(path: &Path, number: usize, error: &MdError) -> InputError {
    InputError::Usage(format!("{}, frame {}: {error}", path.display(), number + 1))
}

fn bar(quiet: bool, steps: u64) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    // indicatif draws nothing where stderr is no terminal
    let style = ProgressStyle::with_template("{pos}/{len} steps  {msg}  {elapsed} gone");
    ProgressBar::new(steps).with_style(style.expect("a valid template"))
}

fn described(number: usize, before: &Structure, minimum: &Minimum) -> Relaxed {
    let structure = &minimum.structure;
    let gpa = units::express(1.0, Kind::Pressure, "GPa");
    Relaxed {
        frame: number + 1,
        formula: structure.formula(),
        converged: minimum.converged,
        steps: minimum.last.step,
        energy_ev: minimum.energy,
        force_ev_per_a: minimum.last.force,
        stress_gpa: math::matrix_scale(&minimum.stress, gpa),
        cell_a: *structure.cell.matrix(),
        density_g_per_cm3: structure.density_g_per_cm3(),
        volume_ratio: structure.cell.volume() / before.cell.volume(),
    }
}

fn listed(found: &[Relaxed]) -> String {
    let heading = [
        "frame",
        "formula",
        "converged",
        "steps",
        "energy [eV]",
        "max force [eV/Å]",
        "mean stress [GPa]",
        "density [g/cm³]",
        "V/V₀",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for frame in found {
        rows.push(vec![
            frame.frame.to_string(),
            frame.formula.clone(),
            if frame.converged { "yes" } else { "no" }.to_owned(),
            frame.steps.to_string(),
            format!("{:.6}", frame.energy_ev),
            format!("{:.4}", frame.force_ev_per_a),
            format!("{:.3}", math::trace(&frame.stress_gpa) / 3.0),
            format!("{:.4}", frame.density_g_per_cm3),
            format!("{:.5}", frame.volume_ratio),
        ]);
    }
    table(&rows)
}
