//! The kernels as text: one translation unit, compiled once for each width.

use super::Width;
use std::fmt::Write as _;

/// Everything but the emulator's header, in order.
const PARTS: [(&str, &str); 14] = [
    ("common.cuh", include_str!("../kernels/common.cuh")),
    ("potential.cuh", include_str!("../kernels/potential.cuh")),
    ("product.cuh", include_str!("../kernels/product.cuh")),
    ("control.cuh", include_str!("../kernels/control.cuh")),
    ("atoms.cuh", include_str!("../kernels/atoms.cuh")),
    ("neighbors.cuh", include_str!("../kernels/neighbors.cuh")),
    ("peak.cuh", include_str!("../kernels/peak.cuh")),
    ("training_frames.cuh", include_str!("../kernels/training_frames.cuh")),
    ("training_moments.cuh", include_str!("../kernels/training_moments.cuh")),
    ("training_product.cuh", include_str!("../kernels/training_product.cuh")),
    ("training_nets.cuh", include_str!("../kernels/training_nets.cuh")),
    ("training_grid.cuh", include_str!("../kernels/training_grid.cuh")),
    ("training_update.cuh", include_str!("../kernels/training_update.cuh")),
    ("training_muon.cuh", include_str!("../kernels/training_muon.cuh")),
];

/// The source of all kernels with lines marked by file.
pub(crate) fn kernels() -> String {
    let mut all = String::new();
    for (name, text) in PARTS {
        writeln!(all, "#line 1 \"{name}\"\n{text}").expect("writing to a string cannot fail");
    }
    all
}

/// The definition that chooses the floating-point type.
pub(crate) fn definition(width: Width) -> &'static str {
    match width {
        Width::Single => "-DREAL=float",
        Width::Double => "-DREAL=double",
    }
}
