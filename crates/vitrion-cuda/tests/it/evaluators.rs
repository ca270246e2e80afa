//! Energies, forces and virials of devices against the reference.

use crate::{devices, expected};
use vitrion_core::testing::derivatives::{self, evaluate};
use vitrion_core::testing::systems;
use vitrion_core::{Cell, Structure, math};
use vitrion_cuda::{Arithmetic, CudaError, CudaEvaluator};
use vitrion_model::{DeepPotential, Precision};

fn folder() -> std::path::PathBuf {
    // where the tests run, not where they were built
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    std::path::Path::new(&here).join("../vitrion-model/tests/data/deepmd")
}

pub(crate) fn fixture(name: &str) -> DeepPotential {
    DeepPotential::load(&folder().join(name)).expect("a readable model")
}

fn fixtures() -> Vec<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder())
        .expect("fixtures")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "dp" || e == "pb"))
        .collect();
    entries.sort();
    entries
}

#[test]
fn devices_agree_with_the_reference_for_every_fixture() {
    let devices = devices::all();
    let (mut compared, mut refused) = (0, Vec::new());
    for path in fixtures() {
        let model = DeepPotential::load(&path).expect("a readable model");
        let cases = expected::read_json(&path.with_extension("expected.json"));
        let tensor = Arithmetic { precision: Precision::Mixed, tensor_cores: true };
        for (precision, energy, force) in [
            (Precision::Double.into(), 1e-10, 1e-9),
            (Precision::Mixed.into(), 2e-5, 1e-4),
            (tensor, 2e-5, 1e-4),
        ] {
            let mut first = None;
            for device in &devices {
                let mut fast = match CudaEvaluator::new(device, &model, precision) {
                    Ok(fast) => fast,
                    Err(CudaError::Unsupported { what }) => {
                        refused.push(format!("{}: {what}", path.display()));
                        continue;
                    }
                    Err(error) => panic!("{}: {error}", path.display()),
                };
                let mut all = Vec::new();
                for case in &cases {
                    let exact = evaluate(&mut model.reference(), &case.structure);
                    let largest = exact.forces.iter().map(|f| math::norm(*f)).fold(1.0, f64::max);
                    let found = evaluate(&mut fast, &case.structure);
                    let name = format!("{} {precision:?} {}", path.display(), case.name);
                    let d = (found.energy - exact.energy).abs();
                    let scale = case.structure.len() as f64 * largest;
                    assert!(d < energy * scale, "{name}: energy differs by {d:e} eV");
                    for (a, b) in found.forces.iter().zip(&exact.forces) {
                        let d = math::norm(math::sub(*a, *b));
                        assert!(d < force * largest, "{name}: force differs by {d:e} eV/Å");
                    }
                    for a in 0..3 {
                        for b in 0..3 {
                            let d = (found.virial[a][b] - exact.virial[a][b]).abs();
                            assert!(d < force * scale, "{name}: virial differs by {d:e} eV");
                        }
                    }
                    compared += 1;
                    all.push(found);
                }
                // the emulator in both orders: not a bit may differ
                if device.name().contains("emulat") {
                    assert_eq!(
                        first.get_or_insert_with(|| all.clone()),
                        &all,
                        "{}",
                        path.display()
                    );
                }
            }
        }
    }
    println!("{compared} comparisons; refused: {refused:#?}");
    assert!(devices.is_empty() || compared > 80 * devices.len());
}

#[test]
fn forces_and_virials_are_derivatives_of_the_energy() {
    let model = fixture("one-side-tanh-text.yaml");
    let narrow = Cell::from_lengths_angles([5.0, 4.5, 5.5], [75.0, 85.0, 110.0]).expect("closes");
    let structure: Structure = systems::random_structure(2, &["S", "Li"], 6, narrow, 1.6);
    for device in devices::all() {
        let mut fast =
            CudaEvaluator::new(&device, &model, Precision::Double).expect("a supported model");
        derivatives::check(&mut fast, &structure, 1e-4, 1e-6);
    }
}
