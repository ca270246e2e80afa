//! `vitrion info`: what a model, structure, trajectory, data set or results folder holds.

use super::ReadArguments;
use super::convert::is_model;
use super::output::{duration, print, print_json};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vitrion::error::{Error, InputError};
use vitrion::inputs::{self, deep_potential_kind};
use vitrion::results::{Manifest, read_json};
use vitrion_core::Frame;
use vitrion_core::io::{self, Format};
use vitrion_core::neighbors::closest_pair;

/// How far the closest pair is searched [Å].
const SEARCH: f64 = 4.0;

/// What a model, structure, trajectory, data set or results folder holds
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The file or folder, builtin:li-p-s or builtin:li-p-s-fast
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    read: ReadArguments,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ModelInfo {
    kind: String,
    species: Vec<String>,
    cutoff_a: f64,
    smooth_cutoff_a: f64,
    parameters: usize,
    blake3: String,
    card: vitrion_model::Card,
}

#[derive(Serialize)]
struct FramesInfo {
    format: &'static str,
    frames: usize,
    /// Of the first frame.
    formula: String,
    atoms: usize,
    lengths_a: [f64; 3],
    angles_deg: [f64; 3],
    periodic: [bool; 3],
    volume_a3: f64,
    density_g_per_cm3: f64,
    closest_pair: Option<ClosestPair>,
    /// First and last time [ps], if known.
    time_ps: Option<[f64; 2]>,
    /// What every frame holds besides positions.
    holds: Vec<&'static str>,
}

#[derive(Serialize)]
struct ClosestPair {
    /// From 1.
    atoms: [usize; 2],
    species: [String; 2],
    distance_a: f64,
}

pub(super) fn info(arguments: &Arguments) -> Result<(), Error> {
    let path = &arguments.file;
    if is_model(path) {
        let info = model_info(path)?;
        show(&info, &described_model(&info), arguments.json);
    } else if path.join("manifest.json").exists() {
        let manifest: Manifest = read_json(&path.join("manifest.json"))?;
        show(&manifest, &described_manifest(&manifest), arguments.json);
    } else {
        let info = frames_info(path, &arguments.read)?;
        show(&info, &described_frames(&info), arguments.json);
    }
    Ok(())
}

fn show<T: Serialize>(value: &T, text: &str, json: bool) {
    if json { print_json(value) } else { print(text) }
}

fn model_info(path: &Path) -> Result<ModelInfo, InputError> {
    let (model, blake3) =
        inputs::model(&path.to_string_lossy(), path).map_err(InputError::Usage)?;
    Ok(ModelInfo {
        kind: deep_potential_kind(&model),
        species: model.species.symbols().to_vec(),
        cutoff_a: model.descriptor.cutoff,
        smooth_cutoff_a: model.descriptor.smooth_cutoff,
        parameters: model.parameters(),
        blake3,
        card: model.card,
    })
}

