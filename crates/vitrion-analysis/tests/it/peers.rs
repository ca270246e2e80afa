//! Motion of a small trajectory against numpy, freud, tidynamics, MDAnalysis, pymatgen and kinisi: `tests/data/transport`, made by
//! scripts/references/transport.py, which says how far the packages agree with each other.

use serde_json::Value;
use std::path::Path;
use vitrion_analysis::{
    CollectiveSettings, DiffusionSettings, Motion, MotionPass, MotionSettings, MsdSettings,
    Observables, RecordingSettings, ScatteringSettings, VanHoveSettings,
};
use vitrion_core::io::{self, ReadOptions};

const INTERVAL: f64 = 100.0;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transport")
}

fn reference() -> Value {
    let text = std::fs::read_to_string(folder().join("reference.json")).expect("it is stored");
    serde_json::from_str(&text).expect("JSON")
}

/// What is found in the wrapped trajectory.
fn found(settings: &[MotionSettings]) -> Vec<Motion> {
    let recording = RecordingSettings {
        species: "Li".into(),
        framework: Vec::new(),
        skip: 0.0,
        interval: None,
        temperature: Some(900.0),
        unwrap: true,
    };
    let mut pass = MotionPass::new(recording, settings.to_vec());
    let path = folder().join("hopping.xyz.gz");
    for frame in io::open(&path, &ReadOptions::default()).expect("it is stored") {
        pass.add(&frame.expect("a frame")).expect("regular");
    }
    pass.finish().expect("enough frames")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// A curve at all lags, within a part of its largest number.
fn same(found: &Observables, name: &str, expected: &Value, tolerance: f64) {
    let curve = found.curve(name).unwrap_or_else(|| panic!("no {name}"));
    let expected = numbers(expected);
    assert_eq!(curve.y.len(), expected.len(), "{name}");
    let most = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    for (k, (value, expected)) in curve.y.iter().zip(&expected).enumerate() {
        assert!((value - expected).abs() < tolerance * most, "{name} {k}: {value}, not {expected}");
    }
}

#[test]
fn displacements_are_those_of_numpy_freud_tidynamics_mdanalysis_and_pymatgen() {
    let reference = reference();
    let settings = MsdSettings { every_lag: true, ..MsdSettings::default() };
    let all =
        found(&[MotionSettings::MeanSquaredDisplacement(settings), MotionSettings::NonGaussian]);
    let msd = &all[0].observables;
    for element in ["Li", "P", "S"] {
        same(msd, &format!("msd_{element}"), &reference["msd"][element], 1e-10);
    }
    same(msd, "every_lag_Li", &reference["msd"]["Li"], 1e-10);
    same(msd, "mass_frame_Li", &reference["msd"]["Li_mass"], 1e-10);
    for axis in ["a", "b", "c"] {
        same(msd, &format!("msd_Li_{axis}"), &reference["along"][axis], 1e-10);
    }
    for component in ["xx", "yy", "zz", "xy", "xz", "yz"] {
        same(msd, &format!("tensor_Li_{component}"), &reference["tensor"][component], 1e-9);
    }
    same(&all[1].observables, "alpha2_Li", &reference["alpha2"], 1e-9);
}

#[test]
fn van_hove_functions_and_scattering_are_those_of_numpy() {
    let reference = reference();
    let van_hove = |bin: f64, r_max: f64| {
        MotionSettings::VanHove(VanHoveSettings {
            bin,
            r_max,
            times: [1.0, 10.0, 40.0].map(|lag| lag * INTERVAL).to_vec(),
            distinct: true,
        })
    };
    let scattering = ScatteringSettings { q: vec![0.5, 1.0, 2.0] };
    let all = found(&[
        van_hove(0.1, 8.0),
        van_hove(0.5, 8.0),
        MotionSettings::SelfIntermediateScattering(scattering),
    ]);
    for lag in [1, 10, 40] {
        let expected = &reference["van_hove"][lag.to_string()];
        let time = f64::from(lag) * INTERVAL * 1e-3;
        let name = format!("self_Li_{time:.3}ps");
        // a distance on the border of two bins may fall into either
        same(&all[0].observables, &name, &expected["self"], 1e-3);
        let beyond = all[0].observables.estimate(&format!("beyond_{time:.3}ps")).expect("there");
        let exact = expected["beyond"].as_f64().expect("a number");
        assert!((beyond.value - exact).abs() < 1e-12);
    }
    for lag in [0, 10, 40] {
        let expected = &reference["van_hove"][lag.to_string()]["distinct"];
        let name = format!("distinct_Li_{:.3}ps", f64::from(lag) * INTERVAL * 1e-3);
        same(&all[1].observables, &name, expected, 1e-3);
    }
    for q in ["0.5", "1.0", "2.0"] {
        for (axis, number) in [("x", 0), ("y", 1), ("z", 2)] {
            let q_value: f64 = q.parse().expect("a number");
            let curve = all[2].observables.curve(&format!("fs_Li_{q_value}_{axis}"));
            let curve = curve.expect("there");
            for lag in ["1", "5", "20"] {
                let time = lag.parse::<f64>().expect("a number") * INTERVAL * 1e-3;
                let at = curve.x.iter().position(|x| (x - time).abs() < 1e-9);
                let Some(at) = at else { continue };
                let exact = numbers(&reference["scattering"][q][lag])[number];
                assert!((curve.y[at] - exact).abs() < 1e-10, "{q} {axis} {lag}");
            }
        }
    }
}

#[test]
fn charge_moves_as_numpy_says_and_diffusion_agrees_with_kinisi() {
    let reference = reference();
    let charges = [("Li", 1.0), ("P", 5.0), ("S", -2.0)].map(|(s, z)| (s.to_owned(), z)).to_vec();
    let window = Some([1000.0, 8000.0]);
    let all = found(&[
        MotionSettings::Collective(CollectiveSettings { charges, window }),
        MotionSettings::Diffusion(DiffusionSettings { charge: 1.0, window, axes: None }),
    ]);
    let collective = &all[0].observables;
    same(collective, "charge_msd", &reference["charge_msd"], 1e-10);
    same(collective, "charge_msd_mass_frame", &reference["charge_msd_mass"], 1e-10);
    // 24 Li, 4 P and 22 S are neutral: the frame of reference makes no difference
    let frames = ["charge_msd", "charge_msd_mass_frame"].map(|name| collective.curve(name));
    let [framework, mass] = frames.map(|curve| &curve.expect("there").y);
    assert!(framework.iter().zip(mass).all(|(a, b)| (a - b).abs() < 1e-9));
    // the posterior of kinisi from the same first lag on
    let kinisi = |name: &str| reference["kinisi"][name].as_f64().expect("a number");
    let d = all[1].diffusion.expect("a coefficient");
    assert!(d.diffusive);
    let apart = (d.value - kinisi("mean")).abs();
    assert!(apart < 1.0 * kinisi("standard_deviation"), "{d:?}, kinisi {}", kinisi("mean"));
}
