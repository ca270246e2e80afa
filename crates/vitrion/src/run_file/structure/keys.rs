//! The keys of every structural analysis.

use super::super::reader::{Located, Table};
use super::super::{AnalysisKind, positive_quantity};
use crate::error::InputError;
use std::path::Path;
use vitrion_analysis::softness::{SoftnessModel, SoftnessSettings};
use vitrion_analysis::structure::{
    AmorphizationSettings, BondAnglesSettings, BondCutoff, Center, CoordinationSettings,
    Experiment, Neighborhood, ProfilesSettings, RadialDistributionSettings, Scattering,
    SpeciationSettings, SteinhardtSettings, StructureFactorSettings, StructureSettings,
    UnitDefinition, VoronoiSettings,
};
use vitrion_core::units::{self, Kind};

/// Lattice vectors by name.
pub(in crate::run_file) const AXES: [(&str, usize); 3] = [("a", 0), ("b", 1), ("c", 2)];

impl AnalysisKind {
    /// Keys of its own if it is an analysis of single frames.
    pub(in crate::run_file) fn structure_keys(self) -> Option<&'static [&'static str]> {
        match self {
            AnalysisKind::RadialDistribution => Some(&["r_max", "dr"]),
            AnalysisKind::BondAngles => Some(&["triplets", "cutoffs", "bin", "tetrahedra"]),
            AnalysisKind::Coordination => Some(&["centers", "ligands", "cutoffs", "phases"]),
            AnalysisKind::Speciation => {
                Some(&["cutoffs", "formers", "ligands", "persistence", "units"])
            }
            AnalysisKind::Steinhardt => Some(&[
                "l",
                "cutoff",
                "nearest",
                "voronoi",
                "centers",
                "neighbors",
                "bin_width",
                "phases",
                "third_order",
            ]),
            AnalysisKind::Amorphization => Some(&[
                "axis",
                "thickness",
                "overlap",
                "sigma",
                "spacing",
                "elements",
                "glass",
                "label",
            ]),
            AnalysisKind::Profiles => Some(&[
                "axis",
                "plane",
                "bin",
                "smoothing",
                "center",
                "center_phase",
                "columns",
                "phases",
            ]),
            AnalysisKind::StructureFactor => Some(&[
                "dq",
                "q_max_direct",
                "vectors_per_shell",
                "q_max",
                "r_max",
                "dr",
                "lorch",
                "sigma_q",
                "isotopes",
                "first_peak",
                "experiment",
                "experiment_is",
                "fit",
            ]),
            AnalysisKind::Voronoi => Some(&["bin", "radii", "phases"]),
            AnalysisKind::Softness => Some(&["model", "phases"]),
            _ => None,
        }
    }
}

pub(super) fn settings(
    table: &Table<'_>,
    kind: AnalysisKind,
) -> Result<StructureSettings, InputError> {
    Ok(match kind {
        AnalysisKind::RadialDistribution => {
            StructureSettings::RadialDistribution(radial_distribution(table)?)
        }
        AnalysisKind::BondAngles => StructureSettings::BondAngles(bond_angles(table)?),
        AnalysisKind::Coordination => StructureSettings::Coordination(CoordinationSettings {
            centers: words(table, "centers")?,
            ligands: words(table, "ligands")?,
            cutoffs: cutoffs(table)?,
            phases: words(table, "phases")?,
        }),
        AnalysisKind::Speciation => StructureSettings::Speciation(SpeciationSettings {
            cutoffs: cutoffs(table)?,
            formers: words(table, "formers")?,
            ligands: words(table, "ligands")?,
            units: definitions(table)?,
            persistence: whole(table, "persistence")?.unwrap_or(0),
        }),
        AnalysisKind::Steinhardt => StructureSettings::Steinhardt(steinhardt(table)?),
        AnalysisKind::Amorphization => StructureSettings::Amorphization(amorphization(table)?),
        AnalysisKind::Profiles => StructureSettings::Profiles(profiles(table)?),
        AnalysisKind::StructureFactor => {
            StructureSettings::StructureFactor(structure_factor(table)?)
        }
        AnalysisKind::Voronoi => StructureSettings::Voronoi(VoronoiSettings {
            bin: table.number("bin")?.map_or(VoronoiSettings::default().bin, |found| found.value),
            radii: radii(table)?,
            phases: words(table, "phases")?,
        }),
        AnalysisKind::Softness => StructureSettings::Softness(Box::new(SoftnessSettings {
            model: softness_model(table)?,
            phases: words(table, "phases")?,
        })),
        other => unreachable!("{} is no analysis of single frames", other.name()),
    })
}

