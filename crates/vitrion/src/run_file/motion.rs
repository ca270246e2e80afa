//! Analyses of motion, the same in run files and in files for `vitrion analyze`.

use super::reader::{Located, Table};
use super::structure::keys::{AXES, amorphization, length};
use super::{AnalysisKind, KeyLine, positive_quantity};
use crate::error::InputError;
use vitrion_analysis::{
    AnalysisError, CollectiveSettings, DensityMapSettings, DiffusionSettings, HopSettings,
    MotionSettings, MsdSettings, PathSettings, RegionRule, RegionsSettings, ReorientationSettings,
    ScatteringSettings, SiteSettings, Slab, SnapshotSettings, VanHoveSettings,
};
use vitrion_core::io::{self, ReadOptions};
use vitrion_core::units::{self, Kind};
use vitrion_core::{Matrix3, Structure, Vector3};

/// An analysis of motion as written.
#[derive(Debug, Clone, PartialEq)]
pub struct MotionTable {
    /// Mobile element.
    pub species: Located<String>,
    /// Elements whose centre of mass stands still.
    pub framework: Option<Vec<Located<String>>>,
    /// With defaults for keys that are not there.
    pub settings: MotionSettings,
    keys: Vec<(String, usize)>,
}

impl AnalysisKind {
    /// Keys of its own if it is an analysis of motion.
    pub(super) fn motion_keys(self) -> Option<&'static [&'static str]> {
        match self {
            AnalysisKind::MeanSquaredDisplacement => Some(&["axes", "every_lag", "single_lag"]),
            AnalysisKind::NonGaussian => Some(&[]),
            AnalysisKind::Diffusion => Some(&["charge", "window", "axes"]),
            AnalysisKind::VanHove => Some(&["bin", "r_max", "times", "distinct"]),
            AnalysisKind::SelfIntermediateScattering => Some(&["q"]),
            AnalysisKind::DisplacementSnapshots => Some(&["distance", "time"]),
            AnalysisKind::Regions => {
                Some(&["slabs", "amorphization", "commit", "bin", "r_max", "times", "axes"])
            }
            AnalysisKind::Collective => Some(&["charges", "window"]),
            AnalysisKind::Hops => Some(&["window", "distance", "commit"]),
            AnalysisKind::Sites => Some(&["structure", "commit", "axes"]),
            AnalysisKind::DensityMap => Some(&["spacing"]),
            AnalysisKind::Paths => Some(&["atoms"]),
            AnalysisKind::Reorientation => Some(&["bond", "ligands", "angle", "commit"]),
            _ => None,
        }
    }
}

/// Keys that all analyses of motion have.
pub(super) const SHARED: [&str; 2] = ["species", "framework"];

impl MotionTable {
    /// Reads the keys of an analysis of motion.
    pub(super) fn read(table: &Table<'_>, kind: AnalysisKind) -> Result<Self, InputError> {
        let keys = table.keys().into_iter().map(|key| {
            let line = table.line_of(&key);
            (key, line)
        });
        let keys = keys.collect();
        let example = "species = \"Li\"";
        let species = table.require("species", example, table.string("species")?)?;
        let settings = settings(table, kind, &species.value)?;
        Ok(MotionTable { keys, species, framework: table.strings("framework")?, settings })
    }

    /// Refuses settings that do not suit the atoms of a structure: the key, its line and why.
    pub(crate) fn check(&self, structure: &Structure) -> Result<(), (KeyLine, String)> {
        self.settings.check(structure, &self.species.value).map_err(|error| {
            let (key, message) = match error {
                AnalysisError::Parameter { name, found, expected } => {
                    (name.to_owned(), format!("found {found}, expected {expected}"))
                }
                other => ("kind".to_owned(), other.to_string()),
            };
            let line = self.keys.iter().find(|(known, _)| *known == key).map(|(_, line)| *line);
            ((key, line), message)
        })
    }
}

