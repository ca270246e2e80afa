//! Reading what a run file points to.

use super::{Inputs, LoadedPotential, LoadedStructure, SHIFTED, embedding};
use crate::device::Device;
use crate::error::{InputError, nearest};
use crate::run_file::{Located, PotentialTable, Precision, RunFile, SystemTable};
use std::path::{Path, PathBuf};
use vitrion_core::io::extxyz;
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::{SpeciesTable, Structure};
use vitrion_model::classical::{LennardJones, LennardJonesPair, Zbl};
use vitrion_model::{DeepPotential, builtin};

/// What names of things inside the program start with.
const BUILTIN: &str = "builtin:";
/// Structures inside the program, as extended XYZ.
const STRUCTURES: [(&str, &str); 2] = [
    ("builtin:beta-li3ps4", include_str!("../../structures/beta-li3ps4.extxyz")),
    ("builtin:glass-li3ps4", include_str!("../../structures/glass-li3ps4.extxyz")),
];
/// Arithmetic unless the run file says otherwise.
const PRECISION: Precision = Precision::Mixed;

impl Inputs {
    /// Reads everything a run file points to; paths are relative to its folder.
    ///
    /// # Errors
    /// A file that is missing or damaged, an unknown builtin, a parameter that makes no sense: with
    /// the line of the run file that names it.
    pub fn load(run: &RunFile) -> Result<Self, InputError> {
        let potential = potential(run)?;
        let structures = run
            .systems
            .iter()
            .enumerate()
            .map(|(number, table)| structure(run, number, table))
            .collect::<Result<_, _>>()?;
        Ok(Inputs { potential, structures, lammps: None })
    }
}

