//! The kernels as text: one translation unit, compiled once for each width.

use super::Width;

/// Everything but the emulator's header, in order.
const PARTS: [(&str, &str); 8] = [
    ("common.cuh", include_str!("../kernels/common.cuh")),
    ("potential.cuh", include_str!("../kernels/potential.cuh")),
    ("product.cuh", include_str!("../kernels/product.cuh")),
    ("training_frames.cuh", include_str!("../kernels/training_frames.cuh")),
    ("training_moments.cuh", include_str!("../kernels/training_moments.cuh")),
    ("training_nets.cuh", include_str!("../kernels/training_nets.cuh")),
    ("training_grid.cuh", include_str!("../kernels/training_grid.cuh")),
    ("training_update.cuh", include_str!("../kernels/training_update.cuh")),
];

/// The source of all kernels with lines marked by file.
pub(crate) fn kernels() -> String {
    let mut all = String::new();
    for (name, text) in PARTS {
        all.push_str(&format!("#line 1 \"{name}\"\n{text}\n"));
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
