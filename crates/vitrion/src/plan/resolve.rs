//! From the run file and what it points to, to the plan.

mod stage;

use super::analyses::Context;
use super::{GroupPlan, Plan, PotentialPlan, RunPlan, SPREAD, SystemPlan};
use crate::error::InputError;
use crate::inputs::{Inputs, LoadedPotential, LoadedStructure};
use crate::run_file::{FORMAT, Located, PotentialTable, RunFile, SystemTable};
use stage::stages;
use std::fmt::Write as _;
use std::path::Path;
use vitrion_core::build::supercell;
use vitrion_core::neighbors::closest_pair;
use vitrion_core::units::{self, Kind};
use vitrion_core::{Cell, Structure, math};

/// Closer atoms are a mistake in the structure [Å]; the shortest bond, H–H, is 0.74 Å.
const OVERLAP: f64 = 0.5;
/// How far the closest pair is searched [Å].
const SEARCH: f64 = 4.0;
/// Largest change of volume by `density`: more is a slip in the number or the unit.
const MOST_VOLUME_CHANGE: f64 = 2.0;

pub(super) fn plan(run: &RunFile, inputs: &Inputs) -> Result<Plan, InputError> {
    let mut systems: Vec<SystemPlan> = Vec::new();
    let mut structures = Vec::new();
    for (number, (table, loaded)) in run.systems.iter().zip(&inputs.structures).enumerate() {
        let at = At { run, title: run.system_title(number), line: table.line };
        let (system, structure) = system(&at, &table.value, loaded, inputs)?;
        if systems.iter().any(|other| other.name == system.name) {
            let line = table.value.name.as_ref().map(|name| name.line);
            let message = format!("two systems are called \"{}\"", system.name);
            return Err(at.refuse(line, "name", message));
        }
        systems.push(system);
        structures.push(structure);
    }
    let groups = groups(run, &structures)?;
    let stages = stages(run, &groups, &structures)?;
    let analyses =
        Context { run, systems: &systems, structures: &structures, stages: &stages }.resolve()?;
    Ok(Plan {
        format: FORMAT,
        name: run.name.clone(),
        seed: run.seed,
        engine: run.engine.value,
        lammps_setup: run.lammps.as_ref().map_or(Vec::new(), |table| table.value.setup.clone()),
        potential: potential(run, &inputs.potential),
        runs: runs(run, &systems),
        groups,
        systems,
        stages,
        analyses,
    })
}

/// The structure repeated, then all lengths multiplied by `scale`.
pub(super) fn scaled(structure: &Structure, repeat: [usize; 3], scale: f64) -> Structure {
    let mut larger = supercell::repeat(structure, repeat);
    let matrix = math::matrix_scale(larger.cell.matrix(), scale);
    larger.cell =
        Cell::new(matrix, larger.cell.periodicity()).expect("a multiple of a cell is a cell");
    for r in &mut larger.positions {
        *r = math::scale(*r, scale);
    }
    larger
}

fn potential(run: &RunFile, loaded: &LoadedPotential) -> PotentialPlan {
    match (&run.potential.value, loaded) {
        (
            PotentialTable::Model { model, .. },
            LoadedPotential::Deep { blake3, precision, exact, .. },
        ) => PotentialPlan::DeepPotential {
            model: model.value.clone(),
            blake3: blake3.clone(),
            precision: *precision,
            exact: *exact,
            species: loaded.species().symbols().to_vec(),
            cutoff_a: loaded.cutoff(),
        },
        (PotentialTable::LennardJones { species, cutoff, shifted }, _) => {
            PotentialPlan::LennardJones {
                cutoff_a: *cutoff,
                shifted: shifted.unwrap_or(crate::inputs::SHIFTED),
                species: species.clone(),
            }
        }
        (PotentialTable::Zbl { species, inner, outer }, _) => {
            PotentialPlan::Zbl { species: species.clone(), inner_a: *inner, outer_a: *outer }
        }
        (PotentialTable::Model { .. }, _) => unreachable!("a model is loaded as a Deep Potential"),
    }
}

fn system(
    at: &At<'_>,
    table: &SystemTable,
    loaded: &LoadedStructure,
    inputs: &Inputs,
) -> Result<(SystemPlan, Structure), InputError> {
    let file = &table.structure;
    let refuse = |message: String| at.refuse(Some(file.line), "structure", message);
    loaded
        .structure
        .table
        .map_onto(inputs.potential.species())
        .map_err(|error| refuse(error.to_string()))?;
    if loaded.structure.is_empty() {
        return Err(refuse("there are no atoms".to_owned()));
    }
    let repeat = table.repeat.unwrap_or([1; 3]);
    let scale = match table.density {
        None => 1.0,
        Some(density) => scale_to(at, &loaded.structure, density)?,
    };
    let structure = scaled(&loaded.structure, repeat, scale);
    if structure.len() < 2 {
        let message = "a single atom has no temperature; use `repeat` to make a supercell";
        return Err(refuse(message.to_owned()));
    }
    // atoms are named as the file numbers them
    let unit = scaled(&loaded.structure, [1; 3], scale);
    let closest = closest_pair(&unit.cell, &unit.positions, SEARCH);
    if let Some((i, j, distance)) = closest.filter(|(_, _, distance)| *distance < OVERLAP) {
        return Err(refuse(format!(
            "atoms {} ({}) and {} ({}) overlap: {distance:.4} Å apart, at least {OVERLAP} Å is \
             needed",
            i + 1,
            unit.symbol(i),
            j + 1,
            unit.symbol(j)
        )));
    }
    let name = match &table.name {
        Some(name) => name.value.clone(),
        None => default_name(&file.value),
    };
    let plan = SystemPlan {
        name,
        structure: file.value.clone(),
        blake3: loaded.blake3.clone(),
        repeat,
        scale,
        formula: structure.formula(),
        atoms: structure.len(),
        density_g_per_cm3: structure.density_g_per_cm3(),
        cell_a: *structure.cell.matrix(),
        closest_pair_a: closest.map(|(_, _, distance)| distance),
        crystal_fraction: table.crystal_fraction.or_else(|| labelled_crystal(&structure)),
    };
    Ok((plan, structure))
}