/// The file that `vitrion softness` made.
fn softness_model(table: &Table<'_>) -> Result<SoftnessModel, InputError> {
    let Located { value, line } =
        table.require("model", "model = \"softness.json\"", table.string("model")?)?;
    let path = table.path().parent().unwrap_or(Path::new("")).join(&value);
    let text = std::fs::read_to_string(&path).map_err(InputError::os(&path, "read"))?;
    let refuse = |message: String| table.refuse_at(line, "model", message);
    let model: SoftnessModel = serde_json::from_str(&text)
        .map_err(|error| refuse(format!("{} is no softness model: {error}", path.display())))?;
    model.check().map_err(|error| refuse(format!("{}: {error}", path.display())))?;
    Ok(model)
}

fn radial_distribution(table: &Table<'_>) -> Result<RadialDistributionSettings, InputError> {
    let default = RadialDistributionSettings::default();
    Ok(RadialDistributionSettings {
        r_max: length(table, "r_max", default.r_max)?,
        dr: length(table, "dr", default.dr)?,
    })
}

fn bond_angles(table: &Table<'_>) -> Result<BondAnglesSettings, InputError> {
    let bin = table.number("bin")?.map_or(BondAnglesSettings::default().bin, |found| found.value);
    Ok(BondAnglesSettings {
        triplets: chains(table, "triplets", "\"S-P-S\"")?,
        cutoffs: cutoffs(table)?,
        bin,
        tetrahedra: chains(table, "tetrahedra", "\"P-S\"")?,
    })
}

fn steinhardt(table: &Table<'_>) -> Result<SteinhardtSettings, InputError> {
    let default = SteinhardtSettings::default();
    let rules = ["cutoff", "nearest", "voronoi"];
    let given: Vec<&str> = rules.into_iter().filter(|key| table.has(key)).collect();
    if let [first, second, ..] = given[..] {
        let message = format!("\"{first}\" already says which atoms are neighbours: give one");
        return Err(table.refuse(second, message));
    }
    let mut neighborhood = default.neighborhood;
    if let Some(cutoff) = positive_quantity(table, "cutoff", Kind::Length)? {
        neighborhood = Neighborhood::Cutoff(cutoff.value);
    }
    if let Some(count) = whole(table, "nearest")? {
        neighborhood = Neighborhood::Nearest(count);
    }
    if let Some(voronoi) = table.boolean("voronoi")? {
        if !voronoi.value {
            let message = "leave it out, or name the neighbours by cutoff or nearest";
            return Err(table.refuse("voronoi", message));
        }
        neighborhood = Neighborhood::Voronoi;
    }
    let mut l = default.l;
    if let Some(found) = table.integers("l")? {
        l.clear();
        for Located { value, line } in found {
            let degree = u32::try_from(value).map_err(|_| {
                table.refuse_at(line, "l", format!("expected a number from 2 to 12, found {value}"))
            })?;
            l.push(degree);
        }
    }
    Ok(SteinhardtSettings {
        l,
        neighborhood,
        centers: words(table, "centers")?,
        neighbors: words(table, "neighbors")?,
        bin_width: table.number("bin_width")?.map_or(default.bin_width, |found| found.value),
        phases: words(table, "phases")?,
        third_order: table.boolean("third_order")?.is_some_and(|found| found.value),
    })
}

pub(in crate::run_file) fn amorphization(
    table: &Table<'_>,
) -> Result<AmorphizationSettings, InputError> {
    let default = AmorphizationSettings::default();
    let glass = table.quantities("glass", Kind::Length)?.map(|found| {
        let ends: Vec<f64> = found.iter().map(|end| end.value).collect();
        <[f64; 2]>::try_from(ends).map_err(|ends| {
            let message = format!(
                "expected where the glass begins and ends, as [\"20 Å\", \"40 Å\"]; found {} lengths",
                ends.len()
            );
            table.refuse("glass", message)
        })
    });
    Ok(AmorphizationSettings {
        axis: table.word("axis", &AXES)?.map_or(default.axis, |found| found.value),
        thickness: length(table, "thickness", default.thickness)?,
        overlap: whole(table, "overlap")?.unwrap_or(default.overlap),
        sigma: length(table, "sigma", default.sigma)?,
        spacing: length(table, "spacing", default.spacing)?,
        elements: words(table, "elements")?,
        glass: glass.transpose()?,
        label: table.boolean("label")?.map_or(default.label, |found| found.value),
    })
}

