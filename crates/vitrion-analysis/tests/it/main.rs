//! Structure and transport against theory, other programs and DFT.

mod arrhenius;
mod bonds;
mod coverage;
mod structure;
mod transport;
