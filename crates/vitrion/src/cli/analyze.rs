//! `vitrion analyze`: structure and transport of any readable trajectory.

mod atoms;
mod motion;

use super::output::{complain, print, print_json, table};
use super::{Common, ReadArguments, refuse_existing};
use atoms::{AtomsFile, Failure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vitrion::error::{Error, InputError};
use vitrion::movie::{self, Moment, Movie};
use vitrion::report::{Analysed, Picture, shown, write_analysis_report};
use vitrion::results::{write_atomically, write_observables};
use vitrion::run_file::{AnalysisFile, FileAnalysis, Located};
use vitrion::structural_pass::{Sink, StructuralPass};
use vitrion_analysis::structure::StructureSettings;
use vitrion_analysis::{AnalysisError, Attachment, Motion, Observables};
use vitrion_core::units::{self, Kind};
use vitrion_core::{Frame, SpeciesTable, Structure, Uncertainty, io};

/// File of the thinned trajectory in the folder of results.
const MOVIE: &str = "trajectory.movie.extxyz.zst";

/// Structure, displacement, diffusion and conductivity of trajectories
#[allow(clippy::struct_excessive_bools)] // flags of the command line
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The trajectory; further files follow it in time, unless --independent
    #[arg(value_name = "TRAJECTORY", required = true)]
    trajectories: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArguments,
    /// File of [[analysis]] tables: which analyses, with which settings
    #[arg(long, value_name = "A.toml")]
    config: Option<PathBuf>,
    /// Structural analyses with their defaults, for example radial_distribution,steinhardt
    /// [default: all that suit the elements]
    #[arg(long, value_name = "KINDS", value_delimiter = ',', conflicts_with = "config")]
    only: Vec<String>,
    /// Every file is an independent sample of the same material, not the continuation of the one
    /// before; with three or more, their spread counts in the errors
    #[arg(long, conflicts_with = "species")]
    independent: bool,
    /// Mobile element, for example Li, for displacements
    #[arg(long, value_name = "ELEMENT")]
    species: Option<String>,
    /// Temperature of the run, for example "600 K"; without it no diffusion coefficient is
    /// given for --species
    #[arg(long, value_parser = temperature)]
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
    /// Time left out at the start (of each file, if --independent), for example "10 ps"
    #[arg(long, value_parser = time, default_value = "0 fs")]
    skip: f64,
    /// Join positions that are wrapped into the cell, for displacements
    #[arg(long)]
    unwrap: bool,
    /// Folder for the results: JSON and CSV of every analysis, figures as SVG, PDF, PNG and CSV, the thinned trajectory, report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Extended XYZ file of all frames with what was found for every atom
    #[arg(long, value_name = "FILE")]
    atoms: Option<PathBuf>,
    /// Replace files that exist
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

fn temperature(text: &str) -> Result<f64, String> {
    quantity(text, Kind::Temperature)
}

pub(super) fn analyze(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    if let Some(out) = &arguments.out {
        refuse_existing(&out.join("report.html"), arguments.overwrite)?;
    }
    if let Some(atoms) = &arguments.atoms {
        refuse_existing(atoms, arguments.overwrite)?;
    }
    let Found { results, attachments, frames, moments, last } = observables(arguments, common)?;
    if let Some(out) = &arguments.out {
        let mut names: Vec<&str> = Vec::new();
        for one in &results {
            let copies = names.iter().filter(|name| **name == one.kind).count();
            names.push(&one.kind);
            let number = if copies == 0 { String::new() } else { format!("-{}", copies + 1) };
            write_observables(&out.join(format!("{}{number}", one.kind)), one)?;
        }
        for (name, content) in &attachments {
            write_atomically(&out.join(name), content)?;
        }
        movie::write(&out.join(MOVIE), &moments).map_err(InputError::Io)?;
        let files: Vec<String> =
            arguments.trajectories.iter().map(|path| path.display().to_string()).collect();
        let lead = format!(
            "{frames} frame{} · {} · {:.4} g/cm³ in the last frame",
            if frames == 1 { "" } else { "s" },
            last.formula(),
            last.density_g_per_cm3()
        );
        let title = if moments.len() > 1 { "The trajectory" } else { "The structure" }.to_owned();
        let analysed = Analysed {
            title: &files.join(", "),
            lead: &lead,
            pictures: &[Picture {
                title,
                source: files.join(", "),
                moments: &moments,
                color: None,
            }],
            results: &results,
        };
        let page = write_analysis_report(out, &analysed)?;
        if !common.quiet {
            complain(&format!("{}", page.display()));
        }
    }
    if arguments.json {
        print_json(&results);
    } else {
        print(&described(&results));
    }
    Ok(())
}

/// What a pass over all frames gave.
struct Found {
    results: Vec<Observables>,
    /// Files beside the numbers, with their names.
    attachments: Vec<(String, Vec<u8>)>,
    frames: usize,
    /// Some of the frames; of independent files, of the last.
    moments: Vec<Moment>,
    last: Structure,
}

/// One pass over all frames.
fn observables(arguments: &Arguments, common: &Common) -> Result<Found, Error> {
    let config = arguments.config.as_deref().map(AnalysisFile::read).transpose()?;
    let mut motions = motion::groups(arguments, config.as_ref());
    let mut structural: Option<StructuralPass> = None;
    let mut atoms = AtomsFile::create(arguments.atoms.as_deref(), arguments.overwrite)?;
    let mut counter = Counter::new(common.quiet);
    // files may hold wrapped positions: atoms are followed to the nearest image
    let mut movie = Movie::of_wrapped();
    // the pass tells of a batch of frames at a time, in their order
    let mut told = 0;
    let mut last = None;
    let mut new_sample = false;
    let (mut seen, mut first_time) = (0, None);
    for path in &arguments.trajectories {
        let refused = |error: AnalysisError| {
            Error::from(InputError::Usage(format!("{}: {error}", path.display())))
        };
        if arguments.independent {
            (seen, first_time) = (0, None);
            if let Some(pass) = &mut structural {
                pass.next_trajectory::<Failure>(&mut |frame, found| atoms.write(frame, found))
                    .map_err(|failure| failure.of(Some(path)))?;
            }
            new_sample = true;
        }
        for frame in io::open(path, &arguments.read.options()).map_err(InputError::Io)? {
            let mut frame = frame.map_err(InputError::Io)?;
            apply_timestep(&mut frame, arguments.timestep, path)?;
            let time = match arguments.frame_interval {
                Some(interval) => Some(interval * f64::from(seen)),
                None => frame.time,
            };
            seen += 1;
            counter.frame();
            for motion in &mut motions {
                motion.add(&frame).map_err(refused)?;
            }
            if skipped(arguments, time, &mut first_time).map_err(refused)? {
                continue;
            }
            let pass = match &mut structural {
                Some(pass) => pass,
                None => structural.insert(StructuralPass::new(chosen(
                    arguments,
                    config.as_ref(),
                    &frame.structure,
                )?)),
            };
            if arguments.out.is_some() {
                if std::mem::take(&mut new_sample) {
                    (movie, told) = (Movie::of_wrapped(), 0);
                }
                movie.add(&Frame { time, ..frame.clone() });
            }
            last = Some(frame.structure.clone());
            let tell: Sink<'_, Failure> = &mut |frame, found| {
                movie.attach(told, 0, found);
                told += 1;
                atoms.write(frame, found)
            };
            pass.add::<Failure>(frame, tell).map_err(|failure| failure.of(Some(path)))?;
        }
    }
    let refused = |error: AnalysisError| InputError::Usage(error.to_string());
    let (Some(structural), Some(last)) = (structural, last) else {
        let message = format!("{} frames were read and all of them skipped", counter.frames);
        return Err(InputError::Usage(message).into());
    };
    let mut results = structural
        .finish::<Failure>(&mut |frame, found| {
            movie.attach(told, 0, found);
            told += 1;
            atoms.write(frame, found)
        })
        .map_err(|failure| failure.of(None))?;
    atoms.finish()?;
    counter.finish();
    let mut attachments = Vec::new();
    for motion in motions {
        let found = motion.finish().map_err(|(_, error)| refused(error))?;
        for Motion { observables, attachments: files, .. } in found {
            for Attachment { ending, content } in files {
                attachments.push((format!("{}.{ending}", observables.kind), content));
            }
            results.push(observables);
        }
    }
    Ok(Found { results, attachments, frames: counter.frames, moments: movie.finish(), last })
}

