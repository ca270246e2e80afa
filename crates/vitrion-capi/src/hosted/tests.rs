//! Against `Interactions`, which finds neighbours by itself.
