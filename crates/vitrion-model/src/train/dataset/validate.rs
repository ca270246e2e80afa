//! Is this data what it seems? Checks that find wrong units and signs, duplicates and outliers before
//! a network learns them.

mod energies;
mod virial;
mod work;

use super::{Dataset, LabelledFrame};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Write as _;
use vitrion_core::math;
use vitrion_core::neighbors::closest_pair;
use vitrion_core::{SpeciesId, units};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Look at it before training.
    Warning,
    /// The data contradict themselves.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    /// The system, or "all systems".
    pub system: String,
    /// Frames of the system it is about, the first few, and how many in all.
    pub frames: Vec<usize>,
    pub count: usize,
    pub message: String,
}

/// One system in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemSummary {
    pub name: String,
    pub frames: usize,
    pub atoms: usize,
    pub formula: String,
    pub density_g_per_cm3: [f64; 2],
    /// Mean and standard deviation.
    pub energy_ev_per_atom: Option<[f64; 2]>,
    /// Root mean square of components, and largest norm.
    pub force_ev_per_a: Option<[f64; 2]>,
    /// Range of the potential part of the pressure, tr W/(3V).
    pub pressure_gpa: Option<[f64; 2]>,
    pub nearest_a: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    pub systems: Vec<SystemSummary>,
    pub findings: Vec<Finding>,
}

/// Frames a finding lists.
const LISTED: usize = 5;

/// Checks a data set.
pub fn validate(data: &Dataset) -> Validation {
    let parts: Vec<(SystemSummary, Vec<Finding>)> =
        (0..data.systems().len()).into_par_iter().map(|system| one(data, system)).collect();
    let mut findings = Vec::new();
    let mut systems = Vec::new();
    for (summary, found) in parts {
        systems.push(summary);
        findings.extend(found);
    }
    findings.extend(duplicates(data));
    findings.extend(energies::compare(data));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Validation { systems, findings }
}

/// Collects findings about one system.
struct Notes<'a> {
    system: &'a str,
    findings: Vec<Finding>,
}

impl Notes<'_> {
    fn add(&mut self, severity: Severity, frames: &[usize], message: String) {
        if frames.is_empty() {
            return;
        }
        self.findings.push(Finding {
            severity,
            system: self.system.to_owned(),
            frames: frames.iter().take(LISTED).copied().collect(),
            count: frames.len(),
            message,
        });
    }

    fn whole(&mut self, severity: Severity, message: String) {
        self.findings.push(Finding {
            severity,
            system: self.system.to_owned(),
            frames: Vec::new(),
            count: 0,
            message,
        });
    }
}

