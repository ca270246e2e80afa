//! A made-up results folder for tests: two systems at four temperatures, with every file the
//! report reads. The numbers are plausible, not physics.

use crate::results::{Manifest, PotentialCard, RunEntry, StageEntry, SystemEntry};
use std::fmt::Write as _;
use std::path::Path;
use vitrion_core::observables::{Axis, Curve, Observables};
use vitrion_core::{Estimate, Uncertainty, units};

const TEMPERATURES: [f64; 4] = [500.0, 600.0, 700.0, 800.0];
const EDGE: f64 = 13.2;

/// Writes the folder.
pub(super) fn write(folder: &Path) {
    let mut systems = Vec::new();
    for (name, prefactor, energy) in [("beta", 90.0, 0.30), ("glass", 60.0, 0.27)] {
        let mut runs = Vec::new();
        for t in TEMPERATURES {
            let id = format!("{name}-{t:.0}K");
            let stages = ["00-equilibration", "01-production"].map(|stage| StageEntry {
                name: stage[3..].to_owned(),
                kind: "nvt".into(),
                folder: format!("runs/{id}/stages/{stage}"),
                timestep_fs: 2.0,
                steps: 10_000,
                wall_s: 21.4,
                us_per_atom_step: 6.7,
                mean_temperature_k: t + 1.3,
                mean_pressure_gpa: 1.31,
                conserved_drift_mev_per_atom_ps: 0.0013,
                finished: true,
            });
            for stage in &stages {
                save(folder, &format!("{}/thermo.csv", stage.folder), &thermo(t));
            }
            save(folder, &format!("{}/final.extxyz", stages[1].folder), &atoms(name == "glass"));
            let sigma = prefactor * 1e3 * (-energy / (units::BOLTZMANN * t)).exp();
            let analyses = [
                ("rdf", radial_distribution(t, name == "glass")),
                ("msd", displacement(t, sigma)),
                ("diffusion", diffusion(t, sigma)),
            ];
            let mut files = Vec::new();
            for (file, observables) in analyses {
                let path = format!("runs/{id}/analysis/{file}.json");
                save_json(folder, &path, &observables);
                files.push(path);
            }
            runs.push(RunEntry {
                id,
                temperature_k: Some(t),
                stages: stages.to_vec(),
                analyses: files,
                movies: Vec::new(),
            });
        }
        let path = format!("analysis/{name}/arrhenius.json");
        save_json(folder, &path, &arrhenius(prefactor, energy));
        systems.push(SystemEntry {
            name: name.into(),
            source: format!("builtin:{name}"),
            blake3: "9c41f0d2a6".repeat(6),
            formula: "Li96P32S128".into(),
            atoms: 256,
            density_g_per_cm3: 1.87,
            cell_a: [[EDGE, 0.0, 0.0], [0.0, EDGE, 0.0], [0.0, 0.0, EDGE]],
            crystal_fraction: Some(if name.contains("glass") { 0.0 } else { 1.0 }),
            runs,
            analyses: vec![path],
        });
    }
    save(folder, "plan.toml", "format = 1\nname = \"demo <small>\"\n\n[[stage]]\nkind = \"nvt\"\n");
    save(folder, "run.toml", "format = 1\nname = \"demo\"\n");
    save_json(folder, "manifest.json", &manifest(systems));
}

fn manifest(systems: Vec<SystemEntry>) -> Manifest {
    Manifest {
        format: 1,
        name: "Li3PS4: crystal and glass".into(),
        status: "finished".into(),
        vitrion_version: "0.1.0".into(),
        commit: "8694656".into(),
        machine: "Example CPU, 2 cores".into(),
        threads: 2,
        started: "2025-06-01T10:00:00Z".into(),
        finished: "2025-06-01T10:05:41Z".into(),
        wall_s: 341.0,
        seed: 20_240_611,
        run_file_blake3: "ab12cd34".repeat(8),
        plan_blake3: "98fe76dc".repeat(8),
        engine: "vitrion".into(),
        potential: PotentialCard {
            device: "cpu".to_owned(),
            name: "li-p-s".into(),
            kind: "Deep Potential se_e2_a, one-side".into(),
            species: ["Li", "P", "S"].map(str::to_owned).to_vec(),
            cutoff_a: 7.0,
            precision: "double".into(),
            tables: "3 of 3 embedding nets tabulated".into(),
            blake3: "0123456789abcdef".repeat(4),
            provenance: "Stand-in potential trained on a small data set.".into(),
            errors: vec!["forces: 0.12 eV/Å RMSE on held-out frames at 600 K".into()],
            limitations: vec!["Pressure is too high at the experimental density.".into()],
        },
        systems,
    }
}

fn axis(label: &str, unit: &str) -> Axis {
    Axis { label: label.into(), unit: unit.into() }
}

