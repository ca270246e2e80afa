//! Potentials that ship inside the binary.