fn one(data: &Dataset, system: usize) -> (SystemSummary, Vec<Finding>) {
    let range = data.systems()[system].frames.clone();
    let mut notes = Notes { system: &data.systems()[system].name, findings: Vec::new() };
    let n = data.species().len();
    let (mut density, mut pressure) =
        ([f64::INFINITY, 0.0_f64], [f64::INFINITY, f64::NEG_INFINITY]);
    let (mut per_atom, mut nearest) = (Vec::new(), f64::INFINITY);
    let (mut squares, mut components, mut largest) = (0.0, 0.0, 0.0_f64);
    let (mut sizes, mut nets): (Vec<Vec<f64>>, Vec<f64>) = (vec![Vec::new(); n], Vec::new());
    let mut without = [0_usize; 3];
    let (mut close, mut skewed, mut strong) = (Vec::new(), Vec::new(), Vec::new());
    for index in range.clone() {
        let frame = data.frame(index);
        let number = frame.number;
        let atoms = frame.species.len() as f64;
        let mass: f64 = frame.species.iter().map(|s| data.species().mass(SpeciesId(*s))).sum();
        let volume = frame.cell.volume();
        let rho = mass / volume * units::AMU_PER_A3_IN_G_PER_CM3;
        density = [density[0].min(rho), density[1].max(rho)];
        match frame.energy {
            Some(energy) => per_atom.push(energy / atoms),
            None => without[0] += 1,
        }
        match frame.forces {
            None => without[1] += 1,
            Some(forces) => {
                let mut sum = [0.0; 3];
                for (s, f) in frame.species.iter().zip(forces) {
                    let size = math::norm(*f);
                    sizes[usize::from(*s)].push(size);
                    squares += size * size;
                    components += 3.0;
                    largest = largest.max(size);
                    sum = math::add(sum, *f);
                    if size > 100.0 {
                        strong.push(number);
                    }
                }
                nets.push(math::norm(sum) / atoms);
            }
        }
        match frame.virial {
            None => without[2] += 1,
            Some(w) => {
                let p = math::trace(&w) / (3.0 * volume) * units::EV_PER_A3_IN_GPA;
                pressure = [pressure[0].min(p), pressure[1].max(p)];
                let size = w.iter().flatten().fold(0.0_f64, |m, x| m.max(x.abs()));
                let skew = (0..3)
                    .flat_map(|a| (0..3).map(move |b| (a, b)))
                    .fold(0.0_f64, |m, (a, b)| m.max((w[a][b] - w[b][a]).abs()));
                if skew > 1e-3 * size {
                    skewed.push(number);
                }
            }
        }
        // every frame of a short system, a sample of a long one: distances change slowly
        if index == range.start || (index - range.start).is_multiple_of(range.len().div_ceil(200)) {
            let near = closest_pair(&frame.cell, frame.positions, 6.0).map_or(6.0, |p| p.2);
            nearest = nearest.min(near);
            if near < 0.5 {
                close.push(number);
            }
        }
    }
    let frames = range.len();
    for (what, count) in ["energy", "forces", "virial"].into_iter().zip(without) {
        if count > 0 {
            let message = format!("{count} of {frames} frames have no {what}");
            notes.whole(Severity::Note, message);
        }
    }
    notes.add(
        Severity::Error,
        &close,
        "two atoms are closer than 0.5 Å: positions may be in other units than Å, or fractional"
            .into(),
    );
    let first = data.frame(range.start);
    if nearest > 5.0 && first.species.len() > 1 {
        let message = "no two atoms are closer than 5 Å: positions may be in other units than Å";
        notes.whole(Severity::Warning, message.into());
    }
    notes.add(Severity::Warning, &skewed, "the virial is not symmetric".into());
    strong.dedup();
    notes.add(
        Severity::Warning,
        &strong,
        "a force exceeds 100 eV/Å: a collision, an unconverged calculation, or other units".into(),
    );
    let net = root_mean_square(&nets);
    if net > 0.05 {
        let message = format!(
            "forces do not sum to zero: {net:.3} eV/Å per atom on average, noise of the labels"
        );
        notes.whole(Severity::Note, message);
    }
    force_outliers(data, system, &sizes, &mut notes);
    energies::spikes(data, system, &mut notes);
    let rms = (components > 0.0).then(|| f64::sqrt(squares / components));
    if let Some(rms) = rms
        && !(1e-4..50.0).contains(&rms)
    {
        let message = format!("forces of {rms:.2e} eV/Å on average: they may be in other units");
        notes.whole(Severity::Warning, message);
    }
    work::check(data, system, &mut notes);
    virial::check(data, system, &mut notes);
    let formula = energies::formula(data.species().symbols(), &first.counts(n));
    let summary = SystemSummary {
        name: notes.system.to_owned(),
        frames,
        atoms: first.species.len(),
        formula,
        density_g_per_cm3: density,
        energy_ev_per_atom: (!per_atom.is_empty()).then(|| {
            let mean = per_atom.iter().sum::<f64>() / per_atom.len() as f64;
            let off: Vec<f64> = per_atom.iter().map(|e| e - mean).collect();
            [mean, root_mean_square(&off)]
        }),
        force_ev_per_a: rms.map(|rms| [rms, largest]),
        pressure_gpa: (pressure[0] <= pressure[1]).then_some(pressure),
        nearest_a: nearest,
    };
    (summary, notes.findings)
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|x| x * x).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// Forces above ten times the 99.9th percentile of their species.
fn force_outliers(data: &Dataset, system: usize, sizes: &[Vec<f64>], notes: &mut Notes<'_>) {
    for (species, sizes) in sizes.iter().enumerate() {
        if sizes.len() < 100 {
            continue;
        }
        let mut sorted = sizes.clone();
        sorted.sort_by(f64::total_cmp);
        let limit = 10.0 * sorted[(sorted.len() - 1) * 999 / 1000];
        if sorted[sorted.len() - 1] <= limit {
            continue;
        }
        let mut frames = Vec::new();
        for index in data.systems()[system].frames.clone() {
            let frame = data.frame(index);
            let Some(forces) = frame.forces else { continue };
            let of = frame.species.iter().zip(forces);
            if of.into_iter().any(|(s, f)| usize::from(*s) == species && math::norm(*f) > limit) {
                frames.push(frame.number);
            }
        }
        let symbol = &data.species().symbols()[species];
        let message =
            format!("a force on {symbol} is above {limit:.1} eV/Å, ten times what is usual here");
        notes.add(Severity::Warning, &frames, message);
    }
}

