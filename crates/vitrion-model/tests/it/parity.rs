//! The reference evaluator reproduces DeePMD-kit.

use crate::expected::{self, Expected};
use vitrion_core::Potential;
use vitrion_core::testing::derivatives::evaluate;
use vitrion_model::DeepPotential;

/// Relative to the total energy, as DeePMD-kit's own sums round.
const ENERGY: f64 = 1e-9;
/// [eV/Å]
const FORCE: f64 = 1e-8;

fn compare(
    potential: &mut dyn Potential,
    expected: &Expected,
    (energy, force): (f64, f64),
    what: &str,
) {
    let result = evaluate(potential, &expected.structure);
    let name = format!("{what}, {}", expected.name);
    let scale = expected.energy.abs().max(1.0);
    let difference = (result.energy - expected.energy).abs();
    assert!(difference < energy * scale, "{name}: energy differs by {difference:e} eV");
    for (i, (ours, theirs)) in result.atom_energies.iter().zip(&expected.atom_energies).enumerate()
    {
        assert!((ours - theirs).abs() < energy * scale, "{name}: energy of atom {i}");
    }
    for (i, (ours, theirs)) in result.forces.iter().zip(&expected.forces).enumerate() {
        for k in 0..3 {
            let d = (ours[k] - theirs[k]).abs();
            assert!(d < force, "{name}: force on atom {i} differs by {d:e} eV/Å");
        }
    }
    for a in 0..3 {
        for b in 0..3 {
            let d = (result.virial[a][b] - expected.virial[a][b]).abs();
            assert!(d < 20.0 * force, "{name}: virial[{a}][{b}] differs by {d:e} eV");
            for (i, (ours, theirs)) in
                result.atom_virials.iter().zip(&expected.atom_virials).enumerate()
            {
                let d = (ours[a][b] - theirs[a][b]).abs();
                assert!(d < 20.0 * force, "{name}: virial of atom {i} differs by {d:e} eV");
            }
        }
    }
}

#[test]
fn tiny_models_of_every_option_agree_with_deepmd_kit() {
    let mut models = 0;
    let mut entries: Vec<_> = std::fs::read_dir(expected::data())
        .expect("fixtures")
        .map(|e| e.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let Some(stem) = name.strip_suffix(".expected.json") else { continue };
        let model_path = ["yaml", "dp", "pb"]
            .iter()
            .map(|ending| path.with_file_name(format!("{stem}.{ending}")))
            .find(|p| p.exists())
            .expect("a model beside its expected values");
        let model = DeepPotential::load(&model_path).unwrap_or_else(|e| panic!("{stem}: {e}"));
        // DeePMD-kit computes such models in single precision; ours are closer to the equations
        let tolerance = if stem.contains("float32") { (2e-6, 1e-4) } else { (ENERGY, FORCE) };
        for case in expected::read_json(&path) {
            let mut reference = model.reference();
            reference.strict_sel = case.overflow;
            compare(&mut reference, &case, tolerance, stem);
        }
        models += 1;
    }
    assert!(models >= 20, "only {models} fixtures found");
}

#[test]
fn shared_reference_models_agree_with_deepmd_kit() {
    let Some(folder) = expected::shared() else { return };
    for (model, strict) in
        [("lips-reference.dp", false), ("lips-reference.pb", false), ("two-side-random.dp", true)]
    {
        let path = folder.join(model);
        let stem = model.split('.').next().expect("a name");
        let potential = DeepPotential::load(&path).expect("a readable model");
        let symbols = potential.species.symbols().to_vec();
        for case in expected::read_npz(&folder.join(format!("{stem}.expected.npz")), &symbols) {
            let mut reference = potential.reference();
            reference.strict_sel = strict;
            compare(&mut reference, &case, (ENERGY, FORCE), model);
        }
    }
}

#[test]
fn containers_of_one_model_hold_the_same_numbers() {
    let Some(folder) = expected::shared() else { return };
    let load = |name: &str| DeepPotential::load(&folder.join(name)).expect("a readable model");
    let (hdf5, yaml) = (load("two-side-random.dp"), load("two-side-random.yaml"));
    assert_eq!(hdf5.descriptor, yaml.descriptor);
    assert_eq!(hdf5.fitting, yaml.fitting);
    let (hdf5, graph) = (load("lips-reference.dp"), load("lips-reference.pb"));
    assert_eq!(hdf5.descriptor.embedding.len(), graph.descriptor.embedding.len());
    assert_eq!(hdf5.parameters(), graph.parameters());
}
