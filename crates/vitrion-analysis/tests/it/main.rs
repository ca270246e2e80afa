//! Structure and transport against theory, other programs and DFT.

mod arrhenius;
mod bonds;
mod structure;
mod transport;
