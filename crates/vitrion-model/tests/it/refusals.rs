//! Models that vitrion does not evaluate, and damaged files, are refused by name.

use crate::expected;
use vitrion_model::DeepPotential;

fn refusal(name: &str) -> String {
    let path = expected::data().join("refused").join(name);
    DeepPotential::load(&path).expect_err(name).to_string()
}

#[test]
fn other_kinds_of_models_are_refused_by_name() {
    let cases = [
        ("se-atten.yaml", "a descriptor of type \"dpa1\""),
        ("se-e3.yaml", "a descriptor of type \"se_e3\""),
        ("se-e2-r.yaml", "a descriptor of type \"se_r\""),
        ("hybrid.yaml", "a descriptor of type \"hybrid\""),
        ("spin.yaml", "spin"),
        ("fparam.yaml", "frame parameters (fparam)"),
        ("aparam.yaml", "atomic parameters (aparam)"),
        ("dipole.yaml", "a fitting net of type \"dipole\""),
        ("polar.yaml", "a fitting net of type \"polar\""),
        ("dos.yaml", "a fitting net of type \"dos\""),
        ("zbl.dp", "a model of type \"zbl\""),
        ("linear.dp", "a model of type \"linear"),
        ("slots-differ.yaml", "equal statistics in all slots"),
        ("tf-compressed.pb", "a compressed graph that no longer holds its embedding nets"),
        ("torchscript.pth", "dp convert-backend"),
    ];
    for (name, expected) in cases {
        let message = refusal(name);
        assert!(message.contains(expected), "{name}: {message}");
        assert!(message.contains(name), "the file is named: {message}");
    }
}

#[test]
fn damaged_files_are_refused_with_their_container() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let damage = |source: &str, target: &str, keep: usize| -> String {
        let bytes = std::fs::read(expected::data().join(source)).expect("a fixture");
        let path = folder.path().join(target);
        std::fs::write(&path, &bytes[..bytes.len() * keep / 100]).expect("written");
        DeepPotential::load(&path).expect_err(target).to_string()
    };
    assert!(damage("one-side-tanh-text.yaml", "cut.yaml", 60).contains("cut.yaml"));
    assert!(damage("tf-one-side-resnet-dt.pb", "cut.pb", 60).contains("TensorFlow"));
    assert!(damage("one-side-tanh-text.yaml", "text.dp", 50).contains("HDF5"));
    assert!(damage("one-side-tanh-text.yaml", "text.safetensors", 50).contains("safetensors"));
    let missing = DeepPotential::load(&folder.path().join("absent.dp")).expect_err("absent");
    assert!(missing.to_string().contains("cannot read the model"), "{missing}");
}
