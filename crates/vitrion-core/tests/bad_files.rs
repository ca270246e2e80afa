//! Every bad file is refused with the message that stands in `tests/data/bad/expected.json`.

use serde_json::Value;
use std::path::Path;
use vitrion_core::io::{ReadOptions, read_all};

#[test]
fn bad_files_are_refused_with_messages_that_teach() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bad");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("the table");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let cases = table.as_array().expect("a list");
    let mut wrong = Vec::new();
    for case in cases {
        let file = case["file"].as_str().expect("a file");
        let type_map = case.get("type_map").and_then(Value::as_array).map(|symbols| {
            symbols.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        });
        let options = ReadOptions { type_map, ..ReadOptions::default() };
        let found = match read_all(&folder.join(file), &options) {
            Ok(frames) => format!("read without complaint: {} frames", frames.len()),
            Err(error) => error.to_string().replace(&format!("{}/", folder.display()), ""),
        };
        if case["message"].as_str() != Some(&found) {
            wrong.push(format!("{file}\t{found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let listed = |name: &str| cases.iter().any(|case| case["file"].as_str() == Some(name));
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(name == "expected.json" || listed(&name), "{name} is not in the table");
    }
}