fn profiles(table: &Table<'_>) -> Result<ProfilesSettings, InputError> {
    let default = ProfilesSettings::default();
    for [one, other] in [["axis", "plane"], ["center", "center_phase"]] {
        if table.has(one) && table.has(other) {
            return Err(table.refuse(other, format!("\"{one}\" is there already: give one")));
        }
    }
    let mut plane = default.plane;
    if let Some(axis) = table.word("axis", &AXES)? {
        plane = [0; 3];
        plane[axis.value] = 1;
    }
    if let Some(found) = table.integers("plane")? {
        let indices: Vec<i64> = found.iter().map(|index| index.value).collect();
        plane = <[i64; 3]>::try_from(indices).map_err(|indices| {
            let found = indices.len();
            table.refuse("plane", format!("expected three Miller indices, found {found}"))
        })?;
    }
    let center = match (table.strings("center")?, table.string("center_phase")?) {
        (Some(_), _) => Some(Center::Elements(words(table, "center")?)),
        (None, Some(phase)) => Some(Center::Phase(phase.value)),
        (None, None) => None,
    };
    Ok(ProfilesSettings {
        plane,
        bin: length(table, "bin", default.bin)?,
        smoothing: length(table, "smoothing", default.smoothing)?,
        center,
        columns: words(table, "columns")?,
        phases: words(table, "phases")?,
    })
}

fn structure_factor(table: &Table<'_>) -> Result<StructureFactorSettings, InputError> {
    let default = StructureFactorSettings::default();
    let number = |key: &str, default: f64| -> Result<f64, InputError> {
        Ok(table.number(key)?.map_or(default, |found| found.value))
    };
    let first_peak = match table.numbers("first_peak")? {
        None => default.first_peak,
        Some(found) => {
            let ends: Vec<f64> = found.iter().map(|end| end.value).collect();
            <[f64; 2]>::try_from(ends).map_err(|ends| {
                let found = ends.len();
                let message = format!("expected two values of Q, as [0.8, 2.0]; found {found}");
                table.refuse("first_peak", message)
            })?
        }
    };
    Ok(StructureFactorSettings {
        dq: number("dq", default.dq)?,
        q_max_direct: number("q_max_direct", default.q_max_direct)?,
        vectors_per_shell: whole(table, "vectors_per_shell")?.unwrap_or(default.vectors_per_shell),
        q_max: number("q_max", default.q_max)?,
        r_max: length(table, "r_max", default.r_max)?,
        dr: length(table, "dr", default.dr)?,
        lorch: table.boolean("lorch")?.map_or(default.lorch, |found| found.value),
        sigma_q: number("sigma_q", default.sigma_q)?,
        isotopes: words(table, "isotopes")?,
        first_peak,
        experiment: experiment(table)?,
    })
}

/// The file of a measurement, relative to the file that names it.
fn experiment(table: &Table<'_>) -> Result<Option<Experiment>, InputError> {
    let functions = [
        ("neutron_s", Scattering::NeutronS),
        ("neutron_f", Scattering::NeutronF),
        ("xray_s", Scattering::XrayS),
    ];
    let function = table.word("experiment_is", &functions)?;
    let fit = table.boolean("fit")?;
    let Some(file) = table.string("experiment")? else {
        let alone = ["experiment_is", "fit"].into_iter().find(|key| table.has(key));
        return match alone {
            Some(key) => Err(table.refuse(key, "there is no \"experiment\" that it is about")),
            None => Ok(None),
        };
    };
    let example = "experiment_is = \"neutron_s\"";
    let function = table.require("experiment_is", example, function)?.value;
    let folder = table.path().parent().unwrap_or_else(|| Path::new(""));
    let path = folder.join(&file.value);
    let text = std::fs::read_to_string(&path).map_err(InputError::os(&path, "read"))?;
    let points = Experiment::parse(&text).map_err(|(line, message)| {
        let message = format!("{}:{line}: {message}", path.display());
        table.refuse("experiment", message)
    })?;
    let fit = fit.is_some_and(|fit| fit.value);
    Ok(Some(Experiment { file: file.value, function, fit, points }))
}

/// Radii by element, as `{ Li = "0.9 A", S = "1.7 A" }`.
fn radii(table: &Table<'_>) -> Result<Vec<(String, f64)>, InputError> {
    let Some(radii) = table.table("radii", "in radii")? else { return Ok(Vec::new()) };
    let radius = |symbol: String| {
        let found = positive_quantity(&radii, &symbol, Kind::Length)?;
        Ok((symbol, found.expect("it is one of the keys").value))
    };
    radii.keys().into_iter().map(radius).collect()
}

