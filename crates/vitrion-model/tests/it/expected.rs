//! Reading of expected values: our own fixtures (JSON) and the optional shared ones (npz).

use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_core::{Cell, Structure};

/// What DeePMD-kit says about a structure.
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) structure: Structure,
    pub(crate) energy: f64,
    pub(crate) forces: Vec<Vector3>,
    pub(crate) virial: Matrix3,
    pub(crate) atom_energies: Vec<f64>,
    pub(crate) atom_virials: Vec<Matrix3>,
    /// Some centre has more neighbours than `sel`.
    pub(crate) overflow: bool,
}

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/deepmd")
}

/// The folder of shared references, if this machine has it.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/deepmd");
    if folder.is_dir() {
        return Some(folder);
    }
    #[allow(clippy::print_stdout)] // the line by which skipped checks are counted
    {
        println!("SKIPPED: shared data absent");
    }
    None
}

fn vectors(value: &Value) -> Vec<Vector3> {
    serde_json::from_value(value.clone()).expect("rows of three numbers")
}

fn matrix(value: &Value) -> Matrix3 {
    serde_json::from_value(value.clone()).expect("a 3x3 matrix")
}

/// The structures of one `*.expected.json`.
pub(crate) fn read_json(path: &Path) -> Vec<Expected> {
    let text = std::fs::read_to_string(path).expect("a fixture");
    let json: Value = serde_json::from_str(&text).expect("valid JSON");
    let structures = json["structures"].as_array().expect("a list of structures");
    structures
        .iter()
        .map(|s| {
            let symbols: Vec<String> =
                serde_json::from_value(s["symbols"].clone()).expect("symbols");
            let cell = Cell::periodic(matrix(&s["cell"])).expect("a cell");
            Expected {
                name: s["name"].as_str().unwrap_or("structure").to_owned(),
                structure: Structure::new(cell, &symbols, vectors(&s["positions"]))
                    .expect("elements"),
                energy: s["energy"].as_f64().expect("an energy"),
                forces: vectors(&s["forces"]),
                virial: matrix(&s["virial"]),
                atom_energies: serde_json::from_value(s["atom_energy"].clone()).expect("numbers"),
                atom_virials: serde_json::from_value(s["atom_virial"].clone()).expect("matrices"),
                overflow: s["overflow"].as_bool().unwrap_or(false),
            }
        })
        .collect()
}

/// The frames of one shared `*.expected.npz`.
pub(crate) fn read_npz(path: &Path, symbols: &[String]) -> Vec<Expected> {
    let file = std::fs::File::open(path).expect("the archive");
    let mut archive = zip::ZipArchive::new(file).expect("a zip archive");
    let mut array = |name: &str| -> Vec<f64> {
        let mut bytes = Vec::new();
        archive
            .by_name(&format!("{name}.npy"))
            .expect("an array of the archive")
            .read_to_end(&mut bytes)
            .expect("readable");
        let npy = npyz::NpyFile::new(&bytes[..]).expect("an npy array");
        match npy.dtype() {
            npyz::DType::Plain(kind) if kind.to_string().contains('i') => {
                npy.into_vec::<i64>().expect("integers").into_iter().map(|x| x as f64).collect()
            }
            _ => npy.into_vec::<f64>().expect("numbers"),
        }
    };
    let rows = |data: Vec<f64>| -> Vec<Vector3> { data.as_chunks::<3>().0.to_vec() };
    let square = |data: Vec<f64>| -> Matrix3 {
        let rows = data.as_chunks::<3>().0;
        [rows[0], rows[1], rows[2]]
    };
    let frames = [
        "beta-Li3PS4-0",
        "beta-Li3PS4-450",
        "glass75-0",
        "glass75-60",
        "P2S5-0",
        "P2S5-500",
        "S-300",
        "Li3P-700",
        "Li7P3S11-200",
    ];
    frames
        .iter()
        .map(|frame| {
            let types = array(&format!("{frame}/type"));
            let symbols: Vec<&String> = types.iter().map(|t| &symbols[*t as usize]).collect();
            let cell = Cell::periodic(square(array(&format!("{frame}/box")))).expect("a cell");
            let atom_virials = array(&format!("{frame}/atom_virial"));
            Expected {
                name: (*frame).to_owned(),
                structure: Structure::new(cell, &symbols, rows(array(&format!("{frame}/coord"))))
                    .expect("elements"),
                energy: array(&format!("{frame}/energy"))[0],
                forces: rows(array(&format!("{frame}/force"))),
                virial: square(array(&format!("{frame}/virial"))),
                atom_energies: array(&format!("{frame}/atom_energy")),
                atom_virials: atom_virials.chunks_exact(9).map(|m| square(m.to_vec())).collect(),
                overflow: false,
            }
        })
        .collect()
}
