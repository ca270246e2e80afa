//! Transport analyses against theory.

mod arrhenius;
mod transport;