/// Frames with the same positions.
fn duplicates(data: &Dataset) -> Vec<Finding> {
    let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for index in 0..data.len() {
        let frame = data.frame(index);
        let mut hasher = blake3::Hasher::new();
        hasher.update(frame.species);
        for x in frame.positions.as_flattened().iter().chain(frame.cell.matrix().as_flattened()) {
            hasher.update(&((x * 1e8).round() as i64).to_le_bytes());
        }
        let first = *seen.entry(*hasher.finalize().as_bytes()).or_insert(index);
        if first != index {
            let other = data.frame(first);
            let equal = agree(&frame, &other);
            if equal { same.push(index) } else { different.push((index, first)) }
        }
    }
    let mut findings = Vec::new();
    if let Some(first) = same.first() {
        findings.push(Finding {
            severity: Severity::Warning,
            system: "all systems".into(),
            frames: Vec::new(),
            count: same.len(),
            message: format!(
                "frames that occur twice: they count double and may sit on both sides of the split; \
                 the first is {}",
                data.name_of(*first)
            ),
        });
    }
    if let Some((index, first)) = different.first() {
        findings.push(Finding {
            severity: Severity::Error,
            system: "all systems".into(),
            frames: Vec::new(),
            count: different.len(),
            message: format!(
                "the same positions with labels more than 1 meV/atom, 0.05 eV/Å or 10 meV/atom of virial \
                 apart, for example {} and {}: two levels of theory, or unconverged labels",
                data.name_of(*index),
                data.name_of(*first)
            ),
        });
    }
    findings
}

/// Labels that both frames have agree within the noise of a converged calculation.
fn agree(a: &LabelledFrame<'_>, b: &LabelledFrame<'_>) -> bool {
    let atoms = a.species.len() as f64;
    let near =
        |x: &[f64], y: &[f64], within: f64| x.iter().zip(y).all(|(x, y)| (x - y).abs() < within);
    let energy = a.energy.zip(b.energy).is_none_or(|(x, y)| (x - y).abs() < 1e-3 * atoms);
    let forces = a.forces.zip(b.forces);
    let virial = a.virial.zip(b.virial);
    energy
        && forces.is_none_or(|(x, y)| near(x.as_flattened(), y.as_flattened(), 0.05))
        && virial.is_none_or(|(x, y)| near(x.as_flattened(), y.as_flattened(), 1e-2 * atoms))
}

impl Validation {
    /// The most severe finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Tables for people.
    pub fn describe(&self) -> String {
        let mut text = format!(
            "{:<28} {:>6} {:>5} {:>16} {:>11} {:>20} {:>15} {:>13} {:>6}\n",
            "system",
            "frames",
            "atoms",
            "formula",
            "g/cm³",
            "eV/atom (± spread)",
            "force rms/max",
            "P_virial GPa",
            "near Å"
        );
        let pair = |p: Option<[f64; 2]>, digits: usize| {
            p.map_or("-".to_owned(), |[a, b]| format!("{a:.digits$} {b:.digits$}"))
        };
        for s in &self.systems {
            let _ = writeln!(
                text,
                "{:<28} {:>6} {:>5} {:>16} {:>11} {:>20} {:>15} {:>13} {:>6.2}",
                s.name,
                s.frames,
                s.atoms,
                s.formula,
                pair(Some(s.density_g_per_cm3), 2),
                pair(s.energy_ev_per_atom, 3),
                pair(s.force_ev_per_a, 2),
                pair(s.pressure_gpa, 1),
                s.nearest_a,
            );
        }
        for finding in &self.findings {
            let word = match finding.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            let _ = write!(text, "{word}: {}: {}", finding.system, finding.message);
            if !finding.frames.is_empty() {
                let list: Vec<String> = finding.frames.iter().map(ToString::to_string).collect();
                let dots = if finding.count > finding.frames.len() { ", …" } else { "" };
                let _ = write!(text, " ({} frames: {}{dots})", finding.count, list.join(", "));
            } else if finding.count > 0 {
                let _ = write!(text, " ({} in all)", finding.count);
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests;
