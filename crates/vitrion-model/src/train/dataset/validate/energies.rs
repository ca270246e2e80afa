//! Energies against their neighbours in time, their composition and each other.

use super::{Finding, LISTED, Notes, Severity, work};
use crate::train::dataset::Dataset;
use crate::train::statistics::energy_bias;
use std::collections::BTreeMap;

/// Frames below which a spread says little.
const ENOUGH: usize = 20;
/// Robust standard deviations from the median of a composition.
const FAR: f64 = 8.0;
/// Consecutive outliers that are a process (heating, melting), not an accident.
const STRETCH: usize = 3;
/// Medians of one composition further apart than this are noted, or warned of [eV/atom].
const APART: [f64; 2] = [0.5, 1.0];
/// Distance from a sum of atomic energies that is noted [eV/atom].
const UNBOUND: f64 = 0.5;

/// Energies per atom far from the mean of the frames before and after: label noise makes single
/// spikes, while heating and melting change energies gradually. What the forces explain is taken off
/// where that helps, so that a gap in a trajectory is no spike. Only triples of one composition count.
pub(super) fn spikes(data: &Dataset, system: usize, notes: &mut Notes<'_>) {
    let n = data.species().len();
    let range = data.systems()[system].frames.clone();
    // change of the energy to the next frame of the same composition, and what is left without the work
    let steps: Vec<Option<[f64; 2]>> = range
        .clone()
        .skip(1)
        .map(|k| {
            let (before, after) = (data.frame(k - 1), data.frame(k));
            let change = after.energy? - before.energy?;
            if before.counts(n) != after.counts(n) {
                return None;
            }
            let explained = work::work(&before, &after).map_or(0.0, |w| w.0);
            let atoms = after.species.len() as f64;
            Some([change / atoms, (change - explained) / atoms])
        })
        .collect();
    let off: Vec<Option<f64>> = (0..range.len())
        .map(|k| {
            let (to, from) = (steps[k.checked_sub(1)?]?, (*steps.get(k)?)?);
            let bent = |which: usize| 0.5 * (to[which] - from[which]);
            // a spike stays with and without the work
            Some(bent(0).abs().min(bent(1).abs()))
        })
        .collect();
    let sizes: Vec<f64> = off.iter().flatten().copied().collect();
    if sizes.len() + 2 < ENOUGH {
        return;
    }
    // for a normal distribution 1.4826 medians of |x| are the standard deviation
    let spread = (1.4826 * median(sizes)).max(1e-5);
    let limit = (20.0 * spread).max(0.05);
    let size = |k: usize| off.get(k).copied().flatten().unwrap_or(0.0);
    // a spike also spoils the windows of its neighbours, with half the size and the other sign
    let frames: Vec<usize> = (0..off.len())
        .filter(|k| size(*k) > limit && size(*k) >= size(k + 1).max(size(k.wrapping_sub(1))))
        .collect();
    let message = format!(
        "the energy jumps by more than {:.0} meV/atom for one frame; usual is {:.1}",
        1e3 * limit,
        1e3 * spread
    );
    notes.add(Severity::Warning, &frames, message);
}

/// An energy per atom [eV] and where it is.
#[derive(Debug, Clone, Copy)]
struct Entry {
    system: usize,
    /// In its source.
    number: usize,
    energy: f64,
}

/// Outliers of each composition, systems of one composition that disagree, and compositions that a
/// sum of atomic energies does not describe.
pub(super) fn compare(data: &Dataset) -> Vec<Finding> {
    let n = data.species().len();
    let mut groups: BTreeMap<Vec<usize>, Vec<Entry>> = BTreeMap::new();
    for k in 0..data.len() {
        let frame = data.frame(k);
        let Some(energy) = frame.energy else { continue };
        let energy = energy / frame.species.len() as f64;
        let entry = Entry { system: frame.system, number: frame.number, energy };
        groups.entry(reduced(frame.counts(n))).or_default().push(entry);
    }
    let mut findings = Vec::new();
    for entries in groups.values() {
        // systems with many frames are judged by themselves, the others together
        let mut rest = Vec::new();
        for part in entries.chunk_by(|a, b| a.system == b.system) {
            if part.len() < ENOUGH {
                rest.extend_from_slice(part);
            } else {
                outliers(data, part, &mut findings);
            }
        }
        outliers(data, &rest, &mut findings);
        levels(data, entries, &mut findings);
    }
    findings.extend(residuals(data, &groups));
    findings
}

