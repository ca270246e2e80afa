//! kimpy and the KIM calculator of ASE.

use crate::collection::{Collection, DOUBLE};
use crate::{native, structure};
use std::fmt::Write as _;
use vitrion_core::frame::Frame;
use vitrion_core::io::{self, CreateOptions};

const SCRIPT: &str = "
import sys
from ase.calculators.kim import KIM
from ase.io import read
atoms = read('start.extxyz')
atoms.calc = KIM(sys.argv[1])
print(repr(float(atoms.get_potential_energy())), *map(repr, atoms.get_stress(voigt=False).flatten().tolist()),
      *map(repr, atoms.get_forces().flatten().tolist()))
";

#[test]
fn ase_gets_energy_forces_and_stress() {
    let Some(python) = std::env::var_os("VITRION_TEST_KIM_PYTHON") else {
        println!("SKIPPED: no Python with kimpy and ASE (VITRION_TEST_KIM_PYTHON)");
        return;
    };
    let collection = Collection::new();
    let structure = structure();
    let exact = native(&structure);
    let path = collection.path().join("start.extxyz");
    let mut sink = io::create(&path, &CreateOptions::default()).expect("a file");
    sink.write(&Frame::from(structure.clone())).and_then(|()| sink.finish()).expect("written");
    std::fs::write(collection.path().join("script.py"), SCRIPT).expect("written");
    let output = collection.command(python).args(["script.py", DOUBLE]).output();
    let output = output.expect("Python runs");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(text, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    let numbers = numbers.unwrap_or_else(|_| panic!("{text}"));
    assert!((numbers[0] - exact.energy).abs() < 1e-8);
    // the stress of ASE is ∂E/∂ε / V
    for (stress, w) in numbers[1..10].iter().zip(exact.virial.as_flattened()) {
        assert!((stress * structure.cell.volume() + w).abs() < 1e-7, "{stress} {w}");
    }
    for (found, exact) in numbers[10..].iter().zip(exact.forces.as_flattened()) {
        assert!((found - exact).abs() < 1e-9, "{found} {exact}");
    }
    assert_eq!(numbers.len(), 10 + 3 * structure.len());
}