/// A model by path or builtin name, and the BLAKE3 of its file.
///
/// # Errors
/// Why not, in one text.
pub fn model(name: &str, path: &Path) -> Result<(DeepPotential, String), String> {
    if let Some(short) = name.strip_prefix(BUILTIN) {
        let known = builtin::POTENTIALS.iter().find(|(known, _)| *known == short);
        if let (Some((_, bytes)), Some(model)) = (known, builtin::named(short)) {
            return Ok((model, blake3::hash(bytes).to_string()));
        }
        let names = builtin::POTENTIALS.map(|(name, _)| format!("{BUILTIN}{name}"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(unknown_builtin("potential", name, &names));
    }
    let model = DeepPotential::load(path).map_err(|error| error.to_string())?;
    let hash = fingerprint(path).map_err(|error| error.to_string())?;
    Ok((model, hash))
}

/// BLAKE3 of a file, or of the files of a folder in the order of their names.
///
/// # Errors
/// Something cannot be read.
pub fn fingerprint(path: &Path) -> Result<String, InputError> {
    let mut hasher = blake3::Hasher::new();
    let mut pending = vec![path.to_owned()];
    while let Some(next) = pending.pop() {
        if next.is_dir() {
            let entries = std::fs::read_dir(&next).map_err(InputError::os(&next, "read"))?;
            let mut children: Vec<PathBuf> = entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()
                .map_err(InputError::os(&next, "read"))?;
            children.sort_by(|a, b| b.cmp(a));
            pending.extend(children);
        } else {
            let bytes = std::fs::read(&next).map_err(InputError::os(&next, "read"))?;
            hasher.update(&bytes);
        }
    }
    Ok(hasher.finalize().to_string())
}

fn potential(run: &RunFile) -> Result<LoadedPotential, InputError> {
    let refuse_at = |line: usize, key: &str, message: String| InputError::Value {
        place: run.place(line),
        key: key.to_owned(),
        table: "in [potential]".to_owned(),
        message,
    };
    let refuse = |key: &str, message: String| refuse_at(run.potential.line, key, message);
    let table = |symbols: &[String]| {
        SpeciesTable::new(symbols).map_err(|error| refuse("species", error.to_string()))
    };
    Ok(match &run.potential.value {
        PotentialTable::Model { model: name, precision, exact, .. } => {
            let (model, blake3) = model(&name.value, &run.resolve(&name.value))
                .map_err(|message| refuse_at(name.line, "model", message))?;
            let precision = precision.unwrap_or(PRECISION);
            let exact = exact.unwrap_or(false);
            let tables = model.evaluator(precision.into(), embedding(exact)).describe();
            // the device is chosen when it is known what there is to do
            let device = Device::Cpu { why: None };
            LoadedPotential::Deep {
                model: Box::new(model),
                blake3,
                precision,
                exact,
                tables,
                device,
                tensor_cores: false,
            }
        }
        PotentialTable::LennardJones { species, cutoff, shifted } => {
            let symbols: Vec<String> = species.iter().map(|one| one.symbol.clone()).collect();
            let parameters: Vec<LennardJonesPair> = species
                .iter()
                .map(|one| LennardJonesPair { epsilon: one.epsilon_ev, sigma: one.sigma_a })
                .collect();
            let shifted = shifted.unwrap_or(SHIFTED);
            LennardJones::new(table(&symbols)?, &parameters, *cutoff, shifted)
                .map(LoadedPotential::LennardJones)
                .map_err(|error| refuse("species", error.to_string()))?
        }
        PotentialTable::Zbl { species, inner, outer } => Zbl::new(table(species)?, *inner, *outer)
            .map(LoadedPotential::Zbl)
            .map_err(|error| refuse("outer", error.to_string()))?,
    })
}

fn structure(
    run: &RunFile,
    number: usize,
    table: &Located<SystemTable>,
) -> Result<LoadedStructure, InputError> {
    let written = &table.value.structure;
    let refuse = |message: String| InputError::Value {
        place: run.place(written.line),
        key: "structure".to_owned(),
        table: run.system_title(number),
        message,
    };
    if written.value.starts_with(BUILTIN) {
        let (name, text) = builtin(&written.value).map_err(refuse)?;
        let blake3 = blake3::hash(text.as_bytes()).to_string();
        return Ok(LoadedStructure { structure: embedded(name, text), blake3 });
    }
    let path = run.resolve(&written.value);
    let options = ReadOptions { type_map: table.value.type_map.clone(), ..ReadOptions::default() };
    let frame = io::read_first(&path, &options).map_err(|error| refuse(error.to_string()))?;
    Ok(LoadedStructure { structure: frame.structure, blake3: fingerprint(&path)? })
}

/// The first structure of a file, or one that is part of the program (`builtin:…`).
///
/// # Errors
/// No file of this name, or one that cannot be read; the message names it.
pub fn structure_called(name: &str, options: &ReadOptions) -> Result<Structure, InputError> {
    if name.starts_with(BUILTIN) {
        let (name, text) = builtin(name).map_err(InputError::Usage)?;
        return Ok(embedded(name, text));
    }
    Ok(io::read_first(Path::new(name), options)?.structure)
}

/// The name that [`structure_called`] wants for what a file says: a builtin as it is, a path as `resolve`
/// finds it from that file.
pub fn structure_name(written: &str, resolve: impl Fn(&str) -> PathBuf) -> String {
    if written.starts_with(BUILTIN) {
        return written.to_owned();
    }
    resolve(written).display().to_string()
}

fn builtin(written: &str) -> Result<(&'static str, &'static str), String> {
    let names: Vec<&str> = STRUCTURES.iter().map(|(name, _)| *name).collect();
    let found = STRUCTURES.iter().find(|(name, _)| *name == written);
    found.copied().ok_or_else(|| unknown_builtin("structure", written, &names))
}

/// The structure that benches repeat: β-Li3PS4.
pub fn bench_structure() -> Structure {
    let (name, text) = STRUCTURES[0];
    embedded(name, text)
}

fn embedded(name: &str, text: &'static str) -> Structure {
    extxyz::Reader::embedded(text, name)
        .next()
        .expect("embedded structures hold a frame")
        .expect("embedded structures are tested")
        .structure
}

fn unknown_builtin(what: &str, name: &str, known: &[&str]) -> String {
    // the shared prefix would make everything look alike
    let bare = |full: &str| full.strip_prefix(BUILTIN).unwrap_or(full).to_owned();
    let names: Vec<String> = known.iter().map(|full| bare(full)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = nearest(&bare(name), &names)
        .map_or(String::new(), |near| format!(", did you mean \"{BUILTIN}{near}\"?"));
    format!("there is no {what} \"{name}\"{hint}; known: {}", known.join(", "))
}