/// Which structural analyses: those of the file, those that were named, or all that suit.
fn chosen(
    arguments: &Arguments,
    config: Option<&AnalysisFile>,
    structure: &Structure,
) -> Result<Vec<StructureSettings>, InputError> {
    if let Some(config) = config {
        config.check(structure)?;
        let structural = |table: &Located<FileAnalysis>| match &table.value {
            FileAnalysis::Structure(table) => Some(table.settings.clone()),
            FileAnalysis::Motion(_) => None,
        };
        return Ok(config.analyses.iter().filter_map(structural).collect());
    }
    let all = StructureSettings::suiting(structure);
    if arguments.only.is_empty() {
        return Ok(all);
    }
    // by name they are done without each other
    let one = |name: &String| Ok(named(name, &all, &structure.table)?.alone());
    arguments.only.iter().map(one).collect()
}

fn named(
    name: &str,
    all: &[StructureSettings],
    table: &SpeciesTable,
) -> Result<StructureSettings, InputError> {
    all.iter().find(|settings| settings.kind() == name).cloned().ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(StructureSettings::kind).collect();
        let elements = table.symbols().join(", ");
        let message = format!(
            "--only \"{name}\": no such analysis for {elements} without settings; known: {}",
            known.join(", ")
        );
        InputError::Usage(message)
    })
}

/// Counts frames on stderr: on a terminal only, since nobody knows how many there will be.
struct Counter {
    frames: usize,
    start: Instant,
    bar: ProgressBar,
}

impl Counter {
    fn new(quiet: bool) -> Self {
        let target = if quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template("{spinner} {pos} frames, {elapsed} gone, {msg}")
            .expect("a valid template");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Counter { frames: 0, start: Instant::now(), bar }
    }

    fn frame(&mut self) {
        self.frames += 1;
        self.bar.inc(1);
        let rate = self.frames as f64 / self.start.elapsed().as_secs_f64();
        self.bar.set_message(format!("{rate:.0} frames/s"));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
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

fn described(results: &[Observables]) -> String {
    let mut text = String::new();
    for one in results {
        writeln!(text, "{}", one.title).expect("writing to a string cannot fail");
        let rows: Vec<Vec<String>> = one
            .estimates
            .iter()
            .map(|estimate| {
                let known = shown(estimate);
                let remark = match &estimate.uncertainty {
                    Uncertainty::StandardError { .. } => String::new(),
                    _ => format!("({})", known.detail),
                };
                let label = format!("  {}", estimate.label);
                vec![label, format!("{} {}", known.text, estimate.unit), remark]
            })
            .collect();
        text.push_str(&table(&rows));
        for caution in &one.cautions {
            writeln!(text, "  caution: {}; {}", caution.message, caution.advice)
                .expect("writing to a string cannot fail");
        }
    }
    text.push_str("1.23(4) means 1.23 ± 0.04, one standard error\n");
    text
}
