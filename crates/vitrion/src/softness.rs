//! `vitrion softness`: trajectories in, a model of softness with its tests out.

use crate::error::{Error, InputError};
use crate::inputs;
use crate::movie::Moment;
use crate::report::{Analysed, Picture, write_analysis_report};
use crate::results::{write_atomically, write_observables};
use crate::run_file::{Located, SampleTable, SoftnessFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vitrion_analysis::AnalysisError;
use vitrion_analysis::softness::{
    Dataset, Findings, FoldError, Label, Sample, SampleStatistics, Scans, Snapshot, SoftnessModel,
    Trained, Window, WindowReader, probability, train,
};
use vitrion_core::columns::{AtomColumn, AtomValues};
use vitrion_core::io::compression::Output;
use vitrion_core::io::{self, IoError, ReadOptions, extxyz};
use vitrion_core::observables::Observables;
use vitrion_core::{Frame, Phases, Potential, Structure};
use vitrion_md::{MinimizeSettings, minimize};
use vitrion_model::Precision;

/// File of the model in the results folder.
pub const MODEL_FILE: &str = "softness.json";

/// What was made.
#[derive(Debug)]
pub struct Outcome {
    pub model: PathBuf,
    pub report: PathBuf,
    pub results: Vec<Observables>,
}

/// Reads, trains, tests and writes everything into `out`; `tell` hears what is going on.
///
/// # Errors
/// Files that cannot be read or written; settings that do not suit the trajectories.
pub fn carry_out(
    file: &SoftnessFile,
    out: &Path,
    options: &ReadOptions,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Outcome, Error> {
    let mut potential = file.inherent.as_ref().map(|name| load(file, name)).transpose()?;
    let mut read = Vec::new();
    for Located { value: sample, .. } in &file.samples {
        tell(&format!("reading {}", sample.name));
        let (mut windows, statistics) = read_sample(file, sample, options)?;
        if let Some(potential) = &mut potential {
            tell(&format!("minimising {} structures of {}", windows.len(), sample.name));
            for window in &mut windows {
                inherent(window, &mut **potential, sample)?;
            }
        }
        read.push((sample, windows, statistics));
    }
    let mut features = file.features.clone();
    if features.elements.is_empty() {
        for structure in read.iter().flat_map(|(_, windows, _)| windows).map(|w| &w.start) {
            for symbol in structure.table.symbols() {
                if !features.elements.contains(symbol) && !structure.atoms_of(symbol).is_empty() {
                    features.elements.push(symbol.clone());
                }
            }
        }
    }
    features.check().map_err(usage)?;
    tell("features");
    let others = file.others.iter().map(|(name, _)| name.clone()).collect();
    let mut data = Dataset::new(features, others);
    let mut statistics = Vec::new();
    for (sample, windows, seen) in read {
        let entry = Sample {
            name: sample.name.clone(),
            material: sample.material.clone(),
            temperature: sample.temperature,
            train: sample.train,
        };
        data.add(entry, windows).map_err(usage)?;
        statistics.push(seen);
    }
    let failed = |error: FoldError| InputError::Usage(format!("{}: {error}", file.path.display()));
    let trained = train(&data, &file.training, &mut |what| tell(what)).map_err(failed)?;
    let scan = |scan| Scans::new(&data, scan, &file.training, trained.c, &mut |what| tell(what));
    let scans = file.scan.as_ref().map(scan).transpose().map_err(failed)?;
    tell("report");
    let structures = structures(file);
    let findings = Findings {
        data: &data,
        statistics: &statistics,
        mobility: &file.mobility,
        settings: &file.training,
        trained: &trained,
        scans: scans.as_ref(),
        axis: file.axis,
        structures: &structures,
    };
    let softness = findings.softness();
    let results = findings.observables(&softness).map_err(usage)?;
    let model = model(file, &data, &trained, &structures);
    std::fs::create_dir_all(out).map_err(InputError::os(out, "create"))?;
    let model_path = out.join(MODEL_FILE);
    let text = serde_json::to_string_pretty(&model).expect("numbers and texts");
    write_atomically(&model_path, text.as_bytes())?;
    write_atomically(&out.join("softness.toml"), file.text.as_bytes())?;
    for one in &results {
        write_observables(&out.join(&one.kind), one)?;
    }
    write_atoms(out, file, &data, &trained, &softness)?;
    let report = write_page(out, file, &data, &softness, &results)?;
    Ok(Outcome { model: model_path, report, results })
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn usage(error: AnalysisError) -> Error {
    InputError::Usage(error.to_string()).into()
}

fn load(file: &SoftnessFile, name: &Located<String>) -> Result<Box<dyn Potential>, InputError> {
    let path = file.resolve(&name.value);
    let found = inputs::model(&name.value, &path);
    let (model, _) = found.map_err(|error| {
        InputError::Usage(format!("{}:{}: {error}", file.path.display(), name.line))
    })?;
    Ok(Box::new(model.evaluator(Precision::Mixed, inputs::embedding(false))))
}

/// For the report and the model.
fn structures(file: &SoftnessFile) -> String {
    match (&file.inherent, file.mobility.snapshot) {
        (Some(model), _) => format!("inherent, minimised with {}", model.value),
        (None, Snapshot::Averaged { time }) => format!("averaged over {time} fs"),
        (None, Snapshot::Thermal) => "thermal: the first frame of a window".into(),
    }
}

/// Windows of one sample, and what was seen of it.
fn read_sample(
    file: &SoftnessFile,
    sample: &SampleTable,
    options: &ReadOptions,
) -> Result<(Vec<Window>, SampleStatistics), Error> {
    let mut reader = WindowReader::new(file.mobility.clone()).map_err(usage)?;
    let others = file.others.iter().map(|(_, settings)| WindowReader::new(settings.clone()));
    let mut others: Vec<WindowReader> = others.collect::<Result<_, _>>().map_err(usage)?;
    let mut place = String::new();
    for Located { value, .. } in &sample.trajectory {
        let path = file.resolve(value);
        place = path.display().to_string();
        for frame in io::open(&path, options).map_err(InputError::Io)? {
            let mut frame = frame.map_err(InputError::Io)?;
            if let Some(phase) = &sample.phase {
                label(&mut frame.structure, phase, sample)?;
            }
            let refused =
                |error| InputError::Usage(format!("sample \"{}\", {place}: {error}", sample.name));
            reader.add(&frame).map_err(refused)?;
            for other in &mut others {
                other.add(&frame).map_err(refused)?;
            }
        }
    }
    let refused =
        |error| InputError::Usage(format!("sample \"{}\", {place}: {error}", sample.name));
    let found = reader.finish().map_err(refused)?;
    let statistics = SampleStatistics {
        increments: found.increments,
        series: found.series,
        neighbors: found.neighbors,
        too_few: found.too_few,
        windows: found.windows.len(),
        frames: found.frames,
    };
    let mut windows = found.windows;
    for other in others {
        let other = other.finish().map_err(refused)?;
        for (window, other) in windows.iter_mut().zip(other.windows) {
            window.mobility.others.push(other.mobility.cumulative);
        }
    }
    if let Some(Located { value, line }) = &sample.structure {
        let mut structure = inputs::structure_called(value, options).or_else(|_| {
            inputs::structure_called(&file.resolve(value).display().to_string(), options)
        })?;
        let first = &windows[0].start;
        let symbols =
            |s: &Structure| (0..s.len()).map(|k| s.symbol(k).to_owned()).collect::<Vec<_>>();
        if symbols(&structure) != symbols(first) {
            return Err(InputError::Usage(format!(
                "{}:{line}: the structure {value} has other atoms ({}) than the trajectory ({}), or in another order",
                file.path.display(),
                structure.formula(),
                first.formula()
            ))
            .into());
        }
        if structure.phases.is_none() {
            structure.phases.clone_from(&first.phases);
        }
        windows.truncate(1);
        windows[0].start = structure;
    }
    Ok((windows, statistics))
}

fn label(structure: &mut Structure, phase: &str, sample: &SampleTable) -> Result<(), InputError> {
    let all = Phases::new(&vec![phase; structure.len()]);
    let all =
        all.map_err(|error| InputError::Usage(format!("sample \"{}\": {error}", sample.name)))?;
    structure.phases = Some(Arc::new(all));
    Ok(())
}

fn inherent(
    window: &mut Window,
    potential: &mut dyn Potential,
    sample: &SampleTable,
) -> Result<(), Error> {
    let settings = MinimizeSettings { force_tolerance: 0.02, ..MinimizeSettings::default() };
    let what = format!("sample \"{}\", window {}", sample.name, window.number + 1);
    let found = minimize(&window.start, potential, &settings, &mut |_| true)
        .map_err(|error| InputError::Usage(format!("{what}: {error}")))?;
    if !found.converged {
        let message = format!(
            "{what}: not at the minimum after {} steps, a force of {:.3} eV/Å is left; use structures = \"averaged\"",
            found.last.step, found.last.force
        );
        return Err(InputError::Usage(message).into());
    }
    let phases = window.start.phases.clone();
    window.start = Structure { phases, ..found.structure };
    Ok(())
}

fn model(
    file: &SoftnessFile,
    data: &Dataset,
    trained: &Trained,
    structures: &str,
) -> SoftnessModel {
    let settings = &file.training;
    let names: Vec<&str> =
        data.samples.iter().filter(|s| s.train).map(|s| s.name.as_str()).collect();
    let scores = &trained.all;
    let mut about = vec![
        ("made by".to_owned(), format!("vitrion {}", env!("CARGO_PKG_VERSION"))),
        ("softness file".to_owned(), file.name.clone()),
        ("trained on".to_owned(), names.join(", ")),
        (
            "area under the curve of held-out ions".to_owned(),
            format!("{:.3} ± {:.3}", scores.scores.auc, scores.errors[0]),
        ),
    ];
    if let Some(baseline) = &trained.baseline {
        about.push((
            "area under the curve by phase alone".to_owned(),
            format!("{:.3} ± {:.3}", baseline.scores.auc, baseline.errors[0]),
        ));
    }
    SoftnessModel {
        format: SoftnessModel::FORMAT,
        features: data.settings.clone(),
        structures: structures.to_owned(),
        plane: trained.plane.clone(),
        weight_errors: trained.weight_errors.clone(),
        label: settings.label,
        threshold: trained.threshold,
        window: file.mobility.window,
        classifier: settings.classifier(trained.c),
        about,
    }
}

/// The ions of one structure, by atom.
struct Ions {
    softness: Vec<f64>,
    mobility: Vec<f64>,
}

/// Every structure with the numbers of its ions, in the order of the dataset.
fn each_structure<'a>(
    data: &'a Dataset,
    softness: &'a [f64],
    label: Label,
) -> impl Iterator<Item = (usize, &'a Structure, Ions)> {
    let mut row = 0;
    data.starts.iter().map(move |(sample, start)| {
        let nothing = || vec![f64::NAN; start.len()];
        let mut ions = Ions { softness: nothing(), mobility: nothing() };
        for atom in start.atoms_of(&data.settings.species) {
            ions.softness[atom] = softness[row];
            ions.mobility[atom] = data.values(label)[row];
            row += 1;
        }
        (*sample, start, ions)
    })
}

/// `NAME.extxyz` of every sample: the structures that features were computed from, with what was found for their ions.
fn write_atoms(
    out: &Path,
    file: &SoftnessFile,
    data: &Dataset,
    trained: &Trained,
    softness: &[f64],
) -> Result<(), Error> {
    let mut open: Option<(usize, Output)> = None;
    for (sample, start, ions) in each_structure(data, softness, file.training.label) {
        if open.as_ref().is_none_or(|(present, _)| *present != sample) {
            if let Some((_, done)) = open.take() {
                done.finish().map_err(InputError::Io)?;
            }
            let path = out.join(format!("{}.extxyz", data.samples[sample].name));
            open = Some((sample, Output::create(&path, true).map_err(InputError::Io)?));
        }
        let (_, output) = open.as_mut().expect("opened above");
        let chance = ions.softness.iter().map(|s| probability(*s)).collect();
        let above = |value: &f64| {
            if value.is_nan() { *value } else { f64::from(u8::from(*value > trained.threshold)) }
        };
        let columns = [
            real("mobile", ions.mobility.iter().map(above).collect()),
            real("mobility", ions.mobility),
            real("softness", ions.softness),
            real("probability", chance),
        ];
        extxyz::write_frame_with(output, &Frame::from(start.clone()), &columns)
            .map_err(|error| InputError::Io(IoError::os(output.path(), "write")(error)))?;
    }
    if let Some((_, done)) = open {
        done.finish().map_err(InputError::Io)?;
    }
    Ok(())
}

fn real(name: &str, values: Vec<f64>) -> AtomColumn {
    AtomColumn { name: name.into(), values: AtomValues::Real(values) }
}

fn write_page(
    out: &Path,
    file: &SoftnessFile,
    data: &Dataset,
    softness: &[f64],
    results: &[Observables],
) -> Result<PathBuf, Error> {
    // the last structure of every sample
    let mut shown: Vec<(usize, &Structure, Ions)> = Vec::new();
    for (sample, start, ions) in each_structure(data, softness, file.training.label) {
        shown.retain(|(known, ..)| *known != sample);
        shown.push((sample, start, ions));
    }
    let moment = |(_, structure, ions): &(usize, &Structure, Ions)| Moment {
        frame: Frame::from((*structure).clone()),
        columns: vec![
            real("softness", ions.softness.clone()),
            real("mobility", ions.mobility.clone()),
        ],
    };
    let moments: Vec<Moment> = shown.iter().map(moment).collect();
    let pictures: Vec<Picture<'_>> = shown
        .iter()
        .zip(&moments)
        .map(|((sample, ..), moment)| Picture {
            title: format!(
                "{}: {} coloured by softness at the start of the last window",
                data.samples[*sample].name, data.settings.species
            ),
            source: format!("{}.extxyz", data.samples[*sample].name),
            moments: std::slice::from_ref(moment),
            color: Some("softness".to_owned()),
        })
        .collect();
    let lead = format!(
        "softness of {} · {} samples · {} ions and windows · {} features",
        data.settings.species,
        data.samples.len(),
        data.rows.len(),
        data.settings.len()
    );
    let page = Analysed { title: &file.name, lead: &lead, pictures: &pictures, results };
    Ok(write_analysis_report(out, &page)?)
}