pub(in crate::run_file) fn length(
    table: &Table<'_>,
    key: &str,
    default: f64,
) -> Result<f64, InputError> {
    Ok(positive_quantity(table, key, Kind::Length)?.map_or(default, |found| found.value))
}

fn whole(table: &Table<'_>, key: &str) -> Result<Option<usize>, InputError> {
    let found = table.count(key)?;
    let whole = |found: Located<u64>| {
        let message = format!("the number {} is too large", found.value);
        usize::try_from(found.value).map_err(|_| table.refuse(key, message))
    };
    found.map(whole).transpose()
}

fn words(table: &Table<'_>, key: &str) -> Result<Vec<String>, InputError> {
    let found = table.strings(key)?.unwrap_or_default();
    Ok(found.into_iter().map(|found| found.value).collect())
}

/// Elements joined by hyphens, so many in each.
fn chains<const N: usize>(
    table: &Table<'_>,
    key: &str,
    example: &str,
) -> Result<Vec<[String; N]>, InputError> {
    let found = table.strings(key)?.unwrap_or_default();
    let chain = |Located { value, line }: Located<String>| {
        let parts: Vec<String> = value.split('-').map(|part| part.trim().to_owned()).collect();
        <[String; N]>::try_from(parts).map_err(|_| {
            let message = format!("expected {N} elements, as {example}; found \"{value}\"");
            table.refuse_at(line, key, message)
        })
    };
    found.into_iter().map(chain).collect()
}

/// Bonds as `"P-S 2.7 Å"`.
fn cutoffs(table: &Table<'_>) -> Result<Vec<BondCutoff>, InputError> {
    let key = "cutoffs";
    let found = table.strings(key)?.unwrap_or_default();
    let cutoff = |Located { value, line }: Located<String>| {
        let refuse = |why: String| {
            let message = format!("{why}; expected a pair and a length, as \"P-S 2.7 Å\"");
            table.refuse_at(line, key, message)
        };
        let split = value.trim().split_once(char::is_whitespace);
        let (pair, length) = split.ok_or_else(|| refuse(format!("found \"{value}\"")))?;
        let (a, b) = pair.split_once('-').ok_or_else(|| refuse(format!("found \"{value}\"")))?;
        let cutoff = units::parse(length, Kind::Length).map_err(|why| refuse(why.to_string()))?;
        Ok(BondCutoff { pair: [a.to_owned(), b.to_owned()], cutoff })
    };
    found.into_iter().map(cutoff).collect()
}

/// `[[analysis.units]]`: names for units by formula and bonds.
fn definitions(table: &Table<'_>) -> Result<Vec<UnitDefinition>, InputError> {
    let mut units = Vec::new();
    for unit in table.tables("units")? {
        unit.only(&["name", "formula", "direct_bonds", "bridging"])?;
        let formula = unit.require("formula", "formula = \"P2S7\"", unit.string("formula")?)?.value;
        let atoms = atoms(&formula).ok_or_else(|| {
            let message =
                format!("expected elements and numbers, as \"P2S7\"; found \"{formula}\"");
            unit.refuse("formula", message)
        })?;
        units.push(UnitDefinition {
            name: unit.require("name", "name = \"P2S7\"", unit.string("name")?)?.value,
            atoms,
            direct_bonds: whole(&unit, "direct_bonds")?.unwrap_or(0),
            bridging: whole(&unit, "bridging")?.unwrap_or(0),
        });
    }
    Ok(units)
}

/// The atoms of `P2S7`; unlike a composition it is not divided by a common factor.
fn atoms(formula: &str) -> Option<Vec<(String, usize)>> {
    let mut atoms = Vec::new();
    let mut rest = formula.trim();
    while !rest.is_empty() {
        let after =
            |from: &str, what: fn(char) -> bool| from.find(|c| !what(c)).unwrap_or(from.len());
        if !rest.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        let symbol = 1 + after(&rest[1..], |c| c.is_ascii_lowercase());
        let digits = after(&rest[symbol..], |c| c.is_ascii_digit());
        let count = &rest[symbol..symbol + digits];
        let count = if count.is_empty() { 1 } else { count.parse().ok().filter(|n| *n > 0)? };
        atoms.push((rest[..symbol].to_owned(), count));
        rest = &rest[symbol + digits..];
    }
    (!atoms.is_empty()).then_some(atoms)
}