/// Energies more than [`FAR`] robust standard deviations from the median. A stretch of consecutive
/// frames is a note: dynamics that start from a crystal and heat look like that.
fn outliers(data: &Dataset, entries: &[Entry], findings: &mut Vec<Finding>) {
    if entries.len() < ENOUGH {
        return;
    }
    let middle = median(entries.iter().map(|e| e.energy).collect());
    let off = |e: &Entry| (e.energy - middle).abs();
    let spread = 1.4826 * median(entries.iter().map(off).collect());
    let limit = (FAR * spread).max(0.02);
    let far: Vec<&Entry> = entries.iter().filter(|e| off(e) > limit).collect();
    for of_system in far.chunk_by(|a, b| a.system == b.system) {
        let (mut single, mut stretches) = (Vec::new(), Vec::new());
        for run in of_system.chunk_by(|a, b| a.number + 1 == b.number) {
            let frames = run.iter().map(|e| e.number);
            if run.len() < STRETCH { single.extend(frames) } else { stretches.extend(frames) }
        }
        let system = &data.systems()[of_system[0].system].name;
        let mut notes = Notes { system, findings: Vec::new() };
        let message = |hint: &str| {
            format!(
                "the energy is more than {:.0} meV/atom ({FAR} robust standard deviations) from the \
                 median of its composition, {middle:.3} eV/atom: {hint}",
                1e3 * limit
            )
        };
        notes.add(Severity::Warning, &single, message("an unconverged calculation?"));
        let hint = "consecutive frames, as in heating, melting or another phase";
        notes.add(Severity::Note, &stretches, message(hint));
        findings.append(&mut notes.findings);
    }
}

/// Systems of one composition whose median energies lie far apart.
fn levels(data: &Dataset, entries: &[Entry], findings: &mut Vec<Finding>) {
    let mut medians = entries
        .chunk_by(|a, b| a.system == b.system)
        .map(|part| (part[0].system, median(part.iter().map(|e| e.energy).collect())));
    let Some((first, expected)) = medians.next() else { return };
    for (system, found) in medians {
        let apart = (found - expected).abs();
        let severity = match apart {
            _ if apart > APART[1] => Severity::Warning,
            _ if apart > APART[0] => Severity::Note,
            _ => continue,
        };
        let message = format!(
            "the same composition as {}, but energies {apart:.2} eV/atom apart: another level of \
             theory, other pseudopotentials, or another phase?",
            data.systems()[first].name
        );
        let mut notes = Notes { system: &data.systems()[system].name, findings: Vec::new() };
        notes.whole(severity, message);
        findings.append(&mut notes.findings);
    }
}

/// What a least-squares sum of atomic energies leaves of each composition. Says nothing if there are
/// no more compositions than atomic energies, which then describe all of them.
fn residuals(data: &Dataset, groups: &BTreeMap<Vec<usize>, Vec<Entry>>) -> Option<Finding> {
    let all: Vec<usize> = (0..data.len()).collect();
    let (bias, rank) = energy_bias(data, &all);
    if groups.len() <= rank {
        return None;
    }
    let mut left: Vec<(f64, String)> = groups
        .iter()
        .map(|(counts, entries)| {
            let atoms: usize = counts.iter().sum();
            let sum: f64 = counts.iter().zip(&bias).map(|(c, e)| *c as f64 * e).sum();
            let middle = median(entries.iter().map(|e| e.energy).collect());
            (middle - sum / atoms as f64, formula(data.species().symbols(), counts))
        })
        .filter(|(residual, _)| residual.abs() > UNBOUND)
        .collect();
    if left.is_empty() {
        return None;
    }
    left.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let dots = if left.len() > LISTED { ", …" } else { "" };
    let list: Vec<String> = left.iter().take(LISTED).map(|(x, f)| format!("{f} {x:+.2}")).collect();
    Some(Finding {
        severity: Severity::Note,
        system: "all systems".into(),
        frames: Vec::new(),
        count: 0,
        message: format!(
            "{} of {} compositions are more than {UNBOUND} eV/atom from a sum of atomic energies: {}{dots}; \
             elements among compounds are, others may be another level of theory",
            left.len(),
            groups.len(),
            list.join(", ")
        ),
    })
}

/// Li2S for symbols Li, P, S and counts 2, 0, 1.
pub(super) fn formula(symbols: &[String], counts: &[usize]) -> String {
    let present = symbols.iter().zip(counts).filter(|(_, count)| **count > 0);
    present
        .map(
            |(symbol, count)| if *count == 1 { symbol.clone() } else { format!("{symbol}{count}") },
        )
        .collect()
}

/// Counts without their common divisor.
fn reduced(counts: Vec<usize>) -> Vec<usize> {
    let divisor = counts.iter().fold(0, |mut a, b| {
        let mut b = *b;
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    counts.into_iter().map(|count| count / divisor.max(1)).collect()
}

/// The upper median of at least one value.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests;