fn curve(name: &str, axes: (Axis, Axis), x: &[f64], y: impl Fn(f64) -> f64) -> Curve {
    Curve {
        name: name.into(),
        label: name.into(),
        x_axis: axes.0,
        y_axis: axes.1,
        x: x.to_vec(),
        y: x.iter().map(|x| y(*x)).collect(),
        y_error: Vec::new(),
    }
}

fn estimate(name: &str, label: &str, unit: &str, value: f64, uncertainty: Uncertainty) -> Estimate {
    Estimate { name: name.into(), label: label.into(), value, uncertainty, unit: unit.into() }
}

fn radial_distribution(t: f64, glass: bool) -> Observables {
    let mut out = Observables::new(
        "radial_distribution",
        "Radial distribution",
        "g_AB(r) = ⟨n_AB(r, r + Δr)⟩ / (4π r² Δr ρ_B)",
    );
    out.parameters = vec![("bin width".into(), "0.02 Å".into()), ("r_max".into(), "7 Å".into())];
    let x: Vec<f64> = (0..350).map(|bin| 0.01 + 0.02 * f64::from(bin)).collect();
    for (pair, first) in
        [("Li_Li", 3.4), ("Li_P", 3.2), ("Li_S", 2.45), ("P_P", 5.6), ("P_S", 2.05), ("S_S", 3.35)]
    {
        let width = 0.12 + t * 2e-4 + if glass { 0.08 } else { 0.0 };
        let g = |r: f64| {
            let peak = |at: f64, w: f64| (-(r - at).powi(2) / (2.0 * w * w)).exp() / w;
            let tail = 1.0 / (1.0 + (-(r - 1.6 * first) / 0.3).exp());
            0.6 * peak(first, width) + 0.3 * peak(1.7 * first, 2.0 * width) + tail
        };
        let axes = || axis("r", "Å");
        out.curves.push(curve(&format!("g_{pair}"), (axes(), axis("g(r)", "")), &x, g));
        out.curves.push(curve(&format!("n_{pair}"), (axes(), axis("n(r)", "")), &x, |r| {
            4.0 / (1.0 + (-(r - first) / width).exp()) + 0.02 * r.powi(3)
        }));
    }
    out
}

fn displacement(t: f64, sigma: f64) -> Observables {
    let mut out = Observables::new(
        "mean_squared_displacement",
        "Mean squared displacement",
        "MSD(τ) = ⟨ |r_i(t + τ) − r_i(t)|² ⟩",
    );
    out.parameters = vec![("drift".into(), "framework (P, S) removed".into())];
    let x: Vec<f64> = (0..400).map(|lag| 0.05 * f64::from(lag)).collect();
    for (name, slope, share) in [
        ("msd_Li", sigma * 0.004, 1.0),
        ("msd_Li_x", sigma * 0.004, 0.30),
        ("msd_Li_y", sigma * 0.004, 0.36),
        ("msd_Li_z", sigma * 0.004, 0.34),
        ("msd_P", 0.0, 0.3),
        ("msd_S", 0.0, 0.8),
    ] {
        let axes = (axis("lag", "ps"), axis("MSD", "Å²"));
        let mut c = curve(name, axes, &x, |lag| {
            share * (0.9 * t / 600.0 * (1.0 - (-lag / 0.2).exp()) + slope * lag)
        });
        c.y_error = c.y.iter().zip(&x).map(|(y, lag)| 0.02 * y * (1.0 + lag / 4.0)).collect();
        out.curves.push(c);
    }
    let error = Uncertainty::StandardError { value: 0.06, n_eff: 5.0 };
    out.estimates.push(estimate("exponent", "MSD exponent", "", 0.75 + t * 2e-4, error));
    if t < 650.0 {
        out.caution(
            "not_diffusive",
            format!("The MSD exponent at {t:.0} K is below 0.9."),
            "Run longer or hotter.",
        );
    }
    out
}

fn diffusion(t: f64, sigma: f64) -> Observables {
    let mut out = Observables::new(
        "diffusion",
        "Tracer diffusion and Nernst–Einstein conductivity",
        "D = slope / 6;  σ = n q² D / (k_B T)",
    );
    out.parameters = vec![("fit window".into(), "4 ps to 10 ps".into())];
    let diffusion = sigma * t * 2.1e-10;
    let uncertainty = |value: f64| {
        if t < 550.0 {
            Uncertainty::UpperBound { level: 0.95 }
        } else {
            Uncertainty::StandardError { value: 0.13 * value, n_eff: 6.0 }
        }
    };
    for (name, label, unit, value) in [
        ("diffusion_cm2_per_s", "Li tracer diffusion coefficient", "cm²/s", diffusion),
        ("conductivity_ms_per_cm", "Nernst–Einstein conductivity", "mS/cm", sigma),
    ] {
        out.estimates.push(estimate(name, label, unit, value, uncertainty(value)));
    }
    let advice = "Use more time origins or a longer run.";
    out.caution("few_samples", "About 6 independent samples.".into(), advice);
    out
}