/// Part of the atoms labelled "crystal"; none without labels, or where they say nothing about crystal and glass.
fn labelled_crystal(structure: &Structure) -> Option<f64> {
    let phases = structure.phases.as_ref()?;
    let known = ["crystal", "glass", "interface"];
    phases.names().iter().find(|name| known.contains(&name.as_str()))?;
    let crystal = (0..phases.len()).filter(|atom| phases.name(*atom) == "crystal").count();
    Some(crystal as f64 / structure.len() as f64)
}

/// Stem of the file name, or the name of the builtin structure.
fn default_name(structure: &str) -> String {
    let last = structure.strip_prefix("builtin:").unwrap_or(structure);
    let file = Path::new(last).file_name().map_or(last.into(), |name| name.to_string_lossy());
    let stem: String = file.split('.').next().unwrap_or_default().to_owned();
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = stem.chars().map(safe).collect();
    if name.is_empty() { "system".to_owned() } else { name }
}

fn scale_to(at: &At<'_>, structure: &Structure, density: Located<f64>) -> Result<f64, InputError> {
    let present = structure.density();
    let ratio = present / density.value; // of volumes
    if !(1.0 / MOST_VOLUME_CHANGE..=MOST_VOLUME_CHANGE).contains(&ratio) {
        let grams = |value: f64| units::express(value, Kind::Density, "g/cm3");
        let message = format!(
            "{:.4} g/cm3 would change the volume by a factor of {ratio:.3}: the structure has \
             {:.4} g/cm3; at most a factor of {MOST_VOLUME_CHANGE} is accepted",
            grams(density.value),
            grams(present)
        );
        return Err(at.refuse(Some(density.line), "density", message));
    }
    Ok(ratio.cbrt())
}

fn runs(run: &RunFile, systems: &[SystemPlan]) -> Vec<RunPlan> {
    let mut temperatures = vec![None];
    let mut replicas = vec![None];
    if let Some(sweep) = &run.sweep {
        if !sweep.temperatures.is_empty() {
            temperatures = sweep.temperatures.iter().map(|t| Some(t.value)).collect();
        }
        if !sweep.seeds.is_empty() {
            replicas = sweep.seeds.iter().map(|seed| Some(seed.value)).collect();
        }
    }
    let mut runs: Vec<RunPlan> = Vec::new();
    let mut combinations = 0;
    for system in systems {
        for temperature_k in &temperatures {
            for replica in &replicas {
                let mut id = system.name.clone();
                if let Some(t) = temperature_k {
                    write!(id, "-{t}K").expect("writing to a string cannot fail");
                }
                let mut seed = run.seed;
                if let Some(replica) = replica {
                    write!(id, "-seed{replica}").expect("writing to a string cannot fail");
                    seed ^= replica.wrapping_mul(SPREAD);
                }
                // TOML integers have a sign
                let seed = seed.wrapping_add(combinations) & u64::MAX >> 1;
                runs.push(RunPlan {
                    id,
                    system: system.name.clone(),
                    temperature_k: *temperature_k,
                    replica: *replica,
                    seed,
                });
            }
            combinations += 1;
        }
    }
    runs
}

/// The groups, which must have atoms in every structure.
fn groups(run: &RunFile, structures: &[Structure]) -> Result<Vec<GroupPlan>, InputError> {
    let mut plans: Vec<GroupPlan> = Vec::new();
    for (number, table) in run.groups.iter().enumerate() {
        let name = &table.value.name;
        let title = format!("in [[group]] {} (\"{}\")", number + 1, name.value);
        let at = At { run, title, line: table.line };
        if plans.iter().any(|other| other.name == name.value) {
            let message = format!("two groups are called \"{}\"", name.value);
            return Err(at.refuse(Some(name.line), "name", message));
        }
        let plan = GroupPlan::new(&table.value);
        for (system, structure) in structures.iter().enumerate() {
            plan.members(structure).map_err(|(key, message)| {
                let place = run.system_title(system);
                at.refuse(Some(name.line), key, format!("{message} ({place})"))
            })?;
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// The table a complaint is about.
struct At<'a> {
    run: &'a RunFile,
    title: String,
    line: usize,
}

impl At<'_> {
    /// A temperature that "sweep" may stand for.
    fn any_temperature(&self) -> Option<f64> {
        self.run.sweep.as_ref().and_then(|sweep| sweep.temperatures.first()).map(|t| t.value)
    }

    fn refuse(&self, line: Option<usize>, key: &str, message: impl Into<String>) -> InputError {
        InputError::Value {
            place: self.run.place(line.unwrap_or(self.line)),
            key: key.to_owned(),
            table: self.title.clone(),
            message: message.into(),
        }
    }

    /// `time` in steps, refused unless whole: an interval is never rounded silently.
    fn whole_steps(
        &self,
        line: usize,
        key: &str,
        time: f64,
        timestep: f64,
    ) -> Result<u64, InputError> {
        let steps = (time / timestep).round();
        if steps < 1.0 || (time - steps * timestep).abs() > 1e-6 * timestep {
            let nearest = steps.max(1.0) * timestep;
            let message = format!(
                "{time} fs is not a whole number of timesteps of {timestep} fs; the nearest is \
                 {nearest} fs"
            );
            return Err(self.refuse(Some(line), key, message));
        }
        Ok(steps as u64)
    }
}
