//! Potentials that ship inside the binary.

use crate::deep_potential::{DeepPotential, vitrion_format};
use std::path::Path;

/// The bytes of the shipped Li-P-S potential; its hash goes into manifests.
pub const LI_P_S: &[u8] = include_bytes!("../../../potentials/li-p-s/li-p-s.safetensors");

/// The shipped Deep Potential for Li, P and S. Read its card before using it.
///
/// # Panics
/// Never: the bytes are part of the program and a test reads them.
pub fn li_p_s() -> DeepPotential {
    vitrion_format::from_bytes(LI_P_S, Path::new("builtin:li-p-s"))
        .expect("the embedded potential is a valid model file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_potential_knows_lithium_phosphorus_and_sulphur() {
        let model = li_p_s();
        assert_eq!(model.species.symbols(), ["Li", "P", "S"]);
        assert!((model.descriptor.cutoff - 6.5).abs() < 1e-12);
        assert!(!model.card.limitations.is_empty() && !model.card.errors.is_empty());
    }
}