fn arrhenius(prefactor: f64, energy: f64) -> Observables {
    let mut out = Observables::new("arrhenius", "Arrhenius fit", "ln(σT) = ln A − Ea / (k_B T)");
    let sigma = |x: f64| prefactor * 1e3 * (-energy * x / (1000.0 * units::BOLTZMANN)).exp();
    let x: Vec<f64> = (0..60).map(|i| 1.2 + 0.037 * f64::from(i)).collect();
    let spread = |x: f64| 0.15 + 0.9 * (x - 1.6).abs();
    let axes = || (axis("1000/T", "1/K"), axis("σ", "mS/cm"));
    out.curves.push(curve("fit", axes(), &x, sigma));
    out.curves.push(curve("band_low", axes(), &x, |x| sigma(x) * (-spread(x)).exp()));
    out.curves.push(curve("band_high", axes(), &x, |x| sigma(x) * spread(x).exp()));
    let room = 1000.0 / 300.0;
    let value = sigma(room);
    let level = 0.95;
    let (low, high) = (value * (-spread(room)).exp(), value * spread(room).exp());
    let interval = Uncertainty::Interval { low, high, level };
    let label = "conductivity extrapolated to 300 K";
    out.estimates.push(estimate("conductivity_300k_ms_per_cm", label, "mS/cm", value, interval));
    let interval = Uncertainty::Interval { low: energy - 0.05, high: energy + 0.05, level };
    out.estimates.push(estimate(
        "activation_energy_ev",
        "activation energy",
        "eV",
        energy,
        interval,
    ));
    out.caution(
        "extrapolated",
        "300 K lies 200 K below the coldest run.".into(),
        "Read the interval, not the value.",
    );
    out
}

fn thermo(t: f64) -> String {
    let mut out = String::from(
        "step,time_ps,temperature_k,pressure_gpa,volume_a3,density_g_per_cm3,\
         potential_energy_ev,kinetic_energy_ev,total_energy_ev,conserved_ev\n",
    );
    for row in 0..1200 {
        let wave = (f64::from(row) * 0.7).sin() + (f64::from(row) * 0.31).cos();
        let temperature = t + 18.0 * wave;
        let kinetic = 1.5 * 256.0 * units::BOLTZMANN * temperature;
        let potential = -1020.0 - 0.4 * kinetic;
        let _ = writeln!(
            out,
            "{},{:.3},{temperature:.3},{:.4},{:.3},1.87,{potential:.5},{kinetic:.5},{:.5},{:.5}",
            row * 10,
            f64::from(row) * 0.02,
            1.3 + 0.2 * wave,
            EDGE.powi(3),
            potential + kinetic,
            -1010.0 + 1e-5 * f64::from(row) + 0.002 * wave
        );
    }
    out
}

/// PS4 tetrahedra on a lattice with Li between them, shaken for the glass.
fn atoms(glass: bool) -> String {
    let mut lines = String::new();
    let mut count = 0;
    let shake = |k: i32, a: i32| {
        if glass { 0.9 * (f64::from(k) * 1.7 + f64::from(a) * 2.3).sin() } else { 0.0 }
    };
    for k in 0..32 {
        let (i, j, l) = (k % 4, k / 4 % 4, k / 16);
        let p = [
            f64::from(i) * EDGE / 4.0 + shake(k, 0),
            f64::from(j) * EDGE / 4.0 + shake(k, 1),
            f64::from(l) * EDGE / 2.0 + shake(k, 2),
        ];
        let sign = if (i + j) % 2 == 0 { 1.18 } else { -1.18 };
        let tetrahedron =
            [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]];
        let _ = writeln!(lines, "P {:.4} {:.4} {:.4}", p[0], p[1], p[2]);
        for s in tetrahedron {
            let r: Vec<f64> = (0..3).map(|axis| p[axis] + sign * s[axis]).collect();
            let _ = writeln!(lines, "S {:.4} {:.4} {:.4}", r[0], r[1], r[2]);
        }
        for m in 0..3 {
            let _ = writeln!(
                lines,
                "Li {:.4} {:.4} {:.4}",
                p[0] + 1.6,
                p[1] + 0.5 * f64::from(m),
                p[2] + 2.2 + f64::from(m)
            );
        }
        count += 8;
    }
    format!(
        "{count}\nLattice=\"{EDGE} 0 0 0 {EDGE} 0 0 0 {EDGE}\" Properties=species:S:1:pos:R:3 \
         pbc=\"T T T\"\n{lines}"
    )
}

fn save(folder: &Path, relative: &str, text: &str) {
    let path = folder.join(relative);
    std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
    std::fs::write(path, text).expect("writable");
}

fn save_json<T: serde::Serialize>(folder: &Path, relative: &str, value: &T) {
    save(folder, relative, &serde_json::to_string_pretty(value).expect("plain data"));
}
