//! Packing and checking of real labelled frames.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use vitrion_core::SpeciesTable;
use vitrion_core::io::ReadOptions;
use vitrion_model::train::dataset::validate::{Severity, Validation, validate};
use vitrion_model::train::{Dataset, Source};

/// CP2K labels of lithium thiophosphates in deepmd/npy: units and signs are as they should be, so
/// no check may call them wrong. Counts are those of the published set.
#[test]
#[allow(clippy::print_stdout)] // the table is for people; the other line counts skipped checks
fn density_functional_labels_of_lips_contradict_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lips-dft");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: shared data absent");
        return;
    };
    let mut sources: Vec<Source> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            Source { path, group: name.clone(), name, weight: 1.0 }
        })
        .collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    let species = SpeciesTable::new(&["Li", "P", "S"]).expect("elements");
    let home = tempfile::tempdir().expect("a folder");
    let packed = home.path().join("lips.pack");
    let open = || {
        let start = Instant::now();
        let options = ReadOptions::default();
        let data = Dataset::open(&sources, &species, &packed, &options, &|_| {});
        (data.expect("readable"), start.elapsed().as_secs_f64())
    };
    let (_, packing) = open();
    let (data, opening) = open();
    assert_eq!((data.systems().len(), data.len()), (19, 15_396));

    let start = Instant::now();
    let found = validate(&data);
    let checking = start.elapsed().as_secs_f64();
    println!("{}", found.describe());
    println!(
        "{} atoms: packed in {packing:.2} s, opened in {opening:.2} s, checked in {checking:.2} s",
        data.atoms()
    );
    assert!(found.findings.iter().all(|f| f.severity < Severity::Error), "{}", found.describe());
    assert!(found.systems.iter().all(|s| s.pressure_gpa.is_some()), "all have virials");
}

/// Checks frames of two atoms `apart` [Å], with a force [eV/Å] on them.
fn checked(frames: &[(f64, f64)]) -> Validation {
    let home = tempfile::tempdir().expect("a folder");
    let mut out = String::new();
    for (apart, force) in frames {
        let head = "Lattice=\"20 0 0 0 20 0 0 0 20\" Properties=species:S:1:pos:R:3:forces:R:3";
        let _ = writeln!(out, "2\n{head}\nLi 0 0 0 {force} 0 0\nS {apart} 0 0 {} 0 0", -force);
    }
    let path = home.path().join("pair.extxyz");
    std::fs::write(&path, out).expect("written");
    let source = Source { path, group: "pair".into(), name: "pair".into(), weight: 1.0 };
    let species = SpeciesTable::new(&["Li", "S"]).expect("elements");
    let packed = home.path().join("pair.pack");
    let data = Dataset::open(&[source], &species, &packed, &ReadOptions::default(), &|_| {});
    validate(&data.expect("readable"))
}

#[test]
fn distances_that_no_solid_has_are_pointed_at() {
    let far = "no two atoms are closer than 5 Å";
    let says = |found: &Validation| found.findings.iter().any(|f| f.message.contains(far));
    assert!(says(&checked(&[(5.5, 0.1)])));
    assert!(!says(&checked(&[(5.5, 0.1), (2.5, 0.2)])));
}

#[test]
fn equal_positions_must_have_equal_forces() {
    let with = |force: f64| checked(&[(2.5, 1.0), (2.6, 1.0), (2.5, force)]);
    let worst = |found: &Validation| found.findings.first().map(|f| (f.severity, f.count));
    assert_eq!(worst(&with(1.01)), Some((Severity::Warning, 1)), "a duplicate");
    assert_eq!(worst(&with(1.2)), Some((Severity::Error, 1)), "a contradiction");
    assert_eq!(with(1.2).worst(), Some(Severity::Error));
}
