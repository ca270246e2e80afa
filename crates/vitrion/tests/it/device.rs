//! The device of a run: chosen, said, and refused where it is not there or cannot. With the feature
//! `cuda-emulator` the device is the processor running the kernels.

use super::{one_line, stderr, vitrion};
use std::fs;

/// A short run of β-Li3PS4 with these lines in `[potential]` and in its stage.
fn workplace(potential: &str, stage: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!(
        "format = 1\nname = \"short\"\nseed = 1\n\n[potential]\nmodel = \"builtin:li-p-s-fast\"\n\
         {potential}\n\n[system]\nstructure = \"builtin:beta-li3ps4\"\n\n[[stage]]\nname = \"hot\"\n\
         kind = \"nvt\"\ntemperature = \"300 K\"\ntimestep = \"0.5 fs\"\nduration = \"2 fs\"\n{stage}\n"
    );
    fs::write(folder.path().join("run.toml"), text).expect("writable");
    folder
}

fn refusal(potential: &str, stage: &str) -> String {
    let folder = workplace(potential, stage);
    let output = vitrion(folder.path(), &["md", "run.toml"]);
    assert_eq!(output.status.code(), Some(1), "{potential}: {}", stderr(&output));
    assert!(!folder.path().join("short").exists(), "nothing is begun");
    one_line(&stderr(&output))
}

#[cfg(feature = "cuda-emulator")]
fn last_row(folder: &std::path::Path) -> String {
    let text = fs::read_to_string(folder.join("runs/beta-li3ps4/stages/00-hot/thermo.csv"));
    text.expect("a thermo table").lines().last().expect("rows").to_owned()
}

#[test]
fn devices_that_are_no_devices_are_refused() {
    let message = refusal("device = \"gpu\"", "");
    assert!(message.contains("run.toml:7: `device` in [potential]"), "{message}");
    assert!(message.contains("expected \"auto\", \"cpu\", \"cuda\" or \"cuda:N\""), "{message}");
    let message = refusal("device = \"cpu\"\ntensor_cores = true", "");
    assert!(message.contains("run.toml:8: `tensor_cores`"), "{message}");
    assert!(message.contains("the run is on the processor, which has none"), "{message}");
}

#[test]
fn without_a_device_the_processor_is_taken_and_said() {
    let folder = workplace("device = \"cpu\"", "");
    let output = vitrion(folder.path(), &["md", "run.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).lines().any(|line| line == "device: cpu"), "{}", stderr(&output));
    let manifest = fs::read_to_string(folder.path().join("short/manifest.json")).expect("one");
    assert!(manifest.contains("\"device\": \"cpu\""));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_program_without_cuda_says_how_to_get_one() {
    let message = refusal("device = \"cuda:1\"", "");
    assert!(message.contains("run.toml:7: `device` in [potential]"), "{message}");
    assert!(message.contains("cargo build --release --features cuda"), "{message}");
    let folder = tempfile::tempdir().expect("a folder");
    let output = vitrion(folder.path(), &["bench", "device"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("built without CUDA"), "{}", stderr(&output));
}

#[cfg(feature = "cuda-emulator")]
#[test]
fn a_run_on_the_device_is_that_of_the_processor() {
    let rows = ["device = \"cuda\"", "device = \"auto\"", "device = \"cpu\""].map(|device| {
        let folder = workplace(&format!("precision = \"double\"\n{device}"), "");
        let output = vitrion(folder.path(), &["md", "run.toml"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let name = if device.contains("cpu") { "device: cpu" } else { "emulating a device" };
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
        last_row(&folder.path().join("short"))
    });
    assert_eq!(rows[0], rows[1]);
    let numbers =
        |row: &str| -> Vec<f64> { row.split(',').map(|x| x.parse().expect("a number")).collect() };
    for (a, b) in numbers(&rows[0]).iter().zip(numbers(&rows[2])) {
        assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} {b}");
    }
}

#[cfg(feature = "cuda-emulator")]
#[test]
fn what_a_device_cannot_do_is_refused_or_left_to_the_processor() {
    let langevin = "thermostat = \"langevin\"";
    let message = refusal("device = \"cuda\"", langevin);
    assert!(message.contains("Langevin dynamics is not available on a CUDA device"), "{message}");
    let message = refusal("device = \"cuda\"\nexact = true", "");
    assert!(message.contains("exact embedding nets are not available"), "{message}");
    let folder = workplace("device = \"auto\"", langevin);
    let output = vitrion(folder.path(), &["md", "run.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("device: cpu (Langevin dynamics"), "{}", stderr(&output));
}

#[cfg(feature = "cuda-emulator")]
#[test]
fn the_check_of_a_device_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "bench",
        "device",
        "--quick",
        "--precision",
        "mixed",
        "--model",
        "builtin:li-p-s-fast",
        "--save",
        "device.json",
    ];
    let output = vitrion(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}{}", super::stdout(&output), stderr(&output));
    assert!(!super::stdout(&output).contains("FAILED"), "{}", super::stdout(&output));
    let text = fs::read_to_string(folder.path().join("device.json")).expect("the file");
    let saved: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let comparisons = saved["comparisons"].as_array().expect("comparisons");
    assert!(comparisons.len() >= 6 && comparisons.iter().all(|c| c["passed"] == true), "{text}");
}
