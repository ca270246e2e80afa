use super::*;
use crate::frame::Frame;
use crate::io::{self, CreateOptions, Format, ReadOptions};
use crate::math;
use crate::phases::Phases;
use crate::testing::systems;

/// Frames of a triclinic cell that changes and is not in the standard orientation.
fn frames(velocities: bool) -> Vec<Frame> {
    let cell = systems::random_cell(5, 6.0, 9.0);
    let start = systems::random_structure(5, &["Li", "P", "S"], 11, cell, 1.0);
    let frame = |k: usize| {
        let mut structure = start.clone();
        let growth = 1.0 + 0.01 * k as f64;
        let matrix = math::matrix_scale(structure.cell.matrix(), growth);
        structure.cell = crate::Cell::periodic(matrix).expect("a cell");
        for (i, r) in structure.positions.iter_mut().enumerate() {
            *r = math::add(math::scale(*r, growth), [30.0 * k as f64, 0.1 * i as f64, -7.0]);
        }
        let labels: Vec<&str> = (0..11).map(|i| if i < 4 { "glass" } else { "crystal" }).collect();
        structure.phases = Some(Phases::new(&labels).expect("names").into());
        let mut frame = Frame::from(structure);
        frame.step = Some(40_000_000_000 + k as u64);
        frame.time = Some(1e9 + 0.5 * k as f64);
        frame.velocities = velocities
            .then(|| (0..11).map(|i| [1e-3 * i as f64, -0.02, 0.5 / (i as f64 + 1.0)]).collect());
        frame
    };
    (0..4).map(frame).collect()
}

fn written(folder: &Path, frames: &[Frame]) -> std::path::PathBuf {
    let path = folder.join("t.nc");
    let mut sink = io::create(&path, &CreateOptions::default()).expect("a new file");
    for frame in frames {
        sink.write(frame).expect("written");
    }
    sink.finish().expect("finished");
    path
}

#[test]
fn frames_come_back_within_the_rounding_of_f32_and_in_any_order() {
    let folder = tempfile::tempdir().expect("a folder");
    for with_velocities in [false, true] {
        let frames = frames(with_velocities);
        let inner = folder.path().join(with_velocities.to_string());
        std::fs::create_dir(&inner).expect("a folder");
        let path = written(&inner, &frames);
        let back = io::read_all(&path, &ReadOptions::default()).expect("readable");
        assert_eq!(back.len(), 4);
        for (a, b) in frames.iter().zip(&back) {
            assert_eq!((a.step, a.time), (b.step, b.time));
            assert_eq!(
                (&a.structure.cell, &a.structure.phases),
                (&b.structure.cell, &b.structure.phases)
            );
            assert_eq!(a.structure.table, b.structure.table);
            for (x, y) in a.structure.positions.iter().zip(&b.structure.positions) {
                let largest = x.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                let off = math::norm(math::sub(*x, *y));
                assert!(off < 3.0 * largest.max(64.0) * f64::from(f32::EPSILON), "{off}");
            }
            assert_eq!(a.velocities.is_some(), b.velocities.is_some());
            for (x, y) in a.velocities.iter().flatten().zip(b.velocities.iter().flatten()) {
                assert!(math::norm(math::sub(*x, *y)) < 1e-7);
            }
        }
        let mut reader = Reader::open(&path).expect("readable");
        assert_eq!(reader.read(2).expect("there"), back[2]);
        assert_eq!(io::read_last(&path, &ReadOptions::default()).expect("there"), back[3]);
        let error = reader.read(4).expect_err("past the end").to_string();
        assert!(error.contains("no frame 4; there are 4"), "{error}");
        let renamed = inner.join("without-ending");
        std::fs::copy(&path, &renamed).expect("copied");
        assert_eq!(Format::detect(&renamed).expect("by content"), Format::AmberNetcdf);
    }
}

#[test]
fn trouble_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let frames = frames(false);
    let path = written(folder.path(), &frames);
    let whole = std::fs::read(&path).expect("a file");
    let refuse = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("writable");
        io::read_all(&path, &ReadOptions::default()).expect_err("refused").to_string()
    };
    let replaced = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|w| w == from.as_bytes()).expect("there");
        let mut bytes = whole.clone();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    for (bytes, message) in [
        (whole[..whole.len() - 1].to_vec(), "it was cut"),
        (whole[..50].to_vec(), "ends within its NetCDF header"),
        (replaced("CDF", "HDF"), "not a NetCDF classic file"),
        (replaced("species_symbols", "species_xxxxxxx"), "which elements its atoms are"),
        (replaced("coordinates", "xoordinates"), "there is no `coordinates`"),
    ] {
        let found = refuse(&bytes);
        assert!(found.contains(message) && found.contains("t.nc"), "{found}");
    }
    let mut sink = io::create(&folder.path().join("u.nc"), &CreateOptions::default()).expect("new");
    sink.write(&frames[0]).expect("written");
    let mut other = frames[1].clone();
    other.structure.species.swap(0, 1);
    let error = sink.write(&other).expect_err("other atoms").to_string();
    assert!(error.contains("other atoms than the first"), "{error}");
    let error = io::create(&folder.path().join("u.nc.zst"), &CreateOptions::default()).err();
    assert!(error.is_some_and(|e| e.to_string().contains("not packed")));
}
