//! `vitrion analyze`: structure and transport of any readable trajectory.

use super::output::{print, print_json};
use super::{ReadArguments, refuse_existing};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion::results::write_atomically;
use vitrion_analysis::{
    Accumulator, AnalysisError, DiffusionSettings, DisplacementSettings, Displacements,
    Observables, RadialDistribution, diffusion, mean_squared_displacement,
};
use vitrion_core::units::{self, Kind};
use vitrion_core::{Frame, Uncertainty, io};

/// Radial distribution, displacement, diffusion and conductivity of a trajectory
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The trajectory; further files follow it in time
    #[arg(value_name = "TRAJECTORY", required = true)]
    trajectories: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// Mobile element, for example Li; without it only g(r) is computed
    #[arg(long, value_name = "ELEMENT")]
    species: Option<String>,
    /// Temperature of the run, for example "600 K"; without it no diffusion coefficient is given
    #[arg(long, value_parser = temperature, requires = "species")]
    temperature: Option<f64>,
    /// Charge number of the mobile ion
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    charge: f64,
    /// Elements whose centre of mass stands still [default: all others]
    #[arg(long, value_name = "ELEMENTS", value_delimiter = ',')]
    framework: Vec<String>,
    /// Time between frames, for example "20 fs", where the file does not say or says it wrongly
    #[arg(long, value_parser = time)]
    frame_interval: Option<f64>,
    /// Timestep of a file whose frames carry only the step, for example "1 fs"
    #[arg(long, value_parser = time, conflicts_with = "frame_interval")]
    timestep: Option<f64>,
    /// Time left out at the start, for example "10 ps"
    #[arg(long, value_parser = time, default_value = "0 fs")]
    skip: f64,
    /// Join positions that are wrapped into the cell
    #[arg(long)]
    unwrap: bool,
    /// Largest distance of g(r)
    #[arg(long, value_parser = length, default_value = "8 A")]
    r_max: f64,
    /// Bin width of g(r)
    #[arg(long, value_parser = length, default_value = "0.05 A")]
    dr: f64,
    /// Folder for one JSON file per analysis
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in DIR
    #[arg(long)]
    overwrite: bool,
    /// All observables as JSON
    #[arg(long)]
    json: bool,
}

fn quantity(text: &str, kind: Kind) -> Result<f64, String> {
    let value = units::parse(text, kind).map_err(|error| error.to_string())?;
    if value < 0.0 { Err(format!("{text:?} is negative")) } else { Ok(value) }
}

fn time(text: &str) -> Result<f64, String> {
    quantity(text, Kind::Time)
}

fn length(text: &str) -> Result<f64, String> {
    quantity(text, Kind::Length)
}

fn temperature(text: &str) -> Result<f64, String> {
    quantity(text, Kind::Temperature)
}

pub(super) fn analyze(arguments: &Arguments) -> Result<(), Error> {
    let names = ["radial_distribution", "mean_squared_displacement", "diffusion"];
    if let Some(out) = &arguments.out {
        for name in names {
            refuse_existing(&out.join(format!("{name}.json")), arguments.overwrite)?;
        }
    }
    let results = observables(arguments)?;
    if let Some(out) = &arguments.out {
        for one in &results {
            write(&out.join(format!("{}.json", one.kind)), one)?;
        }
    }
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    Ok(())
}