fn described_model(info: &ModelInfo) -> String {
    let mut text = format!(
        "{}\n{}\nspecies     {}\ncutoff      {} Å, smooth from {} Å\nparameters  {}\nBLAKE3      {}\n",
        info.card.name,
        info.kind,
        info.species.join(", "),
        info.cutoff_a,
        info.smooth_cutoff_a,
        info.parameters,
        info.blake3
    );
    for line in [&info.card.description, &info.card.software] {
        if !line.is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (heading, lines) in [
        ("Provenance", &info.card.provenance),
        ("Measured errors", &info.card.errors),
        ("Limitations", &info.card.limitations),
        ("Notes", &info.card.notes),
    ] {
        if !lines.is_empty() {
            writeln!(text, "\n{heading}").expect("writing to a string cannot fail");
            for line in lines {
                writeln!(text, "  {line}").expect("writing to a string cannot fail");
            }
        }
    }
    text
}

fn described_manifest(manifest: &Manifest) -> String {
    let mut text = format!(
        "results of \"{}\": {}\nvitrion {} ({}), {}\n{} wall time in all, started {}\npotential {} \
         ({})\n",
        manifest.name,
        manifest.status,
        manifest.vitrion_version,
        manifest.commit,
        manifest.machine,
        duration(manifest.wall_s),
        manifest.started,
        manifest.potential.name,
        manifest.potential.kind
    );
    for system in &manifest.systems {
        writeln!(
            text,
            "system {}: {}, {} atoms, {:.4} g/cm³",
            system.name, system.formula, system.atoms, system.density_g_per_cm3
        )
        .expect("writing to a string cannot fail");
        for run in &system.runs {
            let done = run.stages.iter().filter(|stage| stage.finished).count();
            writeln!(text, "  {}: {done} of {} stages finished", run.id, run.stages.len())
                .expect("writing to a string cannot fail");
        }
    }
    text
}

fn frames_info(path: &Path, read: &ReadArguments) -> Result<FramesInfo, InputError> {
    let options = read.options();
    let mut first: Option<Frame> = None;
    let mut last_time = None;
    let mut frames = 0;
    let mut holds: Vec<&'static str> = Vec::new();
    for frame in io::open(path, &options)? {
        let frame = frame?;
        frames += 1;
        last_time = frame.time;
        let here = held(&frame);
        match first {
            None => {
                holds = here;
                first = Some(frame);
            }
            Some(_) => holds.retain(|what| here.contains(what)),
        }
    }
    let Some(first) = first else {
        return Err(InputError::Usage(format!("{}: the file holds no frame", path.display())));
    };
    let format = match options.format {
        Some(format) => format,
        None => Format::detect(path)?,
    };
    let structure = &first.structure;
    let pair = closest_pair(&structure.cell, &structure.positions, SEARCH);
    Ok(FramesInfo {
        format: format.name(),
        frames,
        formula: structure.formula(),
        atoms: structure.len(),
        lengths_a: structure.cell.lengths(),
        angles_deg: structure.cell.angles(),
        periodic: structure.cell.periodicity(),
        volume_a3: structure.cell.volume(),
        density_g_per_cm3: structure.density_g_per_cm3(),
        closest_pair: pair.map(|(i, j, distance_a)| ClosestPair {
            atoms: [i + 1, j + 1],
            species: [structure.symbol(i).to_owned(), structure.symbol(j).to_owned()],
            distance_a,
        }),
        time_ps: first.time.zip(last_time).map(|(start, end)| [start * 1e-3, end * 1e-3]),
        holds,
    })
}

fn held(frame: &Frame) -> Vec<&'static str> {
    let labels = &frame.labels;
    [
        ("velocities", frame.velocities.is_some()),
        ("energy", labels.energy.is_some()),
        ("forces", labels.forces.is_some()),
        ("virial", labels.virial.is_some()),
        ("atomic energies", labels.atom_energies.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, held)| held.then_some(name))
    .collect()
}

fn described_frames(info: &FramesInfo) -> String {
    let three = |v: [f64; 3]| format!("{:.4} {:.4} {:.4}", v[0], v[1], v[2]);
    let mut text = format!(
        "{}, {} frame(s), {} ({} atoms)\ncell      {} Å, {} °\nperiodic  {:?}\nvolume    {:.3} \
         Å³, {:.4} g/cm³\n",
        info.format,
        info.frames,
        info.formula,
        info.atoms,
        three(info.lengths_a),
        three(info.angles_deg),
        info.periodic,
        info.volume_a3,
        info.density_g_per_cm3
    );
    match &info.closest_pair {
        Some(pair) => writeln!(
            text,
            "closest   atoms {} ({}) and {} ({}), {:.4} Å apart",
            pair.atoms[0], pair.species[0], pair.atoms[1], pair.species[1], pair.distance_a
        ),
        None => writeln!(text, "closest   no two atoms within {SEARCH} Å"),
    }
    .expect("writing to a string cannot fail");
    if let Some([start, end]) = info.time_ps {
        writeln!(text, "time      {start} to {end} ps").expect("writing to a string cannot fail");
    }
    if !info.holds.is_empty() {
        writeln!(text, "holds     {}", info.holds.join(", "))
            .expect("writing to a string cannot fail");
    }
    text
}
