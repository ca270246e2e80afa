//! The label store: every label with the level of theory it was computed at and where it comes from.
//!
//! ```text
//! STORE/labels.jsonl    one record a line: {"blake3": checksum, "record": {…}}
//! STORE/.lock           held by the process that writes
//! ```
//!
//! Records are only ever appended. A label is addressed by its content: the key is a hash of level, cell,
//! elements and positions, so that the same geometry is labelled once per level and two stores merge by
//! joining their files. A line that was being written when the power went is found by its checksum and
//! set aside; damage anywhere else is an error. Labels of different levels never leave the store
//! together unless a comparison of relabelled frames, which is itself a record, showed that they agree.

mod compare;
mod export;
mod level;
mod record;
mod store;

pub use compare::{Agreement, Comparison, Tolerance, compare};
pub use export::{deepmd_systems, write_frames};
pub use level::Level;
pub use record::{
    Equivalence, FailureKind, FailureRecord, LabelRecord, Origin, Record, RunInfo, key,
};
pub use store::{LevelStatus, Status, Store, StoreError};
