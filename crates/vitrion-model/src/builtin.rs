//! Potentials that ship inside the binary.

use crate::deep_potential::{DeepPotential, vitrion_format};
use std::path::Path;

/// Name and bytes of every potential inside the program; the hash of the bytes goes into manifests.
pub const POTENTIALS: [(&str, &[u8]); 2] = [
    ("li-p-s", include_bytes!("../../../potentials/li-p-s/li-p-s.safetensors")),
    ("li-p-s-fast", include_bytes!("../../../potentials/li-p-s-fast/li-p-s-fast.safetensors")),
];

/// The shipped Deep Potential for Li, P and S. Read its card before using it.
///
/// # Panics
/// Never: the bytes are part of the program and a test reads them.
pub fn li_p_s() -> DeepPotential {
    named("li-p-s").expect("it is in the list")
}

/// The potential of this name, if there is one.
///
/// # Panics
/// Never: the bytes are part of the program and a test reads them.
pub fn named(name: &str) -> Option<DeepPotential> {
    let (_, bytes) = POTENTIALS.iter().find(|(known, _)| *known == name)?;
    let path = format!("builtin:{name}");
    let model = vitrion_format::from_bytes(bytes, Path::new(&path));
    Some(model.expect("an embedded potential is a valid model file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_potentials_know_lithium_phosphorus_and_sulphur() {
        for (name, _) in POTENTIALS {
            let model = named(name).expect("a name of the list");
            assert_eq!(model.species.symbols(), ["Li", "P", "S"]);
            assert!((model.descriptor.cutoff - 6.5).abs() < 1e-12);
            assert!(!model.card.limitations.is_empty() && !model.card.errors.is_empty());
            assert_eq!(model.card.name, name);
        }
        assert!(named("li").is_none());
    }
}
