use super::super::{Validation, validate};
use super::*;
use crate::train::dataset::Source;
use std::fmt::Write as _;
use vitrion_core::SpeciesTable;
use vitrion_core::io::ReadOptions;

/// Frames of single formula units with these energies [eV], not a number where there are forces
/// instead; one source per part.
fn checked(parts: &[(&str, Vec<(&str, f64)>)]) -> Validation {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sources = Vec::new();
    for (part, (name, frames)) in parts.iter().enumerate() {
        let mut out = String::new();
        for (k, (symbols, energy)) in frames.iter().enumerate() {
            let symbols: Vec<&str> = symbols.split(' ').collect();
            let (label, forces) = if energy.is_nan() {
                (":forces:R:3".to_owned(), "0 0 0")
            } else {
                (format!(" energy={energy}"), "")
            };
            let _ = writeln!(out, "{}", symbols.len());
            let _ = writeln!(
                out,
                "Lattice=\"9 0 0 0 9 0 0 0 9\" Properties=species:S:1:pos:R:3{label}"
            );
            for (row, symbol) in symbols.iter().enumerate() {
                let (x, y) = (2.0 * row as f64, 0.01 * k as f64);
                let _ = writeln!(out, "{symbol} {x} {y} {part} {forces}");
            }
        }
        let path = folder.path().join(format!("{name}.extxyz"));
        std::fs::write(&path, out).expect("written");
        let name = (*name).to_owned();
        sources.push(Source { path, group: name.clone(), name, weight: 1.0 });
    }
    let species = SpeciesTable::new(&["Li", "P", "S"]).expect("elements");
    let packed = folder.path().join("pack");
    let data = Dataset::open(&sources, &species, &packed, &ReadOptions::default(), &|_| {});
    validate(&data.expect("readable"))
}

/// Energies [eV/atom] around `middle` that scatter by 10 meV/atom without order.
fn scattered(symbols: &'static str, middle: f64, count: usize) -> Vec<(&'static str, f64)> {
    let atoms = symbols.split(' ').count() as f64;
    let at = |k: usize| middle + 0.01 * (f64::from((k * 37 % 41) as u32) / 20.0 - 1.0);
    (0..count).map(|k| (symbols, atoms * at(k))).collect()
}

fn of<'a>(found: &'a Validation, severity: Severity, text: &str) -> Vec<&'a Finding> {
    let fits = |f: &&Finding| f.severity == severity && f.message.contains(text);
    found.findings.iter().filter(fits).collect()
}

const ROBUST: &str = "robust standard deviations";

#[test]
fn scattered_energies_of_several_compositions_raise_nothing() {
    // one atomic energy per element: a mixed source, whose neighbours in the file cannot be compared
    let mut mixed = Vec::new();
    for k in 0..30 {
        mixed.push(scattered("Li S", -230.0, 30)[k]);
        mixed.push(scattered("Li Li S", -220.0, 30)[k]);
    }
    let found = checked(&[("mixed", mixed), ("again", scattered("Li S", -230.2, 30))]);
    let about: Vec<&Finding> =
        found.findings.iter().filter(|f| !f.message.contains("have no")).collect();
    assert!(about.is_empty(), "{}", found.describe());
}

#[test]
fn a_single_outlier_warns_and_a_stretch_is_noted() {
    let mut frames = scattered("Li S", -230.0, 60);
    frames[20].1 += 2.0 * 0.15;
    for k in 50..54 {
        frames[k].1 -= 2.0 * 0.15;
    }
    let found = checked(&[("a", frames)]);
    let text = found.describe();
    let single = of(&found, Severity::Warning, ROBUST);
    assert_eq!(single.iter().map(|f| f.frames.clone()).collect::<Vec<_>>(), [[20]], "{text}");
    let stretch = of(&found, Severity::Note, ROBUST);
    assert_eq!(stretch.len(), 1, "{text}");
    assert_eq!(stretch[0].frames, [50, 51, 52, 53], "{text}");
}

#[test]
fn frames_are_numbered_as_in_the_source_when_energies_are_missing() {
    let mut frames: Vec<_> = (0..40).map(|k| ("Li S", -460.0 + 1e-4 * f64::from(k))).collect();
    frames[3].1 = f64::NAN;
    frames[25].1 += 1.0;
    let found = checked(&[("a", frames)]);
    let jumps = of(&found, Severity::Warning, "for one frame");
    let numbers: Vec<_> = jumps.iter().map(|f| f.frames.clone()).collect();
    assert_eq!(numbers, [[25]], "{}", found.describe());
}

#[test]
fn a_gap_in_a_trajectory_is_no_spike() {
    // two atoms on a harmonic spring of 2 eV/Å² that is stretched slowly, with a gap of 0.4 Å
    let (folder, mut out) = (tempfile::tempdir().expect("a folder"), String::new());
    for k in 0..40 {
        let stretch = 0.002 * f64::from(k) + if k < 20 { 0.0 } else { 0.4 };
        let (force, energy) = (2.0 * stretch, stretch * stretch);
        let _ = writeln!(
            out,
            "2\nLattice=\"9 0 0 0 9 0 0 0 9\" Properties=species:S:1:pos:R:3:forces:R:3 energy={energy}\n\
             Li 0 0 0 {force} 0 0\nS {} 0 0 {} 0 0",
            2.0 + stretch,
            -force
        );
    }
    let path = folder.path().join("a.extxyz");
    std::fs::write(&path, out).expect("written");
    let source = Source { path, name: "a".into(), group: "a".into(), weight: 1.0 };
    let species = SpeciesTable::new(&["Li", "S"]).expect("elements");
    let packed = folder.path().join("pack");
    let data = Dataset::open(&[source], &species, &packed, &ReadOptions::default(), &|_| {});
    let found = validate(&data.expect("readable"));
    assert!(of(&found, Severity::Warning, "for one frame").is_empty(), "{}", found.describe());
}

#[test]
fn other_levels_of_theory_are_told_by_the_same_composition() {
    let other = |middle: f64| {
        checked(&[
            ("a", scattered("Li Li S", -220.0, 20)),
            // the same composition in twice the cell
            ("b", scattered("Li Li S Li Li S", middle, 20)),
        ])
    };
    let apart = "the same composition as a, but";
    for (middle, severity, count) in [
        (-220.4, Severity::Note, 0),
        (-220.7, Severity::Note, 1),
        (-220.7, Severity::Warning, 0),
        (-221.2, Severity::Warning, 1),
    ] {
        let found = other(middle);
        assert_eq!(of(&found, severity, apart).len(), count, "{middle}: {}", found.describe());
    }
}

#[test]
fn compositions_far_from_a_sum_of_atomic_energies_are_listed() {
    let data = |compound: f64| {
        checked(&[
            ("Li", scattered("Li Li", -200.0, 20)),
            ("S", scattered("S S", -280.0, 20)),
            ("LiS", scattered("Li S", compound, 20)),
        ])
    };
    let text = "from a sum of atomic energies";
    assert!(of(&data(-240.3), Severity::Note, text).is_empty());
    let found = data(-245.0);
    let note = of(&found, Severity::Note, text);
    assert_eq!(note.len(), 1, "{}", found.describe());
    // by hand: what atomic energies cannot describe is along (1, −2, 1) for Li, LiS, S; the energies
    // −200, −245, −280 have 10/6 of it
    assert!(note[0].message.contains("LiS -3.33, "), "{}", note[0].message);
    assert!(note[0].message.contains("Li +1.67"), "{}", note[0].message);
}
