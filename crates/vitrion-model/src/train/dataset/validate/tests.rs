use super::*;
use crate::classical::{LennardJones, LennardJonesPair};
use crate::train::dataset::Source;
use vitrion_core::io::{ReadOptions, extxyz};
use vitrion_core::math::Vector3;
use vitrion_core::rng::{self, Stream};
use vitrion_core::testing::systems::{random_cell, random_structure};
use vitrion_core::{Evaluation, Frame, Labels, SpeciesTable, interactions};

/// A short trajectory with Lennard-Jones labels that `spoil` may change.
fn checked(frames: usize, spoil: impl Fn(usize, &mut Frame)) -> Validation {
    let folder = tempfile::tempdir().expect("a folder");
    let species = SpeciesTable::new(&["Li", "S"]).expect("elements");
    let pairs =
        [(0.2, 2.3), (0.2, 2.5)].map(|(epsilon, sigma)| LennardJonesPair { epsilon, sigma });
    let mut potential = LennardJones::new(species.clone(), &pairs, 5.5, true).expect("positive");
    let start = random_structure(4, &["Li", "S"], 24, random_cell(4, 10.0, 10.5), 2.3);
    let map = start.table.map_onto(&species).expect("known");
    let types: Vec<u8> = start.species.iter().map(|id| map[id.index()]).collect();
    let mut out = Vec::new();
    let mut positions = start.positions.clone();
    let mut random = rng::at(4, Stream::Testing, 77, 0);
    let drift: Vec<Vector3> =
        positions.iter().map(|_| std::array::from_fn(|_| 0.003 * random.normal())).collect();
    for k in 0..frames {
        let mut found = Evaluation::default();
        interactions::evaluate(&mut potential, &start.cell, &positions, &types, &mut found)
            .expect("finite");
        let mut structure = start.clone();
        structure.positions.clone_from(&positions);
        let mut frame = Frame::from(structure);
        frame.labels = Labels {
            energy: Some(found.energy),
            forces: Some(found.forces),
            virial: Some(found.virial),
            atom_energies: None,
        };
        spoil(k, &mut frame);
        extxyz::write_frame(&mut out, &frame).expect("memory");
        for (r, d) in positions.iter_mut().zip(&drift) {
            // a little jitter, so that virials vary in more than one way
            *r = std::array::from_fn(|a| r[a] + d[a] + 0.004 * random.normal());
        }
    }
    let path = folder.path().join("frames.extxyz");
    std::fs::write(&path, out).expect("written");
    let source = Source { path, name: "lj".into(), group: "lj".into(), weight: 1.0 };
    let packed = folder.path().join("pack");
    let data = Dataset::open(&[source], &species, &packed, &ReadOptions::default(), &|_| {})
        .expect("readable");
    validate(&data)
}

fn says(found: &Validation, severity: Severity, text: &str) -> bool {
    found.findings.iter().any(|f| f.severity == severity && f.message.contains(text))
}

#[test]
fn consistent_labels_raise_nothing() {
    let found = checked(40, |_, _| {});
    assert!(found.findings.is_empty(), "{}", found.describe());
    assert_eq!((found.systems[0].frames, found.systems[0].atoms), (40, 24));
    assert!(found.describe().contains("Li12S12"));
}

#[test]
fn wrong_units_of_energies_are_told_by_the_work_of_the_forces() {
    let found = checked(40, |_, frame| {
        frame.labels.energy = frame.labels.energy.map(|e| e / 27.211_386);
    });
    assert!(says(&found, Severity::Error, "are energies in Hartree?"), "{}", found.describe());
    let found = checked(40, |_, frame| {
        for f in frame.labels.forces.iter_mut().flatten().flatten() {
            *f /= 51.422_07;
        }
    });
    let hint = "are forces in Hartree/Bohr?";
    assert!(says(&found, Severity::Error, hint), "{}", found.describe());
}

#[test]
fn sign_and_unit_of_the_virial_are_told_by_the_forces() {
    let scaled = |factor: f64| {
        checked(40, |_, frame| {
            let virial = frame.labels.virial.as_mut().expect("labelled");
            virial.iter_mut().flatten().for_each(|w| *w *= factor);
        })
    };
    assert!(says(&scaled(-1.0), Severity::Error, "wrong sign"), "{}", scaled(-1.0).describe());
    let pressure = scaled(1.0 / 650.0);
    assert!(
        says(&pressure, Severity::Error, "times what the forces say"),
        "{}",
        pressure.describe()
    );
}

#[test]
fn duplicates_outliers_and_gaps_are_found() {
    let found = checked(40, |k, frame| match k {
        7 => frame.labels.energy = frame.labels.energy.map(|e| e + 24.0),
        9 => frame.labels.virial = None,
        11 => frame.labels.forces.as_mut().expect("labelled")[3] = [0.0, 0.0, 300.0],
        13 => frame.labels.virial.as_mut().expect("labelled")[0][1] += 5.0,
        _ => {}
    });
    let text = found.describe();
    assert!(says(&found, Severity::Warning, "for one frame"), "{text}");
    assert!(says(&found, Severity::Note, "1 of 40 frames have no virial"), "{text}");
    assert!(says(&found, Severity::Warning, "a force exceeds 100 eV/Å"), "{text}");
    assert!(says(&found, Severity::Warning, "not symmetric"), "{text}");
    let jump = found.findings.iter().find(|f| f.message.contains("for one frame"));
    assert_eq!(jump.map(|f| f.frames.clone()), Some(vec![7]));

    let first = std::cell::RefCell::new(None);
    let twice = checked(12, |k, frame| {
        if k == 2 {
            *first.borrow_mut() = Some(frame.clone());
        }
        if k == 5 || k == 8 {
            *frame = first.borrow().clone().expect("seen before");
        }
        if k == 8 {
            frame.labels.energy = frame.labels.energy.map(|e| e + 1.0);
        }
    });
    assert!(says(&twice, Severity::Warning, "frames that occur twice"), "{}", twice.describe());
    assert!(
        says(&twice, Severity::Error, "frame 8 of lj and frame 2 of lj"),
        "{}",
        twice.describe()
    );
}

#[test]
fn close_atoms_are_found() {
    let found = checked(2, |_, frame| {
        frame.structure.positions.iter_mut().flatten().for_each(|x| *x *= 0.05);
    });
    assert!(says(&found, Severity::Error, "closer than 0.5 Å"), "{}", found.describe());
}
