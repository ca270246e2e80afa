//! D²min, planes and scores against other programs (`scripts/references/softness.py`).

use serde_json::Value;
use vitrion_analysis::softness::{
    ClassifierSettings, Fit, Loss, MobilitySettings, Penalty, Scores, Table, WindowReader, spearman,
};
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_core::{Cell, Frame, Structure};

fn golden() -> Value {
    serde_json::from_str(include_str!("../data/softness.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    value.as_array().expect("a list").iter().map(|x| x.as_bool().expect("a flag")).collect()
}

fn vectors(value: &Value) -> Vec<Vector3> {
    let list = value.as_array().expect("a list").iter();
    list.map(|row| numbers(row).try_into().expect("three")).collect()
}

#[test]
fn non_affine_displacements_are_those_of_ovito_and_matscipy() {
    let golden = &golden()["non_affine"];
    let symbols: Vec<&str> = golden["symbols"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|symbol| symbol.as_str().expect("a symbol"))
        .collect();
    let frame = |k: usize| {
        let matrix: Matrix3 = vectors(&golden["cells"][k]).try_into().expect("three rows");
        let cell = Cell::periodic(matrix).expect("a volume");
        let structure = Structure::new(cell, &symbols, vectors(&golden["positions"][k]));
        Frame { time: Some(k as f64), ..structure.expect("elements").into() }
    };
    for species in ["Li", "P", "S"] {
        let settings = MobilitySettings {
            interval: 1.0,
            window: 1.0,
            hop_time: 1.0,
            cutoff: golden["cutoff"].as_f64().expect("a number"),
            ..MobilitySettings::new(species)
        };
        let mut reader = WindowReader::new(settings).expect("settings");
        reader.add(&frame(0)).expect("the first");
        reader.add(&frame(1)).expect("the second");
        let found = reader.finish().expect("a window");
        for program in ["ovito", "matscipy"] {
            let all = numbers(&golden[program]);
            let atoms = (0..symbols.len()).filter(|atom| symbols[*atom] == species);
            for (atom, root) in atoms.zip(&found.windows[0].mobility.cumulative) {
                let (found, exact) = (root * root, all[atom]);
                assert!((found - exact).abs() < 1e-9 * exact, "{program} {atom}: {found} {exact}");
            }
        }
    }
}

#[test]
fn planes_are_those_of_scikit_learn() {
    let golden = &golden()["planes"];
    let rows: Vec<Vec<f64>> =
        golden["features"].as_array().expect("a list").iter().map(numbers).collect();
    let width = rows[0].len();
    let values = rows.concat();
    let mobile = flags(&golden["mobile"]);
    let samples: Vec<u32> = (0..mobile.len() as u32).collect();
    let table = Table { values: &values, width };
    for one in golden["fits"].as_array().expect("a list") {
        let hinge = one["loss"] == "squared_hinge";
        let settings = ClassifierSettings {
            loss: if hinge { Loss::SquaredHinge } else { Loss::Logistic },
            penalty: if one["penalty"] == "l1" { Penalty::L1 } else { Penalty::L2 },
            c: one["c"].as_f64().expect("a number"),
            balanced: one["balanced"].as_bool().expect("a flag"),
        };
        let fit = Fit::new(table, &samples, &mobile, &settings, None).expect("converges");
        // LinearSVC penalises the intercept a little
        let tolerance = if hinge { 2e-5 } else { 1e-6 };
        let exact = numbers(&one["weights"]);
        for (found, exact) in fit.plane.weights.iter().zip(&exact) {
            assert!((found - exact).abs() < tolerance, "{settings:?}: {found} {exact}");
        }
        let exact = one["intercept"].as_f64().expect("a number");
        let found = fit.plane.intercept;
        assert!((found - exact).abs() < tolerance, "{settings:?}: intercept {found} {exact}");
    }
}

#[test]
fn scores_are_those_of_scikit_learn_and_scipy() {
    let golden = &golden()["scores"];
    let (softness, mobile) = (numbers(&golden["softness"]), flags(&golden["mobile"]));
    let found = Scores::of(&softness, &mobile).expect("two classes");
    for (name, found) in [
        ("auc", found.auc),
        ("accuracy", found.accuracy),
        ("balanced_accuracy", found.balanced_accuracy),
        ("mcc", found.mcc),
        ("brier", found.brier),
        ("log_loss", found.log_loss),
        ("spearman", spearman(&softness, &numbers(&golden["other"]))),
    ] {
        let exact = golden[name].as_f64().expect("a number");
        assert!((found - exact).abs() < 1e-12, "{name}: {found} {exact}");
    }
    assert!(Scores::of(&softness, &vec![true; softness.len()]).is_none());
}
