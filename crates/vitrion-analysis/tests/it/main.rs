//! Structure and transport against theory, other programs and DFT.

mod arrhenius;
mod bonds;
mod coverage;
mod hops;
mod peers;
mod regions;
mod reorientation;
mod softness;
mod structure;
mod transport;
mod van_hove;
mod walkers;