fn settings(
    table: &Table<'_>,
    kind: AnalysisKind,
    species: &str,
) -> Result<MotionSettings, InputError> {
    Ok(match kind {
        AnalysisKind::MeanSquaredDisplacement => {
            MotionSettings::MeanSquaredDisplacement(MsdSettings {
                axes: axes(table)?,
                every_lag: table.boolean("every_lag")?.is_some_and(|found| found.value),
                single_lag: positive_quantity(table, "single_lag", Kind::Time)?
                    .map(|found| found.value),
            })
        }
        AnalysisKind::NonGaussian => MotionSettings::NonGaussian,
        AnalysisKind::Diffusion => MotionSettings::Diffusion(DiffusionSettings {
            charge: charge(table)?,
            window: window(table)?,
            axes: axes(table)?,
        }),
        AnalysisKind::VanHove => {
            let default = VanHoveSettings::default();
            MotionSettings::VanHove(VanHoveSettings {
                bin: length(table, "bin", default.bin)?,
                r_max: length(table, "r_max", default.r_max)?,
                times: times(table)?,
                distinct: table.boolean("distinct")?.map_or(default.distinct, |found| found.value),
            })
        }
        AnalysisKind::SelfIntermediateScattering => {
            let q = table.numbers("q")?.map(|q| q.iter().map(|q| q.value).collect());
            let settings = q.map_or_else(ScatteringSettings::default, |q| ScatteringSettings { q });
            MotionSettings::SelfIntermediateScattering(settings)
        }
        AnalysisKind::DisplacementSnapshots => {
            let default = SnapshotSettings::default();
            MotionSettings::DisplacementSnapshots(SnapshotSettings {
                distance: length(table, "distance", default.distance)?,
                time: time(table, "time", default.time)?,
            })
        }
        AnalysisKind::Regions => {
            let default = RegionsSettings::default();
            MotionSettings::Regions(RegionsSettings {
                rule: rule(table)?,
                commit: time(table, "commit", default.commit)?,
                bin: length(table, "bin", default.bin)?,
                r_max: length(table, "r_max", default.r_max)?,
                times: times(table)?,
                axes: axes(table)?,
            })
        }
        AnalysisKind::Collective => MotionSettings::Collective(CollectiveSettings {
            charges: charges(table)?,
            window: window(table)?,
        }),
        AnalysisKind::Hops => {
            let default = HopSettings::default();
            MotionSettings::Hops(HopSettings {
                window: time(table, "window", default.window)?,
                distance: length(table, "distance", default.distance)?,
                commit: time(table, "commit", default.commit)?,
            })
        }
        AnalysisKind::Sites => MotionSettings::Sites(SiteSettings {
            sites: sites(table, species)?,
            commit: time(table, "commit", SiteSettings::default().commit)?,
            axes: axes(table)?,
        }),
        AnalysisKind::DensityMap => MotionSettings::DensityMap(DensityMapSettings {
            spacing: length(table, "spacing", DensityMapSettings::default().spacing)?,
        }),
        AnalysisKind::Paths => MotionSettings::Paths(PathSettings { atoms: atoms(table)? }),
        AnalysisKind::Reorientation => MotionSettings::Reorientation(reorientation(table)?),
        other => unreachable!("{} is no analysis of motion", other.name()),
    })
}

fn time(table: &Table<'_>, key: &str, default: f64) -> Result<f64, InputError> {
    Ok(positive_quantity(table, key, Kind::Time)?.map_or(default, |found| found.value))
}

fn times(table: &Table<'_>) -> Result<Vec<f64>, InputError> {
    let found = table.quantities("times", Kind::Time)?.unwrap_or_default();
    Ok(found.into_iter().map(|found| found.value).collect())
}

/// Fractional coordinates of the atoms of an element in a file, relative to the file that names it.
fn sites(table: &Table<'_>, species: &str) -> Result<Vec<Vector3>, InputError> {
    let Some(file) = table.string("structure")? else { return Ok(Vec::new()) };
    let folder = table.path().parent().unwrap_or_else(|| std::path::Path::new(""));
    let path = folder.join(&file.value);
    let frame = io::read_first(&path, &ReadOptions::default()).map_err(InputError::Io)?;
    let structure = &frame.structure;
    let atoms = structure.atoms_of(species);
    if atoms.is_empty() {
        let message = format!("{} holds no {species}", path.display());
        return Err(table.refuse("structure", message));
    }
    let fraction = |atom: usize| structure.cell.to_fractional(structure.positions[atom]);
    Ok(atoms.into_iter().map(fraction).collect())
}

fn atoms(table: &Table<'_>) -> Result<Vec<usize>, InputError> {
    let found = table.integers("atoms")?.unwrap_or_default();
    let atom = |found: Located<i64>| {
        usize::try_from(found.value).map_err(|_| {
            let message = format!("expected numbers from zero, found {}", found.value);
            table.refuse_at(found.line, "atoms", message)
        })
    };
    found.into_iter().map(atom).collect()
}

