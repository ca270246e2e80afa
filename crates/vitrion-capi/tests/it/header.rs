//! `include/vitrion.h` is what `src/c.rs` says.

use std::path::Path;

/// `VITRION_WRITE_HEADER=1 cargo test -p vitrion-capi header` writes it.
#[test]
fn the_committed_header_is_the_generated_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("a configuration");
    let made = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/c.rs"))
        .generate()
        .expect("the interface can be written in C");
    let mut text = Vec::new();
    made.write(&mut text);
    let path = root.join("include/vitrion.h");
    if std::env::var_os("VITRION_WRITE_HEADER").is_some() {
        std::fs::write(&path, &text).expect("writable");
    }
    let found = std::fs::read(&path).expect("include/vitrion.h is committed");
    assert!(
        found == text,
        "include/vitrion.h is old: VITRION_WRITE_HEADER=1 cargo test -p vitrion-capi header"
    );
}