/// One pass over all frames.
fn observables(arguments: &Arguments) -> Result<Vec<Observables>, Error> {
    let mut radial: Option<Accumulator<RadialDistribution>> = None;
    let mut motion = arguments.species.as_ref().map(|species| {
        Displacements::new(DisplacementSettings {
            species: species.clone(),
            framework: arguments.framework.clone(),
            skip: arguments.skip,
            interval: arguments.frame_interval,
            unwrap: arguments.unwrap,
        })
    });
    let mut seen = 0;
    let mut first_time = None;
    for path in &arguments.trajectories {
        let refused = |error: AnalysisError| {
            Error::from(InputError::Usage(format!("{}: {error}", path.display())))
        };
        for frame in io::open(path, &arguments.read.options()).map_err(InputError::Io)? {
            let mut frame = frame.map_err(InputError::Io)?;
            apply_timestep(&mut frame, arguments.timestep, path)?;
            let time = match arguments.frame_interval {
                Some(interval) => Some(interval * f64::from(seen)),
                None => frame.time,
            };
            seen += 1;
            if let Some(motion) = &mut motion {
                motion.add(&frame).map_err(refused)?;
            }
            if skipped(arguments, time, &mut first_time).map_err(refused)? {
                continue;
            }
            let accumulator = match &mut radial {
                Some(accumulator) => accumulator,
                None => {
                    let table = &frame.structure.table;
                    let (r_max, dr) = (arguments.r_max, arguments.dr);
                    let analysis =
                        RadialDistribution::new(table.clone(), r_max, dr).map_err(refused)?;
                    radial.insert(Accumulator::new(table.clone(), analysis))
                }
            };
            accumulator.add(&frame).map_err(refused)?;
        }
    }
    let refused = |error: AnalysisError| InputError::Usage(error.to_string());
    let Some(radial) = radial else {
        let message = format!("{seen} frames were read and all of them skipped");
        return Err(InputError::Usage(message).into());
    };
    let mut results = vec![radial.finish().map_err(refused)?];
    if let Some(motion) = motion {
        results.push(mean_squared_displacement(&motion).map_err(refused)?);
        if let Some(temperature) = arguments.temperature {
            let settings = DiffusionSettings { charge: arguments.charge, temperature };
            results.push(diffusion(&motion, &settings).map_err(refused)?.0);
        }
    }
    Ok(results)
}

/// Times of frames that carry only their step.
fn apply_timestep(frame: &mut Frame, timestep: Option<f64>, path: &Path) -> Result<(), InputError> {
    let Some(timestep) = timestep else { return Ok(()) };
    let Some(step) = frame.step else {
        let message = format!(
            "{}: frames carry no step, so --timestep says nothing; use --frame-interval",
            path.display()
        );
        return Err(InputError::Usage(message));
    };
    frame.time = Some(step as f64 * timestep);
    Ok(())
}

/// True for frames before `--skip`; times matter only if something is skipped.
fn skipped(
    arguments: &Arguments,
    time: Option<f64>,
    first: &mut Option<f64>,
) -> Result<bool, AnalysisError> {
    if arguments.skip <= 0.0 {
        return Ok(false);
    }
    let time = time.ok_or(AnalysisError::NoTime { frame: 0 })?;
    Ok(time - *first.get_or_insert(time) + 1e-9 < arguments.skip)
}

fn write(path: &Path, one: &Observables) -> Result<(), Error> {
    let mut text =
        serde_json::to_string_pretty(one).expect("observables hold nothing that JSON cannot");
    text.push('\n');
    write_atomically(path, text.as_bytes())?;
    Ok(())
}

fn described(results: &[Observables]) -> String {
    let mut text = String::new();
    for one in results {
        writeln!(text, "{}", one.title).expect("writing to a string cannot fail");
        for estimate in &one.estimates {
            let known = match &estimate.uncertainty {
                Uncertainty::StandardError { value, .. } => format!(" ± {value:.2e}"),
                Uncertainty::Interval { low, high, level } => {
                    format!(" ({:.0} %: {low:.4e} to {high:.4e})", level * 100.0)
                }
                Uncertainty::UpperBound { level } => {
                    format!(" (upper bound, {:.0} %)", level * 100.0)
                }
                Uncertainty::NotEstimated { why } => format!(" (no error: {why})"),
            };
            writeln!(text, "  {}: {:.4e}{known} {}", estimate.label, estimate.value, estimate.unit)
                .expect("writing to a string cannot fail");
        }
        for caution in &one.cautions {
            writeln!(text, "  caution: {} {}", caution.message, caution.advice)
                .expect("writing to a string cannot fail");
        }
    }
    text
}