/// `bond = "P-S 2.7 A"` and what a flip is.
fn reorientation(table: &Table<'_>) -> Result<ReorientationSettings, InputError> {
    let mut settings = ReorientationSettings::default();
    if let Some(Located { value, line }) = table.string("bond")? {
        let split = value.trim().split_once(char::is_whitespace);
        let parsed = split.and_then(|(pair, length)| {
            let (center, ligand) = pair.split_once('-')?;
            let cutoff = units::parse(length, Kind::Length).ok().filter(|cutoff| *cutoff > 0.0)?;
            Some(([center.to_owned(), ligand.to_owned()], cutoff))
        });
        let Some((bond, cutoff)) = parsed else {
            let message =
                format!("expected a pair and a length, as \"P-S 2.7 A\"; found \"{value}\"");
            return Err(table.refuse_at(line, "bond", message));
        };
        (settings.bond, settings.cutoff) = (bond, cutoff);
    }
    if let Some(ligands) = table.count("ligands")? {
        settings.ligands = (ligands.value > 0).then_some(ligands.value as usize);
    }
    if let Some(angle) = table.number("angle")? {
        settings.angle = angle.value;
    }
    settings.commit = time(table, "commit", settings.commit)?;
    Ok(settings)
}

/// What tells regions: slabs, the amorphisation profile, or else labels.
fn rule(table: &Table<'_>) -> Result<RegionRule, InputError> {
    let Some(slabs) = table.strings("slabs")? else {
        let profile = table.table("amorphization", "in amorphization")?;
        return profile.map_or(Ok(RegionRule::Labels), |profile| {
            let keys = AnalysisKind::Amorphization.structure_keys().expect("it is structural");
            profile.only(keys)?;
            Ok(RegionRule::Amorphization { settings: amorphization(&profile)? })
        });
    };
    if table.has("amorphization") {
        let message = "\"slabs\" is there already: give one";
        return Err(table.refuse("amorphization", message));
    }
    let slab = |Located { value, line }: Located<String>| {
        let words: Vec<&str> = value.split_whitespace().collect();
        let parsed = match words[..] {
            [name, axis, from, to] => {
                let axis = AXES.iter().find(|(letter, _)| *letter == axis);
                axis.zip(from.parse().ok().zip(to.parse().ok())).map(|((_, axis), (from, to))| {
                    Slab { name: name.to_owned(), axis: *axis, from, to }
                })
            }
            _ => None,
        };
        parsed.ok_or_else(|| {
            let message = format!(
                "expected a name, a lattice vector and two fractional coordinates, as \"crystal c 0.25 0.75\"; found \"{value}\""
            );
            table.refuse_at(line, "slabs", message)
        })
    };
    let slabs = slabs.into_iter().map(slab).collect::<Result<_, _>>()?;
    Ok(RegionRule::Slabs { slabs })
}

fn charge(table: &Table<'_>) -> Result<f64, InputError> {
    let charge = table.integer("charge")?;
    if let Some(Located { value: 0, .. }) = charge {
        return Err(table.refuse("charge", "a neutral atom carries no current"));
    }
    Ok(table.require("charge", "charge = 1", charge)?.value as f64)
}

/// Charge numbers by element, as `{ Li = 1, P = 5, S = -2 }`.
fn charges(table: &Table<'_>) -> Result<Vec<(String, f64)>, InputError> {
    let example = "charges = { Li = 1, P = 5, S = -2 }";
    let charges = table.require("charges", example, table.table("charges", "in charges")?)?;
    let charge = |symbol: String| {
        let found = charges.number(&symbol)?;
        Ok((symbol, found.expect("it is one of the keys").value))
    };
    charges.keys().into_iter().map(charge).collect()
}

/// First and last lag of a fit [fs].
fn window(table: &Table<'_>) -> Result<Option<[f64; 2]>, InputError> {
    let Some(times) = table.quantities("window", Kind::Time)? else { return Ok(None) };
    match times.iter().map(|time| time.value).collect::<Vec<f64>>()[..] {
        [from, to] if from > 0.0 && to > from => Ok(Some([from, to])),
        _ => {
            let message =
                "expected two times, the first before the second, as [\"2 ps\", \"50 ps\"]";
            Err(table.refuse("window", message))
        }
    }
}

/// Directions of crystal axes, as `{ a = [1, 0, 0], b = [0, 1, 0], c = [0, 0, 1] }`.
fn axes(table: &Table<'_>) -> Result<Option<Matrix3>, InputError> {
    let Some(axes) = table.table("axes", "in axes")? else { return Ok(None) };
    axes.only(&["a", "b", "c"])?;
    let mut rows = [[0.0; 3]; 3];
    for (row, axis) in rows.iter_mut().zip(["a", "b", "c"]) {
        let found = axes.require(axis, &format!("{axis} = [1, 0, 0]"), axes.numbers(axis)?)?;
        let numbers: Vec<f64> = found.iter().map(|number| number.value).collect();
        *row = numbers.try_into().map_err(|numbers: Vec<f64>| {
            let message = format!("expected three numbers, found {}", numbers.len());
            axes.refuse(axis, message)
        })?;
        if row.iter().map(|x| x * x).sum::<f64>() < 1e-18 {
            return Err(axes.refuse(axis, "a direction has a length"));
        }
    }
    Ok(Some(rows))
}
