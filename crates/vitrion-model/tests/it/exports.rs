//! Models survive the way through every format we write.

use crate::expected;
use vitrion_model::DeepPotential;

#[test]
fn every_fixture_survives_every_format() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tried = 0;
    let mut entries: Vec<_> = std::fs::read_dir(expected::data())
        .expect("fixtures")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "dp" || e == "pb"))
        .collect();
    entries.sort();
    for path in entries {
        let model = DeepPotential::load(&path).expect("a readable model");
        for ending in ["safetensors", "dp", "yaml"] {
            let copy = folder.path().join(format!("copy.{ending}"));
            match model.save(&copy) {
                Ok(()) => {}
                Err(error) => {
                    // only a graph's excluded pairs with a mean have no native form
                    assert!(error.to_string().contains("exclude_types"), "{error}");
                    continue;
                }
            }
            let mut back = DeepPotential::load(&copy).expect("what we wrote is readable");
            back.card = model.card.clone();
            if ending != "safetensors" {
                back.descriptor.excluded_keep_padding = model.descriptor.excluded_keep_padding;
            }
            assert_eq!(back, model, "{} as {ending}", path.display());
            tried += 1;
        }
    }
    assert!(tried >= 60, "only {tried} copies");
}

#[test]
fn an_unknown_ending_is_refused() {
    let error = DeepPotential::load("model.onnx".as_ref()).expect_err("not a format");
    assert!(error.to_string().contains("known endings: .safetensors"), "{error}");
}
